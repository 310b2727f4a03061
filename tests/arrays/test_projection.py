"""Projections along an axis, whole or in slabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays import from_array, projection
from workbench.errors import IrregularGeometry, UsageError

UPRIGHT = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])


def opened(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in options.get("orientation", factories.AXIAL)])


def noise(shape: tuple[int, int, int] = (6, 5, 4), dtype: str = "int16") -> xr.Dataset:
    values = np.random.default_rng(3).integers(-1000, 1000, shape).astype(dtype)
    return from_array(values, UPRIGHT, units="[hnsf'U]")


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize(("method", "function"), [("max", np.max), ("min", np.min), ("mean", np.mean)])
def test_projection_is_numpys(axis: str, method: str, function: Any) -> None:
    ds = noise()
    flat = ds.patient.mip(axis, method=method)
    assert flat.dtype == (np.float32 if method == "mean" else np.int16)
    assert flat.values == pytest.approx(function(ds["image"].values, axis="zyx".index(axis)), rel=1e-6)
    assert flat.dims == tuple(dim for dim in "zyx" if dim != axis)
    for dim in flat.dims:
        assert (flat[dim].values == ds[dim].values).all()
    assert flat.attrs["units"] == "[hnsf'U]"


@pytest.mark.parametrize("axis", ["z", "x"])
def test_slabs_are_as_thick_as_asked(axis: str) -> None:
    ds = noise((7, 5, 8))
    thick = ds.patient.mip(axis, slab_mm=4)
    n = {"z": 2, "x": 4}[axis]
    values = np.moveaxis(ds["image"].values, "zyx".index(axis), 0)
    expected = [values[i : i + n].max(axis=0) for i in range(0, len(values), n)]
    assert np.moveaxis(thick.values, "zyx".index(axis), 0).tolist() == np.array(expected).tolist()
    middles = [ds[axis].values[i : i + n].mean() for i in range(0, len(values), n)]
    assert thick[axis].values == pytest.approx(middles)
    assert thick.attrs["slab_mm"] == 4


def test_nan_is_passed_over() -> None:
    ds = noise(dtype="float32")
    ds["image"].values[1] = np.nan
    ds["image"].values[:, 0, 0] = np.nan
    for method, function in (("max", np.nanmax), ("min", np.nanmin), ("mean", np.nanmean)):
        flat = ds.patient.mip(method=method).values
        assert np.isnan(flat[0, 0])
        assert flat[1:] == pytest.approx(function(ds["image"].values[:, 1:], axis=0), rel=1e-6)


def test_every_file_is_read_once_and_a_slice_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ds = opened(tmp_path)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    for axis in ("z", "y"):
        names.clear()
        ds.patient.mip(axis)
        assert sorted(names) == [f"{i:04d}.dcm" for i in range(6)]


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize("method", ["max", "min", "mean"])
def test_blocks_of_slices_give_what_one_piece_gives(axis: Any, method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = noise((7, 5, 8))
    for slab in (None, 4):
        whole = ds.patient.mip(axis, slab_mm=slab, method=method)
        for slices in (1, 3):
            monkeypatch.setattr(projection, "BLOCK_BYTES", slices * 5 * 8 * 2)
            xr.testing.assert_allclose(ds.patient.mip(axis, slab_mm=slab, method=method), whole)
            monkeypatch.undo()


def test_dask_chunks_are_computed_once_and_together_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    ds = noise()
    lazy = ds.chunk({"z": 2})
    seen: list[tuple[int, ...]] = []
    counted = lazy["image"].data.map_blocks(lambda block: seen.append(block.shape) or block, dtype="int16")
    monkeypatch.setattr(projection, "BLOCK_BYTES", 4 * 5 * 4 * 2)
    together = [part.stop - part.start for part in projection._blocks(lazy["image"].variable)]
    assert together == [4, 2]
    seen.clear()
    with dask.config.set(scheduler="synchronous"):
        flat = lazy.assign(image=lazy["image"].copy(data=counted)).patient.mip("y")
    assert seen == [(2, 5, 4)] * 3
    assert (flat.values == ds.patient.mip("y").values).all()


def test_gaps_leave_open_slabs(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 8, 10))
    assert (ds.patient.mip().values == factories.pixels(4)).all()
    thick = ds.patient.mip(slab_mm=4)
    assert thick["z"].values.tolist() == [31, 35, 39]
    assert np.isnan(thick.values[1]).all()
    assert (thick.values[2] == factories.pixels(4)).all()
    with pytest.raises(IrregularGeometry, match=r"slices-missing.*mip\(method='mean'\)"):
        ds.patient.mip(method="mean")


def test_further_dims_stay() -> None:
    ds = noise().assign_coords(time=[0, 1])
    ds["image"] = ds["image"].expand_dims(time=2)
    flat = ds.patient.mip("y")
    assert flat.dims == ("time", "z", "x")
    assert (flat.values[1] == ds["image"].values[1].max(axis=1)).all()


def test_tilted_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IrregularGeometry, match=r"gantry-tilt.*straighten"):
        opened(tmp_path, lean=(0, 0.3, 0)).patient.mip()


def test_misuse_is_named() -> None:
    patient = noise().patient
    with pytest.raises(UsageError, match="method cannot be 'median'"):
        patient.mip(method="median")
    with pytest.raises(UsageError, match="axis cannot be 'time'"):
        patient.mip("time")
    wrong: list[Any] = [0, -1, float("nan"), float("inf"), "a", True, (1, 1)]
    for slab_mm in wrong:
        with pytest.raises(UsageError, match="slab_mm cannot be"):
            patient.mip(slab_mm=slab_mm)
    for slab_mm in (1e-12, 1e-300):
        with pytest.raises(UsageError, match=r"mm make an array of .* GB, this machine has"):
            patient.mip(slab_mm=slab_mm)
    unhashable: Any = ["max"]
    with pytest.raises(UsageError, match="method cannot be"):
        patient.mip(method=unhashable)
    with pytest.raises(UsageError, match="no variable 'image'"):
        xr.Dataset().patient.mip()
    flat = noise()
    flat["image"] = flat["image"].isel(y=0, drop=True)
    with pytest.raises(UsageError, match="image has the dims z, x"):
        flat.assign(other=noise()["image"]).patient.mip()
    with pytest.raises(UsageError, match="holds complex64"):
        noise(dtype="complex64").patient.mip()


def test_axes_in_another_order_give_the_same_values() -> None:
    ds = noise()
    turned = ds.transpose("x", "z", "y", ...)
    for axis in ("z", "y", "x"):
        assert turned.patient.mip(axis).equals(ds.patient.mip(axis).transpose(*turned.patient.mip(axis).dims))
