"""The small record every layout adapter yields; nothing here touches pixels or writes.

Names and codes are kept as the source spells them: harmonising is the cohort's work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from workbench.extracts.reading import ReadOptions
from workbench.extracts.rows import Clinical, ClinicalRow
from workbench.findings import Finding

__all__ = ["Clinical", "ClinicalRow", "Extract", "SeriesRef", "StudyRef"]


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
    #: DICOM modality as the caller or the layout says it; empty where headers do.
    modality: str = ""
    #: Whether it holds masks, as the caller says.
    mask: bool = False
    #: Imaging timepoint as the layout names it; empty where it does not.
    timepoint: str = ""
    #: Episode of the disease as the layout names it; empty where it does not.
    episode: str = ""
    #: File and position that listed it, e.g. ``index.json[3].series[0]``; empty where a folder did.
    source: str = ""


@dataclass(frozen=True, slots=True)
class StudyRef:
    """What a table of the extract says of one imaging study, as the source spells it."""

    #: StudyInstanceUID, or the study's folder name where no table gives the UID.
    study_key: str
    #: Patient as the table names it; empty where it does not.
    patient_id: str = ""
    #: Imaging timepoint as stated.
    timepoint: str = ""
    #: Episode of the disease as stated.
    episode: str = ""
    #: Day of the study as stated.
    date: str = ""
    #: Time since the node's zero (diagnosis, baseline) in *offset_unit*, both as stated.
    offset: str = ""
    offset_unit: str = ""
    #: File and row that say so, e.g. ``timepoints.csv:7``.
    source: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """What a node handed over, as listed before any header is read."""

    #: Hospital or repository.
    node: str
    #: Dataset identifier of the node, or the folder's name.
    dataset_id: str
    #: Name of the layout, a key of :data:`workbench.extracts.opening.LAYOUTS`.
    layout: str
    #: Absolute folder.
    root: Path
    #: Resolved folders that links may lead to; the root comes first.
    allowed_roots: tuple[Path, ...]
    #: Image folders, in the layout's order.
    series: tuple[SeriesRef, ...]
    #: Clinical values, in file order, read when they are asked for.
    clinical: Clinical = field(default_factory=Clinical, hash=False)
    #: What tables say of the time of studies.
    studies: tuple[StudyRef, ...] = ()
    #: Patient -> centre, where a column of the tables names it: the patient's node, instead of the extract's own.
    nodes: dict[str, str] = field(default_factory=dict, hash=False)
    #: Files that are not images but were read (entry file, tables), POSIX, relative; those outside begin with ``..``.
    tables: tuple[str, ...] = ()
    #: What the extract says of itself (counts, title), for comparison with what is found.
    declared: dict[str, str | int] = field(default_factory=dict)
    #: What the caller said of how it is to be read.
    how: ReadOptions = field(default_factory=ReadOptions, hash=False)
    #: What was irregular while listing.
    findings: tuple[Finding, ...] = ()
