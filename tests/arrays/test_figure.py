"""The static figure: true millimetres, outlines along voxel edges, nothing drawn where nothing was measured."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.image import imread

from tests import factories
from workbench.errors import UsageError


def series(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    return xr.open_dataset(folder, engine="dicom")


def with_mask(ds: xr.Dataset, voxels: list[tuple[int, int, int]], name: str = "tumour") -> xr.Dataset:
    mask = np.zeros((1, *ds["image"].shape), bool)
    for voxel in voxels:
        mask[(0, *voxel)] = True
    return ds.assign(mask=(("segment", "z", "y", "x"), mask)).assign_coords(segment=[name])


def mesh(ax: Axes) -> QuadMesh:
    (found,) = [item for item in ax.collections if isinstance(item, QuadMesh)]
    return found


def lines(ax: Axes) -> set[frozenset[tuple[float, float]]]:
    found = [item for item in ax.collections if isinstance(item, LineCollection)]
    return {
        frozenset(tuple(round(float(v), 4) for v in point) for point in segment)
        for item in found
        for segment in item.get_segments()
    }


def renders(figure: Any) -> np.ndarray:
    """The picture, (rows, columns, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def test_three_planes_in_equal_millimetres(tmp_path: Path) -> None:
    drawn = series(tmp_path).patient.figure()
    assert len(drawn.axes) == 3
    for ax in drawn.axes:
        assert ax.get_aspect() == 1.0
    axial, coronal, sagittal = drawn.axes
    assert (axial.get_xlabel(), axial.get_ylabel()) == ("x / mm", "y / mm")
    assert (coronal.get_xlabel(), coronal.get_ylabel()) == ("x / mm", "z / mm")
    assert (sagittal.get_xlabel(), sagittal.get_ylabel()) == ("y / mm", "z / mm")
    assert axial.get_xlim() == pytest.approx((-10.4, -4.0))
    # Rows run down in the stored plane, head is up in the others.
    assert axial.get_ylim() == pytest.approx((22.75, 19.75))
    assert coronal.get_ylim() == pytest.approx((29, 41))


def test_pixels_are_where_their_coordinates_say(tmp_path: Path) -> None:
    ds = series(tmp_path)
    drawn = ds.patient.figure(at={"z": 34, "y": 21, "x": -8.4})
    axial = mesh(drawn.axes[0])
    assert np.asarray(axial.get_array()).reshape(6, 8).tolist() == ds["image"].sel(z=34).values.tolist()
    corners = np.asarray(axial.get_coordinates())
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    assert centres[..., 0] == pytest.approx(np.broadcast_to(ds["x"].values, (6, 8)), abs=1e-9)
    assert centres[..., 1] == pytest.approx(np.broadcast_to(ds["y"].values[:, None], (6, 8)), abs=1e-9)
    assert drawn.axes[0].get_title() == "z = 34.0 mm"


def test_outline_runs_exactly_along_the_edges_of_the_voxels(tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path), [(2, 1, 3), (2, 1, 4)])
    axial, coronal, _ = ds.patient.figure().axes
    left, middle, right = (round(-10.4 + 0.8 * i, 4) for i in (3, 4, 5))
    top, bottom = 20.25, 20.75
    assert lines(axial) == {
        frozenset(pair)
        for pair in (
            ((left, top), (middle, top)),
            ((middle, top), (right, top)),
            ((left, bottom), (middle, bottom)),
            ((middle, bottom), (right, bottom)),
            ((left, top), (left, bottom)),
            ((right, top), (right, bottom)),
        )
    }
    assert {point[1] for pair in lines(coronal) for point in pair} == {33.0, 35.0}


def test_point_shown_is_the_middle_of_the_largest_segment(tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path), [(4, 1, 6), (4, 2, 6), (4, 2, 5)])
    assert ds.patient.figure().axes[0].get_title() == "z = 38.0 mm"


def test_a_mask_that_fills_the_image_is_shown_in_its_middle(tmp_path: Path) -> None:
    ds = series(tmp_path)
    full = ds.patient.masks(np.ones(ds["image"].shape, bool))
    titles = [ax.get_title() for ax in full.patient.figure().axes]
    assert titles == [ax.get_title() for ax in ds.patient.figure().axes]


