from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.labels.objects import FRAME, Region, box, oblique, stack, to_world, write_rtstruct
from tests.tries import part, tries
from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.labels import Masks, contours, describe, masks_on_grid

CLOSED = "CLOSED_PLANAR"


def draw(tmp_path: Path, grid: Grid, *regions: Region, **options: bool) -> Masks:
    return masks_on_grid(write_rtstruct(tmp_path / "rs.dcm", *regions), grid=grid, name="node/rs.dcm", **options)


def codes(masks: Masks) -> list[str]:
    return [finding.code for finding in masks.findings]


def on_slice(grid: Grid, slice_: int, *boxes: np.ndarray, off: float = 0.0) -> Region:
    return Region([(CLOSED, to_world(grid, slice_, vertices, off=off)) for vertices in boxes])


GRIDS = {
    "axial": stack(),
    "oblique": stack(orientation=oblique()),
    "tilted": stack(lean=(0.0, 0.25, 0.0)),
    "gap": stack((0, 2, 6, 8)),
    "uneven": stack((0, 2, 5, 6)),
    "falling columns": stack(orientation=np.array([-1.0, 0, 0, 0, 1, 0])),
}


@pytest.mark.parametrize("name", GRIDS)
def test_box_lands_on_its_voxels_on_every_grid(tmp_path: Path, name: str) -> None:
    grid = GRIDS[name]
    masks = draw(tmp_path, grid, on_slice(grid, 2, box(1.5, 2.5, 4.5, 7.5)))
    expected = np.zeros((1, *grid.shape), dtype=bool)
    expected[0, 2, 2:5, 3:8] = True
    np.testing.assert_array_equal(masks.data, expected)
    assert masks.findings == ()
    assert masks.kind == "mask"


@settings(max_examples=tries(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mask=arrays(bool, (2, 8, 10), elements=st.booleans()),
    name=st.sampled_from(sorted(GRIDS)),
)
def test_outline_of_any_mask_gives_the_mask_back(tmp_path: Path, mask: np.ndarray, name: str) -> None:
    from skimage.measure import find_contours

    grid = GRIDS[name]
    region = Region()
    for index, plane in enumerate(mask):
        for outline in find_contours(np.pad(plane.astype(float), 1), 0.5):
            region.contours.append((CLOSED, to_world(grid, index + 1, outline - 1)))
    masks = draw(tmp_path, grid, region)
    np.testing.assert_array_equal(masks.data[0, 1:3], mask)
    assert not masks.data[0, [0, 3]].any()


def test_segments_keep_name_number_and_kind(tmp_path: Path) -> None:
    grid = stack()
    first, second = on_slice(grid, 0, box(0, 0, 2, 2)), on_slice(grid, 1, box(1, 1, 3, 3))
    second.name = ""
    masks = draw(tmp_path, grid, first, second)
    assert [(s.number, s.name, s.kind, s.category, s.algorithm) for s in masks.segments] == [
        (1, "GTV", "RTSTRUCT", "GTV", "MANUAL"),
        (2, "segment 2", "RTSTRUCT", "GTV", "MANUAL"),
    ]
    assert {s.annotator for s in masks.segments} == {""}
    assert masks.data[0, 0].any()
    assert not masks.data[0, 1].any()
    assert masks.data[1, 1].any()


@pytest.mark.parametrize("off", [0.9, -0.9])
def test_contour_nearer_than_half_a_step_goes_to_its_slice(tmp_path: Path, off: float) -> None:
    grid = stack()
    masks = draw(tmp_path, grid, on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5), off=off))
    assert masks.data.sum(axis=(0, 2, 3)).tolist() == [0, 4, 0, 0]
    assert codes(masks) == ["label-near-slice"]


@pytest.mark.parametrize(("slice_", "off"), [(1, 1.0), (0, -1.2), (3, 5.0)])
def test_contour_on_no_slice_is_never_moved(tmp_path: Path, slice_: int, off: float) -> None:
    grid = stack()
    masks = draw(tmp_path, grid, on_slice(grid, slice_, box(0.5, 0.5, 2.5, 2.5), off=off))
    assert not masks.data.any()
    assert codes(masks) == ["label-off-slice", "label-empty"]


@pytest.mark.parametrize("turn", [0, 2])
@pytest.mark.parametrize("back", [False, True])
def test_contour_stored_twice_is_drawn_once(tmp_path: Path, turn: int, back: bool) -> None:
    grid = stack()
    outline = box(1.5, 2.5, 4.5, 7.5)
    again = np.roll(outline, turn, axis=0)[:: -1 if back else 1]
    masks = draw(tmp_path, grid, on_slice(grid, 2, outline, again))
    assert (int(masks.data.sum()), codes(masks)) == (15, ["label-repeated"])


