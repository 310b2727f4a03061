"""Clinical rows as nodes spell them -> values in one language, the raw value and the rule beside each.

Works by columns: batches in, batches out, one decision per distinct (column, value). What cannot be mapped stays,
under its own name or as it came, and is a finding. No value is converted on suspicion: a suspected unit is told,
not mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.clinical.beside import beside
from workbench.cohort.clinical.columns import Indices, encoded, runs, together
from workbench.cohort.clinical.dated import own_days
from workbench.cohort.clinical.deciding import MISSING, UNNAMED, Outcome, Source, decide
from workbench.cohort.clinical.derived import Derived
from workbench.cohort.clinical.rules.dates import iso, placeholders
from workbench.cohort.clinical.rules.numbers import parse
from workbench.cohort.clinical.rules.read import UNMAPPED
from workbench.cohort.clinical.rules.units import factor, ucum
from workbench.cohort.clinical.survey import DAY, Survey
from workbench.cohort.clinical.tally import Tally
from workbench.cohort.clinical.values import VALUES, Value, row_of
from workbench.cohort.vocabulary.folding import fold
from workbench.cohort.vocabulary.mapping import Mappings, mappings
from workbench.cohort.vocabulary.tables import variables
from workbench.extracts.record import Clinical, ClinicalRow
from workbench.findings import Finding

__all__ = ["MISSING", "VALUES", "Harmonised", "Value", "fold", "from_headers", "harmonise", "variables"]

#: Batches held in memory before a table is read a second time.
HELD: Final = 4
#: Decisions kept from batch to batch.
REMEMBERED: Final = 100_000
#: Columns of a value that its reading decides.
_OF_OUTCOME: Final = (
    "variable", "value", "unit", "rule", "mapping", "comparator", "value_code", "code_system", "qualifier",
)  # fmt: skip
_NOTHING: Final = np.zeros(0, np.int64)


class Harmonised:
    """Clinical values of one extract in one language, made batch by batch.

    Parameters
    ----------
    clinical : Clinical
        As the adapter yields them.
    mapping : Mappings
        What speaks for the extract; see :func:`workbench.cohort.vocabulary.mapping.mappings`.

    Examples
    --------
    >>> made = Harmonised(Clinical.of([ClinicalRow("p", "Sexo", "mujer")]), mappings("plain"))
    >>> [batch["value"][0].as_py() for batch in made.batches()], made.findings
    (['female'], [])
    """

    def __init__(self, clinical: Clinical, mapping: Mappings) -> None:
        self._clinical = clinical
        self._survey = Survey(mapping)
        self._tally = Tally()
        self._known: dict[tuple[Any, ...], tuple[Outcome, ...]] = {}
        self._derived = Derived()
        self._applied: set[str] = set()
        self._findings: list[Finding] | None = None

    @property
    def findings(self) -> list[Finding]:
        """What could not be mapped or is not plausible; whole once every batch was taken.

        Raises
        ------
        RuntimeError
            Asked before that.
        """
        if self._findings is None:
            raise RuntimeError("findings stand when every batch was taken")
        return self._findings

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Arrow batches (rows, columns of :data:`VALUES`), one in memory at a time; to be taken once."""
        held, whole = self._look()
        again = iter(held) if whole else self._clinical.batches()
        for batch in _whole_rows(again):
            yield self._batch(batch)
        extra = self._derived.values()
        if extra:
            yield pa.RecordBatch.from_pylist([row_of(value) for value in extra], VALUES)
        unused = self._survey.unused(self._applied)
        self._findings = [*self._tally.findings(), *self._survey.findings(), *unused, *self._derived.findings()]

    def _look(self) -> tuple[list[pa.RecordBatch], bool]:
        """A first look at all columns, and the batches where they are few enough to be held."""
        held: list[pa.RecordBatch] = []
        count = 0
        for batch in self._clinical.batches():
            count += 1
            held = [*held, batch] if count <= HELD else []
            self._look_at(batch)
        return held, count <= HELD

    def _look_at(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        tables_at, tables = encoded(batch["table"])
        names_at, names = encoded(batch["variable"])
        texts_at, texts = encoded(batch["value"])
        first, kind = together([(tables_at, len(tables)), (names_at, len(names))])
        units_at, units = encoded(batch["unit"])
        stated = np.unique(kind[np.array([bool(unit.strip()) for unit in units], bool)[units_at]])
        for number in stated:
            self._survey.states_unit(tables[tables_at[first[number]]], names[names_at[first[number]]])
        wanted = np.array([self._survey.wants(tables[tables_at[i]], names[names_at[i]]) for i in first], bool)
        rows = np.flatnonzero(wanted[kind])
        self._note(batch, rows, kind[rows], texts_at[rows], texts, lambda i: (tables[tables_at[i]], names[names_at[i]]))
        dates_at, dates = encoded(batch["date"])
        if dates != [""]:
            rows = np.flatnonzero(np.array([bool(text) for text in dates])[dates_at])
            self._note(batch, rows, tables_at[rows], dates_at[rows], dates, lambda i: (tables[tables_at[i]], DAY))

    def _note(
        self, batch: pa.RecordBatch, rows: Indices, column: Indices, cells: Indices, texts: list[str], of: Any
    ) -> None:
        if not len(rows):
            return
        first, kind = together([(column, int(column.max()) + 1), (cells, len(texts))])
        for number, count in enumerate(np.bincount(kind)):
            row = int(rows[first[number]])
            table, name = of(row)
            place = batch["file"][row].as_py(), batch["row"][row].as_py() or 0
            self._survey.note(table, name, texts[cells[first[number]]], int(count), *place)

    def _batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One batch in the one language."""
        n = batch.num_rows
        columns = {name: encoded(batch[name]) for name in ("table", "variable", "value", "unit", "code")}
        tables_at, tables = columns["table"]
        names_at, names = columns["variable"]
        first, column = together([(tables_at, len(tables)), (names_at, len(names))])
        sources = [self._survey.source(tables[tables_at[i]], names[names_at[i]]) for i in first]
        # A column that nobody knows needs no decision: its cells stay as they came, all at once.
        named = np.array([bool(source.rules) for source in sources], bool)[column]
        self._tell_unnamed(batch, sources, first, column)
        decided = np.flatnonzero(named)
        flat, starts, sizes = self._decide(batch, sources, column, columns, decided)
        repeats = np.ones(n, np.int64)
        repeats[decided] = sizes
        begins = np.zeros(n, np.int64)
        begins[decided] = starts
        rows = np.repeat(np.arange(n), repeats)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        picked, of_flat = begins[rows] + within, named[rows]
        raw = batch if len(rows) == n and (repeats == 1).all() else batch.take(pa.array(rows))
        as_came: dict[str, tuple[Indices, Sequence[str | None]]] = {
            "variable": (names_at, names),
            "value": (columns["value"][0], [text.strip() or None for text in columns["value"][1]]),
            "unit": columns["unit"],
            "rule": (np.zeros(n, np.int64), ["as it came"]),
        }
        made_columns = {}
        for name in _OF_OUTCOME:
            at, texts = as_came.get(name, (_NOTHING, [""]))
            behind = at[rows] if at is not _NOTHING else 0
            cells = pa.array([*(getattr(outcome, name) for outcome in flat), *texts], pa.string())
            made_columns[name] = cells.take(pa.array(np.where(of_flat, picked, len(flat) + behind)))
        made_columns |= self._of_rows(raw)
        asked = [self._survey.dater(source.table, source.name) for source in sources]
        if any(asked):
            days, given = own_days(batch, sources, column, columns["value"], asked, self._tally)
            stated = pa.array(days[rows] != "")
            made_columns["date"] = pc.if_else(stated, pa.array(days[rows], pa.string()), made_columns["date"])
            made_columns["raw_date"] = pc.if_else(stated, pa.array(given[rows], pa.string()), made_columns["raw_date"])
        # The CDM's adapter leaves the cell empty and keeps the text: the look-up failed, nobody left it out.
        failed = pc.and_(pc.equal(made_columns["rule"], "missing"), pc.equal(made_columns["raw_value"], "NOT FOUND"))
        made_columns["rule"] = pc.if_else(failed, "not-found", made_columns["rule"])
        done = pa.RecordBatch.from_arrays([made_columns[name] for name in VALUES.names], schema=VALUES)
        # Without birth dates nothing follows, and nothing is held.
        if self._survey.holds("birth_date"):
            self._derived.look(done)
        return done

    def _tell_unnamed(self, batch: pa.RecordBatch, sources: list[Source], first: Indices, column: Indices) -> None:
        """Count the cells of columns that nobody knows, each column with its first row."""
        counts = np.bincount(column, minlength=len(sources))
        odd = [
            number
            for number, source in enumerate(sources)
            if not source.rules and not self._survey.dates_others(source.table, source.name)
        ]
        at = pa.array(first[odd], pa.int64())
        places = zip(batch["file"].take(at).to_pylist(), batch["row"].take(at).to_pylist(), strict=True)
        for number, (file, row) in zip(odd, places, strict=True):
            self._tally.note(UNNAMED, sources[number].name, int(counts[number]), file or "", row or 0)

    def _decide(
        self,
        batch: pa.RecordBatch,
        sources: list[Source],
        column: Indices,
        columns: dict[str, tuple[Indices, list[str]]],
        rows: Indices,
    ) -> tuple[list[Outcome], Indices, Indices]:
        """What the cells of some rows mean: outcomes, each row's first among them (rows,), and how many (rows,)."""
        if not len(rows):
            return [], _NOTHING, _NOTHING
        near = {name: (at[rows], texts) for name, (at, texts) in beside(batch, sources, column, columns).items()}
        column = column[rows]
        cells = {name: (columns[name][0][rows], columns[name][1]) for name in ("value", "unit", "code")}
        keys = [(column, len(sources)), *((at, len(texts)) for at, texts in cells.values())]
        keys += [(at, len(texts) + 1) for at, texts in near.values()]
        first, kind = together(keys)
        counts = np.bincount(kind, minlength=len(first))
        at_first = pa.array(rows[first])
        files, numbers = batch["file"].take(at_first).to_pylist(), batch["row"].take(at_first).to_pylist()

        flat: list[Outcome] = []
        sizes = np.empty(len(first), np.int64)
        checked: list[tuple[Outcome, int, str, int]] = []
        for number, row in enumerate(first):
            source = sources[column[row]]
            text, unit, code = (texts[at[row]] for at, texts in cells.values())
            asked = tuple((name, texts[at[row]] if at[row] < len(texts) else "") for name, (at, texts) in near.items()
                          if name in source.columns)  # fmt: skip
            made = self._decided(source, text, unit, code, asked)
            place = int(counts[number]), files[number] or "", numbers[number] or 0
            self._tally.add(source, text, unit, made, *place)
            self._applied.update(outcome.mapping for outcome in made)
            checked += [(outcome, *place) for outcome in made]
            flat += made
            sizes[number] = len(made)
        self._tally.check(checked)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        return flat, starts[kind], sizes[kind]

    def _decided(
        self, source: Source, text: str, unit: str, code: str, cells: tuple[tuple[str, str], ...]
    ) -> tuple[Outcome, ...]:
        key = (source.table, source.name, text, unit, code, cells)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = decide(source, text, unit=unit, code=code, beside=dict(cells))
        return self._known[key]

    def _of_rows(self, raw: pa.RecordBatch) -> dict[str, pa.Array]:
        """Columns that come from the row and not from its value."""
        found = {name: raw[name] for name in ("patient_id", "timepoint", "episode", "table", "file", "row")}
        found["raw_variable"] = raw["variable"]
        # The cell as it stands in the file, where the reader of the table rewrote it.
        rewritten = pc.not_equal(raw["raw"], "")
        found["raw_value"] = pc.if_else(rewritten, raw["raw"], raw["value"])
        found |= {f"raw_{name}": raw[name] for name in ("unit", "date", "offset", "offset_unit", "code")}
        found["raw_code_system"] = raw["code_system"]
        found["date"] = self._dates(raw)
        found["offset_days"] = _offsets(raw)
        return found

    def _dates(self, raw: pa.RecordBatch) -> pa.Array:
        dates_at, dates = encoded(raw["date"])
        if dates == [""] or not dates:
            return pa.array([""] * raw.num_rows, pa.string())
        tables_at, tables = encoded(raw["table"])
        first, kind = together([(tables_at, len(tables)), (dates_at, len(dates))])
        found = []
        counts = np.bincount(kind)
        for number, i in enumerate(first):
            text = dates[dates_at[i]].strip()
            day = (iso(text, self._survey.order(tables[tables_at[i]], DAY)) or "") if text else ""
            if day in placeholders():
                place = raw["file"][int(i)].as_py() or "", raw["row"][int(i)].as_py() or 0
                self._tally.note("date-placeholder", "day of the rows", int(counts[number]), *place)
                day = ""
            found.append(day)
        return pa.array(found, pa.string()).take(pa.array(kind))


def _offsets(raw: pa.RecordBatch) -> pa.Array:
    offsets_at, offsets = encoded(raw["offset"])
    if offsets == [""] or not offsets:
        return pa.nulls(raw.num_rows, pa.float64())
    units_at, units = encoded(raw["offset_unit"])
    first, kind = together([(offsets_at, len(offsets)), (units_at, len(units))])
    return pa.array([_days(offsets[offsets_at[i]], units[units_at[i]]) for i in first], pa.float64()).take(
        pa.array(kind)
    )


def _days(text: str, unit: str) -> float | None:
    """Days of an offset; days where no unit is stated (the handbook asks for days)."""
    number = parse(text.strip()) if text else None
    if number is None or number.comparator:
        return None
    known = ucum(number.unit or unit) if (number.unit or unit) else "d"
    by = factor(known, "d") if known else None
    return None if by is None else number.value * by


def _whole_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches that never cut a row of a table apart: rules may ask for other cells of it."""
    carried: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        if carried:
            batch = pa.Table.from_batches([*carried, batch]).combine_chunks().to_batches()[0]
        keys = [encoded(batch[name])[0] for name in ("patient_id", "table", "file")]
        keys.append(batch["row"].to_numpy(zero_copy_only=False))
        number = runs(keys)
        cut = int(np.searchsorted(number, number[-1]))
        carried = [batch.slice(cut)]
        if cut:
            yield batch.slice(0, cut)
    yield from carried


def harmonise(rows: Iterable[ClinicalRow], *, mapping: Mappings | None = None) -> tuple[list[Value], list[Finding]]:
    """Values in one language, and what could not be mapped or is not plausible; all in memory.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        As an adapter yields them, of one extract.
    mapping : Mappings, optional
        By default that of the plain layout.

    Examples
    --------
    >>> values, findings = harmonise([ClinicalRow("p", "PSA", "<0.1", unit="ug/L")])
    >>> values[0].variable, values[0].comparator, values[0].value, values[0].unit
    ('psa', '<', '0.1', 'ng/mL')
    """
    made = Harmonised(Clinical.of(rows), mapping or mappings("plain"))
    values = [Value(**row) for batch in made.batches() for row in batch.to_pylist()]
    return values, made.findings


@lru_cache(maxsize=REMEMBERED)
def _of_header(keyword: str, raw: str) -> Outcome:
    """One decision per distinct value: headers of thousands of series hold the same few."""
    return decide(Source("DICOM header", keyword, mappings("idc").rules("DICOM header", keyword)), raw)[0]


def from_headers(patient_id: str, *, sex: str, age: str, file: str, cancer: str = "") -> list[Value]:
    """Values that DICOM headers give of a patient: sex, age at imaging, and the cancer that a private tag names.

    What is no such value stays as a row without one; what is missing is left out.
    """
    found = []
    for keyword, raw in (("PatientSex", sex), ("PatientAge", age), ("diagnosis", cancer)):
        if not raw:
            continue
        made = _of_header(keyword, raw)
        # A header's word that nobody knows is no value of the patient: it stays as raw_value alone.
        known = None if made.rule == UNMAPPED else made.value
        if known is not None or made.rule == UNMAPPED:
            value = Value(
                patient_id, "", made.variable, known, made.unit, keyword, raw, "", "DICOM header", file, 0,
                made.rule, made.mapping, value_code=made.value_code, code_system=made.code_system,
            )  # fmt: skip
            found.append(value)
    return found
