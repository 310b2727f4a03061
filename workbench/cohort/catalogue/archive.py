"""The index of the NCI Imaging Data Commons, from the package ``idc-index-data``, beside our normalised columns.

The index is read as Parquet: neither its own client nor the network is needed. Once per version a copy with our
columns is written to the cache.
"""

from __future__ import annotations

import importlib.metadata
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from workbench.cohort.catalogue import normalise
from workbench.cohort.catalogue.catalogue import Catalogue
from workbench.errors import ExtractError, MissingExtra
from workbench.options import options
from workbench.progress import task
from workbench.writing import aside

#: Raised by one whenever a normalised column changes its meaning.
FORMAT: Final = 1
#: Oldest release whose columns these are.
OLDEST: Final = 25
_PACKAGE: Final = "idc_index_data"
#: Further tables of the archive that the package holds.
_OTHERS: Final = {
    "collections": "collections_index.parquet",
    "prior_versions": "prior_versions_index.parquet",
    "analysis_results": "analysis_results_index.parquet",
    "versions": "version_metadata_index.parquet",
}
_NOTES: Final = (
    "age, sex and dates of a series are those of one of its instances",
    "a collection of several diseases counts once for each",
)


def idc() -> Catalogue:
    """Catalogue of the Imaging Data Commons: the index's own columns, and ours beside them.

    Tables: ``series`` (1,044,191 rows in release 25), ``collections``, ``prior_versions``, ``analysis_results``,
    ``versions``.

    Raises
    ------
    MissingExtra
        The extra ``catalogue`` is not installed, or is too old.
    WriteError
        The cache cannot be written.

    Examples
    --------
    ``wb.catalogue.idc().sql("select modality, count(*) from series where sex = 'female' group by 1")``
    """
    try:
        version = importlib.metadata.version("idc-index-data")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    if int(version.split(".")[0]) < OLDEST:
        raise MissingExtra(
            "the catalogue of the Imaging Data Commons needs idc-index-data 25 or newer",
            remedy='pip install "cancer-imaging-workbench[catalogue]"',
        )
    folder = Path(str(files(_PACKAGE)))
    others = {name: folder / file for name, file in _OTHERS.items() if (folder / file).is_file()}
    series = options.cache_folder("catalogue") / f"idc-{version}-{FORMAT}.parquet"
    if not series.is_file():
        _write(folder / "idc_index.parquet", others["collections"], series)
    tables = {"series": f"select * from read_parquet({_text(series)})"}
    tables |= {name: f"select * from read_parquet({_text(path)})" for name, path in others.items()}
    return Catalogue(
        f"Imaging Data Commons, index {version}",
        tables,
        paths=[str(series), *map(str, others.values())],
        notes=_NOTES,
        public=True,
    )


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _write(index: Path, collections: Path, out: Path) -> None:
    """The index with our columns, written aside and renamed.

    Each distinct spelling is decided once, in Python; DuckDB joins the decisions to the rows.
    """
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(":memory:")
    run = connection.execute
    run("set autoinstall_known_extensions = false; set autoload_known_extensions = false")
    run("set preserve_insertion_order = true")
    try:
        there = {name for name, *_ in run(f"describe select * from read_parquet({_text(index)})").fetchall()}
    except duckdb.Error as error:
        raise ExtractError(
            "the index cannot be read", file=index.name, remedy="install idc-index-data again"
        ) from error
    needed = {"PatientAge", "PatientSex", "Manufacturer", "BodyPartExamined", "TransferSyntaxUID", "license_short_name"}
    if not needed <= there:
        raise ExtractError(
            f"the index lacks {', '.join(sorted(needed - there))}", file=index.name, remedy="install release 25"
        )

    def distinct(column: str, source: Path = index) -> list[str]:
        found = run(
            f"select distinct {column} from read_parquet({_text(source)}) where {column} is not null"
        ).fetchall()
        return [value for (value,) in found]

    def decided(name: str, column: str, columns: dict[str, Any], source: Path = index) -> None:
        raw = distinct(column, source)
        made = {new: pa.array([how(text) for text in raw], kind) for new, (how, kind) in columns.items()}
        connection.register(name, pa.table({"raw": pa.array(raw, pa.string()), **made}))

    words = pa.list_(pa.string())
    with task("catalogue: normalising", None, unit="tables") as advance:
        decided("ages", "PatientAge", {
            "age_years": (lambda t: normalise.age(t)[0], pa.float64()),
            "age_note": (lambda t: normalise.age(t)[1], pa.string()),
        })  # fmt: skip
        decided("sexes", "PatientSex", {"sex": (normalise.sex, pa.string())})
        decided("makers", "Manufacturer", {"maker": (normalise.maker, pa.string())})
        decided("parts", "BodyPartExamined", {"body_parts": (normalise.body_parts, words)})
        decided("syntaxes", "TransferSyntaxUID", {"transfer_syntaxes": (normalise.listed, words)})
        decided("licences", "license_short_name", {"commercial_use": (normalise.commercial, pa.bool_())})
        decided("diseases", "cancer_types", {"conditions": (normalise.listed, words)}, collections)
        decided("places", "tumor_locations", {"sites": (normalise.sites, words)}, collections)
        advance(1)
        annotations = ", ".join(f"'{name}'" for name in normalise.ANNOTATIONS)
        with aside(out) as place:
            run(f"""
                copy (
                    select i.*, 'idc' as node, i.collection_id as collection,
                        case when i.Modality in ({annotations}) then 'annotation' else 'image' end as kind,
                        a.age_years, coalesce(a.age_note, '') as age_note, s.sex, m.maker,
                        coalesce(p.body_parts, []) as body_parts, coalesce(d.conditions, []) as conditions,
                        coalesce(l.sites, []) as sites, coalesce(t.transfer_syntaxes, []) as transfer_syntaxes,
                        i.license_short_name as licence, c.commercial_use,
                        try_cast(i.StudyDate as date) as study_date, i.instanceCount as n_instances,
                        -- The index counts in 10^6 bytes, not in MiB.
                        round(i.series_size_MB * 1e6)::bigint as size_bytes
                    from read_parquet({_text(index)}) i
                    left join read_parquet({_text(collections)}) k using (collection_id)
                    left join ages a on a.raw = i.PatientAge left join sexes s on s.raw = i.PatientSex
                    left join makers m on m.raw = i.Manufacturer left join parts p on p.raw = i.BodyPartExamined
                    left join syntaxes t on t.raw = i.TransferSyntaxUID
                    left join licences c on c.raw = i.license_short_name
                    left join diseases d on d.raw = k.cancer_types left join places l on l.raw = k.tumor_locations
                ) to {_text(place)} (format parquet, compression zstd, row_group_size 131072)""")
        advance(1)
    connection.close()
