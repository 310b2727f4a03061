from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from tests.labels.objects import FRAME, make_seg, oblique, stack, uid, write_seg
from tests.tries import tries
from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.errors import LabelError
from workbench.labels import Masks, masks_on_grid

SHAPE = (4, 8, 10)

GRIDS = {
    "axial": stack(),
    "oblique": stack(orientation=oblique()),
    "tilted": stack(lean=(0.0, 0.25, 0.0)),
    "gap": stack((0, 2, 6, 8)),
    "uneven": stack((0, 2, 5, 6)),
}


def codes(masks: Masks) -> list[str]:
    return [finding.code for finding in masks.findings]


def some_masks(segments: int = 2, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    masks = np.random.default_rng(3).random((segments, *shape)) < 0.4
    masks[0, 1] = False
    return masks


def change(path: Path, **values: Any) -> Path:
    dataset = dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def shift(path: Path, *, by: np.ndarray) -> Path:
    dataset = dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        moved = np.array(place.ImagePositionPatient, dtype=float) + by
        place.ImagePositionPatient = [f"{value:.10g}" for value in moved]
    dataset.save_as(path)
    return path


@settings(max_examples=tries(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masks=arrays(bool, (3, *SHAPE), elements=st.booleans()), name=st.sampled_from(sorted(GRIDS)))
def test_any_masks_come_back_on_any_grid(tmp_path: Path, masks: np.ndarray, name: str) -> None:
    if not masks.any():
        return
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", GRIDS[name], masks), grid=GRIDS[name])
    np.testing.assert_array_equal(read.data, masks)
    assert read.data.dtype == bool
    assert set(codes(read)) <= {"label-empty"}


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 7, 9), (4, 8, 8)])
def test_frames_that_do_not_begin_at_a_byte_come_back(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    grid, masks = stack(shape=shape[1:]), some_masks(3, shape)
    np.testing.assert_array_equal(masks_on_grid(write_seg(tmp_path / "seg.dcm", grid, masks), grid=grid).data, masks)


def test_segments_carry_code_category_and_who_drew_them(tmp_path: Path) -> None:
    grid = stack()
    drawn = masks_on_grid(write_seg(tmp_path / "a.dcm", grid, some_masks()), grid=grid).segments
    assert [(s.number, s.name, s.code) for s in drawn] == [
        (1, "lesion 1", "SCT:108369006"),
        (2, "lesion 2", "SCT:108369006"),
    ]
    assert drawn[0].category == "Morphologically Abnormal Structure"
    assert (drawn[0].algorithm, drawn[0].annotator, drawn[0].kind) == ("MANUAL", "", "SEG")
    assert drawn[0].source_uid == uid(1000)

    made = masks_on_grid(write_seg(tmp_path / "b.dcm", grid, some_masks(), algorithm="AUTOMATIC"), grid=grid).segments
    assert (made[0].algorithm, made[0].annotator) == ("AUTOMATIC", "net")


def test_name_of_a_hand_is_not_read(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), some_masks())
    dataset = dcmread(path)
    dataset.SegmentSequence[0].SegmentAlgorithmName = "Dr Somebody"
    dataset.save_as(path)
    assert "Somebody" not in repr(masks_on_grid(path, grid=stack()).segments)


