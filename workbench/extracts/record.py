"""The small record every layout adapter yields; nothing here touches pixels or writes.

Names and codes are kept as the source spells them: harmonising is the cohort's work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from workbench.findings import Finding


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """One folder that holds images, as the layout lists it."""

    #: Folder or file, POSIX, relative to the extract's root; "." for the root itself.
    path: str
    #: Files below sub-folders belong to it too.
    recursive: bool = False
    #: Patient as the layout names it; empty where only headers know.
    patient_id: str = ""
    #: Study folder name or UID as found.
    study_key: str = ""
    #: Series folder name or UID as found; never parsed into a UID.
    series_key: str = ""
    #: Labels the node gave the series.
    tags: tuple[str, ...] = ()
    #: ``DICOM`` or ``NIFTI``.
    resource: str = "DICOM"
    #: Imaging timepoint as the layout names it; empty where it does not.
    timepoint: str = ""
    #: File and position that listed it, e.g. ``index.json[3].series[0]``; empty where a folder did.
    source: str = ""


@dataclass(frozen=True, slots=True)
class ClinicalRow:
    """One clinical value, long form, as the source spells it."""

    #: Patient as the table names it.
    patient_id: str
    #: Variable as spelt.
    variable: str
    #: Value as text; empty text means missing.
    value: str
    #: Unit as stated, empty where none is.
    unit: str = ""
    #: Timepoint as stated, empty where none is.
    timepoint: str = ""
    #: Table (file, sheet or page) it stands in.
    table: str = ""
    #: File it stands in, POSIX, relative to the extract's root.
    file: str = ""
    #: Row in that file, counted as a person would (the header is row 1); 0 where rows do not apply.
    row: int = 0
    #: The cell as it stands in the file, where value was rewritten; empty where it was not.
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """What a node handed over, as listed before any header is read."""

    #: Hospital or repository.
    node: str
    #: Dataset identifier of the node, or the folder's name.
    dataset_id: str
    #: ``dataset-service``, ``idc`` or ``plain``.
    layout: str
    #: Absolute folder.
    root: Path
    #: Resolved folders that links may lead to; the root comes first.
    allowed_roots: tuple[Path, ...]
    #: Image folders, in the layout's order.
    series: tuple[SeriesRef, ...]
    #: Clinical values, in file order.
    clinical: tuple[ClinicalRow, ...] = ()
    #: Files of the extract that are not images but were read (entry file, tables), POSIX, relative.
    tables: tuple[str, ...] = ()
    #: What the extract says of itself (counts, title), for comparison with what is found.
    declared: dict[str, str | int] = field(default_factory=dict)
    #: What was irregular while listing.
    findings: tuple[Finding, ...] = ()
