"""Raw header bytes -> typed columns, decoded by column and not by file.

Most values repeat within a series, so each distinct byte string is decoded once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.tags import TAGS, Tag
from workbench.dicom.walk import RawHeader

_CHARSET_COLUMN: Final = next(i for i, tag in enumerate(TAGS) if tag.keyword == "SpecificCharacterSet")
#: Defined terms of (0008,0005) that need no escape sequences, and Python's name for them (PS3.3 C.12.1.1.2).
_SIMPLE_CHARSETS: Final = {
    b"": "latin-1", b"ISO_IR 6": "latin-1", b"ISO_IR 100": "latin-1", b"ISO_IR 101": "iso8859-2",
    b"ISO_IR 109": "iso8859-3", b"ISO_IR 110": "iso8859-4", b"ISO_IR 144": "iso8859-5", b"ISO_IR 127": "iso8859-6",
    b"ISO_IR 126": "iso8859-7", b"ISO_IR 138": "iso8859-8", b"ISO_IR 148": "iso8859-9", b"ISO_IR 203": "iso8859-15",
    b"ISO_IR 192": "utf-8", b"GB18030": "gb18030", b"GBK": "gbk",
}  # fmt: skip
#: VRs that SpecificCharacterSet applies to; the others are plain ASCII.
_LOCALISED: Final = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "PN"})


def to_columns(headers: Sequence[RawHeader | None]) -> dict[str, pa.Array]:
    """Typed columns of many raw headers, one array per tag of ``TAGS``.

    A header that is None gives missing values. ``numbers:N`` columns are fixed-size lists of float64 with NaN
    where missing; every other column is nullable.
    """
    columns: dict[str, pa.Array] = {}
    for index, tag in enumerate(TAGS):
        raws = [None if header is None else header.values[index] for header in headers]
        if tag.form.startswith("numbers:"):
            columns[tag.keyword] = _fixed_numbers(raws, int(tag.form.partition(":")[2]))
        elif tag.form == "present":
            columns[tag.keyword] = pa.array([raw is not None for raw in raws], pa.bool_())
        elif tag.form == "integer":
            decode = _us if tag.vr == "US" else _integer
            columns[tag.keyword] = pa.array(_once(raws, decode), pa.int64())
        elif tag.form == "number":
            decode_number = _double if tag.vr == "FD" else _number
            columns[tag.keyword] = pa.array(_once(raws, decode_number), pa.float64())
        else:
            columns[tag.keyword] = pa.array(_texts(tag, raws, headers), pa.string())
    return columns


def _once(raws: list[bytes | None], decode: Callable[[bytes], Any]) -> list[Any]:
    known: dict[bytes | None, Any] = {None: None}
    values = []
    for raw in raws:
        if raw not in known:
            known[raw] = decode(raw)  # type: ignore[arg-type]
        values.append(known[raw])
    return values


def _texts(tag: Tag, raws: list[bytes | None], headers: Sequence[RawHeader | None]) -> list[str | None]:
    known: dict[tuple[bytes, bytes], str | None] = {}
    values: list[str | None] = []
    localised = tag.vr in _LOCALISED
    for raw, header in zip(raws, headers, strict=True):
        if raw is None or header is None:
            values.append(None)
            continue
        charset = b""
        if header.utf8:
            charset = b"ISO_IR 192"
        elif localised:
            charset = (header.values[_CHARSET_COLUMN] or b"").strip(b" \0")
        if (charset, raw) not in known:
            text = _decode(raw, charset)
            known[charset, raw] = text if text else None
        values.append(known[charset, raw])
    return values


def _decode(raw: bytes, charset: bytes) -> str:
    """Text of a value, padding removed; bytes that do not fit the character set are replaced, never dropped."""
    name = _SIMPLE_CHARSETS.get(charset)
    if name is not None:
        text = raw.decode(name, "replace")
    else:
        from pydicom.charset import convert_encodings, decode_bytes

        with warnings.catch_warnings():
            # pydicom warns about unknown sets and bytes that do not fit; the text it gives is what there is.
            warnings.simplefilter("ignore")
            try:
                names = [part.strip() for part in charset.decode("ascii", "replace").split("\\")]
                text = decode_bytes(raw, convert_encodings(names), {"\\", "^", "="})
            except (LookupError, ValueError):
                text = raw.decode("latin-1")
    return "\\".join(part.strip(" \0") for part in text.split("\\"))


def _us(raw: bytes) -> int | None:
    return int.from_bytes(raw[:2], "little") if len(raw) >= 2 else None


def _double(raw: bytes) -> float | None:
    return float(np.frombuffer(raw[:8], "<f8")[0]) if len(raw) >= 8 else None


def _first(raw: bytes) -> bytes:
    return raw.partition(b"\\")[0].strip(b" \0")


def _integer(raw: bytes) -> int | None:
    number = _number(raw)
    if number is None or number != int(number) or abs(number) > 2**62:
        return None
    return int(number)


def _number(raw: bytes) -> float | None:
    try:
        number = float(_first(raw))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _fixed_numbers(raws: list[bytes | None], count: int) -> pa.Array:
    flat = np.full((len(raws), count), np.nan)
    known: dict[bytes, tuple[float, ...] | None] = {}
    for row, raw in enumerate(raws):
        if not raw:
            continue
        if raw not in known:
            known[raw] = _split_numbers(raw, count)
        numbers = known[raw]
        if numbers is not None:
            flat[row] = numbers
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), count)


def _split_numbers(raw: bytes, count: int) -> tuple[float, ...] | None:
    parts = raw.split(b"\\")
    if len(parts) != count:
        return None
    try:
        numbers = tuple(float(part.strip(b" \0")) for part in parts)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