def test_order_of_frames_does_not_matter(tmp_path: Path) -> None:
    grid, masks = stack(), some_masks()
    dataset = make_seg(grid, masks)
    order = np.random.default_rng(0).permutation(dataset.NumberOfFrames)
    stored = dataset.pixel_array
    dataset.PixelData = np.packbits(stored[order].ravel(), bitorder="little").tobytes()
    dataset.PerFrameFunctionalGroupsSequence = [dataset.PerFrameFunctionalGroupsSequence[i] for i in order]
    dataset.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(masks_on_grid(tmp_path / "seg.dcm", grid=grid).data, masks)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_flipped_grid_gets_the_same_voxels(tmp_path: Path, axes: tuple[int, ...]) -> None:
    image, masks = stack(), some_masks()
    row, column = image.row_direction, image.column_direction
    origin = image.positions[0].copy()
    if 1 in axes:
        origin += column * image.pixel_spacing[0] * (SHAPE[1] - 1)
        column = -column
    if 2 in axes:
        origin += row * image.pixel_spacing[1] * (SHAPE[2] - 1)
        row = -row
    # One flip in the plane turns the normal, and with it the order of slices.
    turned = float(np.cross(row, column) @ image.normal) < 0
    positions = origin + image.positions - image.positions[0]
    flipped = grid_from(
        positions[::-1] if turned else positions,
        np.concatenate([row, column]),
        image.pixel_spacing,
        SHAPE[1:],
        frame_of_reference_uid=FRAME,
    )
    expected = np.flip(masks, [axis + 1 for axis in axes] + ([1] if turned else []))
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", flipped, expected), grid=image)
    np.testing.assert_array_equal(read.data, masks)


def test_smaller_image_crops_and_says_so(tmp_path: Path) -> None:
    whole = stack()
    masks = np.zeros((1, *SHAPE), dtype=bool)
    masks[0, 1:3, 2:7, 3:8] = True
    corner = whole.positions[1:] + whole.column_direction * 0.5 * 3 + whole.row_direction * 0.8 * 4
    image = grid_from(corner[:2], np.array([1.0, 0, 0, 0, 1, 0]), (0.5, 0.8), (3, 6), frame_of_reference_uid=FRAME)
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", whole, masks), grid=image)
    np.testing.assert_array_equal(read.data, masks[:, 1:3, 3:6, 4:10])
    assert codes(read) == ["label-outside"]
    assert read.findings[0].count == masks.sum() - read.data.sum()


def test_larger_image_pads_with_background(tmp_path: Path) -> None:
    small, masks = stack((2, 4), shape=(4, 5)), some_masks(1, (2, 4, 5))
    masks[:, 1] = True
    whole = stack()
    shift_ = 2 * whole.column_direction * 0.5 + 3 * whole.row_direction * 0.8
    read = masks_on_grid(shift(write_seg(tmp_path / "seg.dcm", small, masks), by=shift_), grid=whole)
    np.testing.assert_array_equal(read.data[:, 1:3, 2:6, 3:8], masks)
    assert read.data.sum() == masks.sum()
    assert read.findings == ()


def test_frames_beyond_the_image_are_outside(tmp_path: Path) -> None:
    masks = np.ones((1, *SHAPE), dtype=bool)
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), masks), grid=stack((2, 4)))
    assert read.data.all()
    assert codes(read) == ["label-outside"]
    assert read.findings[0].count == 2 * 80


def test_frame_on_a_missing_slice_is_outside(tmp_path: Path) -> None:
    masks = np.ones((1, 4, 8, 10), dtype=bool)
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack((0, 2, 4, 6)), masks), grid=stack((0, 2, 6)))
    assert read.data.all()
    assert codes(read) == ["label-outside"]


@pytest.mark.parametrize(
    "other",
    [
        stack(spacing=(0.5, 0.81)),
        stack(orientation=oblique()),
        stack(origin=(-3.4, 7.0, 11.0)),
        stack(origin=(-3.0, 7.0, 11.4)),
        stack((0, 2.2, 4.4, 6.6)),
    ],
    ids=["spacing", "direction", "half a pixel", "fifth of a step", "step"],
)
def test_another_grid_is_not_drawn(tmp_path: Path, other: Grid) -> None:
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", other, np.ones((1, *SHAPE), dtype=bool)), grid=stack())
    assert read.segments == ()
    assert read.data.shape == (0, *SHAPE)
    assert codes(read) == ["label-grid-differs"]


