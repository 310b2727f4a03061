"""What only the files tell: segments of segmentations, the JSON beside NIfTI images, the mark of altered dates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.minimum import queries
from workbench.cohort.minimum.counting import Unit
from workbench.errors import WorkbenchError
from workbench.progress import track

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database
    from workbench.cohort.tables.store import Stored
    from workbench.labels.segment_facts import SegmentFacts

#: LongitudinalTemporalInformationModified (0028,0303), PS3.3 C.12.1.1: dates that are not those of the clinic.
MARK: Final = "LongitudinalTemporalInformationModified"
ALTERED: Final = ("MODIFIED", "REMOVED")
#: What DICOM defines (PS3.3 C.8.20.2).
ALGORITHM_TYPES: Final = ("MANUAL", "SEMIAUTOMATIC", "AUTOMATIC")
#: What the JSON beside a NIfTI image must hold, as text.
_SIDECAR: Final = ("PatientID", "Modality", "BodyPartExamined", "Manufacturer")
_AGE: Final = re.compile(r"[0-9]{3}[DWMY]")


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of one segmentation; none where it cannot be read."""

    node: str
    patient_id: str
    path: str
    facts: tuple[SegmentFacts, ...] | None


def _roots(extract: Stored) -> tuple[Path, ...]:
    return (extract.root, *extract.link_roots)


def segmentations(database: Database, extracts: Mapping[str, Stored]) -> list[Segments]:
    """Every DICOM segmentation of a cohort, its header read."""
    from workbench.labels.segment_facts import segment_facts

    found = []
    for node, patient, path in track(
        database.rows(queries.SEGMENTATIONS), "checking segmentations", unit="segmentations"
    ):
        facts = None
        # What is wrong with it is a finding of the cohort; here it states nothing.
        with suppress(WorkbenchError, OSError):
            facts = segment_facts(extracts[node].root.joinpath(*path.split("/")), name=path)
        found.append(Segments(node, patient, path, facts))
    return found


def segment_units(held: Sequence[Segments], of: str, accepts: str, *, drawn_too: bool) -> list[Unit]:
    """Segments and whether each states a field; those drawn by hand only where *drawn_too*."""
    units = []
    for one in held:
        if one.facts is None or not one.facts:
            units.append(Unit(one.node, one.patient_id, False, one.path))
            continue
        for facts in one.facts:
            if not drawn_too and facts.algorithm_type == "MANUAL":
                continue
            value = getattr(facts, of)
            ok = value in ALGORITHM_TYPES if accepts == "type" else bool(value)
            units.append(Unit(one.node, one.patient_id, ok, one.path))
    return units


def sidecar_units(database: Database, extracts: Mapping[str, Stored]) -> list[Unit]:
    """NIfTI images and whether the JSON beside each holds what the header of a DICOM image must."""
    from workbench.cohort.tables.nifti_series import told_beside

    units = []
    for node, patient, path, aged in database.rows(queries.NIFTI):
        extract = extracts[node]
        told, _ = told_beside(extract.root, _roots(extract), path)
        day = _is_day(told.get("AcquisitionDate", ""))
        age = bool(_AGE.fullmatch(told.get("PatientAge", ""))) or (aged and day)
        units.append(Unit(node, patient, all(told.get(name) for name in _SIDECAR) and day and age, path))
    return units


def _is_day(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{8}", text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def marked_studies(database: Database, extracts: Mapping[str, Stored]) -> tuple[list[str], list[str]]:
    """Nodes and UIDs of the studies whose dates are marked as altered, by one file of each.

    Nodes whose every day is the first of a month are not asked: their dates count as altered anyway.
    """
    from workbench.dicom.listing import Place
    from workbench.dicom.scan import scan

    known = {node for (node,) in database.rows(queries.FIRST_DAYS)}
    files: dict[str, dict[str, str]] = {}
    for node, study, path in database.rows(queries.ONE_FILE):
        if node not in known:
            files.setdefault(node, {})[path] = study
    nodes: list[str] = []
    studies: list[str] = []
    for node, by_path in files.items():
        extract = extracts[node]
        table: Any = scan(
            extract.root,
            places=[Place(path, False) for path in by_path],
            allowed_roots=_roots(extract),
            tags=[MARK],
            label=f"{node}: marks of altered dates",
        ).table
        for path, mark in zip(table["path"].to_pylist(), table[MARK].to_pylist(), strict=True):
            if (mark or "").strip() in ALTERED:
                nodes.append(node)
                studies.append(by_path[path])
    return nodes, studies
