"""Codes for what a segment is: categories, types and regions of the DICOM context groups, to search and to look up.

The table ``codes.csv`` holds one code per row, with the context groups (PS3.16 CID) it stands in: 7150 for categories;
7152 to 7156, 7158 to 7160, 7166 and 7171 for types; 4031 for regions. The category of a type is that of the group of
CID 7151 it belongs to (7191 to 7198).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from workbench.arguments import checked
from workbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

#: Beginning of what people say -> words of the table: its meanings are those of SNOMED CT, American.
SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "tumo": ("neoplasm",),
    "cancer": ("neoplasm",),
    "carcinoma": ("neoplasm",),
    "malignan": ("neoplasm",),
    "metasta": ("neoplasm, secondary",),
    "gtv": ("neoplasm", "gross tumor"),
    "bowel": ("intestine", "colon"),
    "gut": ("intestine",),
    "womb": ("uterus",),
    "swelling": ("edema",),
    "bleeding": ("hemorrhage",),
}
Kind = Literal["category", "type", "region"]
#: What a segment is described with.
KINDS: Final[tuple[Kind, ...]] = ("category", "type", "region")
#: Anatomical Structure (PS3.16 CID 7150): its types are places in the body, too.
ANATOMY: Final = "SCT:91723000"


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of the table."""

    #: ``category``, ``type`` or ``region``.
    kind: Kind
    #: ``scheme:value``.
    code: str
    #: Code meaning.
    meaning: str
    #: Codes of the categories a type may have; empty for the others.
    categories: tuple[str, ...] = ()
    #: Context groups of PS3.16 it stands in.
    context_groups: tuple[int, ...] = ()

    @property
    def scheme(self) -> str:
        """Coding scheme designator."""
        return self.code.partition(":")[0]

    @property
    def value(self) -> str:
        """Code value."""
        return self.code.partition(":")[2]


@cache
def concepts() -> tuple[Concept, ...]:
    """Every code of the table."""
    lines = files("workbench.labels").joinpath("codes.csv").read_text(encoding="utf-8").splitlines()
    return tuple(
        Concept(
            kind=next(kind for kind in KINDS if kind == row["kind"]),
            code=row["code"],
            meaning=row["meaning"],
            categories=tuple(row["category"].split("|")) if row["category"] else (),
            context_groups=tuple(int(number) for number in row["cid"].split("|")),
        )
        for row in csv.DictReader(lines)
    )


def find_concept(code: str, kind: Kind) -> Concept | None:
    """The concept of a code ``scheme:value``, or None where the table has none of that kind.

    A type of the category Anatomical Structure is also a region.

    Examples
    --------
    >>> concept = find_concept("SCT:10200004", "type")
    >>> concept.meaning, concept.categories
    ('Liver', ('SCT:91723000',))
    """
    of_code = [concept for concept in concepts() if concept.code == code]
    for concept in of_code:
        if concept.kind == kind:
            return concept
    return next((c for c in of_code if kind == "region" and ANATOMY in c.categories), None)


def _other_words(word: str) -> tuple[str, ...]:
    """The word, as the table may have it."""
    american = word.replace("oe", "e").replace("ae", "e")
    found = [said for start, said in SYNONYMS.items() if word.startswith(start)]
    return (word, american, *(one for said in found for one in said))


@checked
def search_codes(words: str, *, kind: Kind | None = None) -> pd.DataFrame:
    """Codes whose meaning or value holds all the words: code, meaning, kind, category; one row each.

    Parameters
    ----------
    words : str
        Whatever the case; parts of words count; a code value finds its row. What people say for the words of the
        table is known (tumour, metastasis), and how it is written in Britain.
    kind : {"category", "type", "region"}, optional
        Only these.

    Returns
    -------
    pandas.DataFrame
        Short meanings first. ``category`` is that of a type; two, separated by ``|``, where it may have either.

    Raises
    ------
    UsageError
        An unknown kind.

    Notes
    -----
    A type of an anatomical structure may be given as a region, too. Source: DICOM PS3.16, see the module.

    Examples
    --------
    >>> search_codes("liver", kind="type")[["code", "meaning"]].values[0].tolist()
    ['SCT:10200004', 'Liver']
    """
    import pandas as pd

    if kind is not None and kind not in KINDS:
        raise UsageError(f"no kind of code {kind!r}", remedy=f"one of {', '.join(KINDS)}")
    wanted = words.casefold().split()
    found = [
        concept
        for concept in concepts()
        if kind in (None, concept.kind)
        and all(
            any(other in f"{concept.meaning} {concept.code}".casefold() for other in _other_words(word))
            for word in wanted
        )
    ]
    found.sort(key=lambda concept: (len(concept.meaning), concept.meaning, concept.kind))
    rows = [(c.code, c.meaning, c.kind, "|".join(c.categories)) for c in found]
    return pd.DataFrame(rows, columns=["code", "meaning", "kind", "category"])
