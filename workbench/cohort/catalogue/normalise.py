"""Header values as archives hold them -> one spelling; the raw text always stays beside it.

Nothing is guessed from descriptions, and what is in no table stays as it is.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from typing import Final, TypeGuard

from workbench.arguments import short
from workbench.errors import UsageError

#: Ages beyond this are no ages.
OLDEST: Final = 120.0
_AGE = re.compile(r"(\d{1,3})([YMWD]?)", re.IGNORECASE)
#: Days in a unit of a DICOM age string (PS3.5 6.2, AS), over days in a year.
_YEARS: Final = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
#: PatientSex (PS3.3 C.7.1.1) -> our word.
SEXES: Final = {"M": "male", "F": "female", "O": "other"}
#: Modalities whose objects are no images but say something of images (PS3.3 C.7.3.1.1.1).
ANNOTATIONS: Final = ("SEG", "RTSTRUCT", "SR", "ANN", "M3D", "PR", "KO", "RWV", "REG", "FID", "RTPLAN", "RTRECORD")
#: What software that read an image on adds to the maker's name.
_ADDED = re.compile(r"\s*/\s*(mim software|mimvista)\.?$")


def _table(name: str) -> list[dict[str, str]]:
    text = files("workbench.cohort").joinpath("catalogue", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _makers() -> list[tuple[re.Pattern[str], str | None]]:
    return [(re.compile(row["pattern"]), row["maker"] or None) for row in _table("makers.csv")]


@cache
def _body_parts() -> dict[str, tuple[str, ...]]:
    return {row["spelling"]: tuple(row["parts"].split("|")) for row in _table("body_parts.csv")}


@cache
def _sites() -> dict[str, tuple[str, ...]]:
    return {row["spelling"]: tuple(row["site"].split("|")) for row in _table("sites.csv")}


def _is_said(text: str | None) -> TypeGuard[str]:
    """Whether a header says something.

    Raises
    ------
    UsageError
        It is no text.
    """
    if text is not None and not isinstance(text, str):
        raise UsageError(f"{short(text)} is no text of a header", remedy="give the text as it stands, or None")
    return bool(text and text.strip())


def age(text: str | None) -> tuple[float | None, str]:
    """Years, and what is odd about them; the text of the header is kept by who asks.

    Parameters
    ----------
    text : str or None
        A DICOM age string; a bare number counts as years, which is odd.

    Examples
    --------
    >>> age("042Y"), age("018M"), age("90"), age("N-A")
    ((42.0, ''), (1.5, ''), (90.0, 'no unit: taken for years'), (None, 'not an age'))
    >>> age(None), age("155Y"), age("000Y")
    ((None, ''), (None, 'beyond 120 years'), (0.0, 'zero'))
    """
    if not _is_said(text):
        return None, ""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None, "not an age"
    found, note = years(round(int(match[1]) * _YEARS[match[2].upper() or "Y"], 4))
    return found, "no unit: taken for years" if found is not None and not match[2] else note


def years(number: float) -> tuple[float | None, str]:
    """An age in years, and what is odd about it.

    Examples
    --------
    >>> years(61.5), years(0), years(999)
    ((61.5, ''), (0.0, 'zero'), (None, 'beyond 120 years'))
    """
    if number > OLDEST:
        return None, f"beyond {OLDEST:g} years"
    return float(number), "" if number else "zero"


def sex(text: str | None) -> str | None:
    """``male``, ``female`` or ``other``; ``unknown`` for any other text, None where there is none.

    Examples
    --------
    >>> sex("F"), sex("6657"), sex(None)
    ('female', 'unknown', None)
    """
    if not _is_said(text):
        return None
    return SEXES.get(text.strip().upper(), "unknown")


def maker(text: str | None) -> str | None:
    """Who built the device, under one name; a spelling that no row of the table knows stays as it is.

    Examples
    --------
    >>> maker("SIEMENS / MIM Software"), maker("QIICR"), maker("0000000")
    ('Siemens', 'QIICR', None)
    """
    if not _is_said(text):
        return None
    plain = _ADDED.sub("", text.strip().strip('"').strip().casefold())
    for pattern, name in _makers():
        if pattern.fullmatch(plain):
            return name
    return text.strip()


def body_parts(text: str | None) -> tuple[str, ...]:
    """Parts of the body that a BodyPartExamined stands for; none where the table does not know it.

    Examples
    --------
    >>> body_parts("CHESTABDPELVIS"), body_parts("Left Breast"), body_parts("FUSION")
    (('Chest', 'Abdomen', 'Pelvis'), ('Breast',), ())
    """
    return () if not _is_said(text) else _body_parts().get(text.strip().upper(), ())


def sites(text: str | None) -> tuple[str, ...]:
    """Tumour locations of a comma list, each under one name.

    Examples
    --------
    >>> sites("Lung, prostate gland, Head-Neck")
    ('Lung', 'Prostate', 'Head', 'Neck')
    """
    found: list[str] = []
    for one in listed(text):
        found.extend(_sites().get(one.casefold(), (one[:1].upper() + one[1:].lower() if one else one,)))
    return tuple(dict.fromkeys(found))


def listed(text: str | None) -> tuple[str, ...]:
    """Items of a comma list, each once.

    Examples
    --------
    >>> listed("1.2.840.10008.1.2.1,1.2.840.10008.1.2.4.70")
    ('1.2.840.10008.1.2.1', '1.2.840.10008.1.2.4.70')
    """
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def commercial(licence: str | None) -> bool | None:
    """Whether a licence allows commercial use; None where that is not told by its short name.

    Examples
    --------
    >>> commercial("CC BY 4.0"), commercial("CC BY-NC 3.0"), commercial("Terms of a library")
    (True, False, None)
    """
    if licence is None or not licence.upper().startswith("CC "):
        return True if licence and licence.upper().startswith("CC0") else None
    return "-NC" not in licence.upper()
