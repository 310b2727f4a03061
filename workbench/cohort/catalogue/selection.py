"""What was found in a catalogue: counted, shown, written as a manifest for the archive's downloader."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb

from workbench.arguments import checked
from workbench.cohort.database.statements import reason_of
from workbench.cohort.questions.small import HIDDEN
from workbench.errors import QueryError, UsageError
from workbench.writing import write_text

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.catalogue.catalogue import Catalogue

T = TypeVar("T")


class Selection:
    """Series of a catalogue that fit a search; made by :meth:`Catalogue.search`."""

    def __init__(
        self, catalogue: Catalogue, condition: str, parameters: Sequence[Any], said: str, *, public: str = ""
    ) -> None:
        self._catalogue = catalogue
        self._condition = condition
        self._parameters = tuple(parameters)
        #: What was asked, in words.
        self.said = said
        #: The same for others, without a condition of the caller's.
        self.public = public or said
        row = catalogue.rows(
            "select count(*), count(distinct (node, collection, PatientID)), count(distinct StudyInstanceUID), "
            "coalesce(sum(size_bytes), 0)::bigint, coalesce(sum(n_instances), 0)::bigint, "
            f"count(*) filter (commercial_use = false) from series where {condition}",
            self._parameters,
        )[0]
        #: Series, patients, studies, bytes, objects, and series that may not be used commercially.
        self.n_series, self.n_patients, self.n_studies, self.n_bytes, self.n_instances, self.n_non_commercial = row

    def frame(self) -> pd.DataFrame:
        """The series, one row each, all columns of the catalogue."""
        with self._catalogue._lock:
            found: pd.DataFrame = self._catalogue._connection.execute(
                f"select * from series where {self._condition}", list(self._parameters)
            ).df()
        return found

    @checked
    def counts(self, by: str = "collection") -> pd.DataFrame:
        """Series, patients and 10⁹ bytes by a column.

        With ``options.audience = "shareable"`` as :meth:`Catalogue.holdings` hides it, and by our own columns alone.

        Raises
        ------
        QueryError
            No such column.
        """
        if by not in {name for name, *_ in self._catalogue.rows("describe series")}:
            raise QueryError(f"no column {by!r}", remedy="columns: catalogue.sql('describe series')")
        if self._catalogue.min_count:
            return self._shareable_counts(by)
        with self._catalogue._lock:
            found: pd.DataFrame = self._catalogue._connection.execute(
                f'select "{by}", count(*) as n_series, count(distinct (node, collection, PatientID)) as n_patients, '
                f"round(sum(size_bytes) / 1e9, 3) as gb from series where {self._condition} "
                "group by 1 order by 2 desc, 1",
                list(self._parameters),
            ).df()
        return found

    def _shareable_counts(self, by: str) -> pd.DataFrame:
        import pandas as pd

        from workbench.cohort.catalogue.catalogue import COLUMNS
        from workbench.cohort.catalogue.hiding import WHO, group_cells

        if by not in COLUMNS:
            raise QueryError(f"counts by {by!r} cannot be shared", remedy=f"one of {', '.join(COLUMNS)}")
        k = self._catalogue.min_count
        rows = self._catalogue.rows(
            f'select "{by}"::varchar, count(*), count(distinct {WHO}), round(sum(size_bytes) / 1e9, 3) from series '
            f"where {self._condition} group by 1 order by 2 desc, 1", self._parameters
        )  # fmt: skip
        told = group_cells([(n, patients) for _, n, patients, _ in rows], k)
        shown = [
            (value, cell, patients if isinstance(cell, int) else HIDDEN, gb if isinstance(cell, int) else HIDDEN)
            for (value, _, patients, gb), cell in zip(rows, told, strict=True)
            if patients >= k
        ]
        return pd.DataFrame(shown, columns=[by, "n_series", "n_patients", "gb"])

    @checked
    def manifest(self, path: str | os.PathLike[str]) -> Path:
        """Write the list that the archive's downloader takes (``s5cmd run``, ``idc download``), one line per series.

        Raises
        ------
        UsageError
            The catalogue is of extracts at hand, or nothing was found.
        WriteError
            It cannot be written.
        """
        if "series_aws_url" not in {name for name, *_ in self._catalogue.rows("describe series")}:
            raise UsageError(
                "these series are at hand: there is nothing to download", remedy="search wb.catalogue.idc()"
            )
        if not self.n_series:
            raise UsageError("nothing was found: the manifest would be empty", remedy="widen the search")
        urls = self._catalogue.rows(
            f"select series_aws_url from series where {self._condition} order by series_aws_url", self._parameters
        )
        size = f"{self.n_series} series, {self.n_instances} objects, {self.n_bytes / 1e9:.3f} GB"
        lines = [f"# {self._catalogue.name}: {size}", f"# {self.said}"]
        if self.n_non_commercial:
            lines.append(f"# {self.n_non_commercial} series may not be used commercially (CC BY-NC)")
        out = Path(path)
        write_text(out, "\n".join([*lines, *(f"cp {url} ." for (url,) in urls)]) + "\n")
        return out

    def __len__(self) -> int:
        return int(self.n_series)

    def __repr__(self) -> str:
        if self._catalogue.min_count:
            from workbench.cohort.catalogue.hiding import selection_cells

            cells = selection_cells(
                self.n_series, self.n_patients, self.n_studies, self.n_bytes, self._catalogue.min_count
            )
            return "{0}: {series} series of {patients} patients, {studies} studies, {gb} GB".format(
                self.public, **cells
            )
        text = (
            f"{self.said}: {self.n_series:,} series of {self.n_patients:,} patients, {self.n_studies:,} studies, "
            f"{self.n_bytes / 1e9:,.1f} GB"
        )
        return text + (f"; {self.n_non_commercial:,} not for commercial use" if self.n_non_commercial else "")

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.counts().head(20).to_html(index=False)}"


def select(
    catalogue: Catalogue, *, max_gb: float | None, annotations: bool, where: str | None, **given: Any
) -> Selection:
    """Selection of what fits all that is given; see :meth:`Catalogue.search`.

    Raises
    ------
    UsageError, QueryError
        A value that cannot be used, a condition that is not understood.
    """
    clauses: list[str] = [] if annotations else ["kind = 'image'"]
    parameters: list[Any] = []
    said: list[str] = []
    public: list[str] = []
    for name, value in given.items():
        if value is None:
            continue
        clause, items = _clause(name, value)
        clauses.append(clause)
        parameters.extend(items)
        said.append(f"{name} {value if isinstance(value, str) else ' or '.join(map(str, value))}")
    public += said
    if where is not None:
        _one_condition(where)
        clauses.append(f"({where}\n)")
        said.append(where)
        public.append("a condition")
    condition = " and ".join(clauses) or "true"
    _hint(catalogue, given)
    if max_gb is not None:
        if not isinstance(max_gb, (int, float)) or not max_gb > 0:
            raise UsageError("max_gb is no size", remedy="a number above 0, in 10^9 bytes")
        fits = _that_fit(catalogue, condition, parameters, float(max_gb) * 1e9)
        condition = f"{condition} and {_WHO} in (select unnest(?::varchar[]))"
        parameters = [*parameters, fits]
        said.append(f"at most {max_gb:g} GB")
        public.append(f"at most {max_gb:g} GB")
    words, others = (", ".join(each) or "everything" for each in (said, public))
    return _understood(lambda: Selection(catalogue, condition, parameters, words, public=others))


#: Columns whose values are few and known: a word that none of them is was misspelt.
_KNOWN: Final = {
    "modality": "Modality", "licence": "licence", "maker": "maker", "sex": "sex", "collection": "collection",
    "node": "node", "body_part": "body_parts", "condition": "conditions",
}  # fmt: skip


def _hint(catalogue: Catalogue, given: dict[str, Any]) -> None:
    """Refuse a word that no series of the catalogue has, with those that are spelt like it.

    Raises
    ------
    QueryError
        Nothing could be found, whatever else is asked.
    """
    from difflib import get_close_matches

    for name, column in _KNOWN.items():
        value = given.get(name)
        if value is None or (name == "licence" and value == "commercial"):
            continue
        for item in [value] if isinstance(value, str) else list(value):
            clause, parameters = _clause(name, item)
            if catalogue.rows(f"select 1 from series where {clause} limit 1", parameters):
                continue
            kind = "unnest(list_concat(conditions, sites))" if name == "condition" else column
            kind = "unnest(body_parts)" if name == "body_part" else kind
            words = [str(word) for (word,) in catalogue.rows(f"select distinct {kind} from series") if word is not None]
            parts = sorted({*words, *(part for word in words for part in word.split())})
            close = get_close_matches(item, parts, n=3, cutoff=0.6)
            close += [part for part in parts if part.lower() == item.lower()]
            # Which words there are tells of those few who have one.
            listed = len(words) <= 30 and not catalogue.min_count
            few = f"one of {', '.join(sorted(words))}" if listed else f"see catalogue.holdings({column!r})"
            close = [] if catalogue.min_count else close
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else few
            raise QueryError(f"no series has the {name.replace('_', ' ')} {item!r}", remedy=hint)


#: One patient, as a text.
_WHO: Final = "concat_ws(chr(31), node, collection, PatientID)"


def _that_fit(catalogue: Catalogue, condition: str, parameters: Sequence[Any], limit: float) -> list[str]:
    """Patients that together are no larger, each whole."""
    query = f"select {_WHO} as who, sum(size_bytes) from series where {condition} group by 1 order by md5(who)"
    chosen, total = [], 0.0
    for who, size in _understood(lambda: catalogue.rows(query, parameters)):
        if total + size <= limit:
            chosen.append(who)
            total += size
    return chosen


def _understood(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except duckdb.Error as error:
        raise QueryError(
            f"the condition cannot be answered: {reason_of(error)}", remedy="columns: describe series"
        ) from None


def _one_condition(where: str) -> None:
    try:
        statements = duckdb.extract_statements(f"select * from series where ({where}\n)")
    except duckdb.Error as error:
        raise QueryError(f"{where[:200]!r} is no condition", remedy="for example: n_instances > 50") from error
    if len(statements) != 1:
        raise QueryError(f"{where[:200]!r} is more than one condition", remedy="join them with and")


def _clause(name: str, value: Any) -> tuple[str, list[Any]]:
    if name == "age":
        try:
            low, high = (float(bound) for bound in value)
        except (TypeError, ValueError):
            raise UsageError("age is not two numbers of years", remedy="for example age=(50, 70)") from None
        return "age_years between ? and ?", [low, high]
    items = [value] if isinstance(value, str) else list(value)
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise UsageError(f"{name} is no text", remedy=f"for example {name}='CT'")
    folded = [item.strip().lower() for item in items]
    if name == "condition":
        sign = "len(list_filter(list_concat(conditions, sites), lambda one: contains(lower(one), ?))) > 0"
        return f"({' or '.join([sign] * len(folded))})", folded
    if name == "body_part":
        sign = "len(list_filter(body_parts, lambda one: lower(one) = ?)) > 0"
        return f"({' or '.join([sign] * len(folded))})", folded
    if name == "licence":
        if folded == ["commercial"]:
            return "commercial_use", []
        return f"({' or '.join(['starts_with(lower(licence), ?)'] * len(folded))})", folded
    return f"lower({name}) in ({', '.join('?' * len(folded))})", folded
