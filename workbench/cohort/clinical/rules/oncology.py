"""TNM, stage groups, Gleason and ISUP grades, RADS categories, ICD-O-3 codes: how each is written."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from workbench.cohort.clinical.rules.numbers import parse
from workbench.cohort.clinical.rules.read import UNMAPPED, Given, Read
from workbench.cohort.vocabulary.folding import bare, fold
from workbench.cohort.vocabulary.tables import code_of, coded_values, lookup, shipped, sites, split, variables

_UNREAD: Final = [Read(None, UNMAPPED)]
#: Category of the UICC TNM by letter: what may stand after it. UICC TNM 8th edition; DCIS and mi of the breast.
TNM_CATEGORIES: Final = {
    "T": r"X|0|is(?:\s?\(?(?:dcis|lcis|paget|pu|pd)\)?)?|a|1mi|[1-4](?:[a-d][1-3]?)?",
    "N": r"X|0|0a|1mi|[1-3](?:[a-c])?",
    "M": r"X|0|1(?:[a-d])?",
}
#: c clinical, p pathological; y after treatment, r recurrent, a at autopsy.
_TNM: Final = {
    letter: re.compile(
        rf"(?P<prefix>[ryacp]{{0,3}})\s*{letter}?\s*(?P<category>{categories})\s*(?P<more>(?:\([^()]{{1,12}}\))*)", re.I
    )
    for letter, categories in TNM_CATEGORIES.items()
}
_ROMAN: Final = {"1": "I", "2": "II", "3": "III", "4": "IV"}
_STAGE: Final = re.compile(r"(0(?:is|a)?|iv|i{1,3}|[1-4])\s*([a-d])?\s*([1-3])?(?:\s*\(?(s)\)?)?")
_PATTERNS: Final = re.compile(
    r"(?:(?P<sum>[0-9]{1,2})\s*[(:\[=]?\s*)?(?P<first>[0-5])\s*\+\s*(?P<second>[0-5])[)\]]?(?:\s*=?\s*\(?(?P<total>[0-9]{1,2})\)?)?"
)
_TOPOGRAPHY: Final = re.compile(r"\bC\s?([0-9]{2})(?:\.?([0-9]))?\b", re.I)
_MORPHOLOGY: Final = re.compile(r"(?:M-?)?([89][0-9]{3})(?:/([012369]))?", re.I)


@cache
def _stripped(words: str) -> re.Pattern[str]:
    spellings = sorted(
        {
            fold(text)
            for row in shipped("spellings.csv")
            if row["value_set"] == words
            for text in split(row["spellings"])
        },
        key=len,
        reverse=True,
    )
    return re.compile(rf"(?:{'|'.join(map(re.escape, spellings))})\s*[:=-]?\s*")


def _without(text: str, words: str) -> str:
    """Folded text without the words that may stand in front of the value."""
    plain = fold(text)
    match = _stripped(words).match(plain)
    return plain[match.end() :] if match and match.end() < len(plain) else plain


def read_tnm(given: Given) -> list[Read]:
    """A TNM category with its prefix: ``cT1c``. What else stands with it is its qualifier.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> read_tnm(Given(variable("ct_category"), "T1c"))[0].value
    'cT1c'
    >>> read_tnm(Given(variable("pt_category"), "ypT2a(m)"))[0]
    Read(value='pT2a', rule='tnm', comparator='', qualifier='y (m)', variable='')
    """
    name = given.variable.name
    kind, letter = ("", name[0].upper()) if name.endswith("_any") else (name[0], name[1].upper())
    known = coded_values(given.variable.value_sets[0])
    code = bare(given.text).upper()
    if code in known:
        return [Read(known[code], "code")]
    match = _TNM[letter].fullmatch(given.text.strip())
    if match is None:
        return _UNREAD
    prefix = match["prefix"].lower()
    said = next((sign for sign in prefix if sign in "cp"), kind)
    category = match["category"]
    category = "X" if category.upper() == "X" else category.lower().replace("dcis", "DCIS").replace(" ", "")
    others = "".join(sign for sign in prefix if sign not in "cp")
    value = f"{said}{letter}{category}"
    # The concept of ductal carcinoma in situ is spelt as the hyper-ontology has it.
    value = {"cTisDCIS": "cTisDCIs", "cTis(DCIS)": "cTisDCIs"}.get(value, value)
    qualifier = " ".join(part for part in (others, match["more"]) if part)
    other = "" if said == kind else f"{said}{letter.lower()}_category"
    told = "tnm, prefix of the value" if other and kind else "tnm"
    return [Read(value, told, qualifier=qualifier, variable=other)]


def read_stage(given: Given) -> list[Read]:
    """A stage group in Roman numerals with its letters: ``IIIA``.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> stage = variable("stage_clinical")
    >>> [read_stage(Given(stage, text))[0].value for text in ("Stadium IIIb", "3A", "stage 0", "IA2")]
    ['IIIB', 'IIIA', '0', 'IA2']
    """
    match = _STAGE.fullmatch(_without(given.text, "stage-word"))
    if match is None:
        return _UNREAD
    group, letter, number, _ = match.groups()
    if number and not letter:
        return _UNREAD
    group = _ROMAN.get(
        group, group.upper().replace("IS", "is").replace("0A", "0a") if group[0] == "0" else group.upper()
    )
    return [Read(f"{group}{(letter or '').upper()}{number or ''}", "code")]


@cache
def _grades() -> dict[str, tuple[str, str]]:
    return {row["pattern"]: (row["score"], row["isup"]) for row in shipped("gleason.csv")}


def read_gleason(given: Given) -> list[Read]:
    """A Gleason score; with its patterns and, where the table determines it, the ISUP grade group.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> [(read.variable, read.value) for read in read_gleason(Given(variable("gleason_score"), "7 (3+4)"))]
    [('', '7'), ('gleason_primary', '3'), ('gleason_secondary', '4'), ('isup_grade_group', '2')]
    >>> [read.value for read in read_gleason(Given(variable("gleason_score"), "7"))]
    ['7']
    """
    known = coded_values("gleason_score")
    code = bare(given.text).upper()
    text = known[code] if code in known else _without(given.text, "gleason-word")
    match = _PATTERNS.fullmatch(text)
    if match is None:
        number = parse(text)
        if number is None or number.unit or number.comparator or f"{number.value:g}" not in _grades():
            return _UNREAD
        score, isup = _grades()[f"{number.value:g}"]
        found = [Read(score, "code" if code in known else "number")]
    else:
        first, second = match["first"], match["second"]
        if first == second == "0":
            # No pattern was graded: benign, or no biopsy (PI-CAI).
            return [Read(None, "no cancer graded")]
        pattern = f"{first}+{second}"
        if pattern not in _grades():
            return _UNREAD
        score, isup = _grades()[pattern]
        if any(stated and stated != score for stated in (match["sum"], match["total"])):
            return _UNREAD
        found = [
            Read(score, "patterns"),
            Read(first, "derived from gleason_score", variable="gleason_primary"),
            Read(second, "derived from gleason_score", variable="gleason_secondary"),
        ]
    if isup:
        found.append(Read(isup, "derived from gleason_score", variable="isup_grade_group"))
    return found


def read_isup(given: Given) -> list[Read]:
    """An ISUP grade group, 1 to 5; 0 where a table counts benign as 0."""
    known = coded_values("isup_grade_group")
    code = bare(given.text).upper()
    if code in known:
        return [Read(known[code], "code")]
    number = parse(_without(given.text, "isup-word"))
    if number is None or number.unit or number.comparator:
        return _UNREAD
    return [Read(f"{number.value:g}", "number")]


def read_rads(given: Given) -> list[Read]:
    """A BI-RADS or PI-RADS category: ``4A``, ``0``."""
    own = given.variable.value_sets[0]
    code = bare(given.text).upper()
    if code in coded_values(own):
        return [Read(coded_values(own)[code] or None, "code")]
    text = _without(given.text, "birads-word" if own == "birads" else "pirads-word").upper()
    allowed = {value.upper(): value for value in coded_values(own).values() if value}
    number = parse(text)
    if number is not None and not number.unit and not number.comparator:
        text = f"{number.value:g}"
    return [Read(allowed[text], "code")] if text in allowed else _UNREAD


def read_topography(given: Given) -> list[Read]:
    """An ICD-O-3 topography code, alone or with words; else an organ of the vocabulary.

    ``C01.9`` is written ``C01``: the base of the tongue has one subdivision only (ICD-O-3). A code that ICD-O-3 does
    not have is not read: ``C99`` is none, and ``C43`` says in ICD-10 what ICD-O-3 says with a morphology.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> subsite = variable("tumour_subsite")
    >>> [read_topography(Given(subsite, text))[0].value for text in ("C10.0: vallécule", "C01.9", "C099")]
    ['C10.0', 'C01', 'C09.9']
    >>> read_topography(Given(subsite, "C99"))[0].rule
    'unmapped'
    """
    found = {(match[1], match[2] or "") for match in _TOPOGRAPHY.finditer(given.text)}
    if len(found) == 1:
        site, part = next(iter(found))
        if f"C{site}" not in sites():
            return _UNREAD
        if site in SINGLE_SITES and part in ("9", ""):
            part = ""
        return [Read(f"C{site}.{part}" if part else f"C{site}", "code")]
    word = None if found else lookup(given.variable, given.text)
    return [Read(word, "code")] if word else _UNREAD


#: ICD-O-3 sites of three characters that have no subdivision but .9. ICD-O-3.2, topography section.
SINGLE_SITES: Final = frozenset(
    ("01", "07", "12", "19", "20", "23", "33", "37", "52", "55", "56", "58", "61", "64", "65", "66", "73")
)


def read_morphology(given: Given) -> list[Read]:
    """An ICD-O-3 morphology with behaviour, ``8140/3``; a hyper-ontology code stays as it is; words are kept."""
    code = bare(given.text).upper()
    if code in coded_values("histology_morphology"):
        return [Read(code, "code")]
    match = _MORPHOLOGY.fullmatch(given.text.strip())
    if match is not None:
        return [Read(f"{match[1]}/{match[2]}" if match[2] else match[1], "code")]
    return [Read(given.text.strip(), "text")]


def value_code(name: str, value: str) -> tuple[str, str]:
    """Bare code and system of a harmonised value; ICD-O-3 values are codes themselves."""
    variable = variables()[name]
    if variable.reader in ("topography", "morphology") and re.fullmatch(
        r"C[0-9]{2}(\.[0-9])?|[89][0-9]{3}(/[0-9])?", value
    ):
        return value, "ICD-O-3"
    if variable.reader == "morphology" and value in coded_values("histology_morphology"):
        return value, "EUCAIM"
    return code_of(variable, value)
