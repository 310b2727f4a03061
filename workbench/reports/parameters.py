"""Parameters of a report: one pydantic model per template, one function that checks them for every surface."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.options import options

#: What a problem's code means; codes never change meaning.
CODES: Final[dict[str, str]] = {
    "param:unknown": "no parameter has this name",
    "param:missing": "a required parameter was not given",
    "param:type": "the value is of another type",
    "param:choice": "the value is not one of the choices",
    "param:range": "the number is too small or too large",
    "param:length": "the text or list is too short or too long",
    "param:format": "the text is not written as expected",
    "param:not-finite": "the number is NaN or infinite",
    "param:path-missing": "the path does not exist",
    "param:duplicate": "the parameter was given twice",
    "param:secret": "secrets do not belong into parameters: a report keeps them",
}

_SECRET = re.compile(
    r"(^|_)(pass(word|wd|phrase)?|token|secret|api_?key|credentials?|private_?key)($|_)", re.IGNORECASE
)
_LISTS = (list, tuple, set, frozenset)


#: Parameters that say where something is: no record names more of them than the last part.
PLACES: Final = ("extract", "link_roots", "lock")


class CommonParams(BaseModel):
    """What every template can be asked: which extracts, which part of them, under which title.

    A template's ``params.py`` derives its own model, called ``Params``, from this one.

    Examples
    --------
    >>> sorted(CommonParams.model_fields)
    ['as_of', 'extract', 'link_roots', 'lock', 'nodes', 'seed', 'title', 'where']
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True, validate_default=False
    )

    #: Id of the template these parameters belong to.
    template_id: ClassVar[str] = ""

    extract: list[Path] = Field(min_length=1, description="folders of the extracts to open as one cohort (required)")
    link_roots: list[Path] = Field(default=[], description="folders that links inside an extract may lead to")
    lock: Path | None = Field(default=None, description="lock file: exactly the cohort that it names")
    where: str = Field(default="", description="SQL condition on image series, as cohort.where takes it")
    nodes: list[str] | None = Field(default=None, min_length=1, description="only these nodes; None takes all")
    as_of: date | None = Field(default=None, description="date the data stand for, printed on the title card")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="seed for whatever is drawn at random")
    title: str = Field(default="", max_length=120, description="title of this report; empty takes the template's")


P = TypeVar("P", bound=CommonParams)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a set of parameters.

    Examples
    --------
    >>> print(Problem("param:range", "max_categories", "1", "a number of 2 or more"))
    max_categories = 1: expected a number of 2 or more (param:range)
    """

    #: Stable code, a key of :data:`CODES`.
    code: str
    #: Parameter concerned.
    name: str
    #: What was given, as ``repr``, at most 80 characters; empty where nothing was.
    given: str = ""
    #: What was expected.
    expected: str = ""
    #: What to do, where there is something to say.
    hint: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown problem code {self.code!r}")

    def __str__(self) -> str:
        given = f" = {self.given}" if self.given else ""
        expected = f"expected {self.expected}" if self.expected else CODES[self.code]
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.name}{given}: {expected}{hint} ({self.code})"


def normalise(template_id: str, raw: Mapping[str, Any]) -> CommonParams | list[Problem]:
    """The checked parameters of a template, or every problem found in *raw*.

    Command line, Python, forms and the notebook itself all come through here. Text for a field that is not text is
    read by the field's type: lists from commas or JSON, dates as ``YYYY-MM-DD``, ``none`` for nothing.

    Parameters
    ----------
    template_id : str
        Id of the template, for example ``cohort-profile``.
    raw : mapping
        Parameter name to value, text or Python values.

    Returns
    -------
    CommonParams or list of Problem
        An instance of the template's model, paths absolute; or the problems, in the order of the names given.

    Raises
    ------
    TemplateNotFound
        Where no template has this id.

    Examples
    --------
    >>> for problem in normalise("cohort-profile", {"extract": ".", "max_categoris": "7", "group_by": "moon"}):
    ...     print(problem.code, problem.name, problem.hint)
    param:unknown max_categoris did you mean max_categories?
    param:choice group_by
    """
    from workbench.reports.templates import find_template

    return check(find_template(template_id).model(), raw)


def check(model: type[P], raw: Mapping[str, Any]) -> P | list[Problem]:
    """An instance of *model* from raw values, or every problem found."""
    problems: list[Problem] = []
    known: dict[str, Any] = {}
    for name, value in raw.items():
        field = model.model_fields.get(name)
        if field is not None:
            known[name] = _prepare(name, field.annotation, value, problems)
        elif _SECRET.search(name):
            problems.append(Problem("param:secret", name, "(hidden)", hint="leave it out"))
        else:
            problems.append(_unknown(name, value, list(model.model_fields)))
    bad = {problem.name for problem in problems}
    try:
        done = model.model_validate(known)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=True):
            problem = _problem(model, item)
            if problem.name not in bad:
                problems.append(problem)
                bad.add(problem.name)
        return problems
    return problems or done


def parse_assignments(texts: Iterable[str]) -> tuple[dict[str, str], list[Problem]]:
    """Raw parameters from ``name=value`` texts, with a problem for what is not one or comes twice.

    Examples
    --------
    >>> parse_assignments(["seed=3", "where=modality = 'CT'"])
    ({'seed': '3', 'where': "modality = 'CT'"}, [])
    """
    raw: dict[str, str] = {}
    problems: list[Problem] = []
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            problems.append(Problem("param:format", name or "-p", _shown(text), "name=value"))
        elif name in raw:
            problems.append(Problem("param:duplicate", name, _shown(value), hint="give it once; lists take commas"))
        else:
            raw[name] = value
    return raw, problems


def json_safe(params: CommonParams) -> dict[str, Any]:
    """Parameters as plain JSON values: ISO dates, POSIX path text, lists (sets sorted), string keys."""
    return {name: plain(getattr(params, name)) for name in type(params).model_fields}


def rehydrate(model: type[P], values: Mapping[str, Any]) -> P:
    """The parameters again, in their rich types, from what :func:`json_safe` gave.

    Examples
    --------
    >>> params = CommonParams(extract=[Path("a")], as_of=date(2026, 1, 31))
    >>> rehydrate(CommonParams, json_safe(params)) == params
    True
    """
    return model.model_validate(dict(values))


def closest(name: str, known: Sequence[str]) -> str:
    """A hint with at most three known names that resemble *name*; empty where none does."""
    found = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else ""


def _unknown(name: str, value: object, known: list[str]) -> Problem:
    return Problem(
        "param:unknown", name, _shown(value), hint=closest(name, known) or f"known are {', '.join(sorted(known))}"
    )


def plain(value: Any) -> Any:
    """One value as plain JSON values."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _shown(value: object) -> str:
    text = repr(str(value) if isinstance(value, os.PathLike) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``None``, and whether ``None`` was allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        kept = [item for item in get_args(annotation) if item is not type(None)]
        if len(kept) == 1:
            return kept[0], True
    return annotation, False


def _prepare(name: str, annotation: Any, value: Any, problems: list[Problem]) -> Any:
    """Read text by the field's type, wrap a single value where a list is due, make paths absolute."""
    kind, optional = _without_none(annotation)
    if hasattr(value, "item") and not isinstance(value, str | bytes) and getattr(value, "shape", None) == ():
        value = value.item()  # a NumPy number
    if isinstance(value, str) and optional and value.strip().lower() in ("", "none", "null"):
        return None
    origin = get_origin(kind) or kind
    if origin in _LISTS:
        value = _items(name, value, problems)
        if get_args(kind) and get_args(kind)[0] is Path and isinstance(value, list):
            return [path for item in value for path in _paths(name, item, problems)]
    elif origin is Path and isinstance(value, str | os.PathLike):
        return next(iter(_paths(name, value, problems)), value)
    elif isinstance(value, str) and origin is not str:
        return value.strip()
    return value


def _items(name: str, value: Any, problems: list[Problem]) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("["):
            return [item.strip() for item in text.split(",") if item.strip()]
        try:
            return json.loads(text)
        except ValueError:
            problems.append(Problem("param:format", name, _shown(value), "a list: a,b,c or JSON"))
            return []
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, list | tuple):
        return list(value)
    return value if value is None else [value]


