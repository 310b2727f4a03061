"""Units: as spelt -> UCUM, and numbers from one to another through pint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from workbench.cohort.vocabulary.folding import bare, fold
from workbench.cohort.vocabulary.tables import shipped, split


@cache
def _spellings() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for row in shipped("units.csv"):
        for text in (row["ucum"], *split(row["spellings"])):
            found.setdefault(_key(text), row["ucum"])
    return MappingProxyType(found)


@cache
def _pint_names() -> Mapping[str, str]:
    return MappingProxyType({row["ucum"]: row["pint"] for row in shipped("units.csv")})


def _key(text: str) -> str:
    return bare(fold(text)).casefold().replace(" ", "").strip("()").rstrip(".")


def ucum(text: str) -> str | None:
    """UCUM unit of a unit as spelt; None where it is not known. Case never matters: no two units here differ by it.

    Examples
    --------
    >>> ucum("Jahre"), ucum("µg/L"), ucum("COM1000154"), ucum("furlong")
    ('a', 'ug/L', 'mo', None)
    """
    return _spellings().get(_key(text))


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


@cache
def factor(stated: str, wanted: str) -> float | None:
    """What a number in one UCUM unit is multiplied by to be in another; None where they measure different things.

    Source of the conversions: pint; a year is 365.25 days and a month the twelfth part of it, as in UCUM.

    Examples
    --------
    >>> factor("ug/L", "ng/mL"), factor("mo", "a") == 1 / 12, factor("cm", "ng/mL")
    (1.0, True, None)
    """
    if stated == wanted:
        return 1.0
    names = _pint_names()
    if stated not in names or wanted not in names:
        return None
    import pint

    units = _registry()
    try:
        by = float(units.Quantity(1.0, names[stated]).to(names[wanted]).magnitude)
    except pint.DimensionalityError:
        return None
    # Whole in truth, or the whole part of one: 1000, 1/12.
    for whole, exact in ((by, float(round(by))), (1 / by, 1 / round(1 / by) if by <= 2 else 0.0)):
        if exact and abs(whole - round(whole)) < 1e-9 * whole:
            return exact
    return by
