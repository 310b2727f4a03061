"""What is given to a rule, and what a rule makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.cohort.vocabulary.tables import Variable


@dataclass(frozen=True, slots=True)
class Given:
    """One value as it came, with what its column and its mapping say of it."""

    #: Harmonised variable it is of.
    variable: Variable
    #: The value, without outer blanks, never empty.
    text: str
    #: Unit stated beside it or by the mapping, as spelt.
    unit: str = ""
    #: Order of day and month in its column: ``dmy``, ``mdy``, or empty where it is not known.
    order: str = ""
    #: Words that mean something else in this column than elsewhere, folded.
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """What a value means in the one language."""

    #: Harmonised value as text; None where there is none.
    value: str | None
    #: How it was read.
    rule: str
    #: ``<``, ``<=``, ``>`` or ``>=`` where only a limit was stated.
    comparator: str = ""
    #: What belongs to the value but is not part of it: edition, prefix, addition in brackets.
    qualifier: str = ""
    #: Another variable than the one asked for, where the value itself says so.
    variable: str = ""


#: What could not be read: it stays as it came.
UNMAPPED = "unmapped"
#: A day that programs write where there is none.
PLACEHOLDER = "placeholder"
#: A unit that is not known, or not one of this quantity.
UNIT_UNKNOWN = "unit-unknown"
