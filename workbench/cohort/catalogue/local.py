"""The catalogue of the extracts at hand, and several catalogues as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.arguments import allowed, checked
from workbench.cohort.catalogue import normalise
from workbench.cohort.catalogue.catalogue import COLUMNS, Catalogue
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort


@checked
def extracts(cohort: Cohort) -> Catalogue:
    """Catalogue of a cohort: each series with the same normalised columns as the public archive's.

    ``PatientID`` holds the extract's pseudonym. Ages are those of the images' headers; conditions are the
    harmonised diagnoses of the patient.

    Examples
    --------
    ``wb.catalogue.extracts(cohort).holdings("maker")``
    """
    import pyarrow as pa

    series = cohort.series
    values = cohort.sql(
        """select node, patient_id, variable, any_value(value) as value from "values"
        where variable in ('sex', 'diagnosis', 'cancer_type') and value is not null group by all"""
    )
    said = {(row.node, row.patient_id, row.variable): row.value for row in values.itertuples()}
    ages = cohort.sql(
        """select node, patient_id, any_value(value) as value from "values"
        where variable = 'age_at_imaging' and value is not null group by all"""
    )
    years = {(row.node, row.patient_id): float(row.value) for row in ages.itertuples()}
    columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, *_OWN)}
    for row in series.to_dict("records"):
        who = row["node"], row["patient_id"]
        disease = said.get((*who, "diagnosis")) or said.get((*who, "cancer_type"))
        given = {
            "node": row["node"],
            "collection": row["dataset_id"],
            "kind": "image" if row["kind"] == "image" else "annotation",
            "Modality": row["Modality"] or None,
            "age_years": years.get(who),
            "age_note": "",
            "sex": said.get((*who, "sex")),
            "maker": normalise.maker(row["Manufacturer"] or None),
            "body_parts": list(normalise.body_parts(row["BodyPartExamined"] or None)),
            "conditions": [disease] if disease else [],
            "sites": [],
            "transfer_syntaxes": [],
            "licence": None,
            "commercial_use": None,
            "study_date": _day(row["StudyDate"]),
            "n_instances": int(row["n_instances"]),
            "size_bytes": int(row["bytes"]),
            "PatientID": row["patient_id"],
        }
        given |= {name: row[name] or None for name in _OWN if name not in given}
        for name, value in given.items():
            columns[name].append(value)
    table = pa.table({name: pa.array(content, _TYPES.get(name, pa.string())) for name, content in columns.items()})
    return Catalogue(
        f"{len(cohort.nodes)} node(s)", {"series": "select * from kept"}, held={"kept": table},
        notes=("not sealed: counts are of what was found, nothing was verified",),
    )  # fmt: skip


def together(*catalogues: Catalogue) -> Catalogue:
    """Several catalogues as one: the columns that all of them have.

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
            for name, content in contents.items():
                held[f"{name}_{position}"] = content
                query = query.replace(f"from {name}", f'from "{name}_{position}"')
            paths.extend(files)
            selects.append(f"select {names} from ({query})")
    return Catalogue(
        " and ".join(one.name for one in catalogues), {"series": " union all ".join(selects)}, paths=paths, held=held,
        notes=tuple(dict.fromkeys(note for one in catalogues for note in one.notes)),
    )  # fmt: skip


#: DICOM columns that every catalogue has.
_SHARED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Manufacturer",
           "BodyPartExamined")  # fmt: skip
_OWN = (*_SHARED, "StudyDate")


def _types() -> dict[str, Any]:
    import pyarrow as pa

    words = pa.list_(pa.string())
    return {
        "age_years": pa.float64(), "body_parts": words, "conditions": words, "sites": words,
        "transfer_syntaxes": words, "commercial_use": pa.bool_(), "study_date": pa.date32(),
        "n_instances": pa.int64(), "size_bytes": pa.int64(),
    }  # fmt: skip


_TYPES = _types()


def _day(text: str | None) -> Any:
    """A DICOM date as a day; None where it is none."""
    import datetime

    try:
        return datetime.datetime.strptime(text or "", "%Y%m%d").date()
    except ValueError:
        return None
