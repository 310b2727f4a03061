"""A mosaic becomes its slices, each where it was in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import multiframe
from tests.factories import turned
from workbench.dicom.stacks.functional import frame_facts, unpack
from workbench.dicom.stacks.mosaic import csa_numbers

VOLUME = np.arange(5 * 4 * 6, dtype="<i2").reshape(5, 4, 6)


def facts(path: Path) -> dict[str, list[object]]:
    data = frame_facts(path)
    assert data is not None
    return dict(unpack(data).to_pydict())


@pytest.mark.parametrize("orientation", [multiframe.AXIAL, turned(20, -10, 35)])
@pytest.mark.parametrize("sign", [1, -1])
def test_slices_follow_the_normal_of_the_csa_header(orientation: tuple[float, ...], sign: int, tmp_path: Path) -> None:
    plane = np.cross(orientation[:3], orientation[3:])
    path = multiframe.mosaic(tmp_path / "a", VOLUME, orientation=orientation, normal=(sign * plane).tolist())
    found = facts(path)
    expected = np.array((-100.0, -90.0, 10.0)) + np.outer(np.arange(5) * 3.0, sign * plane)
    np.testing.assert_allclose(found["ImagePositionPatient"], expected, atol=1e-6)
    assert found["mosaic_normal"] == ["csa"] * 5


def test_tiles_run_row_by_row(tmp_path: Path) -> None:
    found = facts(multiframe.mosaic(tmp_path / "a", VOLUME))
    assert found["tile_row"] == [0, 0, 0, 4, 4]
    assert found["tile_column"] == [0, 6, 12, 0, 6]
    assert (found["Rows"][0], found["Columns"][0], found["stored_rows"][0]) == (4, 6, 12)


def test_without_the_csa_header_the_order_is_marked_as_assumed(tmp_path: Path) -> None:
    assert facts(multiframe.mosaic(tmp_path / "a", VOLUME, csa=False))["mosaic_normal"] == ["plane"] * 5


def test_without_a_count_nothing_is_taken_apart(tmp_path: Path) -> None:
    assert frame_facts(multiframe.mosaic(tmp_path / "a", VOLUME, csa=False, count=False)) is None


def test_a_picture_that_does_not_divide_is_not_taken_apart(tmp_path: Path) -> None:
    path = multiframe.mosaic(tmp_path / "a", np.zeros((1, 5, 7), "<i2"), count=False, csa=False)
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 4)
    dataset.save_as(path)
    assert frame_facts(path) is None


@pytest.mark.parametrize("cut", [3, 12, 40, 110, 170])
def test_a_damaged_csa_header_gives_what_it_has_and_no_error(cut: int) -> None:
    whole = multiframe.csa_header(First=[1.0], SliceNormalVector=[0, 0, 1.0])
    assert csa_numbers(whole, ("SliceNormalVector",)) == {"SliceNormalVector": [0, 0, 1]}
    assert csa_numbers(whole[:cut], ("SliceNormalVector",)) == {}
