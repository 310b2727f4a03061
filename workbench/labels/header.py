"""Small readings from the header of a label object, and where its findings come from."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from workbench.findings import Finding

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from workbench.labels.segment import Segment

Floats = NDArray[np.float64]
#: Sequences that steer a terminal (ECMA-48, section 5.4).
_ESCAPES: Final = re.compile("(\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]")

# Python's warning filters are one list for all threads; without the lock two readers could restore each
# other's state and leave warnings switched off.
_FILTERS = threading.RLock()


@dataclass(frozen=True, slots=True)
class Origin:
    """The label object that findings are about."""

    #: SOPInstanceUID.
    source_uid: str
    #: SeriesInstanceUID.
    series_uid: str
    #: File, relative to the extract.
    path: str

    def finding(self, code: str, message: str, *, count: int = 1) -> Finding:
        """Finding of this object."""
        return Finding(code, message, series_uid=self.series_uid, path=self.path, count=count)


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of the reading libraries: what matters in the data becomes a finding."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def cut_off(dataset: Dataset) -> bool:
    """Whether an element has fewer bytes than it declares; to be asked before values are looked at.

    pydicom takes what there is: a structure set cut within its contours would otherwise lose the rest in silence.
    """
    stored = (dataset.get_item(tag) for tag in dataset.keys())  # noqa: SIM118
    return any(
        isinstance(item.value, bytes) and len(item.value) < getattr(item, "length", 0) < 0xFFFFFFFF for item in stored
    )


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty where it is absent."""
    return list(dataset.get(keyword) or ())


def first(dataset: Dataset, keyword: str) -> Dataset | None:
    """First item of a sequence, or None."""
    found = dataset.get(keyword)
    return found[0] if found else None


def text(dataset: Dataset | None, keyword: str) -> str:
    """Value as stripped text that can be shown; empty where it is absent."""
    value = None if dataset is None else dataset.get(keyword)
    return "" if value is None else printable(str(value)).strip()


def printable(text: str) -> str:
    r"""Text without what steers a terminal or turns the direction of writing; a break becomes a blank.

    Examples
    --------
    >>> printable("\x1b[31mred"), printable("GTV\n1"), printable("a\u202eb"), printable("Läsion β")
    ('red', 'GTV 1', 'ab', 'Läsion β')
    """
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    # Cc: control characters; Cf: marks without a width, among them those of direction; Zl, Zp: breaks.
    return "".join(
        " " if character in "\t\n\r\v\f\u2028\u2029" else "" if category(character) in ("Cc", "Cf") else character
        for character in text
    )


def numbers(dataset: Dataset | None, keyword: str) -> Floats:
    r"""Decimal strings as float64; empty where they are absent.

    A contour has thousands of them, so they are read from the stored bytes, without an object for each.

    Raises
    ------
    ValueError
        Where one of them is not a number.
    """
    if dataset is None or keyword not in dataset:
        return np.empty(0)
    value: Any = dataset.get_item(keyword).value
    if isinstance(value, bytes):
        value = value.strip(b" \x00").split(b"\\") if value.strip(b" \x00") else []
        return np.array(value, dtype=np.bytes_).astype(np.float64)
    return np.atleast_1d(np.array([] if value is None else value, dtype=np.float64))


def code(dataset: Dataset, keyword: str) -> tuple[str, str]:
    """``scheme:value`` and meaning of a code sequence; empty where it is absent."""
    item = first(dataset, keyword)
    value = next((v for k in ("CodeValue", "LongCodeValue", "URNCodeValue") if (v := text(item, k))), "")
    return (f"{text(item, 'CodingSchemeDesignator')}:{value}" if value else "", text(item, "CodeMeaning"))


def origin_of(dataset: Dataset, name: str) -> Origin:
    """The object that findings are about."""
    return Origin(text(dataset, "SOPInstanceUID"), text(dataset, "SeriesInstanceUID"), name)


def empty_finding(empty: Sequence[Segment], origin: Origin) -> Finding:
    """Finding of segments that have no voxel on the image."""
    which = ", ".join(str(segment.number) for segment in empty[:5])
    return origin.finding("label-empty", f"segment {which} has no voxel on the image", count=len(empty))


def content_date(dataset: Dataset, stem: str) -> str:
    """Date and time of ``<stem>Date`` and ``<stem>Time`` as ISO text, at most to the second; empty without a date.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> held = Dataset()
    >>> held.ContentDate, held.ContentTime = "20240531", "102030.5"
    >>> content_date(held, "Content")
    '2024-05-31T10:20:30'
    """
    date, time = text(dataset, f"{stem}Date"), text(dataset, f"{stem}Time")
    if len(date) != 8 or not date.isdecimal():
        return ""
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    clock = time.partition(".")[0]
    if len(clock) not in (2, 4, 6) or not clock.isdecimal():
        return day
    return f"{day}T{':'.join(clock[i : i + 2] for i in range(0, len(clock), 2))}"


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Each non-empty value once, in order of appearance."""
    return tuple(dict.fromkeys(value for value in values if value))
