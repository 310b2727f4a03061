"""Segmentations beside the image they refer to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import xarray as xr

from tests import factories
from tests.labels import objects
from workbench.arrays import with_masks
from workbench.arrays.build import build
from workbench.arrays.masks import LabelFile, MaskOptions
from workbench.dicom.scan import scan
from workbench.dicom.series import choose
from workbench.dicom.stacks.stack import Plan
from workbench.errors import GridMismatch, PathNotFound, UsageError
from workbench.labels import seg_layers

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


@pytest.fixture
def frames_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the frames of segmentations that were read."""
    found: list[int] = []
    real = seg_layers.read_frames

    def counting(refs: Any, out: Any, **options: Any) -> None:
        found.extend(ref.frame for ref in refs)
        real(refs, out, **options)

    monkeypatch.setattr(seg_layers, "read_frames", counting)
    return found


@pytest.fixture
def opened(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> xr.Dataset:
    """The series as a user opens it."""
    return xr.open_dataset(tmp_path / "images", engine="dicom")


@pytest.fixture
def masked(opened: xr.Dataset, tmp_path: Path) -> xr.Dataset:
    return opened.patient.masks(objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth()))


def test_masks_are_read_when_they_are_asked_for(masked: xr.Dataset, frames_read: list[int]) -> None:
    assert frames_read == []
    part = masked.isel(z=2)
    assert frames_read == []
    assert (part["mask"].values == truth()[:, 2]).all()
    assert len(frames_read) == 2
    frames_read.clear()
    assert (masked["mask"].isel(segment=1).values == truth()[1]).all()
    assert len(frames_read) == 1
    frames_read.clear()
    assert not masked["mask"].isel(z=[0, 3]).values.any()
    assert frames_read == []


@pytest.mark.parametrize(
    "key",
    [
        {"segment": 1}, {"segment": [1, 0], "z": slice(None, None, -1)}, {"z": [2, 0, 2], "y": 3}, {"x": [5, 1]},
        {"y": slice(6, 2, -2), "x": slice(2, 8)}, {"segment": slice(0, 0)}, {"z": slice(3, 3)}, {"y": slice(2, 2, -1)},
        {"segment": 0, "z": 1, "y": 2, "x": 3},
    ],
)  # fmt: skip
def test_any_part_is_the_part_of_the_whole(masked: xr.Dataset, key: dict[str, Any]) -> None:
    whole = xr.DataArray(truth(), dims=("segment", "z", "y", "x")).isel(key)
    np.testing.assert_array_equal(masked["mask"].isel(key).values, whole.values)


def test_masks_pickle_and_go_into_dask_chunks(masked: xr.Dataset, frames_read: list[int]) -> None:
    again = pickle.loads(pickle.dumps(masked))
    assert (again["mask"].values == truth()).all()
    chunked = masked.chunk({"segment": 1, "z": 2})
    assert chunked["mask"].chunks == ((1, 1), (2, 2), (8,), (10,))
    frames_read.clear()
    assert (chunked["mask"].isel(segment=0, z=slice(0, 2)).values == truth()[0, :2]).all()
    assert len(frames_read) == 1
    assert (chunked["mask"].sum().compute() == truth().sum()).all()


def test_segments_say_what_they_are(masked: xr.Dataset) -> None:
    assert masked["segment_code"].values.tolist() == ["SCT:108369006"] * 2
    assert masked["segment_kind"].values.tolist() == ["SEG"] * 2
    assert masked["segment_source_uid"].values.tolist() == [objects.uid(1000)] * 2
    for field in ("category", "region", "algorithm", "annotator", "date", "standard"):
        assert masked[f"segment_{field}"].dims == ("segment",)


def test_the_folder_of_the_series_is_searched(opened: xr.Dataset, tmp_path: Path) -> None:
    objects.write_seg(tmp_path / "images" / "deeper.dcm", objects.stack(), truth())
    found = opened.patient.masks()
    assert (found["mask"].values == truth()).all()
    assert found.attrs["mask_findings"] == ""


