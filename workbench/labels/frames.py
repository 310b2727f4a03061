"""Frames of a SEG: where each one is, and its stored values, one frame at a time.

The functional groups are read as PS3.3 C.7.6.16 writes them: what the shared group says holds for every frame,
unless the frame says otherwise. DimensionIndexValues are not used, they are often wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import LabelError
from workbench.labels.header import first, items, numbers, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Floats = NDArray[np.float64]

_BIG_ENDIAN = "1.2.840.10008.1.2.2"


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
    #: SOPInstanceUID of the first source image; empty where missing.
    sources: tuple[str, ...]


def _group(shared: Dataset | None, own: Dataset | None, keyword: str) -> Dataset | None:
    for group in (own, shared):
        if group is not None and (item := first(group, keyword)) is not None:
            return item
    return None


def _source(shared: Dataset | None, own: Dataset | None) -> str:
    derivation = _group(shared, own, "DerivationImageSequence")
    image = None if derivation is None else first(derivation, "SourceImageSequence")
    return text(image, "ReferencedSOPInstanceUID")


def frame_table(dataset: Dataset, *, name: str) -> FrameTable:
    """Place, segment and source of every frame, (frame,), LPS mm.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The segmentation; its pixels are not touched.
    name : str
        File, for messages.

    Raises
    ------
    LabelError
        Where frames and their descriptions differ in number.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    shared = first(dataset, "SharedFunctionalGroupsSequence")
    per_frame: list[Any] = items(dataset, "PerFrameFunctionalGroupsSequence")
    if per_frame and len(per_frame) != count:
        raise LabelError(
            f"{count} frames, but {len(per_frame)} descriptions of frames",
            file=name,
            remedy="ask the node for the object",
        )
    # Without per-frame groups (TILED_FULL, or a single frame) the shared group holds for all.
    own: list[Any] = per_frame or [None] * count

    positions = np.full((count, 3), np.nan)
    segments = np.full(count, -1, dtype=np.int64)
    plane = np.zeros(count, dtype=np.int64)
    planes: dict[Plane, int] = {}
    for index, group in enumerate(own):
        position = numbers(_group(shared, group, "PlanePositionSequence"), "ImagePositionPatient")
        if len(position) == 3:
            positions[index] = position
        number = text(_group(shared, group, "SegmentIdentificationSequence"), "ReferencedSegmentNumber")
        segments[index] = int(number) if number else -1
        lies = Plane(
            tuple(numbers(_group(shared, group, "PlaneOrientationSequence"), "ImageOrientationPatient")),
            tuple(numbers(_group(shared, group, "PixelMeasuresSequence"), "PixelSpacing")),
        )
        plane[index] = planes.setdefault(lies, len(planes))
    return FrameTable(positions, segments, plane, tuple(planes), tuple(_source(shared, group) for group in own))


class StoredFrames:
    """Stored values of a segmentation, one (row, column) frame at a time.

    Uncompressed bits and bytes are unpacked straight from the stored bytes of that frame; a compressed frame is
    decoded by highdicom.

    Raises
    ------
    LabelError
        Where pixels are absent, cut off, or in an encoding that cannot be decoded.
    """

    def __init__(self, dataset: Dataset, *, name: str) -> None:
        from pydicom.uid import ImplicitVRLittleEndian

        # A file without its meta header is of the default syntax (PS3.5 10.1).
        syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
        if "PixelData" not in dataset:
            raise LabelError("no pixel data", file=name, remedy="ask the node for the object again")
        self._dataset = dataset
        self._encapsulated = bool(syntax.is_encapsulated)
        self._shape = (int(dataset.Rows), int(dataset.Columns))
        self._bits = int(dataset.BitsAllocated)
        self._count = int(dataset.get("NumberOfFrames") or 1)
        if self._encapsulated:
            return
        if self._bits not in (1, 8, 16) or syntax == _BIG_ENDIAN:
            raise LabelError(
                f"{self._bits} bits per pixel in {syntax.name} are not read here",
                file=name,
                tag="BitsAllocated",
                remedy="ask the node for Explicit VR Little Endian",
            )
        self._bytes = np.frombuffer(dataset.PixelData, dtype=np.uint8)
        needed = (self._count * self._shape[0] * self._shape[1] * self._bits + 7) // 8
        if len(self._bytes) < needed:
            raise LabelError(
                f"{len(self._bytes)} bytes of pixels, header asks for {needed}: the file is cut off",
                file=name,
                tag="PixelData",
                remedy="ask the node for the file again",
            )

    def __getitem__(self, index: int) -> NDArray[np.unsignedinteger[Any]]:
        if self._encapsulated:
            return self._decode(index)
        size = self._shape[0] * self._shape[1]
        if self._bits == 1:
            # Frames follow each other bit by bit: one need not begin at a byte.
            start = index * size
            packed = self._bytes[start // 8 : (start + size + 7) // 8]
            return np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + size].reshape(self._shape)
        width = self._bits // 8
        raw = self._bytes[index * size * width : (index + 1) * size * width]
        return raw.view(np.dtype(f"<u{width}")).reshape(self._shape)

    def _decode(self, index: int) -> NDArray[np.unsignedinteger[Any]]:
        from highdicom.frame import decode_frame
        from pydicom.encaps import get_frame

        dataset = self._dataset
        frame: NDArray[np.unsignedinteger[Any]] = decode_frame(
            get_frame(dataset.PixelData, index, number_of_frames=self._count),
            transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
            rows=self._shape[0],
            columns=self._shape[1],
            samples_per_pixel=1,
            bits_allocated=self._bits,
            bits_stored=int(dataset.get("BitsStored") or self._bits),
            photometric_interpretation=dataset.PhotometricInterpretation,
            pixel_representation=int(dataset.get("PixelRepresentation") or 0),
            index=0,
        )
        return frame
