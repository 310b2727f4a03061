"""Single elements of a file: those asked for, in any transfer syntax, and no byte beyond them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories, multiframe
from workbench.dicom.values.file_elements import file_elements


@pytest.mark.parametrize("name", ["implicit", "explicit", "big-endian", "deflated", "rle"])
def test_elements_are_those_asked_for_in_every_syntax(name: str, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS[name])
    found = file_elements(path, ["Modality", "Columns", "PatientWeight"])
    assert [element.keyword for element in found] == ["Modality", "Columns"]
    assert (found.Modality, found.Columns) == ("CT", 8)


def test_groups_of_frames_beyond_the_last_element_are_not_read(tmp_path: Path) -> None:
    path = multiframe.enhanced(tmp_path / "a", [(0, 0, 0), (0, 0, 1)])
    whole = path.read_bytes()
    # What follows is no longer DICOM.
    at = whole.index(b"\x00\x52\x29\x92")
    path.write_bytes(whole[: at + 8] + b"\xff" * 40)
    assert file_elements(path, ["Rows"]).Rows == 6