def test_frame_turned_about_a_line_in_its_plane_is_not_drawn(tmp_path: Path) -> None:
    turned = np.array([1.0, 0, 0, 0, np.cos(np.radians(1)), np.sin(np.radians(1))])
    path = write_seg(tmp_path / "seg.dcm", stack((0,), orientation=turned), np.ones((1, 1, 8, 10), dtype=bool))
    assert codes(masks_on_grid(path, grid=stack((0,)))) == ["label-grid-differs"]


def test_position_rounded_by_a_writer_still_fits(tmp_path: Path) -> None:
    masks = some_masks()
    path = shift(write_seg(tmp_path / "seg.dcm", stack(), masks), by=np.array([0.004, -0.004, 0.009]))
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack()).data, masks)


def test_another_frame_of_reference_is_not_drawn(tmp_path: Path) -> None:
    path = change(write_seg(tmp_path / "seg.dcm", stack(), some_masks()), FrameOfReferenceUID=f"{FRAME}.5")
    assert codes(masks_on_grid(path, grid=stack())) == ["label-frame-differs"]
    assert masks_on_grid(path, grid=stack()).segments == ()
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack(), check_frame=False).data, some_masks())


def test_fractions_stay_fractions(tmp_path: Path) -> None:
    grid = stack()
    fractions = np.random.default_rng(1).integers(0, 256, (2, *SHAPE)) / 255
    path = write_seg(
        tmp_path / "seg.dcm", grid, fractions, kind="FRACTIONAL", fractional_type="OCCUPANCY", max_fractional_value=255
    )
    read = masks_on_grid(path, grid=grid)
    assert (read.kind, read.data.dtype, read.fractional_type) == ("fraction", np.float32, "occupancy")
    np.testing.assert_allclose(read.data, fractions, atol=1e-6)
    assert codes(read) == ["label-fractional"]


def test_fractions_of_zero_and_one_are_not_thresholded(tmp_path: Path) -> None:
    grid = stack()
    path = write_seg(tmp_path / "seg.dcm", grid, some_masks().astype(float), kind="FRACTIONAL")
    assert masks_on_grid(path, grid=grid).data.dtype == np.float32
    with pytest.raises(LabelError, match="without a scale"):
        masks_on_grid(change(path, MaximumFractionalValue=None), grid=grid)


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_compressed_frames_are_decoded(tmp_path: Path, kind: str) -> None:
    grid, masks = stack(), some_masks(1)
    values = masks[0].astype(np.uint8) if kind == "LABELMAP" else masks.astype(float)
    path = write_seg(tmp_path / "seg.dcm", grid, values, kind=kind, transfer_syntax_uid=RLELossless)
    np.testing.assert_array_equal(masks_on_grid(path, grid=grid).data, masks)


def labelmap(tmp_path: Path) -> tuple[Path, np.ndarray]:
    labels = np.random.default_rng(2).integers(0, 4, SHAPE).astype(np.uint8)
    labels[0] = 0
    return write_seg(tmp_path / "seg.dcm", stack(), labels, kind="LABELMAP"), labels


def test_labelmap_is_taken_apart(tmp_path: Path) -> None:
    path, labels = labelmap(tmp_path)
    read = masks_on_grid(path, grid=stack())
    assert [segment.number for segment in read.segments] == [1, 2, 3]
    np.testing.assert_array_equal(read.data, np.stack([labels == number for number in (1, 2, 3)]))
    assert read.findings == ()


@pytest.mark.parametrize("padding", [3, None])
def test_label_zero_may_be_a_segment(tmp_path: Path, padding: int | None) -> None:
    path, labels = labelmap(tmp_path)
    dataset = dcmread(path)
    if padding is None:
        del dataset.PixelPaddingValue
    else:
        dataset.PixelPaddingValue = padding
    numbers = {0: 3, 3: 0}
    for item in dataset.SegmentSequence:
        item.SegmentNumber = numbers.get(item.SegmentNumber, item.SegmentNumber)
    dataset.PixelData = np.choose(dataset.pixel_array, [3, 1, 2, 0]).astype(np.uint8).tobytes()
    dataset.save_as(path)
    read = masks_on_grid(path, grid=stack())
    assert sorted(segment.number for segment in read.segments) == [0, 1, 2]
    zero = [segment.number for segment in read.segments].index(0)
    np.testing.assert_array_equal(read.data[zero], labels == 3)


