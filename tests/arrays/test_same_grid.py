"""Two images in one operation: one grid, one frame of reference; refusals name the finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays import from_array, require_same_frame, require_same_grid
from workbench.arrays.same_grid import require_even
from workbench.errors import GridMismatch, IrregularGeometry

UPRIGHT = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])


def volume(shape: tuple[int, int, int] = (4, 4, 4), move: float = 0, frame: str = "1.2.3") -> xr.Dataset:
    affine = UPRIGHT.copy()
    affine[0, 3] += move
    return from_array(np.zeros(shape), affine, frame_of_reference_uid=frame)


def opened(folder: Path, depths: Any, **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in factories.AXIAL])


def test_equal_grids_pass() -> None:
    require_same_grid(volume(), volume(move=0.009))


def test_other_sizes_are_named() -> None:
    with pytest.raises(GridMismatch) as caught:
        require_same_grid(volume(), volume((4, 8, 8)))
    assert str(caught.value) == (
        "grids differ: 4x4x4 at 1.00x1.00x2.00 mm, 8x8x4 at 1.00x1.00x2.00 mm. Use resample_like"
    )


def test_other_places_say_how_far() -> None:
    with pytest.raises(GridMismatch, match=r"grids differ: both 4x4x4 .* and up to 0\.50 mm apart"):
        require_same_grid(volume(), volume(move=0.5))
    require_same_grid(volume(), volume(move=0.5), tolerance_mm=0.6)


def test_a_flipped_image_is_on_another_grid() -> None:
    with pytest.raises(GridMismatch, match="apart"):
        require_same_grid(volume(), volume().isel(y=slice(None, None, -1)))


def test_cropped_image_is_compared_as_it_is_now() -> None:
    require_same_grid(volume().isel(x=slice(1, 3)), volume().isel(x=slice(1, 3)))
    with pytest.raises(GridMismatch, match=r"up to 1\.00 mm apart"):
        require_same_grid(volume().isel(x=slice(0, 2)), volume().isel(x=slice(1, 3)))


def test_frames_of_reference_must_be_stated_and_agree() -> None:
    with pytest.raises(GridMismatch, match=r"differ in FrameOfReferenceUID.*check_frame=False"):
        require_same_grid(volume(), volume(frame="1.2.4"))
    with pytest.raises(GridMismatch, match="not stated"):
        require_same_frame(volume(frame=""), volume(frame=""))
    require_same_grid(volume(), volume(frame="1.2.4"), check_frame=False)


def test_one_series_agrees_with_itself_without_a_frame(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 4), FrameOfReferenceUID=None)
    require_same_frame(ds, ds)
    require_same_grid(ds, ds.isel(z=slice(None)))


def test_gaps_are_compared_by_position(tmp_path: Path) -> None:
    a, b = opened(tmp_path / "a", (0, 2, 6)), opened(tmp_path / "b", (0, 4, 6))
    require_same_grid(a, a)
    with pytest.raises(GridMismatch, match=r"2\.00 mm apart"):
        require_same_grid(a, b)


def test_unplaced_images_agree_only_within_their_series(tmp_path: Path) -> None:
    a = opened(tmp_path / "a", (0, 2, 4), ImagePositionPatient=None)
    b = opened(tmp_path / "b", (0, 2, 4), ImagePositionPatient=None, SeriesInstanceUID="1.2.9")
    require_same_grid(a, a)
    with pytest.raises(IrregularGeometry, match="without a place"):
        require_same_grid(a, b)


@pytest.mark.parametrize(
    ("depths", "options", "text"),
    [
        (
            (0, 2, 4, 10, 12),
            {},
            r"slices-missing: slices 4 to 5 missing \(2 of 7, at 36.0 to 38.0 mm\). It needs an even grid.*fill_gaps",
        ),
        ((0, 4, 6), {}, r"slice 2 missing \(1 of 4, at 32.0 mm\)"),
        ((0, 4, 6, 10), {}, r"2 slices between 2 and 5 missing \(2 of 6, at 32.0 to 38.0 mm\)"),
        ((0, 2, 5), {}, r"spacing-uneven: steps from 2.00 to 3.00 mm"),
        ((0,), {}, "single-slice: one slice; its thickness is not a spacing"),
        ((0, 2, 4), {"ImagePositionPatient": None}, "unplaced: position or orientation missing"),
        (
            (0, 2, 4),
            {"lean": (0, float(np.tan(np.radians(15))), 0)},
            r"gantry-tilt: sheared by 15.0 degrees \(gantry tilt\).*straighten\(\)",
        ),
    ],
)
def test_refusal_names_the_finding_and_the_remedy(
    depths: tuple[float, ...], options: dict[str, Any], text: str, tmp_path: Path
) -> None:
    with pytest.raises(IrregularGeometry, match=text) as caught:
        require_even(opened(tmp_path, depths, **options), "It")
    assert caught.value.series == factories.SERIES
    assert caught.value.remedy


def test_projection_is_refused_by_its_name(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0,), SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2", ImagePositionPatient=None)
    with pytest.raises(IrregularGeometry, match="projection: no place"):
        require_even(ds, "to_nifti")


def test_sheared_grid_passes_where_it_will_do(tmp_path: Path) -> None:
    grid = require_even(opened(tmp_path, (0, 2, 4), lean=(0, 0.3, 0)), "resample", sheared=True)
    assert grid.kind == "sheared"


def test_what_an_operation_made_of_the_slices_is_told_from_uneven_ones() -> None:
    with pytest.raises(IrregularGeometry, match=r"slices repeat.*Take each slice once"):
        require_even(volume().isel(z=[1, 1, 2]), "It")
    with pytest.raises(IrregularGeometry, match=r"slices are out of order.*sortby\('z'\)"):
        require_even(volume().isel(z=[2, 0, 3]), "It")


def test_a_place_that_an_operation_dropped_is_not_asked_of_the_node() -> None:
    bare = volume().drop_vars(["affine", "position"]).drop_attrs()
    with pytest.raises(IrregularGeometry, match=r"an operation dropped the place.*resample") as caught:
        require_even(bare, "It")
    assert "node" not in str(caught.value)
