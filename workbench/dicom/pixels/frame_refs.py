"""Where each frame of a plan lies and how it is stored: one small tuple per frame, no open handles."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pyarrow as pa

from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.value_map import ValueMap


class FrameRef(NamedTuple):
    """Where one frame lies, how it is stored, and how its numbers become values."""

    #: File to open.
    path: str
    #: Its path relative to the extract, for messages.
    name: str
    #: Bytes of the file when it was indexed.
    size: int
    #: Which file it was; see :func:`workbench.dicom.headers.stamps.identity_of`.
    identity: int
    #: Transfer syntax UID.
    syntax: str
    #: Byte offset of the pixel data value; 0 in deflated files.
    offset: int
    #: Its bytes; -1 where encapsulated or deflated.
    length: int
    #: Number of the frame within its file, from 0.
    frame: int
    #: Frames in the file.
    n_frames: int
    #: Rows and columns of the picture, or of the crop.
    rows: int
    columns: int
    #: Samples per pixel of what is read: three where a palette makes colours of one.
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    #: PixelRepresentation is 1.
    signed: bool
    #: PhotometricInterpretation.
    photometric: str
    slope: float
    intercept: float
    #: Float or Double Float Pixel Data.
    floating: bool = False
    #: Table that gives the values instead of slope and intercept.
    lut: Lut | None = None
    #: Top row and left column of this tile, and rows and columns of the stored picture; None where it is all of it.
    crop: tuple[int, int, int, int] | None = None
    #: PlanarConfiguration of colour; None where absent.
    planar: int | None = None
    #: First and last stored number that has a value; beyond them is NaN. None where all have one.
    limits: tuple[float, float] | None = None

    @property
    def colour(self) -> bool:
        """More than one sample per pixel."""
        return self.samples > 1

    @property
    def uncoloured(self) -> FrameRef:
        """The frame as it is stored: one sample where a palette makes three."""
        return self._replace(samples=1) if self.lut is not None and self.lut.coloured else self

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Rows and columns of the stored picture."""
        return (self.rows, self.columns) if self.crop is None else (self.crop[2], self.crop[3])

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed stored frame, by the header."""
        rows, columns = self.stored_shape
        return (rows * columns * self.samples * self.bits_allocated + 7) // 8


def frame_refs(rows: pa.Table, root: str | os.PathLike[str], values: ValueMap) -> tuple[FrameRef, ...]:
    """One reference per row of a plan's table.

    Parameters
    ----------
    rows : pyarrow.Table
        Header columns and ``frame``; optionally ``tile_row``, ``tile_column``, ``stored_rows``, ``stored_columns`` of
        pictures that hold several slices (null: the row is a whole picture).
    root : path
        Folder that the paths are relative to.
    values : ValueMap
        Slope, intercept and, where it has them, look-up tables of each row.
    """
    n = rows.num_rows
    known = set(rows.column_names)

    def column(name: str) -> list[Any]:
        return _values(rows[name]) if name in known else [None] * n

    names = column("path")
    folder = os.path.join(os.fspath(root), "")
    allocated = [bits or 16 for bits in column("BitsAllocated")]
    stored = [bits or all_bits for bits, all_bits in zip(column("BitsStored"), allocated, strict=True)]
    high = [s - 1 if bit is None else bit for bit, s in zip(column("HighBit"), stored, strict=True)]
    luts = values.luts or [None] * n
    return tuple(
        map(
            FrameRef._make,
            zip(
                [folder + name.replace("/", os.sep) for name in names],
                names,
                column("size"),
                column("identity"),
                [syntax or "" for syntax in column("TransferSyntaxUID")],
                column("pixel_offset"),
                column("pixel_length"),
                column("frame"),
                [number or 1 for number in column("NumberOfFrames")],
                [number or 0 for number in column("Rows")],
                [number or 0 for number in column("Columns")],
                [
                    3 if lut is not None and lut.coloured else number or 1
                    for number, lut in zip(column("SamplesPerPixel"), luts, strict=True)
                ],
                allocated,
                stored,
                high,
                [sign == 1 for sign in column("PixelRepresentation")],
                [text or "" for text in column("PhotometricInterpretation")],
                values.slope.tolist(),
                values.intercept.tolist(),
                [bool(floating) for floating in column("pixel_float")],
                luts,
                _crops(*(column(name) for name in ("tile_row", "tile_column", "stored_rows", "stored_columns"))),
                column("PlanarConfiguration"),
                values.limits or [None] * n,
                strict=True,
            ),
        )
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    if column.null_count == 0 and pa.types.is_integer(column.type):
        # Several times faster than to_pylist, which makes an Arrow scalar of each value.
        numbers: list[Any] = column.to_numpy().tolist()
        return numbers
    values: list[Any] = column.to_pylist()
    return values


def _crops(*facts: list[Any]) -> list[tuple[int, int, int, int] | None]:
    return [None if None in fact else fact for fact in zip(*facts, strict=True)]
