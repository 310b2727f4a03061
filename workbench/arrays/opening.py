"""A path -> Dataset or DataTree, without a cohort: what the ``engine="dicom"`` entry point calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.dicom.series import choose, choose_part, iterate_series
from workbench.errors import EmptyExtract, PathNotFound

if TYPE_CHECKING:
    import pyarrow as pa
    import xarray as xr


def headers_of(path: str | os.PathLike[str]) -> tuple[pa.Table, Path]:
    """Header table of a file or of a folder and everything in it, and the folder its paths are relative to.

    Raises
    ------
    PathNotFound, EmptyExtract
    """
    path = Path(path)
    if not path.exists():
        raise PathNotFound("no such file or folder", file=str(path), remedy="check the path")
    root, place = (path, Place()) if path.is_dir() else (path.parent, Place(path.name))
    found = scan(root, places=[place])
    if not found.instances.num_rows:
        first = next((f for f in found.findings), None)
        reason = f"no readable DICOM object ({first.code}: {first.path})" if first else "no DICOM object"
        raise EmptyExtract(reason, file=str(path), remedy="check the path")
    return found.table, root


def open_series(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    part: int | None = None,
    values: str = "physical",
    dtype: str | None = None,
) -> xr.Dataset:
    """Lazy Dataset of one series in a folder or file; see :func:`workbench.arrays.build.build`."""
    from workbench.arrays.build import build

    table, root = headers_of(path)
    chosen = choose(table, root, series=series, where=str(path))
    return build(chosen, choose_part(chosen, part), root, values=values, dtype=dtype)


def open_study(
    path: str | os.PathLike[str], *, values: str = "physical", dtype: str | None = None
) -> dict[str, xr.Dataset]:
    """Lazy Datasets of every image series below a folder, by tree path ``/study/series[/part-N]``.

    What cannot be loaded is left out and named in the attribute ``not_loaded`` of the root.
    """
    from workbench.arrays.build import build
    from workbench.arrays.tree import tree_groups
    from workbench.errors import DicomError

    table, root = headers_of(path)
    groups: dict[str, xr.Dataset] = {}
    failed: list[str] = []
    for series in iterate_series(table, root):
        study = series.rows["StudyInstanceUID"][0].as_py() or "study-unknown"
        for number, plan in enumerate(series.plans, 1):
            name = f"/{study}/{series.uid}" + (f"/part-{number}" if len(series.plans) > 1 else "")
            try:
                groups[name] = build(series, plan, root, values=values, dtype=dtype)
            except DicomError as error:
                failed.append(f"{series.uid}: {error.what}")
    return tree_groups(groups, not_loaded=failed)
