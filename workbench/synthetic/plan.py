"""What will be written, decided before the first byte: nodes, patients, studies, series, lesions, gaps.

Lengths are millimetres in the patient system (LPS). Faults change the plan, so files are written once, as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from workbench.synthetic.styles import NodeStyle, Protocol

Vector = tuple[float, float, float]
State = Literal["released", "unreleased", "absent"]

#: Decimals of every position in a file.
POSITION_DECIMALS: Final = 4


@dataclass(frozen=True)
class Placement:
    """Where the voxels of a stack are: a voxel (k, i, j) lies at origin + k step + i dy column + j dx row."""

    #: Centre of the first voxel of the first slice, LPS mm.
    origin: Vector
    #: Unit vector along which the column index grows.
    row: Vector
    #: Unit vector along which the row index grows.
    column: Vector
    #: From one slice to the next, mm.
    step: Vector
    #: mm between rows, mm between columns.
    spacing: tuple[float, float]
    #: Slices, rows, columns.
    shape: tuple[int, int, int]

    @property
    def normal(self) -> Vector:
        """Unit vector along which slices ascend."""
        (a, b, c), (d, e, f) = self.row, self.column
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    @property
    def slice_spacing(self) -> float:
        """Mm between slices along the normal."""
        (a, b, c), (d, e, f) = self.normal, self.step
        return a * d + b * e + c * f

    @property
    def voxel_volume(self) -> float:
        """mm³ of a voxel."""
        return self.spacing[0] * self.spacing[1] * self.slice_spacing

    def point(self, k: float, i: float = 0.0, j: float = 0.0) -> Vector:
        """LPS mm of the place with the (fractional) voxel index (k, i, j), as rounded as in the files."""
        dy, dx = self.spacing
        x, y, z = (
            round(self.origin[a] + k * self.step[a] + i * dy * self.column[a] + j * dx * self.row[a], POSITION_DECIMALS)
            for a in range(3)
        )
        return (x, y, z)


@dataclass(frozen=True)
class Lesion:
    """A tumour: ellipsoid, lobes on it, and in some a core that is not counted as tumour; mm from the body's centre."""

    #: Centre.
    centre: tuple[int, int, int]
    #: Half axes.
    radii: tuple[int, int, int]
    #: Spheres added to it: (x, y, z, radius).
    lobes: tuple[tuple[int, int, int, int], ...]
    #: Radius of the sphere taken out of its middle; 0 for none.
    core: int = 0

    def scaled(self, percent: int) -> Lesion:
        """The same lesion grown or shrunk."""
        a, b, c = (max(4, r * percent // 100) for r in self.radii)
        lobes = tuple((x, y, z, max(3, r * percent // 100)) for x, y, z, r in self.lobes)
        return replace(self, radii=(a, b, c), lobes=lobes, core=self.core * percent // 100)


@dataclass(frozen=True)
class SeriesPlan:
    """One image series."""

    #: SeriesInstanceUID.
    uid: str
    #: FrameOfReferenceUID.
    frame_uid: str
    #: SeriesNumber.
    number: int
    #: How it is acquired.
    protocol: Protocol
    #: Where its voxels are.
    placement: Placement
    #: SeriesInstanceUID of the object with the tumour; empty where nobody outlined it.
    label_uid: str = ""
    #: Handed over; on the disk but not handed over; listed but not on the disk.
    state: State = "released"
    #: Stored with RLE Lossless.
    compressed: bool = False
    #: Slices that are left out.
    dropped: tuple[int, ...] = ()
    #: A localiser image stands among the slices.
    localizer: bool = False
    #: Slices whose file is cut off.
    truncated: tuple[int, ...] = ()
    #: Slices whose file is there twice.
    duplicated: tuple[int, ...] = ()
    #: A text file named like DICOM stands among the slices.
    stray_text: bool = False


@dataclass(frozen=True)
class StudyPlan:
    """One study of one patient."""

    #: StudyInstanceUID.
    uid: str
    #: 1 for the first study of the patient.
    timepoint: int
    #: StudyDate, YYYYMMDD.
    date: str
    #: StudyTime, HHMMSS.
    time: str
    #: StudyDescription.
    name: str
    #: The tumour on that day.
    lesion: Lesion
    #: Its image series.
    series: tuple[SeriesPlan, ...]


@dataclass(frozen=True)
class PatientPlan:
    """One patient, with what is true of them whatever the node writes down."""

    #: Pseudonym.
    patient_id: str
    #: Number within the node, from 0.
    index: int
    #: ``M`` or ``F``.
    sex: str
    #: Age when the tumour was found, in months.
    age_months: int
    #: ``lung``, ``breast`` or ``prostate``.
    cancer: str
    #: True clinical values by variable; None where the variable does not apply.
    clinical: Mapping[str, str | int | float | None]
    #: Variables the node does not give for this patient.
    gaps: frozenset[str]
    #: Size of the body, percent.
    build: int
    #: PatientWeight in kg.
    weight_kg: int
    #: Centre of the body, LPS mm.
    centre: tuple[int, int, int]
    #: Studies in time order.
    studies: tuple[StudyPlan, ...]


@dataclass(frozen=True)
class NodePlan:
    """What one node hands over."""

    #: Name of the hospital.
    name: str
    #: Its habits.
    style: NodeStyle
    #: Its patients.
    patients: tuple[PatientPlan, ...]
    #: Unit of the ages it writes, although the variable is in years everywhere.
    age_unit: Literal["years", "months"] = "years"
    #: Patients with a second, different clinical row.
    repeated_rows: tuple[str, ...] = ()
    #: A link out of the extract.
    outside_link: bool = False


@dataclass(frozen=True)
class FederationPlan:
    """Everything that will be written."""

    #: Seed of all draws.
    seed: int
    #: The hospitals.
    nodes: tuple[NodePlan, ...]


def uid(seed: int, *role: object) -> str:
    """UID under 2.25 that follows from the seed and what it is for.

    Examples
    --------
    >>> uid(0, "aurora", 0) == uid(0, "aurora", 0) != uid(1, "aurora", 0)
    True
    """
    return f"2.25.{int(digest(seed, *role)[:32], 16)}"


def digest(seed: int, *role: object) -> str:
    """64 hexadecimal digits that follow from the seed and what they are for."""
    return hashlib.sha256("/".join(str(part) for part in (seed, *role)).encode()).hexdigest()


def generator(seed: int, *role: int) -> np.random.Generator:
    """A stream of draws of its own for each purpose."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *role])))


def centred(placement: Placement, middle: Vector) -> Placement:
    """The placement moved so that the middle of its stack lies at *middle*."""
    origin = replace(placement, origin=middle)
    n, rows, columns = placement.shape
    return replace(placement, origin=origin.point(-(n - 1) / 2, -(rows - 1) / 2, -(columns - 1) / 2))
