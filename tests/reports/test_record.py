from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import WriteError
from workbench.reports.record import alive, canonical, digest, owner, read_json, write_json, write_text


def test_canonical_text_does_not_depend_on_order_or_last_digits() -> None:
    assert canonical({"b": 0.1 + 0.2, "a": [1, {2}]}) == canonical({"a": (1, {2}), "b": 0.3})
    assert canonical(-0.0) == canonical(0.0) == "0.0"
    assert digest({"a": 1}) != digest({"a": 2})


def test_half_written_file_never_has_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "before")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="No space left"):
        write_text(path, "after")
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["run.json"]


def test_broken_or_foreign_json_reads_as_none(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert read_json(path) is None
    for text in ("{", "[1]", "\xff"):
        path.write_text(text, encoding="latin-1")
        assert read_json(path) is None
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}


def test_owner_is_alive_until_its_process_ends() -> None:
    assert alive(owner())
    code = "import json; from workbench.reports.record import owner; print(json.dumps(owner()))"
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    import json

    assert not alive(json.loads(text))


def test_process_number_used_again_is_another_owner() -> None:
    assert not alive(owner() | {"started": "1"})
    assert not alive(owner() | {"boot": "another"})
    assert not alive(None)
