"""A catalogue: one table of series, asked by SQL or by what is looked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import duckdb

from workbench.arguments import checked
from workbench.cohort.database.statements import reason_of
from workbench.errors import QueryError
from workbench.options import options

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.catalogue.selection import Selection

#: Columns of ``series`` that are ours and stand in every catalogue, with what they hold.
COLUMNS: Final = {
    "node": "who holds it",
    "collection": "collection or dataset within the node",
    "kind": "image, or annotation (segmentation, structure set, report …)",
    "Modality": "DICOM modality",
    "age_years": "age in years; of one instance of the series",
    "age_note": "what is odd about the age",
    "sex": "male, female, other, unknown",
    "maker": "who built the device, under one name",
    "body_parts": "parts of the body, a list",
    "conditions": "diseases of the collection, a list",
    "sites": "tumour locations of the collection, a list",
    "transfer_syntaxes": "encodings that occur, a list",
    "licence": "short name of the licence",
    "commercial_use": "whether the licence allows commercial use",
    "study_date": "day of the study",
    "n_instances": "objects",
    "size_bytes": "bytes",
}


class Catalogue:
    """Series that nodes hold; made by :func:`idc`, :func:`extracts` or :func:`together`.

    Parameters
    ----------
    name : str
        What it is of, for printing.
    tables : mapping
        Name -> SQL of a query, run once over what *prepare* set up.
    paths : sequence of str
        Files the tables stand in; no other file can be read.
    held : mapping, optional
        Name -> Arrow table that a query of *tables* may read.
    notes : sequence of str
        What a reader must know.
    public : bool, default False
        All of it is published: nothing is hidden from anybody.
    """

    def __init__(
        self,
        name: str,
        tables: dict[str, str],
        *,
        paths: Sequence[str] = (),
        held: dict[str, Any] | None = None,
        notes: Sequence[str] = (),
        public: bool = False,
    ) -> None:
        self.name = name
        #: Whether all of it is published.
        self.public = public
        #: What a reader must know.
        self.notes: tuple[str, ...] = tuple(notes)
        #: What it was made of, for putting several together.
        self.parts: tuple[tuple[dict[str, str], tuple[str, ...], dict[str, Any]], ...] = (
            (dict(tables), tuple(paths), dict(held or {})),
        )
        self._lock = threading.Lock()
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run("set autoinstall_known_extensions = false; set autoload_known_extensions = false")
        listed = ", ".join(_quoted(path) for path in paths)
        run(f"set allowed_paths = [{listed}]")
        for table, content in (held or {}).items():
            self._connection.register(f"held_{table}", content)
            run(f'create table "{table}" as select * from "held_{table}"')
            self._connection.unregister(f"held_{table}")
        for table, query in tables.items():
            run(f'create view "{table}" as {query}')
        run("set enable_external_access = false; set lock_configuration = true")

    @property
    def min_count(self) -> int:
        """Fewest patients behind a count that is printed; 0 where every count is."""
        return 0 if self.public or options.audience == "local" else options.min_count

    @checked
    def sql(self, query: str) -> pd.DataFrame:
        """Answer of a DuckDB query over the catalogue's tables (``series`` and, of the archive, its others).

        Raises
        ------
        QueryError
            The query is not understood.
        """
        with self._lock:
            try:
                statements = duckdb.extract_statements(query)
                if len(statements) != 1 or statements[0].type not in (
                    duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN,
                ):  # fmt: skip
                    raise QueryError("the text is not one question", remedy="begin it with select")
                return self._connection.execute(query).df()
            except duckdb.Error as error:
                raise QueryError(
                    f"{' '.join(query.split())[:200]!r} cannot be answered: {reason_of(error)}",
                    remedy="columns of a table: describe series",
                ) from None

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query of our own, as plain tuples."""
        with self._lock:
            found: list[tuple[Any, ...]] = self._connection.execute(query, list(parameters)).fetchall()
        return found

    @checked
    def search(
        self,
        condition: str | None = None,
        *,
        modality: str | Sequence[str] | None = None,
        body_part: str | None = None,
        maker: str | None = None,
        licence: str | None = None,
        node: str | Sequence[str] | None = None,
        collection: str | Sequence[str] | None = None,
        sex: str | None = None,
        age: tuple[float, float] | None = None,
        max_gb: float | None = None,
        annotations: bool = False,
        where: str | None = None,
    ) -> Selection:
        """Series that fit all that is given; whole patients where a size bounds them.

        Parameters
        ----------
        condition : str, optional
            Part of the name of a disease or tumour location, in any case: ``"lung"``.
        modality, node, collection : str or list of str, optional
            One of these.
        body_part, maker, sex : str, optional
            As the normalised columns spell them, in any case.
        licence : str, optional
            Beginning of its short name (``"CC BY 4"``), or ``"commercial"`` for those that allow commercial use.
        age : (float, float), optional
            Years from and to; series without an age are left out.
        max_gb : float, optional
            Whole patients that together fit in so many 10⁹ bytes, drawn in an order that has nothing to do with
            what they are, and is the same each time.
        annotations : bool, default False
            Annotations count too, not images alone.
        where : str, optional
            A further SQL condition on ``series``.

        Examples
        --------
        ``wb.catalogue.idc().search("lung", modality="CT", licence="commercial", max_gb=5)``
        """
        from workbench.cohort.catalogue.selection import select

        return select(
            self, condition=condition, modality=modality, body_part=body_part, maker=maker, licence=licence, node=node,
            collection=collection, sex=sex, age=age, max_gb=max_gb, annotations=annotations, where=where,
        )  # fmt: skip

    @checked
    def holdings(self, by: str = "Modality", *, per: str = "node") -> pd.DataFrame:
        """What each node holds, side by side: series by a column, one column per node (or collection).

        With ``options.audience = "shareable"`` no count of few patients is shown, nor what would tell one, and no
        value that only few have; what is published hides nothing.

        A series that stands for several (body parts, conditions) counts once for each, so columns may sum to more
        than there are series.

        Raises
        ------
        QueryError
            No such column.

        Examples
        --------
        ``wb.catalogue.extracts(cohort).holdings("body_parts")``
        """
        by = next((name for name in COLUMNS if name.lower() == str(by).lower()), "")
        if not by or per not in ("node", "collection"):
            raise QueryError("no such column to count by", remedy=f"one of {', '.join(COLUMNS)}")
        lists = {name for name, kind, *_ in self.rows("describe series") if str(kind).endswith("[]")}
        if by in lists:
            source = (
                f"(select {per}, unnest(case when len({by}) > 0 then {by} else ['(none)'] end) as {by} from series)"
            )
        else:
            source = "series"
        if self.min_count:
            return self._shareable_holdings(by, per, listed=by in lists)
        table = self.sql(
            f"select {per} as holder, coalesce({by}::varchar, '(none)') as value, count(*) as n "
            f"from {source} group by all"
        )
        return (
            table.pivot_table(index="value", columns="holder", values="n", aggfunc="sum", fill_value=0)
            .rename_axis(index=by, columns=None)
            .astype("int64")
        )

    def _shareable_holdings(self, by: str, per: str, *, listed: bool) -> pd.DataFrame:
        import pandas as pd

        from workbench.cohort.catalogue.hiding import WHO, holdings_cells

        value = f"unnest(case when len({by}) > 0 then {by} else ['(none)'] end)" if listed else by
        source = f"(select node, collection, PatientID, {value} as value from series)"
        rows = self.rows(
            f"select {per} as holder, coalesce(value::varchar, '(none)') as one, count(*), count(distinct {WHO}) "
            f"from {source} group by all"
        )
        # A patient may have several modalities: of these none follows from the others.
        cells = holdings_cells(rows, self.min_count, parts=by != "Modality")
        table: dict[str, dict[str, Any]] = {holder: {} for holder in sorted({row[0] for row in rows})}
        for (holder, value), cell in cells.items():
            table[holder][value] = cell
        return pd.DataFrame(table, dtype=object).rename_axis(index=by, columns=None)

    def dirt(self) -> pd.DataFrame:
        """How much of the headers is odd: what, how many series, what was made of it, an example.

        Raises
        ------
        QueryError
            The audience is others: examples are of single patients, and the counts of their whole.
        """
        if self.min_count:
            raise QueryError("what is odd in the headers of extracts cannot be shared", remedy="ask it for yourself")
        from workbench.cohort.catalogue.dirt import DIRT

        there = {name for name, *_ in self.rows("describe series")}
        rows = []
        for column, what, condition, rule in DIRT:
            if column in there:
                query = f"select count(*), any_value({column})::varchar from series where {condition}"
                rows.append((column, what, *self.rows(query)[0], rule))
        import pandas as pd

        return pd.DataFrame(rows, columns=["column", "what", "n_series", "example", "rule"])

    def __repr__(self) -> str:
        if self.min_count:
            from workbench.cohort.catalogue.hiding import overview_lines

            lines = overview_lines(self, self.min_count)
            return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
        whose = "(node, collection, PatientID)"
        n, patients, collections = self.rows(
            f"select count(*), count(distinct {whose}), count(distinct (node, collection)) from series"
        )[0]
        lines = [f"catalogue of {self.name}: {n:,} series of {patients:,} patients in {collections:,} collections"]
        kinds = self.rows("""
            select kind, string_agg(Modality || ' ' || n, ', ' order by n desc)
            from (select kind, Modality, count(*) as n from series group by all) group by kind order by kind desc""")
        lines += [f"{kind}s: {text}" for kind, text in kinds]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