def test_the_folders_beside_it_are_searched_where_it_holds_none(opened: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    objects.write_seg(tmp_path / "masks" / "seg.dcm", objects.stack(), truth())
    assert (opened.patient.masks()["mask"].values == truth()).all()


def test_what_refers_to_another_series_is_not_found(opened: xr.Dataset, tmp_path: Path) -> None:
    path = objects.write_seg(tmp_path / "images" / "seg.dcm", objects.stack(), truth())
    dataset = pydicom.dcmread(path)
    dataset.ReferencedSeriesSequence[0].SeriesInstanceUID = "2.25.99"
    del dataset.SourceImageSequence, dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    dataset.save_as(path)
    found = opened.patient.masks()
    assert "mask" not in found
    assert "label-absent" in found.attrs["findings"]
    # Named, it is placed by position, and this is said.
    named = opened.patient.masks(path)
    assert (named["mask"].values == truth()).all()
    assert "another series" in named.attrs["mask_findings"]


def test_what_names_no_series_is_taken_by_its_images(opened: xr.Dataset, tmp_path: Path) -> None:
    path = objects.write_seg(tmp_path / "images" / "seg.dcm", objects.stack(), truth())
    dataset = pydicom.dcmread(path)
    del dataset.ReferencedSeriesSequence, dataset.SourceImageSequence
    dataset.save_as(path)
    assert "mask" not in opened.patient.masks()
    assert "names no series" in opened.patient.masks().attrs["mask_findings"]
    image = pydicom.Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", objects.uid(2)
    dataset.SourceImageSequence = [image]
    dataset.save_as(path)
    assert (opened.patient.masks()["mask"].values == truth()).all()


def test_several_files_and_folders_may_be_named(opened: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = objects.write_seg(tmp_path / "one" / "a.dcm", objects.stack(), truth())
    square = objects.to_world(objects.stack(), 1, objects.box(0.5, 0.5, 3.5, 3.5))
    second = objects.write_rtstruct(tmp_path / "b.dcm", objects.Region([("CLOSED_PLANAR", square)]))
    found = opened.patient.masks([first.parent, second])
    assert found["segment"].values.tolist() == ["lesion 1", "lesion 2", "GTV"]
    assert found["segment_standard"].values.tolist()[2] == "GTV"


@pytest.mark.parametrize("z", [slice(None, None, -1), [3, 1, 2], slice(1, 3), [2, 2, 1], [0, 2], [2], [0, 1, 3]])
def test_masks_follow_the_slices_as_they_stand(opened: xr.Dataset, tmp_path: Path, z: Any) -> None:
    path = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    np.testing.assert_array_equal(opened.isel(z=z).patient.masks(path)["mask"].values, truth()[:, np.arange(4)[z]])


def test_masks_follow_a_crop_and_a_flip_of_the_plane(opened: xr.Dataset, tmp_path: Path) -> None:
    path = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    key = {"y": slice(7, 1, -1), "x": slice(3, 9)}
    found = opened.isel(key).patient.masks(path)
    np.testing.assert_array_equal(found["mask"].values, truth()[:, :, 7:1:-1, 3:9])


def test_a_labelled_array_is_a_mask(opened: xr.Dataset) -> None:
    labels = np.where(truth()[0], 3, 0) + np.where(truth()[1] & ~truth()[0], 5, 0)
    found = opened.patient.masks(labels)
    assert found["segment_number"].values.tolist() == [3, 5]
    assert (found["mask"].values == np.stack([labels == 3, labels == 5])).all()
    turned = opened.isel(z=slice(None, None, -1)).patient.masks(labels[::-1])
    assert (turned["mask"].values == found["mask"].values[:, ::-1]).all()
    with pytest.raises(GridMismatch):
        opened.patient.masks(labels[:2])


def test_nifti_comes_onto_the_image_and_another_grid_only_where_asked(opened: xr.Dataset, tmp_path: Path) -> None:
    import nibabel

    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ opened.patient.affine[:, [2, 1, 0, 3]]
    labels = truth()[0].astype("uint8").transpose(2, 1, 0)
    nibabel.Nifti1Image(labels, affine).to_filename(tmp_path / "mask.nii.gz")
    assert (opened.patient.masks(tmp_path / "mask.nii.gz")["mask"].values[0] == truth()[0]).all()

    moved = affine.copy()
    moved[:3, 3] += moved[:3, 0] * 0.3
    nibabel.Nifti1Image(labels, moved).to_filename(tmp_path / "moved.nii")
    refused = opened.patient.masks(tmp_path / "moved.nii")
    assert "mask" not in refused
    assert "label-grid-differs" in refused.attrs["findings"]
    taken = opened.patient.masks(tmp_path / "moved.nii", resample="nearest")
    assert (taken["mask"].values[0] == truth()[0]).all()
    assert "label-resampled" in taken.attrs["findings"]


def test_points_stand_beside_the_masks(opened: xr.Dataset, tmp_path: Path) -> None:
    grid = objects.stack()
    place = objects.to_world(grid, 2, [[3, 4]])
    square = objects.to_world(grid, 1, objects.box(0.5, 0.5, 3.5, 3.5))
    path = objects.write_rtstruct(
        tmp_path / "rs.dcm", objects.Region([("CLOSED_PLANAR", square)]), objects.Region([("POINT", place)], name="iso")
    )
    found = opened.patient.masks(path)
    assert found["segment"].values.tolist() == ["GTV"]
    assert found["point_name"].values.tolist() == ["iso"]
    assert found["point_geometry"].values.tolist() == ["POINT"]
    np.testing.assert_allclose(found["point_position"].values, place)


def test_selection_names_and_threshold_go_through(images: tuple[xr.Dataset, Plan], tmp_path: Path) -> None:
    ds, plan = images
    file = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth() * 0.5, kind="FRACTIONAL")
    options = MaskOptions(select={"name": "*2"}, names={"lesion #": "GTV"}, threshold=0.4)
    found, findings = with_masks(ds, plan, [LabelFile(file, "seg.dcm")], options=options)
    assert findings == []
    assert found["segment_standard"].values.tolist() == ["GTV"]
    assert (found["mask"].values == truth()[1:]).all()


def test_what_cannot_be_asked_is_refused_before_anything_is_read(opened: xr.Dataset, tmp_path: Path) -> None:
    for how in ({"select": "oldest"}, {"threshold": 2}, {"resample": "linear"}):
        with pytest.raises(UsageError):
            opened.patient.masks(tmp_path, **how)
    with pytest.raises(PathNotFound):
        opened.patient.masks(tmp_path / "absent.dcm")
    with pytest.raises(PathNotFound):
        opened.patient.masks(tmp_path, names=tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="opened from"):
        opened.drop_encoding().patient.masks()


def test_masks_that_are_loaded_again_take_the_place_of_those_before(opened: xr.Dataset, tmp_path: Path) -> None:
    square = objects.to_world(objects.stack(), 1, objects.box(0.5, 0.5, 3.5, 3.5))
    point = objects.to_world(objects.stack(), 1, [[2, 2]])
    drawn = objects.Region([("CLOSED_PLANAR", square), ("POINT", point)])
    rt = objects.write_rtstruct(tmp_path / "rt.dcm", drawn)
    before = opened.patient.masks(rt)
    assert "point_position" in before.coords
    assert "label-not-a-mask" in before.patient.findings
    seg = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    fractions = objects.write_seg(
        tmp_path / "f.dcm", objects.stack(), truth().astype(np.float32), kind="FRACTIONAL", fractional_type="OCCUPANCY"
    )
    for changed in (before, before.isel(segment=0), opened.patient.masks(fractions), opened.patient.masks([rt, seg])):
        xr.testing.assert_identical(changed.patient.masks(seg), opened.patient.masks(seg))
    # It still knows where it was opened from.
    assert before.patient.masks(tmp_path).attrs == opened.patient.masks(tmp_path).attrs
    assert before.patient.masks().attrs == opened.patient.masks().attrs
    # The masks of a Dataset may come from itself.
    kept = before.patient.masks(before["mask"])
    assert (kept["segment"].values.tolist(), int(kept["mask"].sum())) == (["GTV"], 9)


def test_what_else_a_dataset_holds_stays_where_masks_are_loaded_again(opened: xr.Dataset, tmp_path: Path) -> None:
    seg = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), truth())
    mine = opened.patient.masks(seg).assign(body=opened["image"] > 0).assign_attrs(reader="first")
    again = mine.patient.masks(seg, select={"name": "lesion 2"})
    assert again["segment"].values.tolist() == ["lesion 2"]
    assert {"image", "mask", "body"} == set(again.data_vars)
    assert again.attrs["reader"] == "first"
    assert set(opened.coords) <= set(again.coords)


