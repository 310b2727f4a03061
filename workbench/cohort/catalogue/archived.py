"""What the archive's index says of a download from it: licences that forbid commercial use, series that are gone.

The index comes with the extra ``catalogue``. Without it nothing is said, and nothing pretends to have looked.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from workbench.cohort.catalogue.manifest import uuids_of
from workbench.cohort.catalogue.normalise import commercial
from workbench.errors import EntryFileError, PathNotFound
from workbench.extracts.composed import IMAGES
from workbench.extracts.record import Extract
from workbench.findings import Finding

_LAYOUT: Final = "idc"
_MANIFEST: Final = ".s5cmd"
_PACKAGE: Final = "idc_index_data"


def index_version() -> str:
    """Version of the index that is installed; empty without one."""
    try:
        return importlib.metadata.version("idc-index-data")
    except importlib.metadata.PackageNotFoundError:
        return ""


def index_folder() -> Path:
    """Folder of the index, where :func:`index_version` gives one."""
    return Path(str(files(_PACKAGE)))


def of_archive(extract: Extract) -> bool:
    """Whether the images of an extract are a download from the archive, as its layout tells."""
    return _LAYOUT in (extract.layout, extract.declared.get(IMAGES))


def archive_findings(extract: Extract, rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Series that may not be used commercially, and how many that a manifest names no release of the archive has.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it; of another layout nothing is said.
    rows : sequence of mapping
        ``SeriesInstanceUID``, ``patient_id`` and ``path`` of the series that are there.
    """
    version = index_version()
    if not version or not of_archive(extract):
        return []
    folder = index_folder()
    index, earlier = folder / "idc_index.parquet", folder / "prior_versions_index.parquet"
    if not index.is_file():
        return []
    found = _licences(index, rows, version)
    if earlier.is_file():
        for name in extract.tables:
            if name.endswith(_MANIFEST):
                found += _withdrawn(index, earlier, extract.root / name, name, version)
    return found


def _licences(index: Path, rows: Sequence[Mapping[str, Any]], version: str) -> list[Finding]:
    licences = dict(_asked(
        "select SeriesInstanceUID, any_value(license_short_name) from read_parquet($index) "
        "semi join wanted w on w.key = SeriesInstanceUID group by 1",
        [row["SeriesInstanceUID"] for row in rows], index=index,
    ))  # fmt: skip
    found = []
    for row in rows:
        licence = licences.get(row["SeriesInstanceUID"])
        if commercial(licence) is False:
            message = f"{licence}, as release {version} of the index says"
            at = {"patient_id": row["patient_id"], "series_uid": row["SeriesInstanceUID"], "path": row["path"]}
            found.append(Finding("licence-non-commercial", message, **at))
    return found


def _withdrawn(index: Path, earlier: Path, manifest: Path, name: str, version: str) -> list[Finding]:
    try:
        named = uuids_of(manifest)
    except (PathNotFound, EntryFileError):
        # That it names nothing the adapter has told by its counts.
        return []
    known = _asked(
        "select crdc_series_uuid, 1 from read_parquet($index) semi join wanted w on w.key = crdc_series_uuid "
        "union all "
        "select crdc_series_uuid, 1 from read_parquet($earlier) semi join wanted w on w.key = crdc_series_uuid",
        named, index=index, earlier=earlier,
    )  # fmt: skip
    gone = len(set(named) - {uuid for uuid, _ in known})
    if not gone:
        return []
    message = f"{gone} of {len(named)} series that the manifest names, as release {version} of the index says"
    return [Finding("series-withdrawn", message, path=name, count=gone)]


def _asked(query: str, wanted: Sequence[str], **places: Path) -> list[tuple[Any, ...]]:
    """Rows of a query of the index for some keys."""
    import pyarrow as pa

    from workbench.cohort.database.working import connected

    with connected(opening=True) as connection:
        connection.register("wanted", pa.table({"key": pa.array(wanted, pa.string())}))
        rows: list[tuple[Any, ...]] = connection.execute(
            query, {name: str(path) for name, path in places.items()}
        ).fetchall()
    return rows