def test_undescribed_label_is_named(tmp_path: Path) -> None:
    path, _ = labelmap(tmp_path)
    dataset = dcmread(path)
    dataset.SegmentSequence = [item for item in dataset.SegmentSequence if item.SegmentNumber != 2]
    dataset.save_as(path)
    read = masks_on_grid(path, grid=stack())
    assert [segment.number for segment in read.segments] == [1, 3]
    assert codes(read) == ["label-unreadable"]
    assert "2" in read.findings[0].message


def test_empty_segment_is_named(tmp_path: Path) -> None:
    masks = some_masks()
    masks[0] = False
    read = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), masks), grid=stack())
    np.testing.assert_array_equal(read.data, masks)
    assert codes(read) == ["label-empty"]


def test_images_without_a_place_go_by_the_image_drawn_on(tmp_path: Path) -> None:
    masks = some_masks()
    path = write_seg(tmp_path / "seg.dcm", stack(), masks)
    nowhere = grid_from(np.full((4, 3), np.nan), np.full(6, np.nan), (1, 1), SHAPE[1:], projection=True)
    uids = [uid(index) for index in (2, 0, 1, 3)]
    read = masks_on_grid(path, grid=nowhere, sop_instance_uids=uids)
    np.testing.assert_array_equal(read.data, masks[:, [2, 0, 1, 3]])
    assert codes(masks_on_grid(path, grid=nowhere)) == ["label-grid-differs"]
    assert codes(masks_on_grid(path, grid=nowhere, sop_instance_uids=[uid(0)] * 4)) == ["label-grid-differs"]


def test_frames_without_a_position_are_not_guessed(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), some_masks())
    dataset = dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    dataset.save_as(path)
    uids = [uid(index) for index in range(4)]
    assert codes(masks_on_grid(path, grid=stack(), sop_instance_uids=uids)) == ["label-grid-differs"]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"PixelData": b"\x00\x00"}, "cut off"),
        ({"PixelData": None}, "no pixel data"),
        ({"NumberOfFrames": 3}, "sizes are not those of the pixels"),
        ({"SegmentationType": "OTHER"}, "SegmentationType"),
        ({"BitsAllocated": 32}, "32 bits"),
    ],
)
def test_object_that_cannot_be_read_names_its_file(tmp_path: Path, values: dict[str, Any], what: str) -> None:
    path = change(write_seg(tmp_path / "seg.dcm", stack(), some_masks()), **values)
    with pytest.raises(LabelError, match=what) as caught:
        masks_on_grid(path, grid=stack(), name="node/seg.dcm")
    assert caught.value.file == "node/seg.dcm"


def headers(paths: list[Path]) -> tuple[Grid, list[str]]:
    found = [dcmread(path, stop_before_pixels=True) for path in paths]
    found.sort(key=lambda header: float(header.ImagePositionPatient[2]))
    grid = grid_from(
        np.array([header.ImagePositionPatient for header in found], dtype=float),
        np.array(found[0].ImageOrientationPatient, dtype=float),
        (float(found[0].PixelSpacing[0]), float(found[0].PixelSpacing[1])),
        (found[0].Rows, found[0].Columns),
        frame_of_reference_uid=found[0].FrameOfReferenceUID,
    )
    return grid, [header.SOPInstanceUID for header in found]


