"""Grey values by the window functions of PS3.3 C.11.2.1.2 and C.11.2.1.3."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays import from_array
from workbench.arrays.windowing import grey_levels
from workbench.errors import UsageError


def opened(folder: Path, depths: Any = (0, 2, 4), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    return xr.open_dataset(folder, engine="dicom")


def row(*values: float, dtype: str = "float32") -> xr.Dataset:
    return from_array(np.array([[values]], dtype), np.eye(4)[:, [2, 1, 0, 3]])


@pytest.mark.parametrize("function", ["linear", "linear_exact", "sigmoid"])
@pytest.mark.parametrize(("center", "width"), [(40, 400), (2048, 4096), (0, 100), (0.5, 2), (10, 1)])
def test_equals_pydicom(function: str, center: float, width: float) -> None:
    from pydicom import Dataset
    from pydicom.pixels import apply_windowing

    header = Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 16, 1
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = center, width, function.upper()
    values = np.arange(-3000, 5000, 7, dtype=np.int16)
    with np.errstate(over="ignore"):
        theirs = apply_windowing(values, header)
    ours = grey_levels(values, center=center, width=width, function=function)  # type: ignore[arg-type]
    assert ours.dtype == np.float32
    assert ours == pytest.approx((theirs + 2.0**15) / (2.0**16 - 1), abs=2e-5)


def test_example_of_the_standard() -> None:
    # PS3.3 C.11.2.1.2.1: centre 2048, width 4096 is the identity for 0 to 4095; centre 0, width 100 spans -50 to 49.
    assert grey_levels(np.array([0, 1024, 4095]), center=2048, width=4096) * 4095 == pytest.approx(
        [0, 1024, 4095], abs=1e-3
    )
    assert grey_levels(np.array([-50.0, 49.0]), center=0, width=100).tolist() == [0, 1]


def test_window_of_the_header_is_the_default(tmp_path: Path) -> None:
    ds = opened(tmp_path, WindowCenter=[1020, 9], WindowWidth=[41, 7])
    shown = ds.patient.window()
    assert (shown.attrs["window_center"], shown.attrs["window_width"]) == (1020.0, 41.0)
    assert shown.dtype == np.uint8
    expected = np.rint(np.clip((factories.pixels(1) - 1019.5) / 40 + 0.5, 0, 1) * 255)
    assert (shown.values[0] == expected).all()
    assert shown.dims == ("z", "y", "x")
    assert (shown["z"].values == ds["z"].values).all()


def test_float_display_runs_from_zero_to_one() -> None:
    shown = row(-500, 0, 500, np.nan).patient.window(0, 500, function="linear_exact", dtype="float32")
    assert shown.values.ravel()[:3].tolist() == [0, 0.5, 1]
    assert np.isnan(shown.values.ravel()[3])
    whole = row(-500, 0, 500, np.nan).patient.window(0, 500, function="linear_exact")
    assert whole.values.ravel().tolist() == [0, 128, 255, 0]


def test_monochrome1_is_inverted_here_and_only_here(tmp_path: Path) -> None:
    ds = opened(tmp_path, PhotometricInterpretation="MONOCHROME1")
    assert (ds["image"].values[0] == factories.pixels(1)).all()
    shown = ds.patient.window(1020, 40)
    assert shown.attrs["inverted"] == 1
    assert (shown.values.astype(int) + ds.patient.window(1020, 40, invert=False).values == 255).all()
    assert (row(0, 9).patient.window(5, 9, invert=True).values.ravel() == [255, 0]).all()


def test_lazy_stays_lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ds = opened(tmp_path)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    shown = ds.patient.window(2020, 40)
    assert names == []
    one = shown.isel(z=1).values
    assert names == ["0001.dcm"]
    assert (one == pickle.loads(pickle.dumps(shown)).values[1]).all()


def test_dask_stays_dask(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    shown = ds.chunk({"z": 1}).patient.window(2020, 40)
    assert shown.chunks is not None
    assert (shown.values == ds.patient.window(2020, 40).values).all()


def test_misuse_is_named(tmp_path: Path) -> None:
    patient = row(1, 2).patient
    with pytest.raises(UsageError, match="header names no window"):
        patient.window()
    with pytest.raises(UsageError, match="a center and a width"):
        patient.window(40)
    for function, width in (("linear", 0.5), ("linear_exact", 0), ("sigmoid", -1)):
        with pytest.raises(UsageError, match=f"{function} wants a width"):
            patient.window(0, width, function=function)
    with pytest.raises(UsageError, match="function cannot be"):
        patient.window(0, 1, function="cubic")
    with pytest.raises(UsageError, match="dtype cannot be"):
        patient.window(0, 1, dtype="float64")
    stored = opened(tmp_path, WindowCenter=1, WindowWidth=2)
    stored["image"].attrs["value_kind"] = "stored"
    with pytest.raises(UsageError, match="not made for values of kind 'stored'"):
        stored.patient.window()
    colour = row(1).assign(image=(("z", "y", "x", "channel"), np.zeros((1, 1, 1, 3), np.uint8)))
    with pytest.raises(UsageError, match="colour"):
        colour.patient.window(1, 2)


@pytest.mark.parametrize("window", [("a", 1), (1, "a"), ([1], [2]), (1, 2j), (np.inf, 5), (1, np.nan), (1, True)])
def test_what_is_no_number_is_no_window(window: Any) -> None:
    with pytest.raises(UsageError, match=r"(center|width) cannot be"):
        row(1, 2).patient.window(*window)


def test_numbers_from_the_image_are_a_window() -> None:
    ds = row(1, 2)
    assert ds.patient.window(ds["image"].mean(), np.float32(2)).attrs["window_center"] == 1.5


def test_options_of_another_type_are_named() -> None:
    patient = row(1, 2).patient
    with pytest.raises(UsageError, match="function cannot be"):
        patient.window(0, 1, function=["linear"])
    with pytest.raises(UsageError, match="invert cannot be 'yes'"):
        patient.window(0, 1, invert="yes")
    with pytest.raises(UsageError, match="no real numbers"):
        (row(1, 2) * 1j).patient.window(0, 1)
