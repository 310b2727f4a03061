"""Ids of patients that two sources spell otherwise: a hint, by which nothing is joined."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from workbench.findings import Finding

_PIECE = re.compile(r"\d+|[^\W\d_]+")


def folded(patient_id: str) -> str:
    """An id without case, leading zeros, and signs or blanks beside letters; between digits they count.

    Examples
    --------
    >>> folded("pat-01") == folded("PAT_1") == folded(" Pat 001 ")
    True
    >>> folded("1-2") == folded("12"), folded("007"), folded("000")
    (False, '7', '0')
    """
    pieces = _PIECE.findall(unicodedata.normalize("NFKC", patient_id).casefold())
    plain = [piece.lstrip("0") or "0" if piece.isdecimal() else piece for piece in pieces]
    text = ""
    for piece in plain:
        text += ("-" if text[-1:].isdecimal() and piece.isdecimal() else "") + piece
    return text


def nearly_alike(imaged: Iterable[str], described: Iterable[str]) -> list[Finding]:
    """A finding where patients who have images alone and patients who have clinical data alone may be the same.

    Parameters
    ----------
    imaged, described : iterable of str
        Ids that stand on one side only.

    Returns
    -------
    list of Finding
        One, with how many ids of the images have a like one in the tables, and none of the ids; or none.
    """
    there = {folded(patient) for patient in described} - {""}
    n = sum(folded(patient) in there for patient in imaged)
    text = f"{n} patient(s) with images alone have an id that a table spells otherwise"
    return [Finding("patient-ids-alike", text, count=n)] if n else []
