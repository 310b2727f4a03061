"""``workbench check --tracer``: is it what the node sent?"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from tests.running import run


@pytest.fixture
def aurora(federation: Path) -> list[str]:
    """An extract of links, and options to open it."""
    return [str(federation / "extracts" / "aurora"), "--link-root", str(federation / "datalake"), "--tracer"]


def test_digests_are_those_of_all_bytes_of_a_series(aurora: list[str]) -> None:
    told = json.loads(run("check", *aurora, "--json").stdout)
    assert told["findings"] == []
    one = told["series"][0]
    files = sorted((Path(aurora[0]) / one["path"]).iterdir())
    digest = hashlib.sha3_256(b"".join(file.read_bytes() for file in files)).digest()
    assert (one["digest"], one["n_files"]) == (base64.b64encode(digest).decode(), len(files))
    lines = run("check", *aurora).stdout.splitlines()
    assert len(lines) == len(told["series"])
    assert lines[0].split()[0] == one["digest"]


def test_a_report_is_held_against_what_is_here(aurora: list[str], tmp_path: Path) -> None:
    told = json.loads(run("check", *aurora, "--json").stdout)
    report = tmp_path / "report.json"
    report.write_text(json.dumps(told))
    same = run("check", *aurora, "--report", str(report), "--strict")
    assert same.returncode == 0
    assert f"{len(told['series'])} series are as the report says" in same.stdout
    told["series"][0]["digest"] = "AAAA"
    del told["series"][1]
    report.write_text(json.dumps(told))
    other = run("check", *aurora, "--report", str(report), "--json")
    assert other.returncode == 0
    assert sorted(finding["code"] for finding in json.loads(other.stdout)["findings"]) == [
        "trace-absent", "trace-differs",
    ]  # fmt: skip
    assert run("check", *aurora, "--report", str(report), "--strict").returncode == 1


def test_misuse_is_told(aurora: list[str], tmp_path: Path) -> None:
    assert run("check", *aurora, "--where", "modality = 'CT'").returncode == 2
    assert run("check", *aurora[:-1], "--report", "report.json").returncode == 2
    absent = run("check", *aurora, "--report", str(tmp_path / "absent.json"))
    assert absent.returncode == 2
    assert "absent.json" in absent.stderr
