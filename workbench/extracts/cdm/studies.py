"""What an export says of imaging studies: timepoint, offset, episode, and in a dump whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.extracts.cdm.owners import Owners
from workbench.extracts.cdm.unite import United
from workbench.extracts.record import StudyRef


def study_refs(tables: Mapping[str, United], owners: Owners) -> tuple[StudyRef, ...]:
    """Studies by UID, those of ``image_study`` first, then others that ``image_series`` or ``image_tag`` name.

    Parameters
    ----------
    tables : mapping
        Every table of the export by name.
    owners : Owners
        Patients of rows.
    """
    found: dict[str, StudyRef] = {}
    procedures = {
        row.get("procedure_id", ""): row
        for _, _, row in (tables["procedure"].rows() if "procedure" in tables else ())
        if row.get("procedure_id")
    }
    for name in ("image_study", "image_series", "image_tag"):
        if name not in tables:
            continue
        for part, number, row in tables[name].rows():
            uid = row.get(part.entity.name_of("study_uid"), "")
            if not uid or uid in found:
                continue
            place = f"{part.file}:{number}"
            if name != "image_study":
                found[uid] = StudyRef(uid, owners.of(part.entity, row), source=place)
                continue
            procedure = procedures.get(row.get("procedure_id", ""), {})
            offset, unit = row.get("study_offset_from_diagnosis", ""), row.get("study_offset_unit", "")
            if not offset:
                offset = procedure.get("procedure_offset_from_diagnosis", "")
                unit = procedure.get("procedure_offset_unit", "")
            found[uid] = StudyRef(
                uid,
                owners.of(part.entity, row),
                timepoint=row.get("ImagingTimepoint", "") or procedure.get("ImagingTimepoint", ""),
                episode=procedure.get("Episode", ""),
                date=procedure.get("procedure_date", ""),
                offset=offset,
                offset_unit=unit,
                source=place,
            )
    return tuple(found.values())


def series_count(tables: Mapping[str, United]) -> int:
    """Series that the export names, whichever table does."""
    uids = set()
    for name in ("image_series", "image_tag"):
        if name in tables:
            for part, _, row in tables[name].rows():
                uids.add(row.get(part.entity.name_of("series_uid"), ""))
    return len(uids - {""})
