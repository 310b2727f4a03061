"""The catalogue of the extracts at hand, and several catalogues as one."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import allowed, checked
from workbench.cohort.catalogue import normalise
from workbench.cohort.catalogue.catalogue import COLUMNS, Catalogue
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.database.database import Database

#: What the table of values calls the headers of the images.
HEADERS: Final = "DICOM header"


@checked
def extracts(cohort: Cohort) -> Catalogue:
    """Catalogue of a cohort: each series with the same normalised columns as the public archive's.

    ``PatientID`` holds the extract's pseudonym. The age is that of the images' headers at the series' timepoint, or
    what a table says of it; conditions are all harmonised diagnoses of the patient.

    Examples
    --------
    ``wb.catalogue.extracts(cohort).holdings("maker")``
    """
    import pyarrow as pa

    database = cohort._database
    ages, said = _ages(database), _said(database)
    columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, *_OWN)}
    names = ("node", "dataset_id", "patient_id", "timepoint", "kind", "Modality", "n_instances", "bytes",
             *(name for name in _OWN if name != "PatientID"))  # fmt: skip
    # Rows as plain values, and no table of pandas: there a text that is missing may be a number.
    for found in database.rows(f"select {', '.join(names)} from series order by node, path"):
        row = dict(zip(names, found, strict=True))
        who = row["node"], row["patient_id"]
        years, note = ages.get((*who, row["timepoint"])) or ages.get((*who, "")) or (None, "")
        sexes = said.get((*who, "sex"), [])
        given = {
            "node": row["node"],
            "collection": row["dataset_id"],
            "kind": "image" if row["kind"] == "image" else "annotation",
            "Modality": row["Modality"] or None,
            "age_years": years,
            "age_note": note,
            "sex": sexes[0] if sexes else None,
            "maker": normalise.maker(row["Manufacturer"] or None),
            "body_parts": list(normalise.body_parts(row["BodyPartExamined"] or None)),
            "conditions": said.get((*who, "diagnosis")) or said.get((*who, "cancer_type")) or [],
            "sites": [],
            "transfer_syntaxes": [],
            "licence": None,
            "commercial_use": None,
            "study_date": _day(row["StudyDate"]),
            "n_instances": int(row["n_instances"] or 0),
            "size_bytes": int(row["bytes"] or 0),
            "PatientID": row["patient_id"],
        }
        given |= {name: row[name] or None for name in _OWN if name not in given}
        for name, value in given.items():
            columns[name].append(value)
    table = pa.table({name: pa.array(content, _types().get(name, pa.string())) for name, content in columns.items()})
    return Catalogue(
        f"{len(cohort.nodes)} node(s)", {"series": "select * from kept"}, held={"kept": table},
        notes=("not sealed: counts are of what was found, nothing was verified",),
    )  # fmt: skip


def together(*catalogues: Catalogue) -> Catalogue:
    """Several catalogues as one: the columns that all of them have.

    A series that stands in several of them is counted once; a note says that there are such.

    Raises
    ------
    UsageError
        Fewer than two.

    Examples
    --------
    ``wb.catalogue.together(wb.catalogue.extracts(cohort), wb.catalogue.idc()).holdings("body_parts")``
    """
    if len(catalogues) < 2:
        raise UsageError("one catalogue is not several", remedy="give two or more")
    for one in catalogues:
        allowed(one, "Catalogue", name="catalogue", among=together)
    names = ", ".join(f'"{name}"' for name in (*COLUMNS, *_SHARED))
    selects: list[str] = []
    held: dict[str, Any] = {}
    paths: list[str] = []
    for position, one in enumerate(catalogues):
        for tables, files, contents in one.parts:
            query = tables["series"]
            held |= {f"{name}_{position}": content for name, content in contents.items()}
            if contents:
                # In one pass: a name made here may be that of another table.
                among = "|".join(map(re.escape, contents))
                query = re.sub(rf'from (?:"({among})"|({among})\b)', rf'from "\1\2_{position}"', query)
            paths.extend(files)
            selects.append(f"select {names} from ({query})")
    name = " and ".join(one.name for one in catalogues)
    notes = tuple(dict.fromkeys(note for one in catalogues for note in one.notes))
    public = all(one.public for one in catalogues)
    union = " union all ".join(selects)
    made = Catalogue(name, {"series": union}, paths=paths, held=held, notes=notes, public=public)
    twice = made.rows(
        f"select coalesce(sum(n - 1), 0)::bigint from (select count(*) as n from series group by {_SAME})"
    )
    if not twice[0][0]:
        return made
    notes += ("series that stand in several of these catalogues are counted once",)
    once = f"select distinct on ({_SAME}) * from ({union})"
    return Catalogue(name, {"series": once}, paths=paths, held=held, notes=notes, public=public)


def _ages(database: Database) -> dict[tuple[str, str, str], tuple[float | None, str]]:
    """Age in years and what is odd about it, by node, patient and timepoint; what headers say goes first."""
    found: dict[tuple[str, str, str], tuple[float | None, str]] = {}
    rows = database.rows(f"""
        select node, patient_id, coalesce(timepoint, ''), "table", raw_value, value from "values"
        where variable = 'age_at_imaging' order by "table" = '{HEADERS}' desc, value is null, value, raw_value""")
    for node, patient, timepoint, table, raw, value in rows:
        if table == HEADERS:
            age = normalise.age(raw)
        else:
            age = normalise.years(float(value)) if value is not None else (None, "")
        found.setdefault((node, patient, timepoint), age)
    return found


def _said(database: Database) -> dict[tuple[str, str, str], list[str]]:
    """What is known of a patient, by node, patient and variable: each value once, in order."""
    found: dict[tuple[str, str, str], list[str]] = {}
    rows = database.rows("""
        select distinct node, patient_id, variable, value from "values"
        where variable in ('sex', 'diagnosis', 'cancer_type') and value is not null order by all""")
    for node, patient, variable, value in rows:
        found.setdefault((node, patient, variable), []).append(value)
    return found


#: What makes two rows the same series.
_SAME = "node, collection, PatientID, StudyInstanceUID, SeriesInstanceUID"
#: DICOM columns that every catalogue has.
_SHARED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Manufacturer",
           "BodyPartExamined")  # fmt: skip
_OWN = (*_SHARED, "StudyDate")


@cache
def _types() -> dict[str, Any]:
    # Imported where it is needed: an extract that is known opens without it.
    import pyarrow as pa

    words = pa.list_(pa.string())
    return {
        "age_years": pa.float64(), "body_parts": words, "conditions": words, "sites": words,
        "transfer_syntaxes": words, "commercial_use": pa.bool_(), "study_date": pa.date32(),
        "n_instances": pa.int64(), "size_bytes": pa.int64(),
    }  # fmt: skip


def _day(text: str | None) -> Any:
    """A DICOM date as a day; None where it is none."""
    import datetime

    try:
        return datetime.datetime.strptime(text or "", "%Y%m%d").date()
    except ValueError:
        return None
