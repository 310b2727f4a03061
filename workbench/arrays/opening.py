"""Paths -> Dataset or DataTree, without a cohort: what the ``engine="dicom"`` entry point calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from workbench.dicom.headers.user_tags import TagName, column_names
from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.dicom.series import choose, choose_part, iterate_series, named, usable
from workbench.errors import EmptyExtract, PathNotFound, UsageError
from workbench.findings import Finding
from workbench.options import options

if TYPE_CHECKING:
    import pyarrow as pa
    import xarray as xr

#: Findings of places rather than of files.
_ON_THE_WAY: Final = ("link-outside", "link-dangling", "folder-too-deep")

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class Headers(NamedTuple):
    """Headers below some paths."""

    #: One row per file.
    table: pa.Table
    #: Folder that its paths are relative to.
    root: Path
    #: What could not be followed or read on the way, beside what the table's own rows say.
    findings: tuple[Finding, ...]


def headers_of(
    paths: Paths, *, tags: Sequence[TagName] = (), link_roots: Sequence[str | os.PathLike[str]] = ()
) -> Headers:
    """Header table of files or folders and everything in them.

    Parameters
    ----------
    paths : path or sequence of paths
        A folder, a file, or several of either.
    tags : sequence, optional
        Further tags to read, by keyword or number.
    link_roots : sequence of path, optional
        Folders that links below the paths may lead to, beside the paths themselves and ``options.link_roots``.

    Raises
    ------
    PathNotFound, EmptyExtract, UsageError
    """
    root, places = _places(paths)
    found = scan(root, places=places, allowed_roots=allowed(link_roots), tags=tags)
    table = named(found.table)
    if not usable(table).num_rows:
        if "dicomdir" in table["status"].to_pylist():
            raise EmptyExtract(
                "a DICOMDIR, which only lists other files",
                file=_label(paths),
                remedy="open the folder it is in: its images are found without it",
            )
        first = next((f for f in found.findings), None)
        reason = f"no readable DICOM object ({first.code}: {first.path})" if first else "no DICOM object"
        raise EmptyExtract(reason, file=_label(paths), remedy=first.remedy if first else "check the path")
    return Headers(table, root, tuple(finding for finding in found.findings if finding.code in _ON_THE_WAY))


def allowed(link_roots: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Folders that links may lead to: those that are given, and those of the options.

    Raises
    ------
    UsageError
        Not a list of folders.
    """
    given = link_roots if isinstance(link_roots, (list, tuple)) else [None]
    if not all(isinstance(root, (str, os.PathLike)) and os.fspath(root) for root in given):
        raise UsageError("link_roots is no list of folders", remedy="e.g. link_roots=['datalake']")
    return (*(Path(root) for root in given if root is not None), *options.link_roots)


def _places(paths: Paths) -> tuple[Path, list[Place]]:
    """The folder that holds all the paths, and each of them relative to it."""
    if not isinstance(paths, (str, os.PathLike, list, tuple)):
        raise UsageError("not a path", remedy="name a folder, a file or a list of files")
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not several:
        raise UsageError("no path given", remedy="name a folder or files")
    if not all(isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str) for path in several):
        raise UsageError("not a path", remedy="name a folder, a file or a list of files")
    if "" in several:
        raise UsageError("an empty path", remedy="name a folder or files; '.' is the one you are in")
    # One pass of absolute names: a list of a thousand files must not resolve each of them.
    names = [os.path.abspath(options.at_hand(path)) for path in several]
    for name, path in zip(names, several, strict=True):
        if not os.path.lexists(name) or not os.path.exists(name):
            raise PathNotFound("no such file or folder", file=str(path), remedy=_way_to(str(path)))
    if len(names) == 1:
        only = Path(names[0])
        return (only, [Place()]) if only.is_dir() else (only.parent, [Place(only.name)])
    try:
        root = os.path.commonpath([os.path.dirname(name) for name in names])
    except ValueError:
        raise UsageError("paths on different drives", remedy="open them one by one") from None
    return Path(root), [Place(Path(os.path.relpath(name, root)).as_posix()) for name in dict.fromkeys(names)]


def _way_to(path: str) -> str:
    """What to do about a path that is not there."""
    if "://" in path:
        return "fetch it first: only files on this machine are opened"
    if any(sign in path for sign in "*?["):
        return "name the folder, or a list of files: sorted(glob.glob(...)); patterns are not looked up here"
    return "check the path"


def _label(paths: Paths) -> str:
    if isinstance(paths, (str, os.PathLike)):
        return str(paths)
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])


def open_series(
    paths: Paths,
    *,
    series: str | None = None,
    part: int | None = None,
    values: str = "physical",
    dtype: str | None = None,
    tags: Sequence[TagName] = (),
    link_roots: Sequence[str | os.PathLike[str]] = (),
) -> xr.Dataset:
    """Lazy Dataset of one series in a folder, a file or several; see :func:`workbench.arrays.build.build`."""
    from workbench.arrays.build import build

    if series is not None and not isinstance(series, str):
        raise UsageError("series is not a text", remedy="name one SeriesInstanceUID; open a tree for several")
    table, root, findings = headers_of(paths, tags=tags, link_roots=link_roots)
    chosen = choose(table, root, series=series, where=_label(paths))
    chosen = replace(chosen, findings=(*chosen.findings, *findings))
    dataset = build(chosen, choose_part(chosen, part), root, values=values, dtype=dtype, tags=column_names(tags))
    dataset.encoding["link_roots"] = [os.path.abspath(root) for root in link_roots]
    return dataset


def open_study(
    paths: Paths,
    *,
    values: str = "physical",
    dtype: str | None = None,
    tags: Sequence[TagName] = (),
    link_roots: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, xr.Dataset]:
    """Lazy Datasets of every image series below a folder, by tree path ``/study/series[/part-N]``.

    What cannot be loaded is left out and named in the attribute ``not_loaded`` of the root.
    """
    from workbench.arrays.build import build
    from workbench.arrays.tree import tree_groups
    from workbench.errors import DicomError

    table, root, _ = headers_of(paths, tags=tags, link_roots=link_roots)
    groups: dict[str, xr.Dataset] = {}
    failed: list[str] = []
    for series in iterate_series(table, root):
        study = (series.rows["StudyInstanceUID"][0].as_py() or "study-unknown").replace("/", "_")
        stem = f"/{study}/{series.uid.replace('/', '_')}"
        for number, plan in enumerate(series.plans, 1):
            name = stem + (f"/part-{number}" if len(series.plans) > 1 else "")
            try:
                groups[name] = build(series, plan, root, values=values, dtype=dtype, tags=column_names(tags))
            except DicomError as error:
                failed.append(f"{series.uid}: {error.what}")
    return tree_groups(groups, not_loaded=failed)
