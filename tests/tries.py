"""How many examples a property is tried with: all of them in the whole set, a part of them in the quick one."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")
#: Of a hundred examples, so many are tried by ``pytest -m "not slow"``; :mod:`tests.conftest` sets it.
PERCENT = 100
#: Never fewer.
LEAST = 10


def tries(whole: int) -> int:
    """Examples of this run, where the whole set tries *whole* of them."""
    return min(whole, max(LEAST, whole * PERCENT // 100))


def part(whole: list[_T], first: int) -> list[_T]:
    """Of a list that is tried many times over: the whole of it, or every so many of its items from a place on."""
    step = max(1, 100 // PERCENT)
    return whole[first % step :: step]
