"""PatientIndex: ``ds.sel`` by patient millimetres on oblique volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import xarray.indexes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from tests.tries import tries
from workbench.arrays import from_array
from workbench.errors import GridMismatch, IrregularGeometry, OutsideImage, UsageError

if not hasattr(xarray.indexes, "CoordinateTransformIndex"):
    pytest.skip("this xarray has no CoordinateTransformIndex", allow_module_level=True)


def tilted_by_20_degrees() -> xr.Dataset:
    orientation = np.array(factories.turned(20, 0, 0)).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([3 * np.cross(*orientation), 0.7 * orientation[1], 0.9 * orientation[0]], axis=1)
    affine[:3, 3] = (-20, 15, 40)
    return from_array(np.arange(6 * 7 * 8).reshape(6, 7, 8), affine)


def at(place: np.ndarray) -> dict[str, float]:
    return dict(zip(("patient_x", "patient_y", "patient_z"), place.tolist(), strict=True))


def test_voxel_is_found_by_its_place_on_a_20_degree_volume() -> None:
    ds = tilted_by_20_degrees()
    indexed = ds.patient.index()
    for voxel in ((0, 0, 0), (3, 4, 5), (5, 6, 7)):
        place = ds.patient.to_patient(np.add(voxel, [0.3, -0.4, 0.2]))
        found = indexed.sel(at(place), method="nearest")["image"]
        assert found.dims == ()
        assert found == ds["image"].values[voxel]


def test_coordinates_are_the_places_of_the_voxels() -> None:
    indexed = tilted_by_20_degrees().patient.index()
    for voxel in ((0, 0, 0), (3, 4, 5)):
        place = [float(indexed[name].values[voxel]) for name in ("patient_x", "patient_y", "patient_z")]
        assert place == pytest.approx(indexed.patient.to_patient(voxel))
    assert indexed["patient_x"].attrs["units"] == "mm"


SLICES = st.builds(slice, st.integers(0, 3), st.one_of(st.none(), st.integers(4, 6)), st.integers(1, 3))


@settings(deadline=None, max_examples=tries(80))
@given(strategies.affines(sheared=True), st.fixed_dictionaries({}, optional=dict.fromkeys("zyx", SLICES)))
def test_isel_by_slices_keeps_the_index_with_its_affine_shifted(affine: np.ndarray, part: dict[str, slice]) -> None:
    ds = from_array(np.arange(6**3).reshape(6, 6, 6), affine)
    left = ds.patient.index().isel(part)
    assert "patient_x" in left.xindexes
    last = np.array([left.sizes[axis] - 1 for axis in "zyx"])
    place = ds.isel(part).patient.to_patient(last)
    assert left.sel(at(place), method="nearest")["image"] == ds["image"].isel(part).values[tuple(last)]
    assert [float(left[name].values[tuple(last)]) for name in ("patient_x", "patient_y", "patient_z")] == pytest.approx(
        place.tolist(), abs=1e-4
    )


def test_backward_slices_keep_the_index_too() -> None:
    ds = tilted_by_20_degrees()
    left = ds.patient.index().isel(y=slice(None, None, -1))
    place = ds.patient.to_patient([2, 1, 3])
    assert left.sel(at(place), method="nearest")["image"] == ds["image"].values[2, 1, 3]


@pytest.mark.parametrize("part", [{"z": 2}, {"y": [0, 2, 3]}, {"x": np.array([1, 5])}])
def test_anything_else_leaves_plain_coordinates(part: dict[str, Any]) -> None:
    ds = tilted_by_20_degrees()
    left = ds.patient.index().isel(part)
    assert "patient_x" not in left.xindexes
    assert left["patient_z"].values == pytest.approx(
        ds.patient.index()["patient_z"].values[
            tuple(np.atleast_1d(part[a]) if a in part and np.ndim(part[a]) else part.get(a, slice(None)) for a in "zyx")
        ]
    )


def test_several_places_at_once() -> None:
    ds = tilted_by_20_degrees()
    voxels = np.array([[0, 1, 2], [5, 0, 7], [3, 3, 3]])
    places = ds.patient.to_patient(voxels)
    labels = {f"patient_{axis}": xr.DataArray(places[:, i], dims="lesion") for i, axis in enumerate("xyz")}
    found = ds.patient.index().sel(labels, method="nearest")["image"]
    assert found.dims == ("lesion",)
    assert found.values.tolist() == ds["image"].values[tuple(voxels.T)].tolist()


def test_outside_is_an_error_and_not_the_other_end() -> None:
    ds = tilted_by_20_degrees()
    for voxel in ([-1, 0, 0], [0, 0, 7.6]):
        with pytest.raises(OutsideImage):
            ds.patient.index().sel(at(ds.patient.to_patient(voxel)), method="nearest")


def test_a_place_needs_three_numbers_and_nearest() -> None:
    indexed = tilted_by_20_degrees().patient.index()
    with pytest.raises(UsageError, match="patient_y, patient_z missing"):
        indexed.sel(patient_x=0, method="nearest")
    with pytest.raises(UsageError, match="method='nearest'"):
        indexed.sel(patient_x=0, patient_y=0, patient_z=0)


def test_one_place_reads_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    factories.stack(tmp_path, (0, 2, 4), orientation=factories.turned(20, 0, 0))
    ds = xr.open_dataset(tmp_path, engine="dicom").patient.index()
    place = ds.patient.to_patient([1, 2, 3])
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    assert ds.sel(at(place), method="nearest")["image"].values == factories.pixels(2)[2, 3]
    assert names == ["0001.dcm"]


def test_other_volumes_do_not_align() -> None:
    a = tilted_by_20_degrees().patient.index()
    assert (a["image"] + a["image"]).shape == (6, 7, 8)
    assert a.xindexes["patient_x"].equals(tilted_by_20_degrees().patient.index().xindexes["patient_x"])
    assert not a.xindexes["patient_x"].equals(a.isel(x=slice(1, None)).xindexes["patient_x"])


def test_two_grids_in_one_operation_are_refused() -> None:
    a = tilted_by_20_degrees().patient.index()
    with pytest.raises(GridMismatch, match="use resample_like"):
        a["image"] + a["image"].isel(z=slice(0, 2))
    with pytest.raises(GridMismatch, match="grids differ"):
        xr.concat([a.isel(z=slice(0, 3)), a.isel(z=slice(3, 6))], "z", join="outer")


def test_uneven_slices_have_no_index(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 5))
    with pytest.raises(IrregularGeometry):
        xr.open_dataset(tmp_path, engine="dicom").patient.index()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, "a", None])
def test_what_is_no_place_is_refused(wrong: object) -> None:
    axes = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
    indexed = from_array(np.zeros((3, 4, 5)), axes).patient.index()
    with pytest.raises(UsageError, match="patient_x"):
        indexed.sel(patient_x=wrong, patient_y=8, patient_z=11, method="nearest")
