"""Tags a user asks for -> further columns of the header table, typed as the dictionary says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from difflib import get_close_matches
from typing import Final

from workbench.dicom.headers.tags import EITHER_SIGN, PIXEL_ELEMENTS, TAGS, Tag
from workbench.dicom.headers.wanted import KEPT, Wanted
from workbench.errors import UsageError

#: A keyword, eight hexadecimal digits, a number, or group and element.
TagName = str | int | tuple[int, int]

_INTEGERS: Final = frozenset(("IS", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"))
_NUMBERS: Final = frozenset(("DS", "FL", "FD"))
#: Only their presence is told: sequences, bulk, and lookup tables.
_PRESENT: Final = frozenset(("SQ", "OB", "OD", "OF", "OL", "OV", "OW", "OB or OW", "US or OW", "US or SS or OW"))
_LAST: Final = 0xFFFFFFFF


def wanted_with(tags: Sequence[TagName] = ()) -> Wanted:
    """The kept columns and those of *tags*; a tag that is kept anyway, or named twice, gives no second column.

    Parameters
    ----------
    tags : sequence of str, int or pair of int, default ()
        Each a keyword ("PatientWeight"), eight digits ("00189073"), a number (0x00189073) or group and element
        ((0x0018, 0x9073)).

    Raises
    ------
    UsageError
        A keyword that the dictionary does not have, or something that names no tag of a header.

    Examples
    --------
    >>> wanted_with(["PatientWeight"]) is KEPT
    True
    >>> [(tag.keyword, tag.form) for tag in wanted_with(["00189073", (0x0018, 0x1310)]).extra]
    [('AcquisitionDuration', 'number'), ('AcquisitionMatrix', 'integers')]
    """
    if isinstance(tags, str):
        raise UsageError("tags must be a list", remedy=f"write tags=[{tags!r}]")
    tags = _listed(tags)
    kept = {tag.number for tag in TAGS if not tag.sequence and not tag.creator}
    extra: dict[int, Tag] = {}
    for name in tags:
        number = _number(name)
        if number not in kept:
            extra.setdefault(number, _tag(number))
    return Wanted(tuple(extra.values())) if extra else KEPT


def column_names(tags: Sequence[TagName]) -> tuple[str, ...]:
    """Header columns that hold the tags asked for, kept ones included.

    Examples
    --------
    >>> column_names(["PatientWeight", "00189073"])
    ('PatientWeight', 'AcquisitionDuration')
    """
    tags = _listed(tags)
    wanted = wanted_with(tags)
    columns = {tag.number: tag.keyword for tag in wanted.tags if not tag.sequence and not tag.creator}
    return tuple(columns[_number(name)] for name in tags)


def _listed(tags: object) -> Sequence[TagName]:
    """The tags in an order that stays: a set has another one at each turn."""
    if tags is None:
        return ()
    if isinstance(tags, Set):
        return sorted(tags, key=str)
    if not isinstance(tags, Sequence):
        raise UsageError(f"tags cannot be {type(tags).__name__}", remedy="give a list of keywords, as in ['KVP']")
    return tags


def _number(name: TagName) -> int:
    if (
        isinstance(name, tuple)
        and len(name) == 2
        and all(isinstance(part, int) and 0 <= part <= 0xFFFF for part in name)
    ):
        number = name[0] << 16 | name[1]
    elif isinstance(name, int) and not isinstance(name, bool):
        number = int(name)
    elif isinstance(name, str):
        number = _digits(name)
        if number < 0:
            number = _of_keyword(name)
    else:
        raise UsageError(f"{name!r} names no DICOM tag", remedy="give a keyword, eight digits, or (group, element)")
    if not 0x00080000 <= number <= _LAST or number in PIXEL_ELEMENTS or number >> 16 == 0xFFFE:
        raise UsageError(f"{name!r} is no tag of a header", remedy="leave it out of tags=")
    return number


def _digits(name: str) -> int:
    digits = name.strip().strip("()").replace(",", "").replace(" ", "")
    try:
        return int(digits, 16) if len(digits) == 8 else -1
    except ValueError:
        return -1


def _of_keyword(keyword: str) -> int:
    from pydicom.datadict import keyword_dict, tag_for_keyword

    number = tag_for_keyword(keyword) if keyword else None
    if number is None:
        near = _near(keyword, keyword_dict)
        other = "give its group and element, as in (0x0018, 0x9073)"
        remedy = f"did you mean {' or '.join(near)}?" if near else other
        raise UsageError(f"{keyword!r} is no DICOM keyword", tag=keyword, remedy=remedy)
    return int(number)


def _near(keyword: str, known: Iterable[str]) -> list[str]:
    """Keywords that may have been meant: the same but for case and spaces, else at most three that look alike."""
    plain = {word.lower(): word for word in known if word}
    asked = "".join(letter for letter in keyword.lower() if letter.isalnum())
    if asked in plain:
        return [plain[asked]]
    # Of few letters a share of common ones says little: Nope is no Copies.
    return [plain[word] for word in get_close_matches(asked, plain, n=3, cutoff=0.85)]


def _tag(number: int) -> Tag:
    """Column of a public or private tag; unknown ones are text, as far as a file's own VR says they are."""
    from pydicom.datadict import dictionary_keyword, dictionary_VM, dictionary_VR

    try:
        keyword, vr, several = dictionary_keyword(number), dictionary_VR(number), dictionary_VM(number) != "1"
    except KeyError:
        return Tag(f"{number:08x}", number, "UN", "text")
    if any(tag.keyword == keyword for tag in TAGS) or not keyword:
        # A tag that is kept from within a sequence, asked for at top level.
        keyword = f"{number:08x}"
    if vr in _PRESENT:
        return Tag(keyword, number, "SQ" if vr == "SQ" else "OB", "present")
    if vr in _INTEGERS:
        return Tag(keyword, number, EITHER_SIGN if vr == "US or SS" else vr, "integers" if several else "integer")
    if vr in _NUMBERS:
        return Tag(keyword, number, vr, "numbers" if several else "number")
    return Tag(keyword, number, vr, "uid" if vr == "UI" else "text")
