from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.labels.objects import AXIAL, oblique, stack
from tests.tries import tries
from workbench.dicom.stacks.geometry import Grid
from workbench.errors import ChangedFile, LabelError, PathNotFound
from workbench.labels.nifti import masks_of

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(grid: Grid) -> np.ndarray:
    """RAS affine of an array (x, y, z) on an even grid."""
    assert grid.affine is not None
    affine: np.ndarray = TO_RAS @ grid.affine[:, [2, 1, 0, 3]]
    return affine


def write(path: Path, array: np.ndarray, affine: np.ndarray, **header: Any) -> Path:
    image = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    image.set_sform(header.pop("sform", affine), code=header.pop("sform_code", 1))
    image.set_qform(header.pop("qform", affine), code=header.pop("qform_code", 1))
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def labels_on(grid: Grid, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, grid.shape).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2", "u2", "i4", "f4", "f8"])
def test_labels_become_segments_in_lps(tmp_path: Path, suffix: str, dtype: str) -> None:
    grid = stack(orientation=oblique())
    labels = labels_on(grid)
    path = write(tmp_path / f"mask{suffix}", labels.transpose(2, 1, 0).astype(dtype), affine_of(grid))
    masks = masks_of(path, grid=grid, label_names={2: "liver"})
    assert [(s.number, s.name, s.kind) for s in masks.segments] == [(1, "label 1", "NIFTI"), (2, "liver", "NIFTI")]
    np.testing.assert_array_equal(masks.data, np.stack([labels == 1, labels == 2]))
    assert masks.data.dtype == np.bool_
    assert masks.findings == ()


@settings(max_examples=tries(60), deadline=None)
@given(
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.booleans()] * 3),
    cut=st.tuples(*[st.tuples(st.integers(-1, 2), st.integers(-1, 2))] * 3),
    slanted=st.booleans(),
    lean=st.sampled_from([(0.0, 0.0, 0.0), (0.2, 0.0, 0.0)]),
)
def test_axes_in_any_order_flipped_cropped_or_padded_are_the_same_mask(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    flips: tuple[bool, ...],
    cut: tuple[tuple[int, int], ...],
    slanted: bool,
    lean: tuple[float, float, float],
) -> None:
    grid = stack(orientation=oblique() if slanted else AXIAL, lean=lean)
    assert grid.affine is not None
    labels = labels_on(grid)
    # Padded by cut > 0 and cropped by cut < 0 at the beginning and the end of each axis (z, y, x).
    padded = np.pad(labels, [(max(a, 0), max(b, 0)) for a, b in cut])
    array = padded[tuple(slice(max(-a, 0), padded.shape[k] - max(-b, 0)) for k, (a, b) in enumerate(cut))]
    expected = np.zeros_like(labels)
    inside = tuple(slice(max(-a, 0), labels.shape[k] - max(-b, 0)) for k, (a, b) in enumerate(cut))
    expected[inside] = labels[inside]

    affine = grid.affine.copy()
    affine[:, 3] = affine @ [*(-a for a, _ in cut), 1]
    for axis in range(3):
        if flips[axis]:
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
            array = np.flip(array, axis)
    path = tmp_path_factory.mktemp("nifti") / "mask.nii"
    write(path, array.transpose(order), TO_RAS @ affine[:, [*order, 3]], qform_code=0)
    masks = masks_of(path, grid=grid)
    assert [f.code for f in masks.findings if f.code == "label-grid-differs"] == []
    for segment, data in zip(masks.segments, masks.data, strict=True):
        np.testing.assert_array_equal(data, expected == segment.number)
    assert {s.number for s in masks.segments} == {1, 2} & set(np.unique(array))


def test_what_lies_beside_the_image_is_counted(tmp_path: Path) -> None:
    grid = stack()
    labels = np.ones((6, 8, 10), np.uint8)
    affine = affine_of(stack(depths=(-2, 0, 2, 4, 6, 8)))
    masks = masks_of(write(tmp_path / "m.nii", labels.transpose(2, 1, 0), affine), grid=grid)
    assert masks.data.all()
    assert [(f.code, f.count) for f in masks.findings] == [("label-outside", 160)]


