"""A number that cannot be given, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands where a number would; becomes NaN with the reason beside it."""

    #: Why there is no number.
    reason: str


#: Features by name, each a number or the reason why there is none.
Values = dict[str, "float | Refused"]


def ratio(numerator: float, denominator: float, reason: str) -> float | Refused:
    """Quotient, or the reason where the denominator is zero.

    Examples
    --------
    >>> ratio(1, 4, "flat"), ratio(1, 0, "flat")
    (0.25, Refused(reason='flat'))
    """
    return numerator / denominator if denominator else Refused(reason)
