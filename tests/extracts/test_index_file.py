"""The dataset service's index as a stream: the same studies and the same errors as when it is read whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EntryFileError
from workbench.extracts import index_file
from workbench.extracts.index_file import IndexFile


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "WHOLE", 0)


def index(folder: Path, content: Any) -> IndexFile:
    path = folder / "index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return IndexFile(path, path.name)


def test_studies_are_the_same_in_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(trees.index_items(), ensure_ascii=False).encode("utf-8-sig")
    whole = list(index(tmp_path, content))
    monkeypatch.setattr(index_file, "WHOLE", 0)
    assert list(index(tmp_path, content)) == whole
    assert len(whole) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON at line 1"),
        (b"{}", "not a list"),
        (b'"index"', "not a list"),
        (b"[{}", "missing or not text"),
        (b'[{"studyId": "SECRET', "not JSON in UTF-8"),
        (b"[1, 2]", "not an object"),
        (b'["SECRET\xff"]', "not JSON in UTF-8"),
        (b"[] SECRET", "not JSON in UTF-8"),
    ],
)
def test_what_is_no_index_is_an_error_that_quotes_nothing(
    tmp_path: Path, streamed: None, content: bytes, message: str
) -> None:
    with pytest.raises(EntryFileError, match=message) as caught:
        list(index(tmp_path, content))
    assert "SECRET" not in str(caught.value)


def test_study_without_an_end_is_an_error(tmp_path: Path, streamed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "MAX_STUDY", 200 * 1024)
    study = trees.index_items()[0]
    assert len(list(index(tmp_path, [study] * 2000))) == 2000
    study["series"] *= 10_000
    with pytest.raises(EntryFileError, match="one study has more than"):
        list(index(tmp_path, [study]))


def test_study_in_two_entries_is_listed_with_the_series_of_both(tmp_path: Path, streamed: None) -> None:
    items = trees.index_items()
    first, second = dict(items[0]), dict(items[0])
    first["series"], second["series"] = items[0]["series"][:1], items[0]["series"]
    root, lake = trees.dataset_service(tmp_path, items=[first, second, *items[1:]])
    extract = extracts.open_extract(root, link_roots=[lake])
    assert trees.codes(extract) == ["listed-twice"]
    assert len(extract.series) == 4
    (root / "filtered.json").write_text(json.dumps([second, second]))
    filtered = extracts.open_extract(root, link_roots=[lake], index=root / "filtered.json")
    assert trees.codes(filtered) == ["listed-twice"] * 2
    assert len(filtered.series) == 2


#: What a child process may need beyond what is loaded when it starts, in MiB.
ROOM = 60


@pytest.mark.slow
def test_memory_of_a_long_index_is_that_of_what_it_lists(tmp_path: Path) -> None:
    study = trees.index_items()[0]
    study["series"] = [{"folderName": f"{n:039}", "tags": ["Axial"]} for n in range(200)]
    # One study of many entries: whatever is kept of it, the text is not.
    index(tmp_path, [study] * 3000)
    assert (tmp_path / "index.json").stat().st_size > 2 * index_file.WHOLE
    code = """
import resource, sys
import ijson
from workbench.extracts import open_extract
from workbench.options import options
options.progress = "off"
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
extract = open_extract(sys.argv[1])
print(extract.declared["series"], peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    series, grown = map(int, done.stdout.split())
    assert series == 600_000
    assert grown < ROOM