def test_a_label_all_beside_the_image_is_empty(tmp_path: Path) -> None:
    grid, labels = stack(), np.zeros((6, 8, 10), np.uint8)
    labels[0], labels[2] = 9, 1
    affine = affine_of(stack(depths=(-2, 0, 2, 4, 6, 8)))
    masks = masks_of(write(tmp_path / "m.nii", labels.transpose(2, 1, 0), affine), grid=grid)
    assert [s.number for s in masks.segments] == [1, 9]
    assert [f.code for f in masks.findings] == ["label-outside", "label-empty"]


def test_slices_of_an_image_with_a_gap_are_found_by_their_depth(tmp_path: Path) -> None:
    even, gapped = stack(depths=(0, 2, 4, 6, 8)), stack(depths=(0, 2, 4, 8))
    assert gapped.kind == "gaps"
    labels = labels_on(even)
    masks = masks_of(write(tmp_path / "m.nii", labels.transpose(2, 1, 0), affine_of(even)), grid=gapped)
    np.testing.assert_array_equal(masks.data[0], labels[[0, 1, 2, 4]] == 1)
    assert [(f.code, f.count) for f in masks.findings] == [("label-outside", int((labels[3] > 0).sum()))]


@pytest.mark.parametrize(
    "other",
    [
        stack(origin=(-2.6, 7.0, 11.0)), stack(spacing=(0.51, 0.8)), stack(depths=(0, 2.1, 4.2, 6.3)),
        stack(depths=(0, 1, 2, 3, 4, 5, 6)), stack(depths=(1, 3, 5)), stack(orientation=oblique()),
        stack(lean=(0.1, 0, 0)),
    ],
    ids=["half a voxel", "other spacing", "other step", "finer slices", "between slices", "turned", "sheared"],
)  # fmt: skip
def test_another_grid_is_a_finding_and_no_mask(tmp_path: Path, other: Grid) -> None:
    path = write(tmp_path / "m.nii", np.ones(other.shape[::-1], np.uint8), affine_of(other), qform_code=0)
    masks = masks_of(path, grid=stack())
    assert masks.segments == ()
    assert [f.code for f in masks.findings] == ["label-grid-differs"]


def declaring(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> Path:
    """A small compressed file whose header declares *shape* and whose voxels never end: nobody may unpack them."""
    header = nibabel.Nifti1Image(np.zeros((1, 1, 1), "u1"), affine).header
    header.set_data_shape(shape)
    header.set_sform(affine, code=1)
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4), 1) + gzip.compress(bytes(1 << 22), 1) * 4)
    return path


def test_what_the_header_refuses_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    monkeypatch.setattr(nibabel.arrayproxy.ArrayProxy, "get_unscaled", lambda proxy: unpacked.append(1))
    grid = stack()
    far = declaring(tmp_path / "far_mask.nii.gz", (2000, 1000, 1000), np.diag([0.1, 0.1, 0.1, 1.0]))
    assert [f.code for f in masks_of(far, grid=grid).findings] == ["label-grid-differs"]
    # On the image, but so many volumes of it that they would fill the memory.
    columns, rows, slices = grid.shape[::-1]
    many = declaring(tmp_path / "many_mask.nii.gz", (columns, rows, slices, 30000, 300), affine_of(grid))
    with pytest.raises(LabelError, match=r"2.7 GiB when unpacked \[many_mask.nii.gz\]\. unpack it"):
        masks_of(many, grid=grid)
    assert not unpacked


