"""The cohort's tables as DuckDB views over the extracts' Parquet files. No pandas, no server.

A selection is a chain of conditions; each keeps image series, the patients who own them and whatever refers to
a kept series.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

import duckdb

from workbench.cohort.database.cases import CASES
from workbench.cohort.database.doubts import Doubt, doubts_of
from workbench.cohort.database.engine import ORDER_OF_VALUES, Engine, changed
from workbench.cohort.database.matching import HAS_IMAGES, matching
from workbench.cohort.database.statements import check_condition, check_query, only_asks, query_error
from workbench.cohort.database.working import quoted
from workbench.cohort.identity.linkage import CONFLICTS, UNUSED
from workbench.cohort.tables.store import Stored
from workbench.errors import QueryError
from workbench.findings import CODES

_STUDIES: Final = """
create view studies as
select node, patient_id, StudyInstanceUID, any_value(StudyDate) as StudyDate,
    any_value(StudyDescription) as StudyDescription, count(*) as n_series,
    string_agg(distinct Modality, ', ' order by Modality) as modalities,
    string_agg(distinct nullif(timepoint, ''), ', ' order by nullif(timepoint, '')) as timepoint,
    string_agg(distinct timepoint_rule, ', ' order by timepoint_rule) as timepoint_rule,
    any_value("date") as "date", any_value(offset_days) as offset_days
from series group by node, patient_id, StudyInstanceUID
order by node, patient_id, StudyDate, StudyInstanceUID
"""
_PATIENTS: Final = """
create view patients as
with imaged as (
    select node, patient_id, any_value(dataset_id) as dataset_id,
        count(distinct StudyInstanceUID) as n_studies, count(*) as n_series,
        count(*) filter (kind = 'image') as n_images,
        string_agg(distinct Modality, ', ' order by Modality) filter (kind = 'image') as modalities
    from series group by node, patient_id),
described as (
    select distinct node, patient_id from all_described semi join kept_patients using (node, patient_id) where valued)
select coalesce(i.node, d.node) as node, coalesce(i.patient_id, d.patient_id) as patient_id,
    coalesce(i.dataset_id, '') as dataset_id,
    coalesce(i.n_studies, 0) as n_studies, coalesce(i.n_series, 0) as n_series,
    coalesce(i.n_images, 0) as n_images, coalesce(i.modalities, '') as modalities,
    i.node is not null as has_imaging, d.node is not null as has_clinical {person}
from imaged i full join described d on i.node = d.node and i.patient_id = d.patient_id {persons}
order by 1, 2
"""
#: What a linkage table adds to the patients.
_LINKED: Final = {
    "person": ", p.person_id",
    "persons": "left join persons p on p.node = coalesce(i.node, d.node) "
    "and p.patient_id = coalesce(i.patient_id, d.patient_id)",
}
#: Cases of the cohort among the rows worked out when their extract was opened for the first time.
_CLINICAL: Final = """
create view clinical as
select c.* exclude (number) from all_clinical c {kept} order by node, patient_id, number
"""
_COHORT_FINDINGS: Final = """
select string_agg(distinct node, ', ' order by node) as node, 'same-patient-id' as code,
    'the same patient id stands at ' || count(distinct node) || ' nodes' as message, patient_id, '' as series_uid,
    1 as "count"
from (select distinct node, patient_id from all_series union select node, patient_id from all_described)
left join persons using (node, patient_id)
group by patient_id
having count(distinct node) > 1 and count(distinct coalesce('person ' || person_id, 'node ' || node)) > 1
union all
select string_agg(distinct node, ', ' order by node), 'series-duplicated',
    'the same series stands at ' || count(distinct node) || ' nodes', any_value(patient_id), SeriesInstanceUID, 1
from all_series group by SeriesInstanceUID having count(distinct node) > 1
"""

#: Findings of the cohort and no extract.
_EVERYWHERE: Final = (
    "same-patient-id", "series-duplicated", "value-conflict", "linkage-unused", "linkage-elsewhere",
)  # fmt: skip

GROUPED_FINDINGS = """
select any_value(severity) as severity, code, node, sum(count)::bigint as count, any_value(title) as what,
    coalesce(arg_min(concat_ws(': ', coalesce(nullif(path, ''), 'patient ' || nullif(patient_id, '')),
        nullif(message, '')), (path, patient_id)), '') as "where",
    any_value(remedy) as remedy
