"""What a question of a caller may hold, read by DuckDB's own parser: the cohort's tables, and one condition alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, Final

import duckdb

from workbench.arguments import is_text
from workbench.errors import QueryError

#: Tables a user can ask.
PUBLIC_TABLES: Final = (
    "patients", "studies", "cases", "series", "parts", "clinical", "values", "findings", "instances",
)  # fmt: skip
#: Functions that make a table of what they are given; all others could show what is outside the cohort.
_TABLE_FUNCTIONS: Final = ("generate_series", "range", "repeat", "unnest")
#: Words that stand for the time of asking, written without brackets (SQL standard, "datetime value function").
_TIMES: Final = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp")
#: Answers that change, of functions that DuckDB's own list does not call so: macros over the time, and a sample.
_CHANGING: Final = ("ago", "get_current_timestamp", "pg_conf_load_time", "pg_postmaster_start_time",
                    "reservoir_quantile")  # fmt: skip
#: Functions over a window that give the same in whatever order its rows come.
_OF_ALL_ROWS: Final = ("count", "count_star", "sum", "min", "max", "avg", "mean", "median", "stddev",
                       "bool_or", "bool_and", "count_if")  # fmt: skip
_EXPLAIN: Final = re.compile(r"\s*explain\b(\s+analyze\b)?(\s*\([^()]*\))?", re.IGNORECASE)
#: Errors that are found in the text of a query, before any value is read.
_OF_THE_TEXT: Final = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException,
                       duckdb.NotImplementedException, duckdb.SyntaxException)  # fmt: skip
_TABLES: Final = f"tables: {', '.join(PUBLIC_TABLES)}; columns of a table: describe series"


def check_condition(text: str, relations: Callable[[], Collection[str]] = tuple) -> None:
    """Nothing where *text* is one expression, asks no table but the cohort's and has the same answer on every day.

    Parameters
    ----------
    text : str
        The condition.
    relations : callable
        As in :func:`check_query`.

    Raises
    ------
    QueryError

    Examples
    --------
    >>> check_condition("modality = 'CT' and (sex = 'female' or psa < 10)")
    >>> check_condition("1 = 1) or (1 = 1")
    Traceback (most recent call last):
        ...
    workbench.errors.QueryError: '1 = 1) or (1 = 1' is not one condition. for example: modality = 'CT' and psa < 10
    """
    shown = _shown(text)
    # Alone and within brackets on one line: what closes a bracket, goes on after the condition or hides the rest of
    # a line fails at one of the two.
    read = [_parsed(f"select {text}"), _parsed(f"select ({text})")]
    if any(tree is None or not _is_expression(tree) for tree in read) or _has_comment(text):
        raise QueryError(f"{shown} is not one condition", remedy="for example: modality = 'CT' and psa < 10")
    nodes = list(_nodes(read[0]))
    _check_tables(nodes, shown, relations)
    for node in nodes:
        if _without_order(node):
            raise QueryError(
                f"{shown} depends on the order of the rows, which have none",
                remedy="name an order: over (order by StudyDate, SeriesInstanceUID)",
            )
        name = _changing(node)
        if name is not None:
            raise QueryError(
                f"{shown} has another answer each time it is asked: {name}",
                remedy="write the date or number itself; cohort.sample(n, seed=...) draws at random",
            )


def column_names(text: str) -> set[str]:
    """Columns that an expression names, in lower case and without their table.

    Examples
    --------
    >>> sorted(column_names("clinical.PSA > 10 and sex <> 'stage'"))
    ['psa', 'sex']
    """
    tree = _parsed(f"select ({text}\n)")
    references = [node["column_names"] for node in _nodes(tree) if node.get("class") == "COLUMN_REF"]
    return {str(names[-1]).casefold() for names in references if names}


def check_query(text: str, relations: Callable[[], Collection[str]]) -> None:
    """Nothing where a query asks no table but the cohort's and what it makes of them.

    Parameters
    ----------
    text : str
        One statement.
    relations : callable
        Names, in lower case, of all tables and views there are; called where a part of the query has a name.

    Raises
    ------
    QueryError
    """
    tree = _parsed(text)
    if tree is None:
        tree = _parsed(_EXPLAIN.sub("", text, count=1))
    if tree is None:
        raise QueryError(f"{_shown(text)} cannot be read as a question", remedy="begin it with select")
    _check_tables(list(_nodes(tree)), _shown(text), relations)


def _check_tables(nodes: list[dict[str, Any]], shown: str, relations: Callable[[], Collection[str]]) -> None:
    parts = {str(each["key"]).casefold() for node in nodes for each in _named_parts(node)} - set(PUBLIC_TABLES)
    if parts:
        # A part with the name of a table could be read as the table where it is not in sight.
        twice = sorted(parts & set(relations()))
        if twice:
            raise QueryError(f"{shown}: a part has the name of a table, {twice[0]}", remedy="name it otherwise")
    for node in nodes:
        for name in _asked(node):
            if name.casefold() not in PUBLIC_TABLES and name.casefold() not in parts:
                raise QueryError(f"{shown} asks {name}, which is no table of a cohort", remedy=_TABLES)


def _named_parts(node: dict[str, Any]) -> list[dict[str, Any]]:
    """What ``with`` names in a part of a query."""
    there = node.get("cte_map")
    return list(there["map"]) if isinstance(there, dict) else []


def _asked(node: dict[str, Any]) -> Iterator[str]:
    """Tables, and functions in place of tables, that one node of the tree asks."""
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        function = node.get("function") or {}
        name = ".".join([*_path(function, "schema", "catalog"), str(function.get("function_name", "?"))])
        if name.casefold() not in _TABLE_FUNCTIONS:
            yield f"{name}()"
    elif kind == "SHOW_REF":
        if node.get("query") is None:
            yield str(node.get("table_name") or "all tables").strip('"')
    elif node.get("table_name"):
        yield ".".join([*_path(node, "schema_name", "catalog_name"), str(node["table_name"])])
    elif kind == "BASE_TABLE":
        yield "?"


def _path(node: dict[str, Any], *names: str) -> list[str]:
    """What stands before the name of a table or function: schema and catalog."""
    qualified = node.get("qualified_name")
    if isinstance(qualified, dict):
        return [str(each) for each in qualified.get("path", [])[:-1]]
    return [str(node[name]) for name in reversed(names) if node.get(name)]


def _changing(node: dict[str, Any]) -> str | None:
    """What in one node of the tree changes from one asking to the next."""
    if node.get("sample") is not None:
        return "a sample"
    if node.get("class") == "COLUMN_REF":
        names = node.get("column_names") or [""]
        return names[0] if len(names) == 1 and str(names[0]).casefold() in _TIMES else None
    name = str(node.get("function_name") or "").casefold()
    given = node.get("arguments", node.get("children")) or []
    # The age of one date is that of today.
    return name if name and (name in _changing_functions() or (name == "age" and len(given) == 1)) else None


def _without_order(node: dict[str, Any]) -> bool:
    """Whether one node of the tree looks at rows around it, or before it, without saying in which order."""
    if node.get("class") != "WINDOW" or node.get("orders") or node.get("arg_orders"):
        return False
    # Without an order each row is a peer of all others: the range up to it is the whole partition.
    whole = node.get("start") == "UNBOUNDED_PRECEDING" and node.get("end") in (
        "CURRENT_ROW_RANGE",
        "UNBOUNDED_FOLLOWING",
    )
    return not (whole and str(node.get("function_name")).casefold() in _OF_ALL_ROWS)


@cache
def _changing_functions() -> frozenset[str]:
    """Functions none of whose forms always give the same for the same, as DuckDB lists them."""
    rows = (
        _parser()
        .cursor()
        .execute("""
        select function_name from duckdb_functions() where function_type = 'scalar' group by 1
        having count(*) filter (stability = 'CONSISTENT') = 0""")
        .fetchall()
    )
    return frozenset(name.casefold() for (name,) in rows) | set(_CHANGING) | set(_TIMES)


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """An engine without tables, which only reads what is asked."""
    return duckdb.connect(":memory:", config={"threads": 1, "enable_external_access": "false"})


def _parsed(text: str) -> Any:
    """The tree of one statement that asks; None where it is none."""
    try:
        (row,) = _parser().cursor().execute("select json_serialize_sql(?::varchar)", [text]).fetchall()
        tree = json.loads(row[0])
    except (duckdb.Error, ValueError, RecursionError):
        return None
    return tree if not tree["error"] and len(tree["statements"]) == 1 else None


def _is_expression(tree: Any) -> bool:
    """Whether a statement is the one expression it selects, with nothing before, after or beside it."""
    node = tree["statements"][0]["node"]
    if node["type"] != "SELECT_NODE" or node["from_table"]["type"] != "EMPTY" or len(node["select_list"]) != 1:
        return False
    rest = ("modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
    alone = not any(node.get(name) for name in rest) and not node["cte_map"]["map"]
    return alone and not node["select_list"][0].get("alias") and node["select_list"][0]["type"] != "STAR"


def _has_comment(text: str) -> bool:
    """Whether a part of the text is none of the condition: on one line it would read otherwise."""
    kind = getattr(duckdb.token_type, "comment", None)
    try:
        return any(found == kind for _, found in duckdb.tokenize(text))
    except duckdb.Error:
        return False


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a tree, without going down by calls."""
    todo = [tree]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            yield each
            todo += each.values()
        elif isinstance(each, list):
            todo += each


