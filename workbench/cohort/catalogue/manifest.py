"""A downloader's manifest, looked up in the archive's index: what each line is, or that it is gone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.errors import EntryFileError, PathNotFound

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.catalogue.catalogue import Catalogue

#: ``cp s3://<bucket>/<series uuid>/* .``, one or two blanks before the dot.
_LINE = re.compile(r"\s*(?:cp|sync)\s+s3://[^/\s]+/([0-9a-f-]{36})/\S*\s+\S+", re.IGNORECASE)


@checked
def read_manifest(path: str | os.PathLike[str], *, catalogue: Catalogue | None = None) -> pd.DataFrame:
    """Series that a manifest names, one row each: current, of an earlier release, or withdrawn.

    Columns: ``crdc_series_uuid``, ``status`` (``current``, ``earlier``, ``withdrawn``), ``SeriesInstanceUID``,
    ``collection_id``, ``last_version`` (release it was last in), ``source_DOI``, ``licence``.

    Parameters
    ----------
    path : path
        An ``*.s5cmd`` file.
    catalogue : Catalogue, optional
        By default :func:`idc`.

    Raises
    ------
    PathNotFound, EntryFileError
        No such file; not a manifest.
    """
    import pyarrow as pa

    from workbench.cohort.catalogue.archive import idc

    uuids = uuids_of(path)
    where = catalogue or idc()
    with where._lock:
        run = where._connection.execute
        where._connection.register("wanted", pa.table({"crdc_series_uuid": uuids}))
        found: pd.DataFrame = run("""
            select w.crdc_series_uuid,
                case when s.SeriesInstanceUID is not null then 'current'
                    when p.SeriesInstanceUID is not null then 'earlier' else 'withdrawn' end as status,
                coalesce(s.SeriesInstanceUID, p.SeriesInstanceUID) as SeriesInstanceUID,
                coalesce(s.collection_id, p.collection_id) as collection_id,
                case when s.SeriesInstanceUID is not null then (select max(idc_version) from versions)
                    else p.max_idc_version end as last_version,
                s.source_DOI, s.licence
            from wanted w left join series s using (crdc_series_uuid)
                left join prior_versions p using (crdc_series_uuid)
            order by w.crdc_series_uuid""").df()
        where._connection.unregister("wanted")
    return found


def uuids_of(path: str | os.PathLike[str]) -> list[str]:
    """Series that a manifest names, by the archive's own ids, each once, in its order.

    Raises
    ------
    PathNotFound, EntryFileError
        No such file; not a manifest.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            uuids = [match[1].lower() for line in lines if (match := _LINE.match(line))]
    except OSError as error:
        raise PathNotFound(error.strerror or "not readable", file=file.name, remedy="check its spelling") from None
    if not uuids:
        raise EntryFileError("no line of it names a series", file=file.name, remedy="name an *.s5cmd manifest")
    return list(dict.fromkeys(uuids))