def test_contour_on_a_missing_slice_is_off_slice(tmp_path: Path) -> None:
    grid = GRIDS["gap"]
    masks = draw(tmp_path, grid, on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5), off=2.0))
    assert codes(masks) == ["label-off-slice", "label-empty"]


def test_contour_across_the_slices_is_off_slice(tmp_path: Path) -> None:
    grid = stack()
    upright = np.array([[0, 8, 11], [0, 8, 17], [0, 9, 17], [0, 9, 11.0]])
    assert codes(draw(tmp_path, grid, Region([(CLOSED, upright)]))) == ["label-off-slice", "label-empty"]


def test_contours_between_slices_do_not_cut_rings(tmp_path: Path) -> None:
    grid = stack()
    region = on_slice(grid, 1, box(0.5, 0.5, 5.5, 5.5))
    region.contours += on_slice(grid, 1, box(1.5, 1.5, 4.5, 4.5), off=0.7).contours
    masks = draw(tmp_path, grid, region)
    assert masks.data.sum() == 25
    assert codes(masks) == ["label-off-slice"]


@pytest.mark.parametrize(("kind", "count"), [("POINT", 1), ("OPEN_PLANAR", 5), ("OPEN_NONPLANAR", 5), (CLOSED, 2)])
def test_points_and_lines_are_listed_not_drawn(tmp_path: Path, kind: str, count: int) -> None:
    grid = stack()
    points = to_world(grid, 1, [[1, 1], [1, 5], [5, 5], [5, 1], [3, 3]][:count])
    alone = draw(tmp_path, grid, Region([(kind, points)]))
    assert alone.segments == ()
    assert alone.data.shape == (0, *grid.shape)
    assert codes(alone) == ["label-not-a-mask"]

    region = on_slice(grid, 0, box(0.5, 0.5, 2.5, 2.5))
    region.contours.append((kind, points))
    beside = draw(tmp_path, grid, region)
    assert beside.data.sum() == 4
    assert codes(beside) == ["label-not-a-mask"]


def test_xor_type_is_a_closed_contour(tmp_path: Path) -> None:
    grid = stack()
    outlines = [box(0.5, 0.5, 5.5, 5.5), box(1.5, 1.5, 3.5, 3.5)]
    region = Region([("CLOSEDPLANAR_XOR", to_world(grid, 1, outline)) for outline in outlines])
    assert draw(tmp_path, grid, region).data.sum() == 25 - 4


def test_part_inside_the_image_is_used(tmp_path: Path) -> None:
    grid = stack()
    masks = draw(tmp_path, grid, on_slice(grid, 1, box(-3.5, -2.5, 1.5, 0.5)))
    assert masks.data.sum() == 2
    assert codes(masks) == ["label-outside"]
    assert masks.findings[0].path == "node/rs.dcm"
    assert masks.findings[0].series_uid == masks.segments[0].series_uid != ""


def test_region_in_another_frame_is_left_out(tmp_path: Path) -> None:
    grid = stack()
    here, elsewhere = on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5)), on_slice(grid, 1, box(0, 0, 3, 3))
    elsewhere.frame = f"{FRAME}.5"
    masks = draw(tmp_path, grid, here, elsewhere)
    assert [s.number for s in masks.segments] == [1]
    assert codes(masks) == ["label-frame-differs"]
    assert len(draw(tmp_path, grid, here, elsewhere, check_frame=False).segments) == 2


def test_unknown_frame_does_not_differ(tmp_path: Path) -> None:
    grid = stack(frame="")
    assert draw(tmp_path, grid, on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5))).data.sum() == 4


@pytest.mark.parametrize("points", ["1\\2\\x", "1\\2\\3\\4", "nan\\0\\0\\1\\1\\1\\2\\2\\2"])
def test_broken_coordinates_cost_one_contour(tmp_path: Path, points: str) -> None:
    grid = stack()
    region = on_slice(grid, 0, box(0.5, 0.5, 2.5, 2.5))
    region.contours.append((CLOSED, points))
    masks = draw(tmp_path, grid, region)
    assert masks.data.sum() == 4
    assert codes(masks) == ["label-unreadable"]


def test_region_without_contours_is_empty(tmp_path: Path) -> None:
    masks = draw(tmp_path, stack(), Region())
    assert len(masks.segments) == 1
    assert codes(masks) == ["label-empty"]


