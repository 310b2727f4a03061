"""Frames of a SEG: where each one is, what it shows, and where its pixels lie in the file.

The functional groups are read as PS3.3 C.7.6.16 writes them: what the shared group says holds for every frame,
unless the frame says otherwise. DimensionIndexValues are not used, they are often wrong.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, NATIVE
from workbench.dicom.pixels.encapsulated import whole_fragments
from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.errors import LabelError
from workbench.labels.header import text
from workbench.labels.seg_header import ORIENTATION, POSITION, SEGMENT, SOURCE, SPACING, SegHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]

#: Frames of one object at most.
MAX_FRAMES: Final = 2_000_000
#: Bits of a pixel that are read.
_BITS: Final = (1, 8, 16)
_AGAIN: Final = "ask the node for the file again"


@dataclass(frozen=True, slots=True)
class Plane:
    """How frames lie: the same for most of a segmentation."""

    #: ImageOrientationPatient, six direction cosines.
    orientation: tuple[float, ...]
    #: mm between rows, mm between columns.
    spacing: tuple[float, ...]

    @property
    def known(self) -> bool:
        """Whether it says how the frame lies."""
        return len(self.orientation) == 6 and len(self.spacing) == 2


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """One row per frame."""

    #: ImagePositionPatient, (frame, 3) LPS mm; NaN where missing.
    positions: Floats
    #: ReferencedSegmentNumber, (frame,); -1 where missing.
    segments: NDArray[np.int64]
    #: Index into ``planes``, (frame,).
    plane: NDArray[np.int64]
    #: Orientations and spacings that occur.
    planes: tuple[Plane, ...]


def _numbers(value: bytes | None) -> tuple[float, ...]:
    return tuple(float(part) for part in value.split(b"\\")) if value and value.strip() else ()


def _column(header: SegHeader, number: int, count: int) -> list[bytes | None]:
    """The frames' own values, and the shared one where they say nothing."""
    shared = header.shared(number)
    # Without per-frame groups (TILED_FULL, or a single frame) the shared group holds for all.
    if not header.n_groups:
        return [shared] * count
    return [shared if value is None else value for value in header.column(number)]


def _groups_of(values: Sequence[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Number of each value among the different ones, and these."""
    known: dict[Any, int] = {}
    index = np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64, len(values))
    return index, list(known)


def frame_table(header: SegHeader, *, name: str) -> FrameTable:
    """Place and segment of every frame, (frame,), LPS mm.

    Parameters
    ----------
    header : SegHeader
        Of the segmentation.
    name : str
        File, for messages.

    Raises
    ------
    LabelError
        Where frames and their descriptions differ in number.
    """
    count = int(header.dataset.get("NumberOfFrames") or 1)
    if header.n_groups and header.n_groups != count:
        raise LabelError(
            f"{count} frames, but {header.n_groups} descriptions of frames",
            file=name,
            remedy="ask the node for the object",
        )
    # Places and planes repeat from segment to segment: each is made numbers once.
    index, texts = _groups_of(_column(header, POSITION, count))
    places = [_numbers(value) for value in texts]
    positions = np.array([place if len(place) == 3 else (np.nan,) * 3 for place in places])[index]
    plane, pairs = _groups_of(
        list(zip(_column(header, ORIENTATION, count), _column(header, SPACING, count), strict=True))
    )
    planes = tuple(Plane(_numbers(orientation), _numbers(spacing)) for orientation, spacing in pairs)
    numbers = [int(value) if value else -1 for value in _column(header, SEGMENT, count)]
    return FrameTable(positions, np.array(numbers, np.int64), plane, planes)


def source_uids(header: SegHeader, count: int) -> list[str]:
    """SOPInstanceUID of the first image that each frame was drawn on; empty where missing."""
    return [value.decode("ascii", "replace").strip() if value else "" for value in _column(header, SOURCE, count)]


def pixels_of(header: SegHeader, path: str | os.PathLike[str], *, name: str) -> FrameRef:
    """Where the first frame lies and how it is stored; the others differ in their number alone.

    Raises
    ------
    LabelError
        Pixels are absent, cut off, or stored in a way that is not read.
    """
    dataset = header.dataset
    bits, rows, columns = int(dataset.BitsAllocated), int(dataset.Rows), int(dataset.Columns)
    count = int(dataset.get("NumberOfFrames") or 1)
    if rows < 1 or columns < 1 or not 1 <= count <= MAX_FRAMES:
        raise LabelError(
            f"{count} frames of {rows}x{columns} cannot be", file=name, tag="NumberOfFrames", remedy=_AGAIN
        )
    if header.pixel_offset < 0:
        raise LabelError("no pixel data", file=name, remedy="ask the node for the object again")
    if bits not in _BITS or (bits == 1 and header.syntax == EXPLICIT_BE):
        raise LabelError(
            f"{bits} bits per pixel in transfer syntax {header.syntax} are not read here",
            file=name,
            tag="BitsAllocated",
            remedy="ask the node for Explicit VR Little Endian",
        )
    size, identity = header.facts
    if header.syntax in NATIVE and header.syntax != DEFLATED_LE:
        needed = (count * rows * columns * bits + 7) // 8
        there = min(header.pixel_length, size - header.pixel_offset)
        if there < needed:
            message = f"{there} bytes of pixels, header asks for {needed}: the file is cut off"
            raise LabelError(message, file=name, tag="PixelData", remedy=_AGAIN)
        if there > needed + needed % 2:
            # Of another size than the header says, every frame but the first would be read from the wrong place.
            message = f"{there} bytes of pixels, header asks for {needed}: its sizes are not those of the pixels"
            raise LabelError(message, file=name, tag="Rows", remedy=_AGAIN)
    elif header.syntax != DEFLATED_LE:
        with open(path, "rb") as file:
            if whole_fragments(file.fileno(), header.pixel_offset, size) < count:
                raise LabelError("compressed pixels end early", file=name, tag="PixelData", remedy=_AGAIN)
    return FrameRef(
        path=os.fspath(Path(path).absolute()), name=name, size=size, identity=identity, syntax=header.syntax,
        offset=header.pixel_offset, length=header.pixel_length, frame=0, n_frames=count, rows=rows, columns=columns,
        # The whole of what is allocated is the label or fraction, whatever BitsStored says of it.
        samples=1, bits_allocated=bits, bits_stored=bits, high_bit=bits - 1, signed=False,
        photometric=text(dataset, "PhotometricInterpretation"), slope=1.0, intercept=0.0,
    )  # fmt: skip
