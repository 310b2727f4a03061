"""Clinical values in long form, as the source spells them: one at a time, or as Arrow batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ClinicalRow:
    """One clinical value, long form, as the source spells it."""

    #: Patient as the table names it.
    patient_id: str
    #: Variable as spelt.
    variable: str
    #: Value as text; empty text means missing.
    value: str
    #: Unit as stated, empty where none is.
    unit: str = ""
    #: Code of the value as stated, and the system it is of; empty where the value is no code.
    code: str = ""
    code_system: str = ""
    #: Day the value was taken, as stated.
    date: str = ""
    #: Time since the node's zero (diagnosis, baseline) in *offset_unit*, both as stated.
    offset: str = ""
    offset_unit: str = ""
    #: Timepoint as stated, empty where none is.
    timepoint: str = ""
    #: Episode of the disease as stated, empty where none is.
    episode: str = ""
    #: Table (file, sheet or page) it stands in.
    table: str = ""
    #: File it stands in, POSIX, relative to the extract's root.
    file: str = ""
    #: Row in that file, counted as a person would (the header is row 1); 0 where rows do not apply.
    row: int = 0
    #: The cell as it stands in the file, where value was rewritten; empty where it was not.
    raw: str = ""


@cache
def clinical_columns() -> pa.Schema:
    """Columns of a batch: the fields of :class:`ClinicalRow`."""
    # Imported where it is needed: an extract that is known opens without it.
    import pyarrow as pa

    return pa.schema([(f.name, pa.int64() if f.name == "row" else pa.string()) for f in fields(ClinicalRow)])


#: Rows of a batch at most, so that memory stays flat however large a table is.
BATCH_ROWS: Final = 65_536


class Clinical:
    """Clinical values of an extract, in file order, read anew each time they are asked for.

    Parameters
    ----------
    sources : sequence of callable
        One per table: each call gives Arrow batches with the columns :func:`clinical_columns`.

    Examples
    --------
    >>> clinical = Clinical.of([ClinicalRow("P1", "psa", "4.2")])
    >>> [row.value for row in clinical], [batch.num_rows for batch in clinical.batches()]
    (['4.2'], [1])
    """

    def __init__(self, sources: Sequence[Callable[[], Iterator[pa.RecordBatch]]] = ()) -> None:
        self._sources = tuple(sources)

    @classmethod
    def of(cls, rows: Iterable[ClinicalRow]) -> Clinical:
        """Values that are in memory."""
        kept = tuple(rows)
        return cls((lambda: batched(kept),)) if kept else cls()

    def __add__(self, other: Clinical) -> Clinical:
        return Clinical((*self._sources, *other._sources))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Arrow batches (rows, columns of :func:`clinical_columns`), one in memory at a time."""
        for source in self._sources:
            yield from source()

    def __iter__(self) -> Iterator[ClinicalRow]:
        for batch in self.batches():
            columns = [batch.column(name).to_pylist() for name in clinical_columns().names]
            for cells in zip(*columns, strict=True):
                yield ClinicalRow(*cells)

    def __len__(self) -> int:
        return sum(batch.num_rows for batch in self.batches())

    def __bool__(self) -> bool:
        return any(batch.num_rows for batch in self.batches())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clinical) and all(a == b for a, b in zip_longest(self, other))

    # Equal by content that is read when asked for: no key of a mapping.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Clinical of {len(self._sources)} table(s)>"


def batched(rows: Iterable[ClinicalRow]) -> Iterator[pa.RecordBatch]:
    """Arrow batches of rows that may be more than memory holds."""
    import pyarrow as pa

    waiting, schema = iter(rows), clinical_columns()
    while some := list(islice(waiting, BATCH_ROWS)):
        columns = [pa.array([getattr(row, f.name) for row in some], f.type) for f in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