def test_missing_slices_are_not_drawn_as_if_present(tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path, (0, 2, 4, 10, 12)), [(2, 2, 2), (3, 2, 2)])
    _, coronal, sagittal = ds.patient.figure().axes
    for ax in (coronal, sagittal):
        corners = np.asarray(mesh(ax).get_coordinates())[:, 0, 1]
        assert corners == pytest.approx([29, 31, 33, 35, 39, 41, 43])
        shown = np.ma.getmaskarray(mesh(ax).get_array()).reshape(6, -1)
        assert shown.all(axis=1).tolist() == [False, False, False, True, False, False]
        assert ax.patch.get_hatch()
    # The segment ends at the opening and begins again behind it.
    heights = {point[1] for pair in lines(coronal) for point in pair}
    assert heights == {33, 35, 39, 41}


def test_unevenly_spaced_slices_are_no_wider_than_usual(tmp_path: Path) -> None:
    ds = series(tmp_path, (0, 2, 4, 7.3, 9.3))
    assert ds.attrs["geometry"] == "variable"
    corners = np.asarray(mesh(ds.patient.figure().axes[1]).get_coordinates())[:, 0, 1]
    assert corners == pytest.approx([29, 31, 33, 35, 36.3, 38.3, 40.3])


def test_tilted_slices_are_drawn_where_they_are(tmp_path: Path) -> None:
    ds = series(tmp_path, lean=(0, 0.25, 0))
    _, coronal, sagittal = ds.patient.figure().axes
    corners = np.asarray(mesh(sagittal).get_coordinates())
    centres = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
    expected = ds["position"].values[:, 1:2] + 0.5 * np.arange(6)
    assert centres[..., 0] == pytest.approx(expected)
    assert centres[..., 1] == pytest.approx(np.broadcast_to(ds["z"].values[:, None], (6, 6)))
    assert np.ptp(np.asarray(mesh(coronal).get_coordinates())[:, 0, 0]) == pytest.approx(0)


def test_frames_that_are_absent_show_the_ground(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / str(i), first=1 + 10 * i, DiffusionBValue=level)
    (tmp_path / "1" / "0002.dcm").unlink()
    ds = xr.open_dataset(tmp_path, engine="dicom")
    coronal = mesh(ds.patient.figure(at={"b_value": 1000}).axes[1])
    missing = np.ma.getmaskarray(coronal.get_array()).reshape(6, -1).all(axis=1)
    assert missing.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    "options",
    [
        {"depths": (0,)},
        {"ImagePositionPatient": None},
        {"ImagePositionPatient": None, "PixelSpacing": None},
        {"orientation": factories.turned(20, 10, 5)},
        {"orientation": factories.CORONAL},
        {"orientation": factories.SAGITTAL},
        {"lean": (0, 0.25, 0)},
        {"depths": (0, 2, 8)},
        {"Modality": "PT", "Units": "BQML", "per_slice": {"RescaleSlope": [1, 1.5, 2, 2.5, 3, 3.5]}},
        {"Modality": "MR", "WindowCenter": [500, 40], "WindowWidth": [100, 5]},
        {"frames": np.zeros((6, 8), "<i2")},
        {"frames": np.zeros((1, 1), "<i2")},
    ],
)
def test_every_kind_of_series_renders(options: dict[str, Any], tmp_path: Path) -> None:
    ds = series(tmp_path, **options)
    flat = ds.sizes["z"] == 1 or ds.attrs["geometry"] == "unplaced"
    drawn = ds.patient.figure()
    assert len(drawn.axes) == (1 if flat else 3)
    shown = drawn._repr_png_()
    assert shown[:4] == b"\x89PNG"
    assert len(np.unique(imread(BytesIO(shown)))) > 10


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_is_shown_in_its_colours(dtype: Any, tmp_path: Path) -> None:
    picture = np.zeros((1, 6, 8, 3), dtype)
    picture[..., 0] = np.iinfo(dtype).max
    factories.image(tmp_path / "a", frames=picture, Modality="SC")
    shown = renders(xr.open_dataset(tmp_path, engine="dicom").patient.figure())
    assert (shown.reshape(-1, 3) == [255, 0, 0]).all(axis=1).mean() > 0.2


