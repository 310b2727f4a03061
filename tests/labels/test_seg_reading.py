"""What is read of a segmentation, and when: headers without an object per frame, frames only when asked for."""

from __future__ import annotations

import pickle
from contextlib import suppress
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
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from tests.labels.objects import FRAME, oblique, stack, write_seg
from tests.tries import tries
from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.errors import ChangedFile, LabelError, UsageError, WorkbenchError
from workbench.labels import Masks, masks_on_grid, seg_layers
from workbench.labels.frames import frame_table
from workbench.labels.placing import own_grid
from workbench.labels.seg_header import ORIENTATION, POSITION, SEGMENT, SOURCE, SPACING, _with_pydicom, read_seg_header

SHAPE = (4, 8, 10)


def blob(segments: int = 2, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    masks = np.random.default_rng(7).random((segments, *shape)) < 0.4
    masks[0, 1] = False
    return masks


def codes(masks: Masks) -> list[str]:
    return [finding.code for finding in masks.findings]


@pytest.fixture
def frames_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the frames that were read."""
    found: list[int] = []
    real = seg_layers.read_frames

    def counting(refs: Any, out: Any, **options: Any) -> None:
        found.extend(ref.frame for ref in refs)
        real(refs, out, **options)

    monkeypatch.setattr(seg_layers, "read_frames", counting)
    return found


def test_opening_reads_one_frame_of_each_segment(tmp_path: Path, frames_read: list[int]) -> None:
    masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), np.ones((3, *SHAPE), bool)), grid=stack())
    assert len(frames_read) == 3


def test_a_slice_reads_the_frames_of_its_segment_alone(tmp_path: Path, frames_read: list[int]) -> None:
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), blob()), grid=stack())
    frames_read.clear()
    assert not masks.layers.read(0, np.array([1])).any()
    assert frames_read == []
    np.testing.assert_array_equal(masks.layers.read(1, np.array([3, 1, 3])), blob()[1, [3, 1, 3]])
    assert len(frames_read) == 2
    frames_read.clear()
    np.testing.assert_array_equal(masks.data, blob())
    assert len(frames_read) == 7


def test_a_labelmap_is_looked_through_once_and_then_read_where_a_label_is(
    tmp_path: Path, frames_read: list[int]
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2:4], labels[2:, 5:] = 1, 2
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), labels, kind="LABELMAP"), grid=stack())
    assert len(frames_read) == 3
    frames_read.clear()
    np.testing.assert_array_equal(masks.layers.read(0, np.arange(4)), labels == 1)
    assert len(frames_read) == 1


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_lazy_masks_pickle(tmp_path: Path, kind: str) -> None:
    truth = blob(1)
    values = truth[0].astype(np.uint8) if kind == "LABELMAP" else truth.astype(float) if kind != "BINARY" else truth
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), values, kind=kind), grid=stack())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(masks)).data, truth)


def test_a_file_that_changed_is_not_read_with_the_old_table(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), blob())
    masks = masks_on_grid(path, grid=stack())
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ChangedFile):
        _ = masks.data


def rewritten(path: Path, syntax: str, *, endless: bool) -> Path:
    """The object in another encoding; *endless*: all sequences and items of undefined length."""

    def loosen(dataset: Dataset) -> None:
        for element in dataset:
            if element.VR == "SQ":
                element.is_undefined_length = endless
                for item in element.value:
                    item.is_undefined_length_sequence_item = endless
                    loosen(item)

    dataset = dcmread(path)
    loosen(dataset)
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return path


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_walked_header_says_what_pydicom_says(tmp_path: Path, syntax: str, endless: bool) -> None:
    path = rewritten(write_seg(tmp_path / "seg.dcm", stack(), blob()), syntax, endless=endless)
    header = read_seg_header(path, name="seg.dcm")
    assert header.walked is not None
    assert "PerFrameFunctionalGroupsSequence" not in header.dataset
    slow = _with_pydicom(path, header.facts, "seg.dcm")
    assert (header.pixel_offset, header.pixel_length, header.syntax) == (
        slow.pixel_offset, slow.pixel_length, slow.syntax,
    )  # fmt: skip
    assert header.n_groups == slow.n_groups == 7
    for number in (POSITION, ORIENTATION, SPACING, SEGMENT, SOURCE):
        assert list(header.column(number)) == list(slow.column(number))
        assert header.shared(number) == slow.shared(number)
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack()).data, blob())


def test_what_the_walk_declines_is_read_by_pydicom(tmp_path: Path) -> None:
    path = rewritten(write_seg(tmp_path / "seg.dcm", stack(), blob()), DeflatedExplicitVRLittleEndian, endless=False)
    assert read_seg_header(path, name="seg.dcm").walked is None
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack()).data, blob())


def test_a_value_of_another_kind_is_left_to_pydicom(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), blob())
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x62\x00\x0b\x00US", b"\x62\x00\x0b\x00SS"))
    assert read_seg_header(path, name="seg.dcm").walked is None
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack()).data, blob())


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_real_headers_are_walked_as_pydicom_reads_them(name: str) -> None:
    path = Path(get_testdata_file(name))
    header = read_seg_header(path, name=name)
    slow = _with_pydicom(path, header.facts, name)
    for number in (POSITION, SEGMENT, SOURCE):
        assert list(header.column(number)) == list(slow.column(number))
    assert header.pixel_offset == slow.pixel_offset


def test_outside_tells_voxels_and_frames(tmp_path: Path) -> None:
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), np.ones((1, *SHAPE), bool)), grid=stack((2, 4)))
    assert "160 voxels" in masks.findings[0].message
    assert "2 of 4 frames" in masks.findings[0].message


def test_more_frames_outside_than_are_counted_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seg_layers, "MOST_COUNTED", 1)
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), np.ones((1, *SHAPE), bool)), grid=stack((2, 4)))
    assert [finding.count for finding in masks.findings] == [80, 1]
    assert "not counted by voxel" in masks.findings[1].message


def test_segment_that_lies_beside_the_image_is_outside_and_empty(tmp_path: Path) -> None:
    truth = np.zeros((2, *SHAPE), bool)
    truth[0, 0, 2:4, 2:4], truth[1, 2, 2:4, 2:4] = True, True
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", stack(), truth), grid=stack((2, 4, 6)))
    assert codes(masks) == ["label-outside", "label-empty"]
    assert "segment 1 " in masks.findings[1].message


def test_frame_of_zeros_is_an_empty_segment(tmp_path: Path) -> None:
    truth = blob()
    truth[0] = False
    path = write_seg(tmp_path / "seg.dcm", stack(), truth, omit_empty_frames=False)
    assert dcmread(path).NumberOfFrames == 8
    assert codes(masks_on_grid(path, grid=stack())) == ["label-empty"]


def test_an_image_of_every_other_slice_gets_what_was_drawn_on_them(tmp_path: Path) -> None:
    truth = np.ones((1, *SHAPE), bool)
    path = write_seg(tmp_path / "seg.dcm", stack(), truth)
    masks = masks_on_grid(path, grid=stack((0, 4)))
    assert masks.data.all()
    assert codes(masks) == ["label-outside"]
    assert "between its slices" in masks.findings[0].message
    assert masks.findings[0].count == 2 * 80


def test_slices_that_were_not_drawn_on_get_nothing_made_up(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack((0, 3, 6)), np.ones((1, 3, 8, 10), bool))
    assert codes(masks_on_grid(path, grid=stack((0, 2, 4, 6)))) == ["label-grid-differs"]


def test_region_and_date_come_along(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), blob())
    dataset = dcmread(path)
    dataset.ContentDate, dataset.ContentTime = "20240531", "101112.5"
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "39607008", "SCT", "Lung"
    dataset.SegmentSequence[0].AnatomicRegionSequence = [region]
    dataset.save_as(path)
    first, second = masks_on_grid(path, grid=stack()).segments
    assert (first.region, second.region) == ("SCT:39607008", "")
    assert first.date == "2024-05-31T10:11:12"


def nearest_by_hand(masks: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Each voxel of the target takes the voxel of the source whose centre is nearest; nothing beyond half a voxel."""
    assert source.affine is not None
    assert target.affine is not None
    index = np.stack([*np.indices(target.shape), np.ones(target.shape)])
    there = np.einsum("ab,b...->a...", np.linalg.inv(source.affine) @ target.affine, index)[:3]
    whole = np.floor(there + 0.5).astype(int)
    # Half-way between two slices the nearer is a matter of rounding: cases are chosen to have none.
    inside = np.all([(whole[a] >= 0) & (whole[a] < source.shape[a]) for a in range(3)], axis=0)
    found = np.zeros((len(masks), *target.shape), bool)
    found[:, inside] = masks[:, whole[0][inside], whole[1][inside], whole[2][inside]]
    return found


COARSE = {
    "finer": stack((0.3, 3.4, 6.5, 9.6), spacing=(1.1, 1.3)),
    "oblique": stack(orientation=oblique(), spacing=(0.7, 0.9)),
    "moved": stack(origin=(-2.6, 7.31, 11.7)),
}


@pytest.mark.parametrize("name", sorted(COARSE))
def test_another_grid_comes_by_the_nearest_voxel_where_asked(tmp_path: Path, name: str) -> None:
    truth = np.ones((2, *SHAPE), bool)
    truth[0, :, 1:4, 2:5] = False
    path = write_seg(tmp_path / "seg.dcm", COARSE[name], truth)
    assert codes(masks_on_grid(path, grid=stack())) == ["label-grid-differs"]
    masks = masks_on_grid(path, grid=stack(), resample="nearest")
    np.testing.assert_array_equal(masks.data, nearest_by_hand(truth, COARSE[name], stack()))
    assert masks.data.any()
    assert codes(masks)[0] == "label-resampled"
    np.testing.assert_array_equal(masks.layers.read(1, np.array([2, 0])), masks.data[1, [2, 0]])


def test_frames_that_were_left_out_stay_background_when_resampled(tmp_path: Path) -> None:
    truth = np.zeros((1, 7, 8, 10), bool)
    truth[0, [0, 6]] = True
    coarse = stack(np.arange(7) * 2.0, origin=(-2.8, 7.1, 11.0))
    path = write_seg(tmp_path / "seg.dcm", coarse, truth)
    fine = stack(np.arange(25) * 0.5 + 0.1)
    masks = masks_on_grid(path, grid=fine, resample="nearest")
    filled = masks.data[0].any(axis=(1, 2))
    assert filled.tolist() == [abs(z) < 1 or abs(z - 12) < 1 for z in np.arange(25) * 0.5 + 0.1]


def test_resampling_beside_the_image_says_so(tmp_path: Path) -> None:
    truth = np.ones((1, *SHAPE), bool)
    path = write_seg(tmp_path / "seg.dcm", stack(origin=(-3.0, 7.0, 111.3), spacing=(0.7, 0.9)), truth)
    masks = masks_on_grid(path, grid=stack(), resample="nearest")
    assert codes(masks) == ["label-resampled", "label-empty", "label-outside"]
    assert masks.findings[-1].count == truth.sum()


def test_only_nearest_is_offered(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), blob())
    with pytest.raises(UsageError, match="nearest"):
        masks_on_grid(path, grid=stack(), resample="linear")  # type: ignore[arg-type]


