"""Values of one column in many files, decoded at once where every one of them is plain.

Each function gives None where any value needs a closer look; ``columns`` then decodes them one by one. What is
given equals what it would have given.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.headers.steps import Ints, Octets

_BACKSLASH: Final = ord("\\")
#: Bytes that pad a value (PS3.5 6.2).
_BLANK: Final = np.zeros(256, np.bool_)
_BLANK[[0x00, 0x20]] = True
#: Bytes of numbers, their separator and their padding.
_DECIMAL: Final = np.zeros(256, np.bool_)
_DECIMAL[[*b"0123456789+-.eE\\ \0"]] = True
#: Printable ASCII without the separator, and padding.
_PLAIN: Final = np.zeros(256, np.bool_)
_PLAIN[0x20:0x7F] = True
_PLAIN[_BACKSLASH] = False
_PLAIN[0x00] = True
#: Whole numbers up to here are exact in float64.
_EXACT: Final = 2.0**53


def decimals(flat: Octets, start: Ints, length: Ints, count: int) -> Any:
    r"""Numbers (files, count) of decimal strings with exactly *count* parts each.

    Parameters
    ----------
    flat : array of uint8
        The buffer.
    start, length : (n,) array of int
        Where each file's value is; all are there.
    count : int
        Parts of each value.

    Returns
    -------
    (n, count) array of float64, or None
        None where a value has another number of parts or one that is no finite number.

    Examples
    --------
    >>> text = np.frombuffer(rb"1.5\-2 7\8e1 ", np.uint8)
    >>> decimals(text, np.array([0, 7]), np.array([6, 6]), 2).tolist()
    [[1.5, -2.0], [7.0, 80.0]]
    """
    text, first = _gathered(flat, start, length)
    if not _DECIMAL[text].all():
        return None
    last = first + length
    if count > 1:
        separators = np.flatnonzero(text == _BACKSLASH)
        owners = np.searchsorted(first, separators, side="right") - 1
        if not np.array_equal(owners, np.repeat(np.arange(len(first)), count - 1)):
            return None
        first = np.sort(np.concatenate([first, separators + 1]))
        last = np.sort(np.concatenate([last, separators]))
    strings = _strings(text, first, last)
    if strings is None:
        return None
    try:
        numbers = strings.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return numbers.reshape(-1, count) if np.isfinite(numbers).all() else None


def whole_numbers(flat: Octets, start: Ints, length: Ints) -> Any:
    """Integers of decimal strings of one part, as :func:`decimals` reads them; None where one is not whole."""
    numbers = decimals(flat, start, length, 1)
    if numbers is None or not ((numbers == np.floor(numbers)) & (np.abs(numbers) <= _EXACT)).all():
        return None
    return numbers[:, 0].astype(np.int64)


def plain_texts(flat: Octets, start: Ints, length: Ints) -> pa.Array | None:
    """Strings of values in printable ASCII of one part, padding removed; None where one is empty or not so."""
    text, first = _gathered(flat, start, length)
    if not _PLAIN[text].all():
        return None
    return _strings(text, first, first + length)


def _gathered(flat: Octets, start: Ints, length: Ints) -> tuple[Octets, Ints]:
    """The values one behind the other, and where each starts."""
    first = np.cumsum(length) - length
    return flat[np.repeat(start - first, length) + np.arange(int(length.sum()))], first


def _strings(text: Octets, first: Ints, last: Ints) -> pa.Array | None:
    """Arrow strings of pieces of *text* without the blanks around them; None where one is empty."""
    if (last <= first).any():
        return None
    while (blank := _BLANK[text[last - 1]]).any():
        last = last - blank
        if (last <= first).any():
            return None
    while (blank := _BLANK[text[first]]).any():
        first = first + blank
    pieces, starts = _gathered(text, first, last - first)
    if (pieces == 0).any():
        return None
    offsets = np.append(starts, len(pieces)).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(first), [None, pa.py_buffer(offsets), pa.py_buffer(pieces)])
