"""Whatever is passed to ``ds.patient``: a result, or an error of ours that says what to pass."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests import factories
from tests.tries import part
from workbench.arrays.accessor import PatientAccessor
from workbench.arrays.opening import open_series
from workbench.errors import WorkbenchError

#: Values of every kind that has no meaning somewhere.
ODD: tuple[Any, ...] = (
    None, 1, -1, 0, 1.5, True, np.nan, np.inf, -np.inf, 1e308, 1e-308, 10**400, "x", b"a", "", (), [], [1], (1, 1),
    (1, 1, 1), (1, 2, 3, 4), [[1, 2, 3]], [[]], {}, {"x": 1}, {"q": 1}, {"z": None}, np.array(1), np.zeros((0, 3)),
    np.zeros((2, 2)), np.zeros(3, complex), np.array(["a", "b", "c"]), object(), xr.Dataset(), xr.DataArray([1, 2]),
    pd.Series([1, 2, 3]), pd.NaT, 1j, slice(0, 3), len, float, {1, 2}, range(3), np.datetime64("2020"), Path("a"),
    "z", "max", "linear", "RAS",
)  # fmt: skip
#: What a method cannot do without.
NEEDED: dict[str, dict[str, Any]] = {
    "to_patient": {"indices": [0, 0, 0]},
    "to_voxel": {"points": [0, 0, 0]},
    "sel_mm": {"point": [0, 0, 0]},
    "resample_like": {"other": None},
    "reorient": {"orientation": "RAS"},
}
#: Drawn and written by libraries; each in tests of its own.
LEFT_OUT = {"figure", "to_nifti", "to_simpleitk"}
METHODS = sorted(
    name
    for name, member in vars(PatientAccessor).items()
    if inspect.isfunction(member) and not name.startswith("_") and name not in LEFT_OUT
)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    folder = tmp_path_factory.mktemp("series")
    factories.stack(folder / "even")
    factories.stack(folder / "gaps", (0, 2, 4, 8, 10))
    factories.image(folder / "colour" / "a", frames=np.zeros((1, 6, 8, 3), "u1"))
    found = {path.name: open_series(path) for path in sorted(folder.iterdir())}
    even = found["even"]
    return found | {
        "slice": even.isel(z=2), "voxel": even.isel(z=1, y=1, x=1), "none": even.isel(z=slice(0, 0)),
        "no image": even.drop_vars("image"), "nothing": xr.Dataset(), "text": even.assign(image=even.image.astype(str)),
        "NaN": even.assign(image=even.image.where(False)), "turned": even.transpose("x", "z", "y", ...),
    }  # fmt: skip


def calls(name: str, other: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Keyword arguments: those needed, and each parameter with each odd value."""
    needed = {key: other if value is None else value for key, value in NEEDED.get(name, {}).items()}
    yield needed
    for parameter in list(inspect.signature(getattr(PatientAccessor, name)).parameters)[1:]:
        for value in ODD:
            yield {**needed, parameter: value}


@pytest.mark.parametrize("name", METHODS)
def test_no_argument_meets_a_foreign_error(
    name: str, series: dict[str, xr.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    foreign = []
    for number, (kind, dataset) in enumerate(series.items()):
        # An ordinary series meets every value; of the others each meets another part of them where few are tried.
        given = list(calls(name, series["even"]))
        for options in given if kind == "even" else part(given, number):
            try:
                result = getattr(dataset.patient, name)(**options)
                if isinstance(result, (xr.Dataset, xr.DataArray)):
                    result.load()
            except WorkbenchError:
                continue
            except Exception as error:
                foreign.append(f"{kind} {options!r:.200} {type(error).__name__}: {error}")
    assert not foreign
