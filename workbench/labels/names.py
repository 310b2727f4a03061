"""Segment names as nodes spell them -> one standard name, by a small table that the user can extend.

The standard names are those of AAPM TG-263 (report 263, 2018); the spellings are common ones of English and some other
languages, and are claims of this table alone. A name that the table does not hold stays unmapped; a
part of a name is never enough, and "tumour" is not taken for a gross tumour volume.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from workbench.arguments import is_path
from workbench.errors import PathNotFound, UsageError

#: A mapping of spellings to standard names, or the path of a CSV with the columns ``standard`` and ``spellings``.
Names = Mapping[str, str] | str | os.PathLike[str]

#: Letters that Unicode does not take apart into a letter and an accent.
_LETTERS: Final = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d"})


def _plain(name: str) -> str:
    """Letters, digits and wildcards alone: no case, accents, spaces, punctuation."""
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    return "".join(letter for letter in apart if letter.isalnum() or letter in "#*")


@dataclass(frozen=True, slots=True)
class NameTable:
    """Spellings and their standard names; the first that fits holds."""

    #: Plain spelling without wildcards -> standard name.
    exact: Mapping[str, str]
    #: Pattern of a whole plain spelling, standard name.
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    #: The table to ask where this one has nothing.
    fallback: NameTable | None = None

    def standard(self, name: str) -> str:
        """Standard name, or empty where the table holds none."""
        plain = _plain(name.replace("#", "").replace("*", ""))
        if plain in self.exact:
            return self.exact[plain]
        for pattern, standard in self.patterns:
            if pattern.fullmatch(plain):
                return standard
        return self.fallback.standard(name) if self.fallback else ""


def name_table(extra: Names | None = None) -> NameTable:
    """Shipped table of names, with the user's own asked first.

    Parameters
    ----------
    extra : mapping or path, optional
        Spelling -> standard name; or a CSV (UTF-8) with the columns ``standard`` and ``spellings``, several spellings
        separated by ``|``. Case, accents and punctuation do not count; ``#`` stands for a number, ``*`` for anything.

    Raises
    ------
    PathNotFound
        No such file.
    UsageError
        The file cannot be read, lacks the columns, or one spelling has two standard names.

    Examples
    --------
    >>> table = name_table({"Läsion *": "GTV"})
    >>> table.standard("lasion-3"), table.standard("Left lung"), table.standard("nodule")
    ('GTV', 'Lung_L', '')
    """
    if extra is None:
        return _shipped()
    if isinstance(extra, Mapping):
        pairs = [(str(spelling), str(standard)) for spelling, standard in extra.items()]
        return _table(pairs, name="names", fallback=_shipped())
    if not isinstance(extra, (str, os.PathLike)):
        raise UsageError(f"names cannot be {type(extra).__name__}", remedy="give a mapping or the path of a CSV")
    path = Path(extra)
    if not is_path(extra) or not path.is_file():
        raise PathNotFound("no such file", file=path.name, remedy="names= takes a mapping or the path of a CSV")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"table of names could not be read ({type(error).__name__})", file=path.name, remedy="save it as UTF-8"
        ) from None
    return _table(_pairs(text, path.name), name=path.name, fallback=_shipped())


def standard_name(name: str, *, extra: Names | None = None) -> str:
    """Standard name of a segment name, e.g. ``GTV`` for ``gtv_1``; empty where it is in no table.

    Parameters
    ----------
    name : str
        SegmentLabel or ROIName.
    extra : mapping or path, optional
        The user's own names, see :func:`name_table`.

    Raises
    ------
    PathNotFound, UsageError
        As :func:`name_table`.

    Examples
    --------
    >>> [standard_name(name) for name in ("gtv_1", "GTV_Mass", "GTVnd", "LUNG-Left", "Hígado", "Tumour")]
    ['GTV', 'GTV', 'GTVn', 'Lung_L', 'Liver', '']
    """
    return name_table(extra).standard(name)


def unmapped(names: Iterable[str], *, extra: Names | None = None) -> tuple[str, ...]:
    """Names that no table holds, each once, in order of appearance.

    Parameters
    ----------
    names : iterable of str
        Segment names.
    extra : mapping or path, optional
        The user's own names, see :func:`name_table`.

    Raises
    ------
    PathNotFound, UsageError
        As :func:`name_table`.

    Examples
    --------
    >>> unmapped(["GTV-1", "Tumour", "liver", "Tumour"])
    ('Tumour',)
    """
    table = name_table(extra)
    return tuple(name for name in dict.fromkeys(names) if not table.standard(name))


@cache
def _shipped() -> NameTable:
    text = files("workbench.labels").joinpath("names.csv").read_text(encoding="utf-8")
    return _table(_pairs(text, "names.csv"), name="names.csv")


def _pairs(text: str, name: str) -> list[tuple[str, str]]:
    rows = csv.DictReader(text.splitlines())
    if not {"standard", "spellings"} <= set(rows.fieldnames or ()):
        raise UsageError("no columns standard and spellings in the table of names", file=name, remedy="name them so")
    return [
        (spelling, (row["standard"] or "").strip()) for row in rows for spelling in (row["spellings"] or "").split("|")
    ]


def _table(pairs: Iterable[tuple[str, str]], *, name: str, fallback: NameTable | None = None) -> NameTable:
    found: dict[str, str] = {}
    for spelling, standard in pairs:
        plain = _plain(spelling)
        if not plain or not standard:
            raise UsageError(f"empty spelling or standard name for {spelling!r}", file=name, remedy="fill it in")
        if found.setdefault(plain, standard) != standard:
            raise UsageError(f"{spelling!r} has two standard names", file=name, remedy=f"keep {standard} or the other")
    wild = {plain: standard for plain, standard in found.items() if "#" in plain or "*" in plain}
    patterns = tuple(
        (re.compile(re.escape(plain).replace(r"\#", r"\d+").replace(r"\*", ".*")), standard)
        for plain, standard in wild.items()
    )
    return NameTable({k: v for k, v in found.items() if k not in wild}, patterns, fallback)
