"""What an export says of imaging studies: timepoint, offset, episode, and in a dump whose they are."""

from __future__ import annotations

from typing import Final

from workbench.extracts.cdm.owners import Owners
from workbench.extracts.cdm.parts import Part, Row
from workbench.extracts.record import StudyRef

#: What a procedure says of the study it is.
_OF_PROCEDURE: Final = (
    "ImagingTimepoint", "Episode", "procedure_date", "procedure_offset_from_diagnosis", "procedure_offset_unit",
)  # fmt: skip

#: Tables that name studies; the first one that names a study speaks for it.
_NAMING: Final = ("image_study", "image_series", "image_tag")


class Studies:
    """Studies by UID, those of ``image_study`` first, then others that ``image_series`` or ``image_tag`` name.

    Parameters
    ----------
    owners : Owners
        Patients of rows, told of a row before this.
    """

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._found: dict[str, StudyRef] = {}
        self._procedures: dict[str, tuple[str, ...]] = {}
        self._series: set[str] = set()

    @property
    def refs(self) -> tuple[StudyRef, ...]:
        """What is said of each study."""
        return tuple(self._found.values())

    @property
    def n_series(self) -> int:
        """Series that the export names, whichever table does."""
        return len(self._series - {""})

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Take in what a row says of a study."""
        if name == "procedure" and row.get("procedure_id"):
            self._procedures[row["procedure_id"]] = tuple(row.get(column, "") for column in _OF_PROCEDURE)
        if name not in _NAMING:
            return
        entity = part.entity
        if name != "image_study":
            self._series.add(row.get(entity.name_of("series_uid"), ""))
        uid = row.get(entity.name_of("study_uid"), "")
        if not uid or uid in self._found:
            return
        place = f"{part.file}:{number}"
        if name != "image_study":
            self._found[uid] = StudyRef(uid, self._owners.of(entity, row), source=place)
            return
        of_procedure = self._procedures.get(row.get("procedure_id", ""), ("",) * len(_OF_PROCEDURE))
        procedure = dict(zip(_OF_PROCEDURE, of_procedure, strict=True))
        offset, unit = row.get("study_offset_from_diagnosis", ""), row.get("study_offset_unit", "")
        if not offset:
            offset, unit = procedure["procedure_offset_from_diagnosis"], procedure["procedure_offset_unit"]
        self._found[uid] = StudyRef(
            uid,
            self._owners.of(entity, row),
            timepoint=row.get("ImagingTimepoint", "") or procedure["ImagingTimepoint"],
            episode=procedure["Episode"],
            date=procedure["procedure_date"],
            offset=offset,
            offset_unit=unit,
            source=place,
        )