def test_segments_of_a_label_map_keep_what_it_says_of_them(masked: xr.Dataset) -> None:
    again = masked.patient.masks(masked.patient.label_map(order=[1]))
    for name in ("segment", "segment_code", "segment_standard", "segment_source_uid"):
        np.testing.assert_array_equal(again[name].values, masked[name].values)


def test_a_file_that_is_named_twice_is_one_file(opened: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    path = objects.write_seg(tmp_path / "masks" / "seg.dcm", objects.stack(), truth())
    (tmp_path / "link.dcm").symlink_to(path)
    for several in ([path, str(path)], [path, path.parent], [path.parent, path], [path, tmp_path / "link.dcm"]):
        found = opened.patient.masks(several)
        assert found["segment"].values.tolist() == ["lesion 1", "lesion 2"]


def test_a_structure_set_exported_anew_is_told(opened: xr.Dataset, tmp_path: Path) -> None:
    square = objects.to_world(objects.stack(), 1, objects.box(0.5, 0.5, 3.5, 3.5))
    other = objects.to_world(objects.stack(), 2, objects.box(0.5, 0.5, 3.5, 3.5))
    regions = objects.Region([("CLOSED_PLANAR", square)]), objects.Region([("CLOSED_PLANAR", other)], name="node")
    first = objects.write_rtstruct(tmp_path / "a.dcm", *regions)
    again = pydicom.dcmread(first)
    again.SOPInstanceUID = "2.25.77"
    # One of the two regions was moved.
    again.ROIContourSequence[1].ContourSequence[0].ContourData = list(np.add(other, [1, 0, 0]).ravel())
    again.save_as(tmp_path / "b.dcm")
    found = opened.patient.masks([first, tmp_path / "b.dcm"])
    assert found["segment"].values.tolist() == ["GTV", "node", "GTV", "node"]
    assert found.attrs["mask_findings"].splitlines() == ["label-twice: GTV is drawn in a.dcm as it is here [b.dcm]"]