def test_ct_window_is_soft_tissue_and_can_be_chosen(tmp_path: Path) -> None:
    ds = series(tmp_path)
    assert mesh(ds.patient.figure().axes[0]).get_clim() == (-160, 240)
    assert mesh(ds.patient.figure(window=(300, 1500)).axes[0]).get_clim() == (-450, 1050)


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path), [(1, 1, 1)])
    with pytest.raises(UsageError, match="no dimension t"):
        ds.patient.figure(at={"t": 1})
    with pytest.raises(UsageError, match="there are: tumour"):
        ds.patient.figure(segments=["liver"])


def test_figures_are_not_kept_by_pyplot(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    series(tmp_path).patient.figure()
    assert plt.get_fignums() == []


def drawn_values(drawn: Any) -> list[np.ndarray]:
    return [np.asarray(mesh(ax).get_array()) for ax in drawn.axes]


@pytest.mark.parametrize(("axis", "labels"), [("z", ("x", "y")), ("y", ("x", "z")), ("x", ("y", "z"))])
def test_one_slice_is_drawn_alone(axis: str, labels: tuple[str, str], tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path), [(2, 2, 2)])
    (ax,) = ds.isel({axis: 2}).patient.figure().axes
    assert (ax.get_xlabel()[0], ax.get_ylabel()[0]) == labels
    assert (np.asarray(mesh(ax).get_array()) == ds["image"].isel({axis: 2}).values).all()
    assert ax.get_title() == f"{axis} = {float(ds[axis][2]):.1f} mm"
    assert len(lines(ax)) == 4


@pytest.mark.parametrize("order", [("x", "y", "z"), ("y", "z", "x")])
def test_axes_in_any_order_draw_the_same(order: tuple[str, ...], tmp_path: Path) -> None:
    ds = with_mask(series(tmp_path, frames=np.arange(36, dtype="<i2").reshape(6, 6)), [(1, 2, 3)])
    assert set(ds["image"].shape) == {6}
    plain, turned = ds.patient.figure(), ds.transpose(*order, ...).patient.figure()
    for a, b, one, other in zip(drawn_values(plain), drawn_values(turned), plain.axes, turned.axes, strict=True):
        assert (a == b).all()
        assert lines(one) == lines(other)


def test_slices_in_any_order_stand_where_they_are(tmp_path: Path) -> None:
    ds = series(tmp_path)
    plain = drawn_values(ds.patient.figure(at={"z": 34}))
    for other in (ds.isel(z=slice(None, None, -1)), ds.isel(z=[3, 0, 5, 1, 4, 2], x=slice(None, None, -1))):
        for a, b in zip(plain, drawn_values(other.patient.figure(at={"z": 34})), strict=True):
            assert (a == b).all()


def test_voxels_picked_unevenly_leave_the_others_open(tmp_path: Path) -> None:
    axial = series(tmp_path).isel(x=[0, 1, 2, 6]).patient.figure().axes[0]
    assert np.ma.getmaskarray(mesh(axial).get_array()).any(axis=0).tolist() == [False, False, False, True, False]


def test_averages_fill_the_room_of_what_they_average(tmp_path: Path) -> None:
    coarse = series(tmp_path).drop_vars("sop_instance_uid").coarsen(z=2, y=2, x=2).mean()
    for ax in coarse.patient.figure().axes:
        assert not np.ma.getmaskarray(mesh(ax).get_array()).any()