def _paths(name: str, item: Any, problems: list[Problem]) -> list[Any]:
    """Absolute paths that exist; a pattern with ``*`` stands for what it matches."""
    if not isinstance(item, str | os.PathLike):
        return [item]
    path = Path(os.path.abspath(options.at_hand(item)))
    if path.exists():
        return [path]
    if any(sign in str(item) for sign in "*?["):
        found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if found:
            return list(found)
    problems.append(
        Problem("param:path-missing", name, _shown(item), "a path that exists", "check the spelling and the mount")
    )
    return [path]


def _problem(model: type[CommonParams], item: Any) -> Problem:
    """Our problem for one of pydantic's errors."""
    name = str(item["loc"][0]) if item["loc"] else "parameters"
    kind, value = str(item["type"]), item.get("input")
    context = item.get("ctx") or {}
    field = model.model_fields.get(name)
    description = (field.description or "") if field else ""
    if kind == "missing":
        return Problem("param:missing", name, "", description)
    if kind in ("too_short", "string_too_short") and field and field.is_required() and not value:
        return Problem("param:missing", name, _shown(value), description)
    if kind in ("literal_error", "enum"):
        return Problem("param:choice", name, _shown(value), f"one of {context.get('expected', '')}".strip())
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return Problem("param:range", name, _shown(value), _limits(context))
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return Problem("param:length", name, _shown(value), str(item["msg"]).replace("should", "that should"))
    if kind == "finite_number" or (isinstance(value, float) and not math.isfinite(value)):
        return Problem("param:not-finite", name, _shown(value), "a finite number")
    if kind.startswith(("date", "time")) or kind == "string_pattern_mismatch":
        expected = "a date as YYYY-MM-DD" if kind.startswith("date") else str(context.get("pattern", ""))
        code = "param:format" if isinstance(value, str) else "param:type"
        return Problem(code, name, _shown(value), expected)
    return Problem("param:type", name, _shown(value), _kind(field.annotation if field else None))


def _limits(context: Mapping[str, Any]) -> str:
    words = {"gt": "more than {}", "ge": "{} or more", "lt": "less than {}", "le": "{} or less"}
    return "a number, " + " and ".join(words[key].format(context[key]) for key in words if key in context)


def _kind(annotation: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    kind, optional = _without_none(annotation)
    if get_origin(kind) in _LISTS:
        inner = names.get(get_args(kind)[0], "") if get_args(kind) else ""
        text = f"a list (each {inner})" if inner else "a list"
    else:
        text = names.get(kind, typing.cast(str, getattr(kind, "__name__", str(kind))))
    return f"{text}, or none" if optional else text