def test_a_file_without_a_place_or_an_image_without_one_is_a_finding(tmp_path: Path) -> None:
    grid = stack()
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.uint8), affine_of(grid), sform_code=0, qform_code=0)
    (finding,) = masks_of(path, grid=grid).findings
    assert (finding.code, finding.path) == ("label-grid-differs", "m.nii")
    nowhere = stack(orientation=np.full(6, np.nan))
    path = write(tmp_path / "n.nii", np.ones((10, 8, 4), np.uint8), affine_of(grid))
    assert [f.code for f in masks_of(path, grid=nowhere).findings] == ["label-grid-differs"]


def test_sform_and_qform_that_disagree_are_an_error_naming_both(tmp_path: Path) -> None:
    grid = stack()
    moved = affine_of(grid)
    moved[0, 3] += 0.2
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.uint8), affine_of(grid), qform=moved)
    with pytest.raises(LabelError, match=r"sform and qform disagree by up to 0\.20 .*sform begins at .*qform at"):
        masks_of(path, grid=grid)
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.uint8), affine_of(grid), qform=moved, qform_code=0)
    assert masks_of(path, grid=grid).data.all()


def test_qform_alone_places_a_mask(tmp_path: Path) -> None:
    grid = stack()
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.uint8), affine_of(grid), sform_code=0)
    assert masks_of(path, grid=grid).data.all()


def test_metres_are_metres(tmp_path: Path) -> None:
    grid = stack()
    affine = np.diag([1e-3, 1e-3, 1e-3, 1]) @ affine_of(grid)
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.uint8), affine, xyzt_units=1)
    assert masks_of(path, grid=grid).data.all()


def test_numbers_that_are_not_whole_are_no_mask_unless_asked(tmp_path: Path) -> None:
    grid = stack()
    values = np.linspace(0, 1, 320, dtype=np.float32).reshape(grid.shape)
    path = write(tmp_path / "m.nii.gz", values.transpose(2, 1, 0), affine_of(grid))
    with pytest.raises(LabelError, match=r"from 0 to 1 are not whole numbers.*fraction='probability'"):
        masks_of(path, grid=grid)
    masks = masks_of(path, grid=grid, fraction="probability")
    assert (masks.kind, masks.fractional_type, masks.data.dtype) == ("fraction", "probability", np.float32)
    np.testing.assert_array_equal(masks.data[0], values)
    assert [f.code for f in masks.findings] == ["label-fractional"]


@pytest.mark.parametrize(
    ("values", "told"),
    [([0.0, 1.5], "not whole"), ([0, -1], "a label is -1"), ([0.0, np.nan], "not whole"), ([0.0, np.inf], "not whole")],
)
def test_what_is_no_label_is_refused(tmp_path: Path, values: list[float], told: str) -> None:
    grid = stack()
    array = np.resize(np.array(values, np.float32), grid.shape[::-1])
    with pytest.raises(LabelError, match=told):
        masks_of(write(tmp_path / "m.nii", array, affine_of(grid)), grid=grid)


def test_an_image_of_whole_numbers_is_no_mask(tmp_path: Path) -> None:
    grid = stack(shape=(20, 20))
    array = np.arange(1600, dtype=np.int16).reshape(grid.shape[::-1])
    with pytest.raises(LabelError, match="an image, not a mask"):
        masks_of(write(tmp_path / "m.nii", array, affine_of(grid)), grid=grid)


def test_stored_numbers_are_scaled_to_labels(tmp_path: Path) -> None:
    grid = stack()
    labels = labels_on(grid)
    path = write(tmp_path / "m.nii", labels.transpose(2, 1, 0) * np.uint8(100), affine_of(grid))
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.01, 0], "<f4").tobytes()
    path.write_bytes(raw)
    masks = masks_of(path, grid=grid)
    np.testing.assert_array_equal(masks.data, np.stack([labels == 1, labels == 2]))


