"""What a label object holds: its segments, its description, its masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.findings import Finding

LabelKind = Literal["SEG", "RTSTRUCT", "NIFTI", "ARRAY"]
Voxels = NDArray[np.bool_] | NDArray[np.float32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segment:
    """One label of a segmentation, or one region of interest of a structure set.

    Examples
    --------
    >>> Segment(number=1, name="Neoplasm", code="SCT:108369006").code
    'SCT:108369006'
    """

    #: SegmentNumber or ROINumber.
    number: int
    #: SegmentLabel or ROIName; ``segment 1`` where the object gives none.
    name: str
    #: What it is, ``scheme:value``, e.g. ``SCT:108369006``; empty where not coded.
    code: str = ""
    #: Meaning of the property category (SEG) or RTROIInterpretedType (RTSTRUCT); empty where not stated.
    category: str = ""
    #: ``MANUAL``, ``SEMIAUTOMATIC`` or ``AUTOMATIC``; empty where not stated.
    algorithm: str = ""
    #: Name of the algorithm that drew it; never a person's, so empty for what was drawn by hand.
    annotator: str = ""
    #: SOPInstanceUID of the object.
    source_uid: str = ""
    #: SeriesInstanceUID of the object.
    series_uid: str = ""
    #: ``SEG``, ``RTSTRUCT``, ``NIFTI`` or ``ARRAY``.
    kind: LabelKind = "SEG"
    #: Where in the body it is, ``scheme:value``; empty where not coded.
    region: str = ""
    #: Date and time of the object's content, ISO text, e.g. ``2024-05-31T10:20:30``; empty where not stated.
    date: str = ""
    #: Name after the table of names; empty where it is not in it.
    standard: str = ""
    #: Meaning of ``code`` as the object states it; empty where not stated.
    meaning: str = ""
    #: Code of the property category, ``scheme:value``; empty where not coded.
    category_code: str = ""
    #: Meaning of ``region`` as the object states it; empty where not stated.
    region_meaning: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What a label object says of itself, without its pixels or contours."""

    #: ``SEG`` or ``RTSTRUCT``.
    kind: LabelKind
    #: Segments in the order of the object.
    segments: tuple[Segment, ...]
    #: SeriesInstanceUID of the images it says it was drawn on.
    referenced_series_uids: tuple[str, ...]
    #: SOPInstanceUID of the images it says it was drawn on.
    referenced_instance_uids: tuple[str, ...]
    #: FrameOfReferenceUID of everything in it.
    frame_of_reference_uids: tuple[str, ...]
    #: Whether it gives fractions instead of yes and no.
    fractional: bool
    #: SOPInstanceUID of the object.
    source_uid: str
    #: SeriesInstanceUID of the object.
    series_uid: str
    #: What is irregular.
    findings: tuple[Finding, ...] = ()


class Layers(Protocol):
    """Where the voxels of masks come from, one segment at a time; holds no open file, so it pickles."""

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment, by its place among the segments: bool, or float32 fractions."""
        ...


def occupied(layers: Layers, segment: int) -> Integers | None:
    """Slices on which a segment may have voxels, ascending; None where its layers do not know without reading.

    Layers that know have a method ``occupied(segment)``.
    """
    ask = getattr(layers, "occupied", None)
    found: Integers | None = None if ask is None else ask(segment)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """Layers that are an array already."""

    #: (segment, z, y, x): bool or float32.
    data: Voxels

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment."""
        voxels: Voxels = self.data[segment, slices]
        return voxels


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Points or an open line of a structure set: places, not voxels."""

    #: ROINumber.
    segment: int
    #: ROIName.
    name: str
    #: ContourGeometricType, e.g. ``POINT``; a closed contour of fewer than three points is one too.
    geometry: str
    #: Vertices, (n, 3) LPS mm.
    places: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The segments of one label object on the grid of an image; voxels are read when they are asked for."""

    #: Segments in the order of the first axis of ``data``.
    segments: tuple[Segment, ...]
    #: Slices, rows, columns of the image.
    shape: tuple[int, int, int]
    #: Where voxels come from.
    layers: Layers
    #: ``mask`` for yes and no, ``fraction`` for values between 0 and 1.
    kind: Literal["mask", "fraction"] = "mask"
    #: ``probability`` or ``occupancy`` for a fractional segmentation, else empty.
    fractional_type: str = ""
    #: What is irregular.
    findings: tuple[Finding, ...] = ()
    #: What a structure set gives as points and open lines.
    drawings: tuple[Drawing, ...] = ()

    @classmethod
    def from_array(
        cls,
        segments: Iterable[Segment],
        data: NDArray[Any],
        *,
        fractional_type: str = "",
        findings: Iterable[Finding] = (),
    ) -> Masks:
        """Masks of an array that is in memory.

        Parameters
        ----------
        segments : iterable of Segment
            In the order of the first axis.
        data : array (segment, z, y, x)
            bool, or float32 between 0 and 1.
        fractional_type : str, optional
            ``probability`` or ``occupancy``.
        findings : iterable of Finding, optional
            What is irregular.

        Raises
        ------
        ValueError
            Segments and array differ in number, or the array is neither bool nor float32.

        Examples
        --------
        >>> masks = Masks.from_array([Segment(1, "liver")], np.ones((1, 2, 3, 4), bool))
        >>> masks.kind, masks.shape, int(masks.data.sum())
        ('mask', (2, 3, 4), 24)
        """
        named = tuple(segments)
        if data.ndim != 4 or len(named) != len(data):
            raise ValueError(f"{len(named)} segments for an array of shape {data.shape}")
        if data.dtype not in (np.bool_, np.float32):
            raise ValueError(f"masks are bool or float32, not {data.dtype}")
        z, y, x = data.shape[1:]
        kind: Literal["mask", "fraction"] = "mask" if data.dtype == np.bool_ else "fraction"
        return cls(named, (z, y, x), InMemory(data), kind, fractional_type, tuple(findings))

    @classmethod
    def none(cls, shape: tuple[int, int, int], *findings: Finding) -> Masks:
        """No segment, and why."""
        return cls.from_array((), np.zeros((0, *shape), dtype=np.bool_), findings=findings)

    @property
    def points(self) -> list[dict[str, str | int | float]]:
        """The drawings as a table, a row per vertex: segment, name, geometry, drawing (from 0), x, y, z in LPS mm."""
        return [
            {
                "segment": drawing.segment, "name": drawing.name, "geometry": drawing.geometry, "drawing": number,
                **dict(zip(("x", "y", "z"), place, strict=True)),
            }
            for number, drawing in enumerate(self.drawings)
            for place in drawing.places.tolist()
        ]  # fmt: skip

    @property
    def dtype(self) -> np.dtype[Any]:
        """Boolean for masks, float32 for fractions."""
        return np.dtype(np.bool_ if self.kind == "mask" else np.float32)

    @property
    def data(self) -> Voxels:
        """All voxels in memory, (segment, z, y, x): bool, or float32 between 0 and 1 for fractions."""
        if isinstance(self.layers, InMemory):
            return self.layers.data
        data = np.empty((len(self.segments), *self.shape), self.dtype)
        every = np.arange(self.shape[0])
        for index in range(len(data)):
            data[index] = self.layers.read(index, every)
        return data
