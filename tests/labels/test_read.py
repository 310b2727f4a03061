from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.labels.objects import FRAME, SERIES, Region, box, images, stack, to_world, uid, write_rtstruct, write_seg
from workbench.dicom.headers import deflated
from workbench.errors import LabelError, PathNotFound, UsageError
from workbench.labels import describe, masks_on_grid

MASKS = np.ones((2, 4, 8, 10), dtype=bool)


def write_one_rtstruct(path: Path) -> Path:
    return write_rtstruct(path, Region([("CLOSED_PLANAR", to_world(stack(), 1, box(0.5, 0.5, 3.5, 3.5)))]))


def test_segmentation_is_described_from_its_header(tmp_path: Path) -> None:
    held = describe(write_seg(tmp_path / "seg.dcm", stack(), MASKS))
    assert held.kind == "SEG"
    assert [segment.name for segment in held.segments] == ["lesion 1", "lesion 2"]
    assert held.referenced_series_uids == (SERIES,)
    assert held.referenced_instance_uids == tuple(uid(index) for index in range(4))
    assert held.frame_of_reference_uids == (FRAME,)
    assert (held.fractional, held.findings) == (False, ())
    assert (held.source_uid, held.series_uid) == (uid(1000), f"{SERIES}.7")


def test_fractional_segmentation_is_described_as_such(tmp_path: Path) -> None:
    assert describe(write_seg(tmp_path / "seg.dcm", stack(), MASKS.astype(float), kind="FRACTIONAL")).fractional


def test_structure_set_is_described_from_its_header(tmp_path: Path) -> None:
    held = describe(write_one_rtstruct(tmp_path / "rs.dcm"))
    assert held.kind == "RTSTRUCT"
    assert [segment.name for segment in held.segments] == ["GTV"]
    assert held.referenced_series_uids == (SERIES,)
    assert held.referenced_instance_uids == (uid(0),)
    assert held.frame_of_reference_uids == (FRAME,)
    assert held.findings == ()


def test_description_and_masks_name_the_same_segments(tmp_path: Path) -> None:
    for path in (write_seg(tmp_path / "seg.dcm", stack(), MASKS), write_one_rtstruct(tmp_path / "rs.dcm")):
        assert describe(path).segments == masks_on_grid(path, grid=stack()).segments


def test_object_that_names_no_images_says_so(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), MASKS)
    dataset = dcmread(path)
    del dataset.ReferencedSeriesSequence
    del dataset.SegmentSequence
    dataset.save_as(path)
    held = describe(path, name="node/seg.dcm")
    assert [finding.code for finding in held.findings] == ["label-source-missing", "label-empty"]
    assert {finding.path for finding in held.findings} == {"node/seg.dcm"}


def test_describing_does_not_need_the_pixels(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), MASKS)
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    assert len(describe(path).segments) == 2
    with pytest.raises(LabelError, match="cut off"):
        masks_on_grid(path, grid=stack())


def test_a_deflated_structure_set_is_read_and_inflated_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dcmread(write_one_rtstruct(tmp_path / "plain.dcm"))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "deflated.dcm"
    dataset.save_as(path)
    assert describe(path).segments == describe(tmp_path / "plain.dcm").segments
    ours, plain = (masks_on_grid(one, grid=stack()).data for one in (path, tmp_path / "plain.dcm"))
    assert np.array_equal(ours, plain)
    monkeypatch.setattr(deflated, "WHOLE_BYTES", 200)
    with pytest.raises(LabelError, match="could not be read"):
        describe(path)


def test_absent_file(tmp_path: Path) -> None:
    for read in (describe, lambda path: masks_on_grid(path, grid=stack())):
        with pytest.raises(PathNotFound):
            read(tmp_path / "absent.dcm")


@pytest.mark.parametrize(
    "content", [b"", b"patient,age\n1,2\n", b"\x00" * 128 + b"DICM", b"\x00" * 128 + b"DICM\x02\x00"]
)
def test_file_that_is_no_label_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.dcm"
    path.write_bytes(content)
    for read in (describe, lambda path: masks_on_grid(path, grid=stack())):
        with pytest.raises(LabelError) as caught:
            read(path)
        assert caught.value.file == "note.dcm"
        assert caught.value.remedy


def test_image_is_no_label_object(tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    images(stack())[0].save_as(path, enforce_file_format=True)
    with pytest.raises(LabelError, match="neither"):
        describe(path)


@pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
def test_cut_file_never_gives_half_a_mask(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "label.dcm"
    if kind == "SEG":
        write_seg(path, stack(), MASKS)
    else:
        boxes = [("CLOSED_PLANAR", to_world(stack(), index, box(0.5, 0.5, 3.5, 3.5))) for index in range(4)]
        write_rtstruct(path, Region(boxes))
    content = path.read_bytes()
    expected = masks_on_grid(path, grid=stack()).data
    for end in range(150, len(content), 41):
        path.write_bytes(content[:end])
        try:
            masks = masks_on_grid(path, grid=stack())
        except LabelError:
            continue
        # What comes after the contours may be missing; then the mask is whole.
        np.testing.assert_array_equal(masks.data, expected)


def test_broken_value_is_not_quoted(tmp_path: Path) -> None:
    path = write_one_rtstruct(tmp_path / "rs.dcm")
    content = path.read_bytes()
    number = b"\x06\x30\x22\x00IS\x02\x001 "
    assert content.count(number) == 1
    path.write_bytes(content.replace(number, number[:-2] + b"xq"))
    for read in (describe, lambda path: masks_on_grid(path, grid=stack())):
        with pytest.raises(LabelError) as caught:
            read(path)
        assert "xq" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", ["SEG", "RTSTRUCT"])
def test_file_without_preamble_is_read_all_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "label.dcm"
    dataset = dcmread(write_seg(path, stack(), MASKS) if kind == "SEG" else write_one_rtstruct(path))
    expected = masks_on_grid(path, grid=stack())
    voxels = expected.data
    bare = Dataset()
    bare.update(dataset)
    bare.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert path.read_bytes()[128:132] != b"DICM"
    assert describe(path).segments == expected.segments
    np.testing.assert_array_equal(masks_on_grid(path, grid=stack()).data, voxels)


def test_uids_must_be_one_per_slice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 instance UIDs for 4 slices"):
        masks_on_grid(write_one_rtstruct(tmp_path / "rs.dcm"), grid=stack(), sop_instance_uids=[uid(0)])


def test_odd_values_raise_no_warning(tmp_path: Path) -> None:
    path = write_seg(tmp_path / "seg.dcm", stack(), MASKS)
    content = path.read_bytes()
    path.write_bytes(content.replace(SERIES.encode() + b".7", SERIES.encode() + b".x"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        assert masks_on_grid(path, grid=stack()).data.all()
        assert warnings.filters == before


def test_room_loads_no_heavy_library() -> None:
    code = "import sys, workbench.labels.read; print({'pydicom', 'highdicom', 'skimage', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