from findings group by code, node
order by case any_value(severity) when 'serious' then 0 when 'attention' then 1 else 2 end, code, node
"""


class Step(Protocol):
    """A step of a selection that is no SQL condition; its text says what it is, and never whom it concerns."""

    @property
    def public(self) -> str:
        """What it is, without a word of the caller's."""

    def apply(self, database: Database) -> None:
        """Narrow or widen what a database keeps."""


class Database:
    """Views over the tables of several extracts, narrowed by conditions.

    A cohort and all that were narrowed from it share one engine and its tables; each has a schema of its own that
    holds what it kept, so that a further condition costs one question and no copy.

    Parameters
    ----------
    extracts : sequence of Stored
        The extracts, their tables on disk.
    conditions : sequence of str or Step
        SQL conditions over image series joined with clinical variables, and other steps, applied one after another.
    within : Database, optional
        The same extracts narrowed by the first of the conditions; only the others are asked.
    """

    def __init__(
        self, extracts: Sequence[Stored], conditions: Sequence[str | Step] = (), *, within: Database | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._asides = 0
        self._narrowed = bool(conditions)
        #: What is suspected of the variables that narrowed it, in the order asked.
        self.doubts: list[Doubt] = [] if within is None else list(within.doubts)
        self._instances = [extract.table("instances") for extract in extracts]
        if within is None:
            self._engine = Engine(extracts)
            self._connection = self._engine.connection.cursor()
            kept, asked = "", tuple(conditions)
        else:
            self._engine = within._engine
            self._connection = self._engine.connection.cursor()
            kept, asked = f"{within._schema}.", tuple(conditions[within.n_conditions :])
        self.n_conditions: int = len(conditions)
        self._schema: str = f"cohort_{next(_NUMBERS)}"
        run = self._execute
        run(f"create schema {self._schema}; use {self._schema}")
        # The tables of a cohort that nobody holds any more make room.
        weakref.finalize(self, _forget, self._connection, self._schema).atexit = False
        if kept:
            run(f"create table kept_series as select * from {kept}kept_series")
            run(f"create table kept_patients as select * from {kept}kept_patients")
        else:
            self._keep_all()
        self._views()
        self._apply(asked)

    def _apply(self, steps: Sequence[str | Step]) -> None:
        for step in steps:
            if isinstance(step, str):
                self.narrow(step)
            else:
                step.apply(self)

    def _keep_all(self) -> None:
        run = self._execute
        run("create or replace table kept_series as select node, SeriesInstanceUID from all_series")
        run("create or replace table kept_patients as select node, patient_id from all_series union "
            "select node, patient_id from all_described")  # fmt: skip

    def _views(self) -> None:
        run = self._execute
        run("""
            create view series as
            with labels as (
                select node, unnest(refers_to) as uid, SeriesInstanceUID from all_series where kind <> 'image')
            select s.* exclude (StudyTime, declared_timepoint), s.StudyTime, s.declared_timepoint,
                coalesce(n.n_labels, 0) as n_labels
            from all_series s semi join kept_series k using (node, SeriesInstanceUID)
            left join (select node, uid, count(distinct SeriesInstanceUID) as n_labels from labels group by all) n
                on n.node = s.node and n.uid = s.SeriesInstanceUID
            order by s.node, s.patient_id, s.StudyDate, s.SeriesNumber, s.SeriesInstanceUID""")
        run("create view parts as select p.* from all_parts p semi join kept_series k using (node, SeriesInstanceUID) "
            "order by node, SeriesInstanceUID, part")  # fmt: skip
        run("create view instances as select i.* from all_instances i "
            "semi join kept_series k using (node, SeriesInstanceUID)")  # fmt: skip
        # So many that they lie on disk are not brought into an order for every question; `Cohort.values` is.
        order = "" if self._engine.values_on_disk else f"order by {ORDER_OF_VALUES}"
        run('create view "values" as select v.* from all_values v semi join kept_patients k using (node, patient_id) '
            + order)  # fmt: skip
        run(_STUDIES)
        linked = _LINKED if self._engine.has_persons else dict.fromkeys(_LINKED, "")
        run(_PATIENTS.format(**linked))
        run(CASES)
        kept = "semi join cases using (node, patient_id, timepoint)" if self._narrowed else ""
        run(_CLINICAL.format(kept=kept))
        conflicts = f"union all {CONFLICTS} union all {UNUSED}" if self._engine.has_persons else ""
        run(f"""
            create view findings as
            with everywhere as ({_COHORT_FINDINGS} {conflicts}),
            all_rows as (
                select node, code, severity, title, message, patient_id, series_uid, path, count, remedy
                from all_findings
                union all
                select e.node, e.code, c.severity, c.title, e.message, e.patient_id, e.series_uid, '', e.count, c.remedy
                from everywhere e join (values {_codes(*_EVERYWHERE)})
                    c(code, severity, title, remedy) using (code))
            select * from all_rows f
            where {self._relevant()}
            order by case severity when 'serious' then 0 when 'attention' then 1 else 2 end, code, node, path""")

    def _relevant(self) -> str:
        """Condition for the findings *f* of this cohort: all, or once narrowed those of what was kept."""
        if not self._narrowed:
            return "true"
        return """
            exists (select 1 from kept_patients k where list_contains(string_split(f.node, ', '), k.node)
                and (f.patient_id = '' or k.patient_id = f.patient_id))
            and (f.series_uid = ''
                or exists (select 1 from kept_series k where k.SeriesInstanceUID = f.series_uid)
                or not exists (select 1 from all_series a where a.SeriesInstanceUID = f.series_uid))"""

    def narrow(self, condition: str) -> None:
        """Keep the image series for which a condition holds, what refers to them, and who owns them.

        Where no extract has images: the patients for a clinical row of whom it holds.
        """
        if not isinstance(condition, str) or not condition.strip():
            raise QueryError("the condition is empty or no text", remedy="for example: modality = 'CT'")
        only_asks(f"select * from series where ({condition}\n)", condition)
        check_condition(condition, self.relations)
        self.doubt([condition])
        of_images = self.has_images()
        try:
            self._execute(matching(condition, of_images=of_images))
        except duckdb.Error as error:
            raise query_error(error, condition) from None
        (self._keep_matched if of_images else self._keep_drawn)()

    def doubt(self, expressions: Sequence[str]) -> None:
        """Remember what is suspected of the units of variables that expressions of the caller's ask."""
        self.doubts += [doubt for doubt in doubts_of(self, expressions) if doubt not in self.doubts]

    def has_images(self) -> bool:
        """Whether there is an image series in any of the extracts."""
        return bool(self._execute(HAS_IMAGES).fetchall()[0][0])

    def keep(self, keys: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
        """Keep the patients, cases or image series that *rows* name by *keys*, and what refers to them."""
        run = self._execute
        columns = [[row[i] for row in rows] for i in range(len(keys))]
        unnested = ", ".join(f'unnest(?::varchar[]) as "{key}"' for key in keys)
        run(f"create or replace temp table drawn as select {unnested}", columns)
        using = ", ".join(f'"{key}"' for key in keys)
        if tuple(keys) == ("node", "patient_id"):
            self._keep_drawn()
            return
        run("create or replace temp table matched as select node, SeriesInstanceUID, patient_id from series "
            f"semi join drawn using ({using}) where kind = 'image'")  # fmt: skip
        self._keep_matched()

    def keep_exactly(self, series: Sequence[tuple[str, str]], patients: Sequence[tuple[str, str]]) -> None:
        """Keep these series and patients, each with its node, and nothing else."""
        for table, column, pairs in (
            ("series", "SeriesInstanceUID", series),
            ("patients", "patient_id", patients),
        ):
            columns = [[node for node, _ in pairs], [value for _, value in pairs]]
            self._execute(
                f"create or replace table kept_{table} as "
                f'select unnest(?::varchar[]) as node, unnest(?::varchar[]) as "{column}"', columns
            )  # fmt: skip

    def _keep_drawn(self) -> None:
        """Keep the patients in ``drawn`` with all their series."""
        run = self._execute
        run("create or replace temp table next_series as select s.node, s.SeriesInstanceUID from series s "
            "semi join drawn using (node, patient_id)")  # fmt: skip
        run("create or replace table kept_series as select * from next_series")
        run("create or replace table kept_patients as select node, patient_id from drawn")

    def _keep_matched(self) -> None:
        """Keep the image series in ``matched``, what refers to them, and the patients who own them."""
        run = self._execute
        run("""
            create or replace temp table next_series as
            with referring as (
                select a.node, a.SeriesInstanceUID, unnest(a.refers_to) as uid from all_series a
                semi join kept_series using (node, SeriesInstanceUID) where a.kind <> 'image')
            select node, SeriesInstanceUID from matched
            union
            select r.node, r.SeriesInstanceUID from referring r
            semi join matched m on m.node = r.node and m.SeriesInstanceUID = r.uid""")
        run("create or replace table kept_series as select * from next_series")
        run("create or replace table kept_patients as select distinct node, patient_id from matched")

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement.

        Raises
        ------
        QueryError
            Tables on disk are no longer there: they were made anew.
        duckdb.Error
            Anything else.
        """
        try:
            return self._connection.execute(statement, list(parameters))
        except duckdb.Error:
            if not all(path.is_file() for path in self._instances):
                raise changed() from None
            raise

    def run(self, statement: str) -> None:
        """Run a statement of a step over the tables of what is kept."""
        self._execute(statement)

    @contextmanager
    def aside(self, steps: Sequence[str | Step]) -> Iterator[tuple[str, str]]:
        """Names of two tables, of the series and the patients that other steps keep; what is kept stays as it is."""
        self._asides += 1
        kept = ("kept_series", "kept_patients")
        held, other = ([f"{word}_{self._asides}_{name}" for name in kept] for word in ("held", "other"))
        self._copy(kept, held)
        self._keep_all()
        self._apply(steps)
        self._copy(kept, other)
        self._copy(held, kept)
        try:
            yield other[0], other[1]
        finally:
            for name in (*held, *other):
                self.run(f"drop table if exists {name}")

    def _copy(self, source: Sequence[str], target: Sequence[str]) -> None:
        for old, new in zip(source, target, strict=True):
            self.run(f"create or replace table {new} as select * from {old}")

    def ask(self, query: str, given: str) -> list[tuple[Any, ...]]:
        """Rows of a query that holds text of the caller, *given*."""
        only_asks(query, given)
        with self._lock:
            try:
                rows: list[tuple[Any, ...]] = self._execute(query).fetchall()
            except duckdb.Error as error:
                raise query_error(error, given) from None
        return rows

    def answer(self, query: str) -> Any:
        """Rows of a query of the caller's, as a pandas DataFrame; it asks the cohort's own tables alone."""
        only_asks(query, query)
        check_query(query, self.relations)
        return self.frame(query)

    def relations(self) -> set[str]:
        """Names of all tables and views there are, in lower case."""
        rows = self.rows("select table_name from duckdb_tables() union select view_name from duckdb_views()")
        return {name.casefold() for (name,) in rows}

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query, as plain tuples."""
        with self._lock:
            try:
                rows: list[tuple[Any, ...]] = self._execute(query, parameters).fetchall()
            except duckdb.Error as error:
                raise query_error(error, query) from None
        return rows

    def frame(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """Rows of a query, as a pandas DataFrame."""
        only_asks(query, query)
        with self._lock:
            try:
                result = self._execute(query, parameters)
                if result.description is None:
                    raise QueryError("the text is not a query", remedy="begin it with select")
                return result.df()
            except duckdb.Error as error:
                raise query_error(error, query) from None

    def columns(self, table: str) -> list[str]:
        """Column names of one table."""
        return [row[0] for row in self.rows(f'describe "{table}"')]


#: Numbers of schemas, one for each cohort.
_NUMBERS: Final = itertools.count(1)


def _forget(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    with suppress(duckdb.Error):
        connection.execute(f"drop schema {schema} cascade")
        connection.close()


def _codes(*names: str) -> str:
    """Rows (code, severity, title, remedy) of the table of findings, as SQL."""
    rows = ((name, CODES[name].severity, CODES[name].title, CODES[name].remedy) for name in names)
    return ", ".join(f"({', '.join(quoted(cell) for cell in row)})" for row in rows)
