"""The row of ``cohort.values``: one clinical value in the one language, with everything it came with beside it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Value:
    """One harmonised value with where it came from."""

    patient_id: str
    #: As the table states it; empty where it does not.
    timepoint: str
    #: Harmonised variable; as spelt where the vocabulary has none.
    variable: str
    #: Harmonised value as text; as it came where a category's word is not known; None where there is none.
    value: str | None
    #: UCUM unit of the value.
    unit: str
    raw_variable: str
    raw_value: str
    raw_unit: str
    table: str
    #: File, POSIX, relative to the extract; and the row in it as a person counts, 0 where rows do not apply.
    file: str
    row: int
    #: How it was read: ``number``, ``code``, ``converted from mo``, ``missing``, ``unmapped``, ``as it came`` ...
    rule: str
    #: Mapping file and row that named the variable, e.g. ``cdm.csv:12``; ``vocabulary`` where its name did.
    mapping: str = ""
    #: ``<``, ``<=``, ``>``, ``>=`` where only a limit was stated; the limit is the value.
    comparator: str = ""
    #: Bare hyper-ontology, SNOMED or ICD-O-3 code of the value, and its system.
    value_code: str = ""
    code_system: str = ""
    #: What belongs to the value but is not part of it: TNM edition, prefix y or r, addition in brackets.
    qualifier: str = ""
    #: Episode of the disease, as stated.
    episode: str = ""
    #: Day of the value, ISO 8601, empty where none is stated or it could be two days.
    date: str = ""
    #: Days since the node's zero (diagnosis, baseline); None where none are stated.
    offset_days: float | None = None
    raw_date: str = ""
    raw_offset: str = ""
    raw_offset_unit: str = ""
    #: Code of the value and its system, as stated.
    raw_code: str = ""
    raw_code_system: str = ""


_TYPES: Final = {"row": pa.int64(), "offset_days": pa.float64()}
#: Columns of harmonised values, without the node.
VALUES: Final = pa.schema([(f.name, _TYPES.get(f.name, pa.string())) for f in fields(Value)])


def row_of(value: Value) -> dict[str, Any]:
    """A value as a row; ``dataclasses.asdict`` copies every text and takes twenty times as long.

    Examples
    --------
    >>> row = row_of(Value("p", "", "sex", "female", "", "Sex", "F", "", "table", "t.csv", 2, "code"))
    >>> row["variable"], row["value"], list(row) == VALUES.names
    ('sex', 'female', True)
    """
    return {name: getattr(value, name) for name in VALUES.names}
