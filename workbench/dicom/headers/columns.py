"""Raw header bytes -> typed columns, decoded by column and not by file.

Most values repeat within a series, so each distinct byte string is decoded once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.headers.decode_many import decimals, plain_texts, whole_numbers
from workbench.dicom.headers.lockstep import Found
from workbench.dicom.headers.steps import Ints, Octets
from workbench.dicom.headers.tags import BIAS, EITHER_SIGN, Tag
from workbench.dicom.headers.walk import RawHeader
from workbench.dicom.headers.wanted import KEPT, Wanted

#: Numbers of a binary VR as a little-endian file holds them (PS3.5 6.2).
BINARY: Final[dict[str, np.dtype[Any]]] = {
    "US": np.dtype("<u2"), "SS": np.dtype("<i2"), "UL": np.dtype("<u4"), "SL": np.dtype("<i4"),
    "UV": np.dtype("<u8"), "SV": np.dtype("<i8"), "FL": np.dtype("<f4"), "FD": np.dtype("<f8"),
}  # fmt: skip
#: Defined terms of (0008,0005) that need no escape sequences, and Python's name for them (PS3.3 C.12.1.1.2).
_SIMPLE_CHARSETS: Final = {
    b"": "latin-1", b"ISO_IR 6": "latin-1", b"ISO_IR 100": "latin-1", b"ISO_IR 101": "iso8859-2",
    b"ISO_IR 109": "iso8859-3", b"ISO_IR 110": "iso8859-4", b"ISO_IR 144": "iso8859-5", b"ISO_IR 127": "iso8859-6",
    b"ISO_IR 126": "iso8859-7", b"ISO_IR 138": "iso8859-8", b"ISO_IR 148": "iso8859-9", b"ISO_IR 203": "iso8859-15",
    b"ISO_IR 192": "utf-8", b"GB18030": "gb18030", b"GBK": "gbk",
}  # fmt: skip
#: Character set of text that pydicom has decoded already.
_UTF8: Final = b"ISO_IR 192"
#: VRs that SpecificCharacterSet applies to; the others are plain ASCII.
_LOCALISED: Final = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "PN"})

#: Up to so many values, decoding one by one is faster than all at once.
_FEW: Final = 24


def to_columns(headers: Sequence[RawHeader | None], wanted: Wanted = KEPT) -> dict[str, pa.Array]:
    """Typed columns of many raw headers, one array per wanted tag.

    A header that is None gives missing values. ``numbers:N`` columns are fixed-size lists of float64 with NaN
    where missing; every other column is nullable.
    """
    character_set, sign = wanted.column["SpecificCharacterSet"], wanted.column["PixelRepresentation"]
    charsets = [
        _UTF8 if header is not None and header.utf8 else None if header is None else header.values[character_set]
        for header in headers
    ]
    signs = [None if header is None else header.values[sign] for header in headers]
    columns: dict[str, pa.Array] = {}
    absent: dict[str, pa.Array] = {}
    for index, tag in enumerate(wanted.tags):
        raws = [None if header is None else header.values[index] for header in headers]
        if raws.count(None) == len(raws):
            if tag.form not in absent:
                absent[tag.form] = _absent(tag, len(raws))
            columns[tag.keyword] = absent[tag.form]
        else:
            columns[tag.keyword] = _column(tag, raws, charsets, signs)
    return columns


def columns_of(found: Found) -> dict[str, pa.Array]:
    """Typed columns of the files a lockstep walk accepted, equal to :func:`to_columns` of their headers.

    Files of a series lie together and say the same of most things: what stays the same from file to file is decoded
    once, without a Python object per file.
    """
    wanted, n, top = found.places.wanted, len(found.rows), int(found.rows[0])
    character_set, sign = wanted.column["SpecificCharacterSet"], wanted.column["PixelRepresentation"]
    same, changes = found.same, found.changes
    lengths = found.places.length[:, top].tolist()
    charsets = [found.raw(character_set, top)] * n if same[character_set] else found.raws(character_set)
    signs = [found.raw(sign, top)] * n if same[sign] else found.raws(sign)
    simple = {(charset or b"").strip(b" \0") for charset in set(charsets)} <= _SIMPLE_CHARSETS.keys()
    columns: dict[str, pa.Array] = {}
    absent: dict[str, pa.Array] = {}
    for index, tag in enumerate(wanted.tags):
        if same[index] and lengths[index] < 0:
            if tag.form not in absent:
                absent[tag.form] = _absent(tag, n)
            columns[tag.keyword] = absent[tag.form]
            continue
        depends = character_set if tag.vr in _LOCALISED else sign if tag.vr == EITHER_SIGN else index
        if same[index] and same[depends]:
            columns[tag.keyword] = _repeated(_column(tag, [found.raw(index, top)], charsets[:1], signs[:1]), n)
            continue
        other = changes[index] | changes[depends]
        first = np.flatnonzero(other)
        column = _at_once(found, found.rows[first], index, tag, simple) if len(first) > _FEW else None
        if column is None:
            own = first.tolist()
            column = _column(tag, found.raws(index, first), [charsets[row] for row in own], [signs[row] for row in own])
        columns[tag.keyword] = column if len(first) == n else column.take(pa.array(np.cumsum(other) - 1))
    return columns


def _at_once(found: Found, rows: Ints, index: int, tag: Tag, simple: bool) -> pa.Array | None:
    """A column of plain values in *rows* of the buffer; None where it must be decoded file by file.

    *simple* tells that all character sets have ASCII where ASCII has it.
    """
    start, length = found.places.start[index, rows], found.places.length[index, rows]
    if tag.vr in BINARY or tag.vr in (EITHER_SIGN, "AT") or tag.form in ("present", "numbers", "integers"):
        return None
    has = length > 0
    some = None if has.all() else np.flatnonzero(has)
    if some is not None:
        start, length = start[some], length[some]
        if not len(some):
            return None
    column = _plain(found.heads.flat, start, length, tag, simple)
    if column is None or some is None:
        return column
    where = np.cumsum(has) - 1
    if not tag.form.startswith("numbers:"):
        return column.take(pa.array(where, mask=~has))
    flat = np.full((len(rows), column.type.list_size), np.nan)
    flat[some] = column.values.to_numpy().reshape(len(some), -1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), column.type.list_size)


def _plain(flat: Octets, start: Ints, length: Ints, tag: Tag, simple: bool) -> pa.Array | None:
    """Values that are all there, decoded at once; None where one of them is not plain."""
    if tag.form in ("text", "uid"):
        return plain_texts(flat, start, length) if simple or tag.vr not in _LOCALISED else None
    if tag.form == "integer":
        numbers = whole_numbers(flat, start, length)
    else:
        count = int(tag.form.partition(":")[2] or 1)
        numbers = decimals(flat, start, length, count) if tag.keyword not in BIAS else None
        if numbers is not None and tag.form.startswith("numbers:"):
            return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), count)
    return None if numbers is None else pa.array(numbers.ravel())


@lru_cache(maxsize=64)
def _arrow_type(form: str) -> pa.DataType:
    """Arrow type of a column."""
    if form.startswith("numbers:"):
        return pa.list_(pa.float64(), int(form.partition(":")[2]))
    kinds = {
        "present": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "integers": pa.list_(pa.int64()),
        "numbers": pa.list_(pa.float64()),
    }  # fmt: skip
    return kinds.get(form, pa.string())


def _column(tag: Tag, raws: list[bytes | None], charsets: list[bytes | None], signs: list[bytes | None]) -> pa.Array:
    """One typed column; *charsets* and *signs* are SpecificCharacterSet and PixelRepresentation of each file."""
    if tag.form.startswith("numbers:"):
        return _fixed_numbers(raws, int(tag.form.partition(":")[2]), tag.vr)
    if tag.form == "present":
        values: list[Any] = [raw is not None for raw in raws]
    elif tag.form in ("integers", "numbers"):
        values = _many_numbers(tag, raws, signs)
    elif tag.form in ("integer", "number"):
        values = _scalars(tag, raws, signs)
    elif tag.vr == "AT":
        values = _once(raws, _tags)
    else:
        values = _texts(tag, raws, charsets)
    return pa.array(values, _arrow_type(tag.form))


def _absent(tag: Tag, n: int) -> pa.Array:
    if tag.form == "present":
        return pa.repeat(False, n)
    if tag.form.startswith("numbers:"):
        return _fixed_numbers([None] * n, int(tag.form.partition(":")[2]), tag.vr)
    return pa.nulls(n, _arrow_type(tag.form))


def _repeated(one: pa.Array, n: int) -> pa.Array:
    if pa.types.is_fixed_size_list(one.type):
        return pa.FixedSizeListArray.from_arrays(pa.array(np.tile(one.values.to_numpy(), n)), one.type.list_size)
    if not one[0].is_valid:
        return pa.nulls(n, one.type)
    return one.take(pa.array(np.zeros(n, np.int64))) if pa.types.is_nested(one.type) else pa.repeat(one[0], n)


def _scalars(tag: Tag, raws: list[bytes | None], signs: list[bytes | None]) -> list[int | float | None]:
    if tag.vr == EITHER_SIGN:
        return [_either_sign(raw, sign) for raw, sign in zip(raws, signs, strict=True)]
    if tag.vr in BINARY:
        return _once(raws, lambda raw: _binary(raw, tag.vr))
    values = _once(raws, _integer if tag.form == "integer" else _number)
    bias = BIAS.get(tag.keyword)
    return values if bias is None else [v - bias if v is not None and v >= bias else v for v in values]


def _many_numbers(
    tag: Tag, raws: list[bytes | None], signs: list[bytes | None]
) -> list[list[int | float | None] | None]:
    """Every number of a value of several; a part that is none is missing, the others keep their places."""
    if tag.vr == EITHER_SIGN:
        return [
            None if not raw else [_either_sign(raw[at : at + 2], sign) for at in range(0, len(raw) - 1, 2)]
            for raw, sign in zip(raws, signs, strict=True)
        ]
    if tag.vr in BINARY:
        size = BINARY[tag.vr].itemsize
        return _once(
            raws,
            lambda raw: [_binary(raw[at : at + size], tag.vr) for at in range(0, len(raw) - size + 1, size)] or None,
        )
    one = _integer if tag.form == "integers" else _number
    return _once(raws, lambda raw: [one(part) for part in raw.split(b"\\")] if raw.strip(b" \0") else None)


def _once(raws: list[bytes | None], decode: Callable[[bytes], Any]) -> list[Any]:
    known: dict[bytes | None, Any] = {None: None}
    values = []
    for raw in raws:
        if raw not in known:
            known[raw] = decode(raw)  # type: ignore[arg-type]
        values.append(known[raw])
    return values


def _texts(tag: Tag, raws: list[bytes | None], charsets: list[bytes | None]) -> list[str | None]:
    known: dict[tuple[bytes, bytes], str | None] = {}
    values: list[str | None] = []
    localised = tag.vr in _LOCALISED
    for raw, own in zip(raws, charsets, strict=True):
        if raw is None:
            values.append(None)
            continue
        charset = b""
        if own is _UTF8:
            charset = _UTF8
        elif localised:
            charset = (own or b"").strip(b" \0")
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


def _tags(raw: bytes) -> str | None:
    """Tags as eight digits each, joined by a backslash as the values of a text are."""
    halves = [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw) // 4 * 4, 2)]
    return (
        "\\".join(f"{group:04x}{element:04x}" for group, element in zip(halves[::2], halves[1::2], strict=True)) or None
    )


def _binary(raw: bytes, vr: str) -> Any:
    """First value of a binary VR; None where there is none, or where it is not a finite number."""
    kind = BINARY[vr]
    if len(raw) < kind.itemsize:
        return None
    value = np.frombuffer(raw[: kind.itemsize], kind)[0].item()
    return value if np.isfinite(value) else None


def _either_sign(raw: bytes | None, sign: bytes | None) -> int | None:
    """A number whose sign PixelRepresentation tells; None where that is absent and would change it."""
    if raw is None or len(raw) < 2:
        return None
    signed = _binary(sign, "US") if sign is not None else None
    number = int.from_bytes(raw[:2], "little", signed=signed == 1)
    return None if signed not in (0, 1) and number >= 0x8000 else number


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
    return number if math.isfinite(number) else None


def _fixed_numbers(raws: list[bytes | None], count: int, vr: str) -> pa.Array:
    flat = np.full((len(raws), count), np.nan)
    known: dict[bytes, tuple[float, ...] | None] = {}
    for row, raw in enumerate(raws):
        if not raw:
            continue
        if raw not in known:
            known[raw] = _split_numbers(raw, count) if vr not in BINARY else _unpacked(raw, count, vr)
        numbers = known[raw]
        if numbers is not None:
            flat[row] = numbers
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), count)


def _unpacked(raw: bytes, count: int, vr: str) -> tuple[float, ...] | None:
    if len(raw) != count * BINARY[vr].itemsize:
        return None
    numbers = np.frombuffer(raw, BINARY[vr])
    return tuple(numbers.tolist()) if np.isfinite(numbers).all() else None


def _split_numbers(raw: bytes, count: int) -> tuple[float, ...] | None:
    parts = raw.split(b"\\")
    if len(parts) != count:
        return None
    try:
        numbers = tuple(float(part.strip(b" \0")) for part in parts)
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
