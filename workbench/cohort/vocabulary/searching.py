"""Looking up words and codes in the vocabulary, best fits first. Works without a network."""

from __future__ import annotations

import re
from typing import Final

from workbench.arguments import alike, checked
from workbench.cohort.vocabulary import tables
from workbench.cohort.vocabulary.folding import bare, fold, fold_name
from workbench.cohort.vocabulary.listing import Listing
from workbench.cohort.vocabulary.tables import Code, Variable
from workbench.errors import UsageError

_FOUND: Final = ("kind", "variable", "value", "code", "system", "meaning", "found_in")
#: How well a term fits a text, best first: the whole of it, its beginning, a whole word of it, a part of it.
_WHOLE, _BEGIN, _WORD, _PART = 0, 1, 2, 3
#: An ICD-O-3 topography code with its part, folded.
_SUBSITE: Final = re.compile(r"c[0-9]{2}\.[0-9]")
#: Texts that tell of a variable in passing: what fits them alone comes last.
_ASIDE: Final = frozenset(("trap", "note", *tables.LAYOUT_COLUMNS))


@checked
def search(term: str, *, limit: int | None = 50) -> Listing:
    """Variables and values that a term is found in, best fits first.

    Looked for in names, meanings, spellings in eight languages, labels and codes; codes are found under any of their
    spellings, and so are SNOMED, LOINC and RadLex numbers. Case and accents never matter.

    Parameters
    ----------
    term : str
        A word, several words that must all be found, or a code.
    limit : int or None, default 50
        Rows at most.

    Returns
    -------
    Listing
        ``kind`` (variable or value), ``variable`` (of a value set that is no variable: its name), ``value``, ``code``,
        ``system``, ``meaning``, ``found_in``.

    Raises
    ------
    UsageError
        The term is empty.

    Examples
    --------
    >>> search("SNOMEDCT248153007")[0]["value"]
    'male'
    >>> search("próstata").rows[0][:3]
    ('value', 'body_part', 'prostate')
    """
    if not isinstance(term, str) or not fold(term):
        raise UsageError("nothing to look for", remedy="give a word or a code: search('prostate')")
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit} rows", remedy="give a number of 1 or more, or None for all")
    found: list[tuple[tuple[int, int], tuple[str, ...]]] = []
    for variable in tables.variables().values():
        best = _best(term, _texts(variable))
        if best:
            own = next(iter(variable.codes.values()), ("",))[0]
            row = ("variable", variable.name, "", bare(own), "", variable.description, best[1])
            found.append(((best[0], 0), row))
    spoken: dict[tuple[str, str], list[str]] = {}
    for value_set, value, spelling in tables.iterate_spellings():
        spoken.setdefault((value_set, value), []).append(spelling)
    for code in tables.all_codes():
        texts = [("code", code.code), *(("code", key) for key in code.keys), ("label", code.label)]
        texts += [("value", code.value), ("note", code.note), ("value set", code.value_set)]
        texts += [("spelling", text) for text in spoken.pop((code.value_set, code.value), ())]
        best = _best(term, texts)
        if best:
            found.append(((best[0], 1), _value_row(code, best[1])))
    for (value_set, value), spellings in spoken.items():
        best = _best(term, [("value", value), *(("spelling", text) for text in spellings)])
        if best:
            row = ("value", _variable_of(value_set), value, "", "", ", ".join(spellings[:4]), best[1])
            found.append(((best[0], 1), row))
    for site, label in tables.sites().items():
        # A subsite is found by its site: C50.4 by C50.
        names = [("code", site), ("label", label)]
        best = _best(term, names)
        if best is None and _SUBSITE.fullmatch(fold(term)):
            best = _best(term.partition(".")[0], names[:1])
        if best:
            found.append(((best[0], 1), ("value", "topography", site, site, "ICD-O-3", label, best[1])))
    found.sort(key=lambda item: item[0])
    return Listing(_FOUND, tuple(row for _, row in found[:limit]))


def _value_row(code: Code, place: str) -> tuple[str, ...]:
    return ("value", _variable_of(code.value_set), code.value, code.code, code.system, code.label, place)


