"""DuckDB over the stored tables of several extracts: what all cohorts of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import duckdb

from workbench.cohort.database.cases import CASES, LABEL, clinical_view
from workbench.cohort.database.working import connected, quoted
from workbench.cohort.identity.spellings import folded
from workbench.cohort.tables.store import BASE, TABLES, Stored
from workbench.cohort.vocabulary.tables import variables
from workbench.errors import QueryError

if TYPE_CHECKING:
    import pyarrow as pa

#: Values that are held in memory at most, of all extracts together.
VALUES_HELD = 100_000
#: Columns that rows of values are in the order of.
ORDER_OF_VALUES: Final = "node, patient_id, timepoint, variable"
#: Who and what is told of in values, once per timepoint: what most questions want to know of them.
DESCRIBED: Final = """
create table all_described as
select node, patient_id, timepoint, bool_or("table" <> 'DICOM header') as stated,
    bool_or("table" <> 'DICOM header' and value is not null) as valued
from all_values group by node, patient_id, timepoint"""


class Engine:
    """DuckDB with the tables of several extracts, read once: ``all_series``, ``all_values`` ..."""

    def __init__(self, extracts: Sequence[Stored], *, clinical: bool = True) -> None:
        #: Its main schema holds the tables; cohorts work on cursors of it.
        self.connection: Final = connected(opening=not clinical)
        run = self.connection.execute
        on_disk = self._on_disk(extracts)
        #: Whether values are too many to be held, and read where they lie.
        self.values_on_disk: Final = "values" in on_disk
        readable = ", ".join(quoted(str(extract.table(name))) for extract in extracts for name in sorted(on_disk))
        # A question reads the cohort's own tables and no other file, and writes none.
        run(f"set allowed_paths = [{readable}]")
        try:
            for name in BASE:
                files = ", ".join(quoted(str(extract.table(name))) for extract in extracts)
                # Held in memory, so that a cohort stays what it was when the extract changes and is opened anew;
                # the instances, a row per file, stay on disk, and so do values beyond a number.
                kind = "view" if name in on_disk else "table"
                columns = f"* replace ({LABEL} as timepoint)" if name == "values" else "*"
                run(f'create {kind} "all_{name}" as select {columns} from read_parquet([{files}])')
            run(DESCRIBED)
            if clinical:
                self._clinical(extracts)
        except duckdb.Error as error:
            # Another process found the extract in another state and put its tables in place of these.
            if all(extract.table(name).is_file() for extract in extracts for name in (TABLES if clinical else BASE)):
                raise
            raise changed() from error
        rows = [(extract.node, *pair) for extract in extracts for pair in extract.persons]
        #: Whether a linkage table says who is the same person.
        self.has_persons: Final = bool(rows)
        persons = [[row[i] for row in rows] for i in range(3)] + [[folded(patient) for _, patient, _ in rows]]
        run("create table persons as select unnest(?::varchar[]) as node, unnest(?::varchar[]) as patient_id, "
            "unnest(?::varchar[]) as person_id, unnest(?::varchar[]) as spelling", persons)  # fmt: skip
        if rows:
            self._spelt(max(extract.elsewhere for extract in extracts))
        run("set enable_external_access = false; set lock_configuration = true")

    def _spelt(self, elsewhere: int) -> None:
        """What tells the rows of a linkage table that link nobody: ids as they could also be spelt."""
        run = self.connection.execute
        here = run(
            "select node, patient_id from all_series union select node, patient_id from all_described"
        ).fetchall()
        columns = [[row[i] for row in here] for i in range(2)] + [[folded(patient) for _, patient in here]]
        run("create table spelt_patients as select unnest(?::varchar[]) as node, unnest(?::varchar[]) as patient_id, "
            "unnest(?::varchar[]) as spelling", columns)  # fmt: skip
        run("create table elsewhere as select ?::bigint as n", [elsewhere])

    def _on_disk(self, extracts: Sequence[Stored]) -> set[str]:
        """Tables that are read where they lie, each time they are asked."""
        sql = "select coalesce(sum(num_rows), 0) from parquet_file_metadata([{}])"
        files = ", ".join(quoted(str(extract.table("values"))) for extract in extracts)
        try:
            many = self.connection.execute(sql.format(files)).fetchall()[0][0] > VALUES_HELD
        except duckdb.Error:
            # Told below, where the tables are read.
            many = False
        return {"instances", "values"} if many else {"instances"}

    def _clinical(self, extracts: Sequence[Stored]) -> None:
        """Rows of all extracts, a column for every variable that occurs anywhere."""
        files = ", ".join(quoted(str(extract.table("clinical"))) for extract in extracts)
        source = f"read_parquet([{files}], union_by_name = true)"
        there = {row[0] for row in self.connection.execute(f"describe select * from {source}").fetchall()}
        keys = ("node", "patient_id", "timepoint")
        columns = [*keys, *(name for name in variables() if name in there and name not in keys), "number"]
        picked = ", ".join(f'"{name}"' for name in columns)
        self.connection.execute(f"create table all_clinical as select {picked} from {source}")
        # Where a table and the images name the same thing (modality, episode), a question asks the images.
        images = {row[0].casefold() for row in self.connection.execute("describe all_series").fetchall()}
        asked = ", ".join(f'"{name}"' for name in columns[:-1] if name in keys or name.casefold() not in images)
        self.connection.execute(f"create view asked_clinical as select {asked} from all_clinical")


def clinical_rows(extracts: Sequence[Stored]) -> pa.Table:
    """The clinical table worked out from the values and cases of extracts whose other tables are stored."""
    engine = Engine(extracts, clinical=False)
    run = engine.connection.execute
    run("create view series as select * from all_series")
    run('create view "values" as select * from all_values')
    run("create view kept_patients as select node, patient_id from all_series union "
        "select node, patient_id from all_described")  # fmt: skip
    # Asked twice below, and worked out once.
    run(CASES.replace("create view", "create table", 1))
    run(clinical_view({name for (name,) in run("select distinct variable from all_values").fetchall()}))
    return engine.connection.sql("""
        select c.*, k.number from clinical c join cases k using (node, patient_id, timepoint)
        order by node, patient_id, number""").to_arrow_table()


def changed() -> QueryError:
    """The error where a cohort's tables are no longer those it was opened with."""
    return QueryError("an extract was opened anew since, or the cache was deleted", remedy="open the cohort again")
