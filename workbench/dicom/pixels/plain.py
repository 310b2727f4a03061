"""Runs of uncompressed frames whose bytes may be read into the result itself and made values there.

The common series, and the reason for a path of its own: little is left to the interpreter for each frame, which is
what two threads would wait for each other in; and values are made of some frames at once, while they are in cache.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from numpy.typing import NDArray

from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.pixels.native import FLOAT_BITS, INTEGER_BITS, in_place
from workbench.dicom.pixels.opened import changed, open_frame
from workbench.dicom.pixels.stored import restored, spare_bits
from workbench.dicom.values.dtypes import stored_dtype
from workbench.dicom.values.scaling import apply_map
from workbench.errors import DicomError, TruncatedFile

#: Bytes made values at once: half of a usual second-level cache.
BLOCK_BYTES: Final = 1 << 20
#: Where a reference's own facts end and those its series shares begin.
_SHARED: Final = FrameRef._fields.index("n_frames") + 1


def plain_frames(refs: Sequence[FrameRef | None], out: NDArray[Any], start: int, stop: int) -> int:
    """How many frames from *start* on can be read by :func:`read_plain`; 0 where the first cannot.

    Parameters
    ----------
    refs : sequence of FrameRef or None
        Frames, (n,).
    out : array
        Where their values go, (n, rows, columns).
    start, stop : int
        Frames to look at.
    """
    first = refs[start]
    if first is None or not _plain(first, out[start]):
        return 0
    shared, syntax = first[_SHARED:], first.syntax
    for i in range(start + 1, stop):
        ref = refs[i]
        if ref is None or ref[_SHARED:] != shared or ref.syntax != syntax:
            return i - start
    return stop - start


def _plain(ref: FrameRef, out: NDArray[Any]) -> bool:
    if ref.samples > 1 or ref.syntax not in (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE):
        return False
    if ref.bits_allocated not in (FLOAT_BITS if ref.floating else INTEGER_BITS) or out.shape != (ref.rows, ref.columns):
        return False
    if ref.syntax == EXPLICIT_BE and ref.bits_allocated == 8:
        return False
    return in_place(ref, stored_dtype(ref.bits_allocated, signed=ref.signed, floating=ref.floating), out)


def read_plain(refs: Sequence[FrameRef], out: NDArray[Any], *, checked: bool) -> None:
    """Fill *out*, (n, rows, columns), with the values of frames that :func:`plain_frames` vouches for.

    Raises
    ------
    ChangedFile, TruncatedFile, DicomError
        As :func:`workbench.dicom.pixels.frames.read_frame`.
    """
    first = refs[0]
    dtype = stored_dtype(first.bits_allocated, signed=first.signed, floating=first.floating)
    swapped = first.syntax == EXPLICIT_BE
    spare = 0 if first.floating else spare_bits(first)
    same = first.slope == 1 and first.intercept == 0 and dtype == out.dtype
    size = max(1, BLOCK_BYTES // max(1, first.frame_bytes))
    with _Files() as files:
        for start in range(0, len(refs), size):
            some, target = refs[start : start + size], out[start : start + size]
            files.read(some, target, first.frame_bytes)
            stored = target.view(dtype)
            if swapped:
                stored.byteswap(inplace=True)
            if spare:
                stored = restored(stored, first, own=True)
            if not same:
                _mapped(some, stored, target, checked)


class _Files:
    """The file at hand while frames are read one after the other: each is opened once."""

    def __init__(self) -> None:
        self.fd, self.path = -1, ""

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *error: object) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def read(self, refs: Sequence[FrameRef], out: NDArray[Any], n_bytes: int) -> None:
        """Bytes of each frame into its place."""
        for ref, target in zip(refs, out, strict=True):
            if ref.path != self.path:
                if self.fd >= 0:
                    os.close(self.fd)
                    self.fd = -1
                self.fd, self.path = open_frame(ref), ref.path
                facts = os.fstat(self.fd)
                if identity_of(facts) != ref.identity:
                    raise changed(ref)
            if ref.length < n_bytes * ref.n_frames:
                raise _short(ref)
            if os.preadv(self.fd, [target], ref.offset + n_bytes * ref.frame) != n_bytes:
                raise TruncatedFile("pixel data ends early", file=ref.name, remedy="ask the node for the file again")


def _mapped(refs: Sequence[FrameRef], stored: NDArray[Any], out: NDArray[Any], checked: bool) -> None:
    first = refs[0]
    try:
        apply_map(stored, first.slope, first.intercept, out, checked=checked)
    except DicomError:
        # Nothing was written: the check comes first. Frame by frame, the one at fault is named.
        for ref, numbers, target in zip(refs, stored, out, strict=True):
            try:
                apply_map(numbers, ref.slope, ref.intercept, target, checked=checked)
            except DicomError as error:
                raise type(error)(error.what, file=ref.name, remedy=error.remedy) from error
        raise


def _short(ref: FrameRef) -> DicomError:
    remedy = "ask the node for the file again"
    if ref.length < 0:
        text = "pixels are in fragments, the transfer syntax says they are not"
        return DicomError(text, file=ref.name, remedy=remedy)
    return TruncatedFile(
        f"{ref.length} bytes of pixels, header asks for {ref.frame_bytes * ref.n_frames} "
        f"({ref.n_frames} frame(s) of {ref.rows}x{ref.columns}x{ref.bits_allocated} bit)",
        file=ref.name,
        remedy=remedy,
    )
