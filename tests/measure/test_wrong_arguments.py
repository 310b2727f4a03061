"""Whatever is passed to a public measure or writer: a result, or an error of ours that says what to pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from tests import factories
from tests.measure.remission import remission
from workbench.arrays.opening import open_series
from workbench.errors import WorkbenchError

#: Values of every kind that has no meaning somewhere.
ODD: tuple[Any, ...] = (
    None, 1, -1, 0, 2.5, True, np.nan, np.inf, -np.inf, 1e308, 10**400, "x", b"a", "", "a\0", (), [], [1], ["x"], [""],
    [None], (1, 1), (1, 1, 1), [[1, 2, 3]], {}, {"x": 1}, np.array(1), np.zeros((2, 2)), np.zeros(3, complex),
    np.array(["a", "b"]), object(), xr.Dataset(), xr.DataArray([1, 2]), pd.Series([1, 2, 3]), pd.DataFrame(),
    pd.DataFrame({"a": [1, 2]}), pd.NaT, 1j, slice(0, 3), len, float, {1, 2}, range(3), np.datetime64("2020"),
    Path("absent"), "mean", "otsu", "arm", "weeks",
)  # fmt: skip


def image(folder: Path) -> xr.Dataset:
    factories.stack(folder)
    opened = open_series(folder)
    drawn = np.zeros((2, *opened["image"].shape), bool)
    drawn[0, 1:4, 1:4, 1:5] = drawn[1, 2:5, 2:5, 2:6] = True
    return opened.patient.masks(drawn)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Public functions and methods, and arguments with which they work."""
    # Beside the folder of a series, masks are looked for: it must not lie among the folders of all other tests.
    folder = tmp_path_factory.mktemp("patient") / "series"
    folder.mkdir()
    ct = image(folder)
    one = ct["mask"].isel(segment=0)
    times = {"table": remission(), "time": "weeks", "event": "relapse"}
    rows = remission().assign(node=list("abcdef") * 7, age=np.arange(42.0))
    seg = {"mask": ct["mask"], "path": folder.parent / "m.dcm", "images": ct, "codes": "SCT:108369006",
           "algorithm": "MANUAL"}  # fmt: skip
    curves = wb.measure.kaplan_meier(**times, by="arm")
    return {
        "features": (wb.measure.features, {"ds": ct}),
        "agreement": (wb.measure.agreement, {"a": ct, "b": ct}),
        "dilate": (wb.measure.dilate, {"mask": one, "mm": 1.0}),
        "erode": (wb.measure.erode, {"mask": one, "mm": 1.0}),
        "remove_small": (wb.measure.remove_small, {"mask": one, "mm3": 1.0}),
        "largest_part": (wb.measure.largest_part, {"mask": one}),
        "fill_holes": (wb.measure.fill_holes, {"mask": one}),
        "zscore": (wb.measure.zscore, {"ds": ct}),
        "percentile": (wb.measure.percentile, {"ds": ct}),
        "threshold": (wb.measure.threshold, {"ds": ct, "at": 3.0}),
        "grow": (wb.measure.grow, {"ds": ct, "seed_mm": [-8.0, 22.0, 34.0], "tolerance": 5}),
        "kaplan_meier": (wb.measure.kaplan_meier, {**times, "by": "arm"}),
        "log_rank": (wb.measure.log_rank, {**times, "by": "arm"}),
        "cox": (wb.measure.cox, {**times, "covariates": ["arm"]}),
        "table_one": (wb.measure.table_one, {"table": remission(), "by": "arm"}),
        "sites": (wb.measure.sites, {"table": rows, "features": ["age"], "n_boot": 100}),
        "site_differences": (wb.measure.site_differences, {"table": rows, "features": ["age"]}),
        "reported": (wb.measure.reported, {"cohort": None}),
        "volumes": (wb.measure.volumes, {"cohort": None}),
        "Settings": (wb.measure.Settings, {}),
        "search_codes": (wb.labels.search_codes, {"words": "liver"}),
        "read_measurements": (wb.labels.read_measurements, {"path": folder / "absent.dcm"}),
        "to_seg": (wb.labels.to_seg, {**seg, "overwrite": True}),
        "label_map": (ct.patient.label_map, {"order": [1]}),
        "masks": (ct.patient.masks, {}),
        "at": (curves.at, {"times": [1.0]}),
        "figure": (curves.figure, {"times": (1.0,)}),
    }  # fmt: skip


NAMES = (
    "features", "agreement", "dilate", "erode", "remove_small", "largest_part", "fill_holes", "zscore", "percentile",
    "threshold", "grow", "kaplan_meier", "log_rank", "cox", "table_one", "sites", "site_differences", "reported",
    "volumes", "Settings", "search_codes", "read_measurements", "to_seg", "label_map", "masks", "at", "figure",
)  # fmt: skip
#: What works with a cohort or a report alone, which other tests have.
NOT_TRIED = ("reported", "volumes", "read_measurements")


def calls(function: Callable[..., Any], works: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            for value in ODD:
                yield {**works, parameter.name: value}


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_meets_a_foreign_error(
    name: str, doors: dict[str, tuple[Callable[..., Any], dict[str, Any]]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    function, works = doors[name]
    if name not in NOT_TRIED:
        function(**works)
    foreign = []
    for given in calls(function, works):
        try:
            function(**given)
        except WorkbenchError:
            continue
        except Exception as error:
            odd = {key: value for key, value in given.items() if value is not works.get(key)}
            foreign.append(f"{odd!r:.150} {type(error).__name__}: {error!s:.150}")
    plt.close("all")
    assert not foreign, "\n".join(foreign)