def _shown(text: str) -> str:
    return repr(" ".join(text.split())[:200])


def only_asks(query: str, given: str) -> None:
    """Refuse what is not one question: a statement that would change the cohort's tables, or several."""
    if not is_text(query):
        raise QueryError("the query is no text, or an empty one", remedy="begin it with select")
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise query_error(error, given) from None
    kinds = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in kinds:
        raise QueryError(f"{' '.join(given.split())[:200]!r} is not one question", remedy="begin it with select")


def reason_of(error: duckdb.Error) -> str:
    """Why a query has no answer, in the engine's words where they are of the query's text and not of any value.

    Examples
    --------
    >>> reason_of(duckdb.InvalidInputException("Invalid Input Error: Jane"))
    'a value does not suit what the query does with it'
    """
    if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException)):
        return "a value cannot be converted to the type the query asks for"
    if isinstance(error, _OF_THE_TEXT):
        return str(error).splitlines()[0].partition(": ")[2] or "not understood"
    return "a value does not suit what the query does with it"


def query_error(error: duckdb.Error, query: str) -> QueryError:
    """What is wrong with a query, without any value of the data."""
    if isinstance(error, duckdb.PermissionException):
        return QueryError("a question cannot read or write other files", remedy="read them in Python and join there")
    return QueryError(
        f"{' '.join(query.split())[:200]!r} cannot be answered: {reason_of(error)}",
        remedy=f"tables: {', '.join(PUBLIC_TABLES)}; columns of a table: describe series",
    )
