"""What to ask an archive for: attributes by DICOM keyword, told apart by the level they are searched at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.errors import UsageError

#: Attributes a server is asked for, by level, with their tags.
#: PS3.18 table 10.6.1-5 (2024e): those every server must match, then those many match besides.
STUDY: Final = {
    "StudyInstanceUID": "0020000D", "PatientID": "00100020", "PatientName": "00100010", "StudyDate": "00080020",
    "StudyTime": "00080030", "AccessionNumber": "00080050", "ModalitiesInStudy": "00080061",
    "ReferringPhysicianName": "00080090", "StudyID": "00200010",
    "StudyDescription": "00081030", "PatientSex": "00100040", "PatientBirthDate": "00100030",
}  # fmt: skip
SERIES: Final = {
    "SeriesInstanceUID": "0020000E", "Modality": "00080060", "SeriesNumber": "00200011",
    "PerformedProcedureStepStartDate": "00400244", "PerformedProcedureStepStartTime": "00400245",
    "SeriesDescription": "0008103E", "BodyPartExamined": "00180015", "Manufacturer": "00080070",
    "ProtocolName": "00181030", "SeriesDate": "00080021",
}  # fmt: skip
#: Attributes whose values say nothing of a person, and may stand in what is kept of a pull.
HARMLESS: Final = frozenset(("ModalitiesInStudy", "Modality", "BodyPartExamined", "Manufacturer", "SeriesNumber"))
_UIDS: Final = frozenset(("StudyInstanceUID", "SeriesInstanceUID"))
_DATES: Final = frozenset(("StudyDate", "SeriesDate", "PatientBirthDate", "PerformedProcedureStepStartDate"))
_DATE = re.compile(r"\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8}")
_UID_LIST = re.compile(r"[0-9.]{1,64}([,\\][0-9.]{1,64})*")


@dataclass(frozen=True, slots=True)
class Query:
    """A selection: conditions on studies, and on series within them."""

    #: Keyword -> value, at the level of studies.
    study: Mapping[str, str] = field(default_factory=dict)
    #: Keyword -> value, at the level of series.
    series: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Iterable[str] | Mapping[str, str]) -> Query:
        """Selection from ``KEYWORD=VALUE`` texts, or from a mapping.

        Parameters
        ----------
        given : iterable of str, or mapping
            Values are matched as DICOM does (PS3.4 C.2.2.2): ``*`` and ``?`` in texts, ``20190101-20191231`` in
            dates, several UIDs separated by commas.

        Raises
        ------
        UsageError
            A keyword that servers are not asked for, twice the same, a value that fits nothing.

        Examples
        --------
        >>> Query.of(["Modality=CT", "StudyDate=20190101-"]).study
        {'StudyDate': '20190101-', 'ModalitiesInStudy': 'CT'}
        """
        pairs = given.items() if isinstance(given, Mapping) else [_pair(text) for text in given]
        study: dict[str, str] = {}
        series: dict[str, str] = {}
        for keyword, value in pairs:
            if not isinstance(keyword, str) or not isinstance(value, str):
                raise UsageError("a query maps texts to texts", remedy="for example {'Modality': 'CT'}")
            level = study if keyword in STUDY else series if keyword in SERIES else None
            if level is None:
                raise UsageError(
                    f"{keyword!r} is not asked of a server", remedy=f"use one of {', '.join((*STUDY, *SERIES))}"
                )
            if keyword in level:
                raise UsageError(
                    f"{keyword} twice in one query", remedy="give one value; UIDs may be a list with commas"
                )
            _check(keyword, value.strip())
            if set(value.strip()) == {"*"}:
                # Matches whatever there is (PS3.4 C.2.2.2.4), but not with every server.
                continue
            level[keyword] = value.strip().replace("\\", ",") if keyword in _UIDS else value.strip()
        if not set("*?") & set(series.get("Modality", "*")) and "ModalitiesInStudy" not in study:
            # Spares the search in studies that cannot have such a series. Not every server knows wildcards here.
            study["ModalitiesInStudy"] = series["Modality"]
        return cls(study, series)

    def __bool__(self) -> bool:
        return bool(self.study or self.series)

    def shown(self) -> dict[str, str]:
        """Keywords with their values, where these say nothing of a person; else ``"(not kept)"``."""
        both = {**self.study, **self.series}
        return {name: value if name in HARMLESS else "(not kept)" for name, value in both.items()}


def _pair(text: object) -> tuple[str, str]:
    if not isinstance(text, str):
        raise UsageError("a query is a list of texts, or a mapping", remedy="for example ['Modality=CT']")
    keyword, sign, value = text.partition("=")
    if not sign:
        raise UsageError("a query is KEYWORD=VALUE", remedy="for example Modality=CT")
    return keyword.strip(), value


def _check(keyword: str, value: str) -> None:
    # The value itself is not shown: it may name a person.
    if not value or any(ord(char) < 32 for char in value):
        raise UsageError(f"{keyword} has no usable value", remedy="leave it out, or give one")
    if keyword in _UIDS and not _UID_LIST.fullmatch(value):
        raise UsageError(f"{keyword} is no UID", remedy="digits and dots, several separated by commas")
    if keyword in _DATES and not _DATE.fullmatch(value):
        raise UsageError(f"{keyword} is no date", remedy="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD, open on one side too")


def first_value(item: Mapping[str, Any], tag: str) -> str:
    """First value of an attribute of a DICOM JSON object as text; empty where there is none.

    Examples
    --------
    >>> first_value({"00080060": {"vr": "CS", "Value": ["CT"]}}, "00080060")
    'CT'
    """
    values = _values(item, tag)
    value = values[0] if values else ""
    if isinstance(value, Mapping):
        value = value.get("Alphabetic", "")
    return "" if value is None else str(value)


def _values(item: Mapping[str, Any], tag: str) -> list[Any]:
    """Values of an attribute; none where the answer has something else in their place."""
    held = item.get(tag)
    values = held.get("Value") if isinstance(held, Mapping) else None
    return values if isinstance(values, list) else []


def matches(item: Mapping[str, Any], wanted: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """Whether a result is what was asked for, as far as it says: some servers pass over a key they do not know.

    Only plain values, lists of UIDs and date ranges are compared; wildcards are left to the server, and so is an
    attribute that the result does not hold.

    Examples
    --------
    >>> matches({"00080060": {"vr": "CS", "Value": ["MR"]}}, {"Modality": "CT"}, SERIES)
    False
    """
    for keyword, value in wanted.items():
        if "*" in value or "?" in value:
            continue
        found = [first_value({"x": {"Value": [one]}}, "x") for one in _values(item, tags[keyword])]
        if not any(found):
            continue
        if keyword in _DATES and "-" in value:
            low, _, high = value.partition("-")
            if not any((low or "0") <= day <= (high or "9") for day in found):
                return False
        else:
            asked = {one.strip().casefold() for one in value.split(",")} if keyword in _UIDS else {value.casefold()}
            if not asked & {one.casefold() for one in found}:
                return False
    return True