@settings(max_examples=tries(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=arrays(np.uint8, SHAPE, elements=st.integers(0, 3)), compressed=st.booleans())
def test_any_labelmap_comes_back(tmp_path: Path, labels: np.ndarray, compressed: bool) -> None:
    if not labels.any():
        return
    how = {"transfer_syntax_uid": RLELossless} if compressed else {}
    path = write_seg(tmp_path / "seg.dcm", stack(), labels, kind="LABELMAP", **how)
    masks = masks_on_grid(path, grid=stack())
    for segment, data in zip(masks.segments, masks.data, strict=True):
        np.testing.assert_array_equal(data, labels == segment.number)


@pytest.mark.parametrize("kind", ["OCCUPANCY", "PROBABILITY"])
def test_both_kinds_of_fractions_are_read_where_asked(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(1).integers(0, 101, (2, *SHAPE)) / 100
    path = write_seg(
        tmp_path / "seg.dcm", stack(), values, kind="FRACTIONAL", fractional_type=kind, max_fractional_value=100
    )
    masks = masks_on_grid(path, grid=stack())
    assert masks.fractional_type == kind.lower()
    np.testing.assert_allclose(masks.layers.read(1, np.array([2])), values[1, [2]], atol=1e-6)


def test_compressed_pixels_that_end_early_are_not_half_a_mask(tmp_path: Path) -> None:
    path = write_seg(
        tmp_path / "seg.dcm", stack(), blob()[:1].astype(float), kind="FRACTIONAL", transfer_syntax_uid=RLELossless
    )
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(LabelError, match="end early"):
        masks_on_grid(path, grid=stack())


@pytest.mark.parametrize("values", [{"Rows": 0}, {"NumberOfFrames": 2**31 - 1}, {"NumberOfFrames": -1}, {"Columns": 0}])
def test_impossible_sizes_are_refused_before_anything_is_allocated(tmp_path: Path, values: dict[str, int]) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), blob())
    dataset = dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    with pytest.raises(LabelError, match="cannot be"):
        masks_on_grid(path, grid=stack())