def expanded(path: Path, uids: list[str]) -> np.ndarray:
    """What highdicom makes of it, (segment, z, y, x)."""
    import highdicom as hd

    seg = hd.seg.segread(path)
    pixels = seg.get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True
    )
    return np.moveaxis(pixels, -1, 0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("seg_image_ct_binary.dcm", []),
        ("seg_image_ct_binary_overlap.dcm", []),
        ("seg_image_ct_binary_fractional.dcm", ["label-fractional"]),
        ("seg_image_ct_true_fractional.dcm", ["label-fractional"]),
    ],
)
def test_highdicom_objects_equal_its_own_expansion(data_dir: Path, name: str, found: list[str]) -> None:
    path = data_dir / "highdicom" / name
    images = [Path(get_testdata_file(f"dicomdirtests/77654033/CT2/{n}")) for n in (17106, 17136, 17166, 17196)]
    grid, uids = headers(images)
    read = masks_on_grid(path, grid=grid, sop_instance_uids=uids)
    np.testing.assert_allclose(read.data, expanded(path, uids), atol=1e-6)
    assert read.data.any()
    assert codes(read) == found


@pytest.mark.data
def test_single_frame_object_lies_on_its_single_image(data_dir: Path) -> None:
    folder = data_dir / "highdicom"
    grid, uids = headers([folder / "ct_image.dcm"])
    read = masks_on_grid(folder / "seg_image_ct_binary_single_frame.dcm", grid=grid, sop_instance_uids=uids)
    np.testing.assert_array_equal(
        read.data[:, 0], expanded(folder / "seg_image_ct_binary_single_frame.dcm", uids)[:, 0]
    )
    assert read.data.any()
    assert read.findings == ()


@pytest.mark.data
@pytest.mark.parametrize("name", ["liver.dcm", "partial_overlaps.dcm"])
def test_dcmqi_objects_equal_the_expansion_of_highdicom(data_dir: Path, name: str) -> None:
    folder = data_dir / "dcmqi" / "segmentations"
    grid, uids = headers(sorted((folder / "ct-3slice").glob("*.dcm")))
    read = masks_on_grid(folder / name, grid=grid, sop_instance_uids=uids)
    np.testing.assert_array_equal(read.data, expanded(folder / name, uids))
    assert read.data.any(axis=(1, 2, 3)).all()
    assert read.findings == ()


@pytest.mark.data
@pytest.mark.parametrize("name", ["sparse-labelmap-ppv5.dcm", "sparse-labelmap-noppv.dcm"])
def test_sparse_labelmap_leaves_its_background_out(data_dir: Path, name: str) -> None:
    folder = data_dir / "dcmqi" / "segmentations"
    grid, uids = headers(sorted((folder / "24x38x3" / "image").glob("*.dcm")))
    read = masks_on_grid(folder / name, grid=grid, sop_instance_uids=uids)
    assert [segment.name for segment in read.segments] == ["Liver"]
    stored: Dataset = dcmread(folder / name)
    np.testing.assert_array_equal(read.data[0, [0, 2]], stored.pixel_array == 1)
    assert not read.data[0, 1].any()
    assert read.findings == ()


@pytest.mark.data
def test_every_segmentation_at_hand_gives_a_mask_or_a_finding(data_dir: Path) -> None:
    paths = [*(data_dir / "highdicom").glob("seg_*.dcm"), *(data_dir / "dcmqi").rglob("seg.dcm")]
    assert len(paths) > 10
    for path in paths:
        read = masks_on_grid(path, grid=stack())
        assert read.segments or read.findings


def test_a_binary_object_that_calls_itself_a_label_map_is_told(tmp_path: Path) -> None:
    masks = np.zeros((1, 4, 8, 10), bool)
    masks[0, 1:3, 2:5, 3:6] = True
    path = write_seg(tmp_path / "seg.dcm", stack(), masks)
    assert "label-contradictory" not in [f.code for f in masks_on_grid(path, grid=stack()).findings]
    dataset = dcmread(path)
    dataset.SegmentationType = "LABELMAP"
    dataset.save_as(path)
    assert "label-contradictory" in [f.code for f in masks_on_grid(path, grid=stack()).findings]
