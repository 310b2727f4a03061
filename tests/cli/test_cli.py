from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import run
from workbench.cli import VERBS


@pytest.fixture
def extracts(federation: Path) -> list[str]:
    return [str(federation / "extracts" / "*"), "--link-root", str(federation / "datalake")]


def test_help_lists_every_verb_with_a_line() -> None:
    said = run("--help").stdout
    for verb, (_, line) in VERBS.items():
        assert verb in said
        assert line in said


@pytest.mark.parametrize("verb", [*VERBS, "report list", "report show", "report run", "report index"])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = run(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"Example: workbench {verb.split()[0]}" in done.stdout


def test_an_unknown_verb_is_misuse() -> None:
    done = run("opne")
    assert done.returncode == 2
    assert "opne" in done.stderr


def test_open_prints_who_holds_what(extracts: list[str]) -> None:
    done = run("open", *extracts)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:5]] == ["aurora", "boreal", "cedro", "all"]
    assert "not sealed" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 120


def test_open_as_json_and_narrowed(extracts: list[str]) -> None:
    done = run("open", *extracts, "--where", "modality = 'PT'", "--json")
    told = json.loads(done.stdout)
    assert {node["node"]: node["by_modality"].get("PT", 0) for node in told["nodes"]}["boreal"] == 10
    assert all(finding["remedy"] for finding in told["findings"])


def test_a_condition_that_is_not_understood_is_misuse(extracts: list[str]) -> None:
    done = run("open", *extracts, "--where", "color = 3")
    assert done.returncode == 2
    assert "color" in done.stderr


def test_scan_lists_series_and_writes_the_table(federation: Path, tmp_path: Path) -> None:
    table = tmp_path / "headers.parquet"
    done = run("scan", str(federation / "extracts" / "cedro"), "--out", str(table))
    assert done.returncode == 0
    assert "16 series" in done.stdout
    import pyarrow.parquet as pq

    assert pq.read_table(table).num_rows > 200
    told = json.loads(run("scan", str(federation / "extracts" / "cedro"), "--json").stdout)
    assert len(told["series"]) == 16


def test_synthetic_writes_data_and_the_answer_key(tmp_path: Path) -> None:
    key = tmp_path / "answers.json"
    done = run(
        "synthetic", str(tmp_path / "out"), "--patients", "3", "--faults", "none", "--seed", "5", "--truth", str(key)
    )
    assert done.returncode == 0
    assert json.loads(key.read_text())["arguments"]["seed"] == 5
    assert "next: workbench open" in done.stdout
    assert run("synthetic", str(tmp_path / "other"), "--faults", "no-such-fault").returncode == 2
    assert "missing-slice" in run("synthetic", "--list-faults").stdout


def test_versions_name_no_host_and_no_user() -> None:
    import getpass
    import socket

    told = json.loads(run("versions", "--json").stdout)
    assert told["workbench"]
    assert told["pydicom"] != "not installed"
    words = set(" ".join(told.values()).split())
    assert socket.gethostname() not in words
    assert getpass.getuser() not in words


def test_reports_are_listed_and_shown() -> None:
    assert "cohort-profile" in run("report", "list").stdout
    shown = run("report", "show", "cohort-profile").stdout
    assert "max_categories" in shown
    assert "Table 1" in shown


def test_all_parameter_problems_are_told_at_once(extracts: list[str], tmp_path: Path) -> None:
    done = run(
        "report", "run", "cohort-profile", *extracts, "--out", str(tmp_path), "-p", "max_categoris=3", "-p", "seed=x"
    )
    assert done.returncode == 2
    assert "max_categories" in done.stderr
    assert "seed" in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_report_suggests_the_nearest(tmp_path: Path) -> None:
    done = run("report", "run", "cohort-profil", ".", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "cohort-profile" in done.stderr


def test_ctrl_c_that_a_library_turned_into_its_own_error_is_still_an_interruption() -> None:
    code = (
        "import os, signal, sys, types, click, workbench.cli as cli\n"
        # Where the tests run in the background, this signal is ignored unless it is asked for.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "@click.command()\n"
        "def command():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        raise RuntimeError('Query interrupted')\n"
        "sys.modules['stub'] = types.SimpleNamespace(command=command)\n"
        "cli.VERBS['stub'] = ('stub', '')\n"
        "cli.main(['stub'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
