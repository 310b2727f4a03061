"""Decoded numbers -> stored numbers: the sign and the precision that the header declares. DICOM PS3.5 8.1.1, 8.1.2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.values.dtypes import precision, stored_dtype


def spare_bits(ref: FrameRef) -> int:
    """Bits of the stored type that carry no part of the number."""
    bits = precision(ref.bits_allocated, ref.bits_stored, ref.high_bit)
    if bits == ref.bits_allocated:
        return 0
    return stored_dtype(ref.bits_allocated, signed=ref.signed).itemsize * 8 - bits


def restored(array: NDArray[Any], ref: FrameRef, *, own: bool, lossy: bool = False) -> NDArray[Any]:
    """Stored numbers with the sign and precision the header declares; bits outside BitsStored removed.

    Decoders give unsigned numbers, or the sign of the code stream; the header decides.

    Parameters
    ----------
    array : array
        Decoded numbers.
    ref : FrameRef
        What the header says of them.
    own : bool
        *array* may be written to.
    lossy : bool, default False
        From a lossy code stream: unsigned numbers beyond the largest are errors of rounding and take the largest;
        elsewhere they carry bits of something else, as old overlays, which are removed.
    """
    dtype = stored_dtype(ref.bits_allocated, signed=ref.signed)
    if array.dtype.itemsize != dtype.itemsize:
        array, own = array.astype(dtype), True
    if not array.dtype.isnative:
        array, own = array.astype(array.dtype.newbyteorder("=")), True
    array = array.view(dtype)
    spare = spare_bits(ref)
    if spare == 0:
        return array
    out = array if own and array.flags.writeable else np.empty_like(array)
    size = dtype.itemsize * 8
    if ref.signed:
        # Shifting up drops what lies above HighBit; shifting down, arithmetic, repeats the sign.
        np.left_shift(array, size - 1 - ref.high_bit, out=out)
        np.right_shift(out, spare, out=out)
        return out
    below = ref.high_bit + spare - size + 1
    largest = dtype.type((1 << (size - spare)) - 1)
    if lossy and below == 0:
        np.minimum(array, largest, out=out)
        return out
    if below:
        array = np.right_shift(array, below, out=out)
    np.bitwise_and(array, largest, out=out)
    return out