def test_title_names_the_level_that_is_shown(tmp_path: Path) -> None:
    ds = series(tmp_path).expand_dims("time").isel(time=[0, 0])
    ds = ds.assign_coords(time=("time", [0.0, 12.5], {"units": "s"}))
    assert "time = 0 s (1 of 2)" in ds.patient.figure().get_suptitle()
    assert "time = 12.5 s (2 of 2)" in ds.patient.figure(at={"time": 12}).get_suptitle()
    assert len(ds.isel(time=0).patient.figure().axes) == 3
    counted = ds.assign_coords(time=("time", [0.0, 1.0], {"units": "1"}))
    assert "time = 0 (1 of 2)" in counted.patient.figure().get_suptitle()
    named = ds.assign_coords(time=["early", "late"])
    assert "time = late (2 of 2)" in named.patient.figure(at={"time": "late"}).get_suptitle()
    with pytest.raises(UsageError, match=r"no time 'never'.*early, late"):
        named.patient.figure(at={"time": "never"})


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colour_of_every_type_is_drawn(dtype: str, channels: int, tmp_path: Path) -> None:
    full = 1 if dtype == "float32" else np.iinfo(dtype).max
    values = np.full((6, 6, 8, channels), full, dtype)
    ds = series(tmp_path).drop_vars("image").assign(image=(("z", "y", "x", "channel"), values))
    picture = renders(ds.isel(z=2).patient.figure())
    assert (picture[picture.shape[0] // 2, picture.shape[1] // 2] == 255).all() or channels == 1


def test_two_channels_and_a_window_of_colours_are_refused(tmp_path: Path) -> None:
    ds = series(tmp_path).drop_vars("image")
    two = ds.assign(image=(("z", "y", "x", "channel"), np.zeros((6, 6, 8, 2), "uint8")))
    with pytest.raises(UsageError, match="2 channels is no colour"):
        two.patient.figure()
    with pytest.raises(UsageError, match="colour image has no window"):
        ds.assign(image=(("z", "y", "x", "channel"), np.zeros((6, 6, 8, 3), "uint8"))).patient.figure(window=(1, 2))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"z": []}, "axis z is empty"),
        ({"x": []}, "axis x is empty"),
        ({"z": 1, "y": 1}, "no axes z and y"),
    ],
)
def test_what_has_no_plane_is_refused(part: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=text):
        series(tmp_path).isel(part).patient.figure()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"at": 5}, "at cannot be 5"),
        ({"at": {"z": "a"}}, r"at\['z'\] cannot be 'a'"),
        ({"at": {"z": np.nan}}, r"at\['z'\] cannot be"),
        ({"at": {"z": 100}}, "z = 100 is outside the image, which spans 30.0 to 40.0"),
        ({"window": 5}, "window cannot be 5"),
        ({"window": "lung"}, "window cannot be 'lung'"),
        ({"window": (1, "a")}, "window cannot be 'a'"),
        ({"window": (40, 0)}, "width 0"),
        ({"segments": 5}, "segments cannot be 5"),
        ({"segments": "tumour"}, "segments cannot be 'tumour'"),
        ({"segments": ["tumour"]}, "there are: none"),
        ({"width": "a"}, "width cannot be 'a'"),
        ({"width": -1}, "-1 inches"),
        ({"width": 1e9}, "inches wide"),
    ],
)
def test_arguments_that_are_none_are_named(options: dict[str, Any], error: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=error):
        series(tmp_path).patient.figure(**options)


def test_an_image_of_nothing_is_drawn(tmp_path: Path) -> None:
    ds = series(tmp_path, Modality="MR")
    assert len(ds.where(ds["image"] > 1e9).patient.figure().axes) == 3
    with pytest.raises(UsageError, match="no real numbers"):
        (ds * 1j).patient.figure()


def test_a_crop_of_a_tilted_series_stands_where_it_was(tmp_path: Path) -> None:
    ds = series(tmp_path, lean=(0, 0.25, 0))
    whole, part = (d.patient.figure(at={"z": 38}).axes[0] for d in (ds, ds.isel(z=slice(2, 6))))
    assert whole.get_ylim() == pytest.approx(part.get_ylim())


def texts(drawn: Any) -> list[list[str]]:
    return [[text.get_text() for text in axes.texts] for axes in drawn.axes]


def test_the_window_is_told_once_in_the_words_of_those_who_read_it(tmp_path: Path) -> None:
    ds = series(tmp_path)
    first, second, third = texts(ds.patient.figure(window=(40, 400)))
    assert first[-1] == "L 40  W 400  HU"
    assert not [text for text in (*second, *third) if "W" in text]
    pet = ds.assign(image=ds["image"].assign_attrs(units="g/mL", value_kind="suv"))
    assert texts(pet.patient.figure(window=(5, 10)))[0][-1] == "0 to 10  g/mL"


def test_letters_are_read_on_any_ground(tmp_path: Path) -> None:
    drawn = series(tmp_path).patient.figure()
    letters = [text for axes in drawn.axes for text in axes.texts]
    assert {text.get_text() for text in letters} >= {"R", "L", "A", "P"}
    assert all(text.get_path_effects() for text in letters)


def test_a_flat_plane_has_no_letters_above_each_other(tmp_path: Path) -> None:
    assert any(set(one) & {"S", "I"} for one in texts(series(tmp_path / "thick").patient.figure()))
    flat = series(tmp_path / "flat", (0, 0.1)).patient.figure()
    assert not any(set(one) & {"S", "I"} for one in texts(flat))
    assert len(flat.axes[1].get_yticks()) == 1
