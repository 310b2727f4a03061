"""Segmentations beside the image they refer to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import factories
from tests.labels import objects
from workbench.arrays import with_masks
from workbench.arrays.build import build
from workbench.arrays.masks import LabelFile
from workbench.dicom.scan import scan
from workbench.dicom.series import choose
from workbench.dicom.stacks.stack import Plan

SHAPE = (4, 8, 10)


@pytest.fixture
def images(tmp_path: Path) -> tuple[xr.Dataset, Plan]:
    """A series on the grid of the label objects, its instances named as theirs."""
    grid = objects.stack()
    for index, place in enumerate(grid.positions):
        factories.image(
            tmp_path / "images" / f"{index}.dcm", index + 1, frames=factories.pixels(index, SHAPE[1:]),
            SOPInstanceUID=objects.uid(index), SeriesInstanceUID=objects.SERIES, FrameOfReferenceUID=objects.FRAME,
            ImagePositionPatient=list(place), PixelSpacing=list(grid.pixel_spacing),
        )  # fmt: skip
    table = scan(tmp_path / "images").table
    series = choose(table, tmp_path / "images", series=None, where="")
    return build(series, series.plans[0], tmp_path / "images"), series.plans[0]


def truth() -> np.ndarray:
    masks = np.zeros((2, *SHAPE), bool)
    masks[0, 1:3, 2:5, 3:6] = True
    masks[1, 2, 4:7, 4:9] = True
    return masks


def test_segments_are_masks_with_names(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    file = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    found, findings = with_masks(ds, plan, [LabelFile(file, "seg.dcm")])
    assert findings == []
    assert found["mask"].dims == ("segment", "z", "y", "x")
    assert found["mask"].dtype == bool
    assert found["segment"].values.tolist() == ["lesion 1", "lesion 2"]
    assert found["segment_number"].values.tolist() == [1, 2]
    assert (found["mask"].values == truth()).all()
    assert found["mask"].coords["z"].equals(ds["z"])


def test_masks_of_several_files_stand_side_by_side(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    seg = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    square = objects.to_world(objects.stack(), 1, objects.box(0.5, 0.5, 3.5, 3.5))
    structures = objects.write_rtstruct(tmp_path / "rs.dcm", objects.Region([("CLOSED_PLANAR", square)]))
    found, findings = with_masks(ds, plan, [LabelFile(seg, "seg.dcm"), LabelFile(structures, "rs.dcm")])
    assert findings == []
    assert found["segment"].values.tolist() == ["lesion 1", "lesion 2", "GTV"]
    assert found["mask"].isel(segment=2).values.sum() == 9
    assert found["mask"].isel(segment=2, z=1, y=slice(1, 4), x=slice(1, 4)).values.all()


def test_fraction_is_never_thresholded(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    fraction = truth()[:1] * 0.4
    file = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), fraction, kind="FRACTIONAL")
    found, findings = with_masks(ds, plan, [LabelFile(file, "seg.dcm")])
    assert [finding.code for finding in findings] == ["label-fractional"]
    assert "mask" not in found
    assert found["fraction"].dims == ("fraction_segment", "z", "y", "x")
    assert found["fraction"].dtype == np.float32
    assert found["fraction"].values == pytest.approx(fraction, abs=0.003)


def test_broken_object_is_a_finding_and_hides_no_other(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    good = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(good.read_bytes()[:700])
    found, findings = with_masks(ds, plan, [LabelFile(bad, "bad.dcm"), LabelFile(good, "seg.dcm")])
    assert [(finding.code, finding.path) for finding in findings] == [("label-unreadable", "bad.dcm")]
    assert found.sizes["segment"] == 2


def test_no_labels_leave_the_dataset_as_it_was(images: tuple[xr.Dataset, Plan]) -> None:
    ds, plan = images
    found, findings = with_masks(ds, plan, [])
    assert findings == []
    assert found.identical(ds)


def test_masks_go_to_zarr_and_back(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    file = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    found, _ = with_masks(ds, plan, [LabelFile(file, "seg.dcm")])
    found.to_zarr(tmp_path / "out.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "out.zarr", consolidated=False).load()
    xr.testing.assert_identical(back, found.load())
    assert back["mask"].dtype == bool