def test_contours_of_an_undescribed_region_are_named(tmp_path: Path) -> None:
    grid = stack()
    regions = [on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5)) for _ in range(2)]
    masks = masks_on_grid(write_rtstruct(tmp_path / "rs.dcm", *regions, described=1), grid=grid)
    assert len(masks.segments) == 1
    assert codes(masks) == ["label-unreadable"]


def test_images_without_a_place_get_no_contours(tmp_path: Path) -> None:
    nowhere = grid_from(np.full((2, 3), np.nan), np.full(6, np.nan), (1, 1), (8, 8))
    masks = draw(tmp_path, nowhere, on_slice(stack(), 1, box(0.5, 0.5, 2.5, 2.5)))
    assert masks.data.shape == (0, 2, 8, 8)
    assert codes(masks) == ["label-grid-differs"]


def test_single_slice_takes_its_own_contours_only(tmp_path: Path) -> None:
    grid = stack((0,))
    region = on_slice(grid, 0, box(0.5, 0.5, 2.5, 2.5), off=0.05)
    region.contours += on_slice(grid, 0, box(0, 0, 6, 6), off=3.0).contours
    masks = draw(tmp_path, grid, region)
    assert masks.data.sum() == 4
    assert codes(masks) == ["label-off-slice"]


def grid_of(folder: Path, pattern: str = "*") -> Grid:
    from pydicom import dcmread

    headers = [dcmread(path, stop_before_pixels=True) for path in folder.glob(pattern)]
    orientation = np.array(headers[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(orientation[:3], orientation[3:])
    headers.sort(key=lambda header: np.array(header.ImagePositionPatient, dtype=float) @ normal)
    one = headers[0]
    return grid_from(
        np.array([header.ImagePositionPatient for header in headers], dtype=float),
        orientation,
        (float(one.PixelSpacing[0]), float(one.PixelSpacing[1])),
        (one.Rows, one.Columns),
        frame_of_reference_uid=one.get("FrameOfReferenceUID", ""),
    )


#: Each kind of image of each patient; where few are tried, each kind all the same.
PATIENTS = ("002", "003", "008", "019", "025", "035", "042")
SARCOMAS = part([(kind, patient) for kind in ("CT", "MR_T1", "PET") for patient in PATIENTS], 0)


@pytest.mark.data
@pytest.mark.parametrize(("modality", "patient"), SARCOMAS)
def test_sarcoma_mask_equals_its_nifti_voxel_for_voxel(data_dir: Path, patient: str, modality: str) -> None:
    import nibabel

    folder = data_dir / "sts" / "dicom" / f"STS_{patient}" / modality
    grid = grid_of(folder / "image")
    masks = masks_on_grid(folder / "mask" / "RS.dcm", grid=grid)
    nifti = nibabel.load(data_dir / "sts" / "nifti" / f"STS_{patient}" / f"{modality}_mask.nii.gz")

    # The NIfTI is (x, y, z) in RAS: bring its axes onto ours by the two affines, which must then be the same lattice.
    assert grid.affine is not None
    change = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ nifti.affine) @ grid.affine
    whole = np.rint(change).astype(int)
    np.testing.assert_allclose(change, whole, atol=1e-3)
    index = np.stack([*np.indices(grid.shape), np.ones(grid.shape, dtype=int)])
    i, j, k, _ = np.einsum("ab,b...->a...", whole, index)
    expected = np.asarray(nifti.dataobj)[i, j, k] > 0

    assert masks.findings == ()
    assert len(masks.segments) == 1
    assert expected.any()
    np.testing.assert_array_equal(masks.data[0], expected)


@pytest.mark.data
def test_rt_utils_objects_give_a_mask_or_a_finding(data_dir: Path) -> None:
    folder = data_dir / "rt-utils" / "mock_data"
    grid = grid_of(folder, "ct_*.dcm")
    for name in ("invalid_reference_rt.dcm", "non_existent_reference_rt.dcm"):
        masks = masks_on_grid(folder / name, grid=grid)
        assert masks.data.shape == (4, 2, 512, 512)
        assert masks.data.any(axis=(2, 3)).all(), "position decides, whatever the references say"
        assert codes(masks) == ["label-off-slice"], "slice at 70 mm is not there"
        assert masks.findings[0].count == 4
    # That library makes up a frame of reference; its references name the images all the same.
    masks = masks_on_grid(folder / "rt.dcm", grid=grid)
    assert codes(masks) == ["label-frame-differs"]
    assert masks_on_grid(folder / "rt.dcm", grid=grid, check_frame=False).data.any()


@pytest.mark.data
def test_contours_on_a_real_oblique_series_come_back(data_dir: Path, tmp_path: Path) -> None:
    grid = grid_of(data_dir / "rt-utils" / "oriented_data", "*.dcm")
    assert grid.placed
    masks = draw(tmp_path, grid, on_slice(grid, 1, box(9.5, 4.5, 19.5, 29.5)))
    assert masks.data.sum(axis=(0, 2, 3)).tolist() == [0, 250, 0]
    assert masks.findings == ()


@pytest.mark.data
def test_images_are_named_by_contours_where_no_series_is(data_dir: Path) -> None:
    held = describe(data_dir / "rt-utils" / "mock_data" / "non_existent_reference_rt.dcm")
    assert held.referenced_series_uids == ()
    assert [finding.code for finding in held.findings] == ["label-source-missing"]
    assert len(held.referenced_instance_uids) >= 3


def test_contours_are_read_once_and_filled_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = stack()
    region = on_slice(grid, 1, box(0.5, 0.5, 2.5, 2.5))
    region.contours += on_slice(grid, 2, box(0.5, 0.5, 5.5, 5.5)).contours
    masks = draw(tmp_path, grid, region)
    for path in tmp_path.iterdir():
        path.unlink()
    filled: list[int] = []
    real = contours.fill_contours
    monkeypatch.setattr(contours, "fill_contours", lambda *a, **k: filled.append(1) or real(*a, **k))
    again = pickle.loads(pickle.dumps(masks))
    assert again.layers.read(0, np.array([3, 1])).sum(axis=(1, 2)).tolist() == [0, 4]
    assert len(filled) == 1
    assert again.data.sum(axis=(0, 2, 3)).tolist() == [0, 4, 25, 0]


def test_emptiness_is_known_from_the_widest_outline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = stack()
    region = on_slice(grid, 0, box(0.6, 0.6, 0.9, 0.9))
    region.contours += on_slice(grid, 1, box(0.5, 0.5, 5.5, 5.5)).contours
    filled: list[int] = []
    real = contours.fill_contours
    monkeypatch.setattr(contours, "fill_contours", lambda *a, **k: filled.append(1) or real(*a, **k))
    assert codes(draw(tmp_path, grid, region)) == []
    assert len(filled) == 1
    assert codes(draw(tmp_path, grid, on_slice(grid, 0, box(0.6, 0.6, 0.9, 0.9)))) == ["label-empty"]


def test_points_and_lines_are_a_table_of_places(tmp_path: Path) -> None:
    grid = stack()
    line = to_world(grid, 1, [[1, 1], [1, 5], [4, 5]])
    masks = draw(tmp_path, grid, Region([("OPEN_PLANAR", line), ("POINT", line[:1])], name="ureter"))
    assert [(d.segment, d.name, d.geometry, len(d.places)) for d in masks.drawings] == [
        (1, "ureter", "OPEN_PLANAR", 3), (1, "ureter", "POINT", 1),
    ]  # fmt: skip
    np.testing.assert_allclose(masks.drawings[0].places, line)
    assert [row["drawing"] for row in masks.points] == [0, 0, 0, 1]
    np.testing.assert_allclose([masks.points[1][axis] for axis in "xyz"], line[1])


def test_date_of_a_structure_set_comes_along(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = write_rtstruct(tmp_path / "rs.dcm", on_slice(stack(), 1, box(0.5, 0.5, 2.5, 2.5)))
    dataset = dcmread(path)
    dataset.StructureSetDate, dataset.StructureSetTime = "20230102", "0304"
    dataset.save_as(path)
    assert masks_on_grid(path, grid=stack()).segments[0].date == "2023-01-02T03:04"
    assert describe(path).segments == masks_on_grid(path, grid=stack()).segments


def test_names_hold_nothing_that_steers_who_shows_them(tmp_path: Path) -> None:
    from pydicom import dcmread

    square = to_world(stack(), 1, box(0.5, 0.5, 3.5, 3.5))
    names = ["\x1b[31mred\x1b[0m", "a\u202eb", "two\r\nlines", "Läsion β (2)"]
    path = write_rtstruct(tmp_path / "rs.dcm", *(Region([("CLOSED_PLANAR", square)]) for _ in names))
    dataset = dcmread(path)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for region, name in zip(dataset.StructureSetROISequence, names, strict=True):
        region.ROIName = name
    dataset.save_as(path)
    assert [segment.name for segment in masks_on_grid(path, grid=stack()).segments] == [
        "red", "ab", "two  lines", "Läsion β (2)"
    ]  # fmt: skip