def _variable_of(value_set: str) -> str:
    """The variable that a value set is of, where it is of one; else the set's own name."""
    holders = [v.name for v in tables.variables().values() if value_set in v.value_sets]
    return holders[0] if len(holders) == 1 or value_set in ("sex", "stage") else value_set


def _texts(variable: Variable) -> list[tuple[str, str]]:
    texts = [("name", variable.name), *(("spelling", alias) for alias in variable.aliases)]
    texts += [("meaning", variable.description), ("DICOM tag", variable.dicom_tag), ("trap", variable.trap)]
    texts += [("code", code) for given in variable.codes.values() for code in given]
    texts += [(layout, place) for layout, place in variable.places.items()]
    return texts


def _best(term: str, texts: list[tuple[str, str]]) -> tuple[int, str] | None:
    """How well a term fits the best of several texts, and which."""
    fits = [
        (fit + (_PART + 1) * (place in _ASIDE), place)
        for place, text in texts
        if text and (fit := _fit(term, text)) is not None
    ]
    return min(fits, key=lambda item: item[0]) if fits else None


def _fit(term: str, text: str) -> int | None:
    if bare(term).casefold() == bare(text).casefold():
        return _WHOLE
    asked, plain = fold_name(term), fold_name(text)
    if not asked:
        # A term of signs alone, as 3+ without its digit: compared as it stands.
        return _PART if fold(term) in fold(text) else None
    if asked == plain:
        return _WHOLE
    if plain.startswith(asked + "_"):
        return _BEGIN
    words = plain.split("_")
    parts = asked.split("_")
    if all(part in words for part in parts):
        return _WORD
    # Short terms within words would fit nearly everything.
    return _PART if all(len(part) > 2 and part in plain for part in parts) else None


@checked
def variable(name: str) -> Variable:
    """One variable, by its name or any name or code it goes by.

    Raises
    ------
    UsageError
        There is none; names close to it are given.

    Examples
    --------
    >>> variable("PatientAge").name, variable("LOINC:2857-1").name
    ('age_at_imaging', 'psa')
    """
    known = tables.variables()
    if name in known:
        return known[name]
    for key in (fold_name(str(name)), fold_name(bare(str(name)))):
        if key in tables.names():
            return known[tables.names()[key]]
    close = alike(fold_name(name), known)
    hint = f"did you mean {' or '.join(close)}?" if close else "workbench vocabulary search finds names"
    raise UsageError(f"no variable {str(name)[:80]!r} in the vocabulary", remedy=hint)


@checked
def codes(name: str) -> Listing:
    """Codes of the values of one variable, as each system has them.

    Parameters
    ----------
    name : str
        A variable, or a value set that is no variable (``time_unit``, ``interoperability_level``).

    Raises
    ------
    UsageError
        There is neither.

    Examples
    --------
    >>> [row["code"] for row in codes("vital_status")]
    ['CLIN1024297', 'CLIN1024687']
    """
    own = {code.value_set for code in tables.all_codes()}
    if name in own and name not in tables.variables():
        sets: tuple[str, ...] = (name,)
    else:
        sets = variable(name).value_sets
    rows = [
        (c.value, c.code, c.system, c.label, ", ".join(c.keys), c.note, c.source)
        for value_set in sets
        for c in tables.all_codes()
        if c.value_set == value_set
    ]
    return Listing(("value", "code", "system", "label", "other_spellings", "note", "source"), tuple(rows))


@checked
def conflicts(name: str | None = None) -> Listing:
    """Where sources contradict one another, and how it is read here; of one variable, or of all.

    Raises
    ------
    UsageError
        There is no such variable.

    Examples
    --------
    >>> conflicts("pirads")[0]["codes"]
    'IMG1005459'
    """
    wanted = None if name is None else variable(name).name
    rows = [
        (", ".join(c.variables), c.conflict, ", ".join(c.codes), c.what, c.reading, c.source)
        for c in tables.all_conflicts()
        if wanted is None or wanted in c.variables or "any" in c.variables
    ]
    return Listing(("variables", "conflict", "codes", "what", "reading", "source"), tuple(rows))