@settings(max_examples=tries(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_masks_or_our_error(tmp_path: Path, data: st.DataObject) -> None:
    good = tmp_path / "good.dcm"
    content = bytearray((good if good.exists() else write_seg(good, stack(), blob())).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "seg.dcm"
    path.write_bytes(content)
    with suppress(WorkbenchError):
        masks = masks_on_grid(path, grid=stack())
        assert masks.data.shape == (len(masks.segments), *SHAPE)


def test_reversed_and_cropped_at_once(tmp_path: Path) -> None:
    whole, truth = stack(), blob()
    # Rows run the other way, and the image begins one row and two columns later.
    row, column = whole.row_direction, -whole.column_direction
    corner = whole.positions + whole.column_direction * 0.5 * 6 + row * 0.8 * 2
    image = grid_from(corner[::-1], np.concatenate([row, column]), (0.5, 0.8), (7, 8), frame_of_reference_uid=FRAME)
    masks = masks_on_grid(write_seg(tmp_path / "seg.dcm", whole, truth), grid=image)
    np.testing.assert_array_equal(masks.data, truth[:, ::-1, 6::-1, 2:])


#: Every segmentation at hand that lies in a patient's space.
REAL = (
    "highdicom/seg_image_ct_binary.dcm",
    "highdicom/seg_image_ct_binary_fractional.dcm",
    "highdicom/seg_image_ct_binary_overlap.dcm",
    "highdicom/seg_image_ct_binary_single_frame.dcm",
    "highdicom/seg_image_ct_true_fractional.dcm",
    "dcmqi/segmentations/liver.dcm",
    "dcmqi/segmentations/partial_overlaps.dcm",
    "dcmqi/segmentations/sparse-labelmap-noppv.dcm",
    "dcmqi/segmentations/sparse-labelmap-ppv5.dcm",
    "dcmqi/sr-example/seg.dcm",
)


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_on_its_own_grid_an_object_is_what_highdicom_makes_of_it(data_dir: Path, name: str) -> None:
    import highdicom as hd

    path = data_dir / name
    header = read_seg_header(path, name=name)
    assert header.walked is not None
    grid = own_grid(frame_table(header, name=name), (header.dataset.Rows, header.dataset.Columns))
    assert grid is not None
    masks = masks_on_grid(path, grid=grid)
    theirs = hd.seg.segread(path)
    volume = theirs.get_volume(combine_segments=False, allow_missing_positions=True)
    numbers = list(theirs.segment_numbers)
    # It fills the places between frames; slices go by position, its own begin at the highest.
    places = volume.affine[:3, 3] + np.outer(np.arange(len(volume.array)), volume.affine[:3, 0])
    apart = np.linalg.norm(places[:, None] - grid.positions, axis=2)
    ours, between = apart.argmin(axis=0), apart.min(axis=1) > 0.01
    assert apart.min(axis=0).max() < 0.01
    for segment, data in zip(masks.segments, masks.data, strict=True):
        expected = volume.array[..., numbers.index(segment.number)]
        np.testing.assert_allclose(data, expected[ours], atol=1e-6)
        assert not expected[between].any()
        assert data.any()
