"""How the three invented hospitals acquire, store and name things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Protocol:
    """How one kind of series is acquired."""

    #: DICOM Modality.
    modality: str
    #: SeriesDescription.
    description: str
    #: Column of the intensity table: ``CT``, ``T1``, ``T2`` or ``FDG``.
    weighting: str
    #: ``thorax`` or ``pelvis``.
    region: str
    #: Slices, rows, columns.
    shape: tuple[int, int, int]
    #: mm between pixels.
    pixel: float
    #: mm between slices.
    step: float
    #: Slices tilted in the patient.
    oblique: bool = False


#: Every kind of series.
PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "ct-thorax": Protocol("CT", "Thorax 3.0 soft", "CT", "thorax", (24, 96, 96), 3.5, 3.0),
    "ct-pelvis": Protocol("CT", "Pelvis 3.0 soft", "CT", "pelvis", (24, 96, 96), 3.75, 3.0),
    "mr-pelvis": Protocol("MR", "T2 TSE axial", "T2", "pelvis", (22, 80, 80), 3.0, 3.0),
    "mr-pelvis-oblique": Protocol("MR", "T2 TSE oblique", "T2", "pelvis", (22, 80, 80), 3.0, 3.0, oblique=True),
    "mr-breast": Protocol("MR", "T1 GRE axial", "T1", "thorax", (22, 80, 80), 4.25, 4.0),
    "pt-thorax": Protocol("PT", "FDG AC", "FDG", "thorax", (22, 48, 48), 7.25, 4.0),
}
#: Rows of an oblique series run 16.26 degrees out of the axial plane: a 7-24-25 triangle, exact in decimals.
OBLIQUE_COLUMN: Final = (0.0, 0.96, 0.28)


@dataclass(frozen=True)
class NodeStyle:
    """What sets one node apart."""

    #: Layout of its extract.
    layout: str
    #: Beginning of its pseudonyms; empty for 64 hexadecimal digits.
    prefix: str
    #: Manufacturer in the headers.
    manufacturer: str
    #: How tumours are stored: ``SEG`` or ``RTSTRUCT``.
    label: str
    #: Transfer syntax is Implicit VR Little Endian.
    implicit: bool
    #: SpecificCharacterSet.
    charset: str
    #: StudyDescription by region.
    study_names: Mapping[str, str]
    #: What its patients have in turn: cancer, protocols (the first carries the label), whether labelled.
    cases: tuple[tuple[str, tuple[str, ...], bool], ...]
    #: Where the scanner's isocentre puts the body, mm.
    isocentre: tuple[int, int, int]


#: The three hospitals, all invented.
NODES: Final[Mapping[str, NodeStyle]] = {
    "aurora": NodeStyle(
        "dataset-service", "", "SIEMENS", "SEG", False, "ISO_IR 192",
        {"thorax": "TC TÓRAX", "pelvis": "RM PRÓSTATA"},
        (("lung", ("ct-thorax",), True), ("prostate", ("mr-pelvis",), True), ("lung", ("ct-thorax",), True)),
        (0, -180, -420),
    ),
    "boreal": NodeStyle(
        "idc", "BOR", "GE MEDICAL SYSTEMS", "RTSTRUCT", False, "ISO_IR 100",
        {"thorax": "PET/CT thorax", "pelvis": "CT pelvis"},
        (("lung", ("ct-thorax", "pt-thorax"), True), ("breast", ("ct-thorax", "pt-thorax"), True)),
        (0, 0, -650),
    ),
    "cedro": NodeStyle(
        "plain", "C", "Philips", "SEG", True, "ISO_IR 100",
        {"thorax": "TÓRAX", "pelvis": "PÉLVIS"},
        (
            ("prostate", ("mr-pelvis-oblique", "ct-pelvis"), True),
            ("breast", ("mr-breast",), True),
            ("prostate", ("mr-pelvis",), False),
            ("lung", ("ct-thorax",), False),
        ),
        (0, 35, 90),
    ),
}  # fmt: skip
