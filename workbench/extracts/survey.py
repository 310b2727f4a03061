"""What the rows of a clinical table say of patients: who repeats, who is missing, who is of which centre."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from sys import intern

from workbench.extracts.columns import told
from workbench.extracts.reading import ReadOptions
from workbench.extracts.repeats import Repeated, Repeats
from workbench.extracts.tables import Row, Table
from workbench.findings import Finding


class Survey:
    """Looks on while a table is read for the first time.

    Parameters
    ----------
    header : tuple of str
        Names of the columns.
    how : ReadOptions
        What the caller said of the patient's and the centre's column.
    """

    def __init__(self, header: tuple[str, ...], how: ReadOptions) -> None:
        self.header = header
        self._asked = how.id_column
        self.columns = told(header, id_column=how.id_column, node_column=how.node_column)
        #: Rows that repeat others; known once :meth:`settle` was called.
        self.repeated = Repeated()
        #: First row that names no patient (no study, in a table of studies), and how many there are.
        self.nameless = (0, 0)
        #: Patient -> centres.
        self.nodes: dict[str, set[str]] = {}
        study, patient = self.columns.study, self.columns.patient
        # A row without a study is of no use in a table of studies, but its values may be of a patient.
        of_study = study is not None and (not self.columns.undated or patient is None or not self.columns.variables)
        self._of = [i for i in (study if of_study else patient,) if i is not None]
        self._key = self.columns.key
        self._repeats = Repeats()

    def see(self, number: int, cells: Sequence[str], /) -> None:
        """Look at one row, as it stands in the file."""
        columns = self.columns
        if not all(cells[i] for i in self._of):
            self.nameless = (self.nameless[0] or number, self.nameless[1] + 1)
            return
        self._repeats.add(number, tuple([cells[i] for i in self._key]), tuple(cells))
        if columns.node is not None and columns.patient is not None and cells[columns.patient]:
            self.nodes.setdefault(cells[columns.patient], set()).add(intern(cells[columns.node]))

    def settle(self) -> None:
        """Tell what repeats, once every row was seen."""
        self.repeated = self._repeats.settle()

    def kept(self, table: Table) -> Iterator[Row]:
        """Rows of the table that are of somebody and no repetition."""
        of, repeated = self._of, self.repeated
        # One column in nearly every table: rows are many.
        only = of[0] if len(of) == 1 else None
        for row in table:
            named = row.raw[only] if only is not None else all(row.raw[i] for i in of)
            if named and not (repeated.same and row.number in repeated):
                yield row

    def findings(self, table: Table) -> Iterator[Finding]:
        """What was irregular."""
        columns, found = self.columns, self.repeated
        if columns.guess:
            # Another column than the one that was asked for may join values to the wrong patients.
            code = "id-column-guessed" if self._asked is None else "id-column-absent"
            yield Finding(code, columns.guess, path=table.file)
        number, count = self.nameless
        if count:
            what = "study" if self._of == [columns.study] else "patient id"
            message = f"row {number}: no {what}; {count} row(s) left out"
            yield Finding("clinical-unreadable", message, path=table.file, count=count)
        if found.same:
            first, second = found.pair
            message = f"rows {first} and {second} are identical; {found.same} repeated row(s) counted once"
            yield Finding("rows-per-patient-unclear", message, path=table.file, count=found.same)
        if found.unclear:
            where = ", ".join(str(row) for row in found.rows)
            timed = (columns.timepoint, columns.episode, columns.date, columns.offset)
            which = "the same timepoint" if any(time is not None for time in timed) else "no timepoint column"
            who = "patient" if columns.study is None else "study"
            message = f"rows {where}: one {who}, {which}, different content; {found.unclear} {who}(s) concerned"
            yield Finding("rows-per-patient-unclear", message, path=table.file, count=found.unclear)


def survey(table: Table, how: ReadOptions) -> Survey:
    """What the rows of a table say, told in a pass over them.

    Examples
    --------
    >>> table = Table.of("t.csv", ("patient_id", "psa"), [("P1", "4.2"), ("P1", "4.2")])
    >>> [row.number for row in survey(table, ReadOptions()).kept(table)]
    [2]
    """
    seen = Survey(table.header, how)
    for row in table:
        seen.see(row.number, row.raw)
    seen.settle()
    return seen


def watched(read: Callable[..., Table], how: ReadOptions) -> tuple[Table, Survey]:
    """A table, and what its rows say, both told in one pass.

    Parameters
    ----------
    read : callable
        Reads the table; takes ``watch``.
    how : ReadOptions
        What the caller said.
    """
    made: list[Survey] = []

    def watch(header: tuple[str, ...]) -> Survey:
        made.append(Survey(header, how))
        return made[-1]

    table = read(watch=watch)
    if made and made[-1].header == table.header:
        made[-1].settle()
        return table, made[-1]
    # Columns fell away or were added, so that the others have other places.
    return table, survey(table, how) if table.n_rows else Survey(table.header or ("",), how)