@pytest.mark.parametrize("axis", [3, 4])
def test_of_several_volumes_each_is_a_segment(tmp_path: Path, axis: int) -> None:
    grid = stack()
    volumes = np.random.default_rng(0).random((3, *grid.shape)) < [[[[0.5]]], [[[0.0]]], [[[0.5]]]]
    array = np.moveaxis(volumes.astype(np.uint8) * 5, 0, -1).transpose(2, 1, 0, 3)
    array = array if axis == 3 else array[:, :, :, None]
    masks = masks_of(write(tmp_path / "m.nii", array, affine_of(grid)), grid=grid, label_names={3: "c"})
    assert [s.name for s in masks.segments] == ["label 1", "label 2", "c"]
    np.testing.assert_array_equal(masks.data, volumes)
    assert [(f.code, f.message) for f in masks.findings] == [("label-empty", "segment 2 has no voxel on the image")]


def test_several_labels_in_one_of_several_volumes_are_refused(tmp_path: Path) -> None:
    grid = stack()
    array = np.stack([labels_on(grid)] * 2, axis=-1).transpose(2, 1, 0, 3)
    with pytest.raises(LabelError, match="several labels in one volume"):
        masks_of(write(tmp_path / "m.nii", array, affine_of(grid)), grid=grid)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_are_read_when_asked_also_from_another_process(tmp_path: Path, suffix: str) -> None:
    grid = stack()
    labels = labels_on(grid)
    path = write(tmp_path / f"mask{suffix}", labels.transpose(2, 1, 0), affine_of(grid))
    layers = pickle.loads(pickle.dumps(masks_of(path, grid=grid).layers))
    np.testing.assert_array_equal(layers.read(1, np.array([3, 1])), labels[[3, 1]] == 2)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ChangedFile):
        layers.read(1, np.array([3]))


def test_broken_files_fail_with_our_error_and_name(tmp_path: Path) -> None:
    grid = stack()
    path = write(tmp_path / "mask.nii.gz", np.ones((10, 8, 4), np.uint8), affine_of(grid))
    whole = path.read_bytes()
    for content in (whole[:60], whole[: len(whole) - 9], b"", b"no nifti", whole[:30] + bytes(40) + whole[70:]):
        path.write_bytes(content)
        with pytest.raises(LabelError, match=r"mask\.nii\.gz"):
            masks_of(path, grid=grid)
    with pytest.raises(PathNotFound):
        masks_of(tmp_path / "none.nii", grid=grid)
    image = nibabel.MGHImage(np.ones((10, 8, 4), np.uint8), affine_of(grid))
    image.to_filename(tmp_path / "other.mgz")
    with pytest.raises(LabelError, match="not a NIfTI file"):
        masks_of(tmp_path / "other.mgz", grid=grid)


def test_complex_numbers_are_no_labels(tmp_path: Path) -> None:
    grid = stack()
    path = write(tmp_path / "m.nii", np.ones((10, 8, 4), np.complex64), affine_of(grid))
    with pytest.raises(LabelError, match="neither whole nor real"):
        masks_of(path, grid=grid)


@pytest.mark.data
@pytest.mark.parametrize("patient", ["STS_002", "STS_003", "STS_008", "STS_019", "STS_025", "STS_035", "STS_042"])
@pytest.mark.parametrize("kind", ["CT", "MR_T1", "PET"])
def test_nifti_masks_of_the_sarcomas_equal_their_structure_sets(data_dir: Path, patient: str, kind: str) -> None:
    from workbench.dicom.scan import scan
    from workbench.dicom.series import iterate_series
    from workbench.labels import masks_on_grid

    folder = data_dir / "sts" / "dicom" / patient / kind
    ((plan,),) = (series.plans for series in iterate_series(scan(folder / "image").table, folder / "image"))
    (drawn,) = (folder / "mask").iterdir()
    masks = masks_of(data_dir / "sts" / "nifti" / patient / f"{kind}_mask.nii.gz", grid=plan.grid)
    assert masks.findings == ()
    assert masks.data.any()
    np.testing.assert_array_equal(masks.data, masks_on_grid(drawn, grid=plan.grid).data)
