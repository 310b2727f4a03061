"""One element's bytes -> its value, where it is plain: a number or a date as nearly every writer writes them.

What is not plain is for pydicom to decode; what is given here equals what it would give. Value representations: DICOM
PS3.5 6.2.
"""

from __future__ import annotations

import math
import re
from struct import Struct
from typing import Any, Final

from workbench.dicom.headers.elements import LONG_VRS

#: The value takes a closer look.
CLOSER: Final = object()

_DECIMAL: Final = rb"[ ]*[+-]?(?:[0-9]{1,17}\.?[0-9]{0,17}|\.[0-9]{1,17})(?:[eE][+-]?[0-9]{1,3})?[ ]*"
_DECIMALS: Final = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*\Z")
_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,9}[ ]?\Z")
#: Digits and signs of dates and times, padded.
_CLOCK: Final = re.compile(rb"[0-9:.+-]{1,26}[ \0]?\Z")
#: Defined terms, the last of them not empty, padded.
_CODES: Final = re.compile(rb"[0-9A-Z_ \\]*[0-9A-Z_][ \0]?\Z")
#: Numbers of binary VRs in a little-endian file.
_BINARY: Final = {
    b"US": Struct("<H"), b"SS": Struct("<h"), b"UL": Struct("<I"), b"SL": Struct("<i"), b"FL": Struct("<f"),
    b"FD": Struct("<d"),
}  # fmt: skip


def plain_value(element: bytes, form: str, vr: bytes | None = None) -> Any:
    r"""Value of an element, None where it is empty or no finite number, or :data:`CLOSER`.

    Parameters
    ----------
    element : bytes
        Tag, VR, length and value in little endian.
    form : str
        ``number``, ``integer``, ``numbers:N`` or ``text``: a float, an int, a list of floats or a str. Of several
        values the first two forms take the first.
    vr : bytes, optional
        Of an element in implicit VR, which does not say it.

    Examples
    --------
    >>> plain_value(b"\x28\x00\x30\x00DS\x08\x000.5\\1.5 ", "numbers:2")
    [0.5, 1.5]
    >>> plain_value(b"\x28\x00\x30\x00DS\x06\x00broken", "number") is CLOSER
    True
    """
    if vr is None:
        vr = element[4:6]
        value = element[12:] if vr in LONG_VRS else element[8:]
    else:
        value = element[8:]
    if not value:
        return None
    if form == "text":
        if not (vr == b"CS" and _CODES.match(value)) and not (vr in (b"DT", b"DA", b"TM") and _CLOCK.match(value)):
            return CLOSER
        return value.rstrip(b" \0").decode("ascii")
    numbers = _numbers(vr, value)
    if numbers is None:
        return CLOSER
    if form.startswith("numbers:"):
        # One number where there should be several.
        return CLOSER if len(numbers) < 2 else numbers if all(map(math.isfinite, numbers)) else None
    if not math.isfinite(numbers[0]):
        return None
    return int(numbers[0]) if form == "integer" else numbers[0]


def _numbers(vr: bytes, value: bytes) -> list[float] | None:
    if vr == b"DS":
        return [float(part) for part in value.split(b"\\")] if _DECIMALS.match(value) else None
    if vr == b"IS":
        return [float(value)] if _INTEGER.match(value) else None
    kind = _BINARY.get(vr)
    if kind is None or len(value) % kind.size:
        return None
    return [float(number) for (number,) in kind.iter_unpack(value)]
