"""The adapter that CONTRIBUTING shows is one: taken from the page, it opens a small tree."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import UsageError
from workbench.extracts import opening
from workbench.extracts.reading import ReadOptions

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's adapter, at the first place in the order of detection."""
    part = PAGE.read_text(encoding="utf-8").partition("## Add a layout adapter\n")[2].partition("\n## ")[0]
    (source,) = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    assert len(source.splitlines()) < 75
    module = ModuleType("visits")
    monkeypatch.setitem(sys.modules, "visits", module)
    exec(compile(source, "CONTRIBUTING.md", "exec"), module.__dict__)
    others = dict(opening.LAYOUTS)
    opening.LAYOUTS.clear()
    opening.LAYOUTS.update({module.NAME: module, **others})  # type: ignore[dict-item]
    yield module
    opening.LAYOUTS.clear()
    opening.LAYOUTS.update(others)


def tree(base: Path, patients: str = "ab") -> Path:
    root = base / "trial"
    for patient in patients:
        for visit in ("1", "2"):
            trees.image(root / "visits" / patient / visit / "ct" / "1.dcm")
    (root / "tables").mkdir(parents=True)
    (root / "tables" / "labs.csv").write_text("patient_id,visit,psa,center\na,1,4.2,east\nb,2,5.1,west\n")
    return root


def test_adapter_of_the_page_opens_a_tree(tmp_path: Path, visits: ModuleType) -> None:
    root = tree(tmp_path)
    assert extracts.detect(root) == "visits"
    extract = extracts.open_extract(root, node_column="center")
    assert [(ref.path, ref.patient_id, ref.timepoint) for ref in extract.series] == [
        (f"visits/{patient}/{visit}/ct", patient, visit) for patient in "ab" for visit in "12"
    ]
    assert [(row.patient_id, row.timepoint, row.value) for row in extract.clinical if row.variable == "psa"] == [
        ("a", "1", "4.2"),
        ("b", "2", "5.1"),
    ]
    assert extract.nodes == {"a": "east", "b": "west"}
    assert extract.findings == ()
    with pytest.raises(UsageError, match="not for the layout 'visits'"):
        extracts.open_extract(root, index=root / "index.json")


def test_adapter_of_the_page_keeps_what_the_page_asks(
    tmp_path: Path, visits: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tree(tmp_path / "here"), tree(tmp_path / "there", "ba")
    records = []
    for root in (here, there):
        extract = visits.read(root, ReadOptions(), node="n", allowed_roots=(root,))
        records.append((extract.series, list(extract.clinical), extract.findings))
    assert records[0] == records[1]
    (tmp_path / "other").mkdir()
    os.symlink(tmp_path / "other", here / "visits" / "c")
    (here / "visits" / "a" / "1" / "notes.txt").touch()
    opened = trees.watch(monkeypatch)
    extract = extracts.open_extract(here)
    assert not [path for path in opened if path.endswith(".dcm")]
    assert sorted(trees.codes(extract)) == ["file-ignored-by-layout", "link-outside"]
