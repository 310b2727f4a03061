"""What callers pass in, held against the annotations of public functions: one mechanism, one kind of message.

:func:`checked` reads the annotations of a function as they are written. What it does not know it lets through, so an
annotation is never a promise more than it is a check; ranges and combinations are the function's own.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from difflib import SequenceMatcher
from functools import wraps
from math import isnan
from numbers import Integral, Real
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from workbench.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

#: Classes of other packages and of our own that annotations name: how each is called in a message.
CLASSES: Final = {
    "DataFrame": "a table (pandas DataFrame)",
    "DataArray": "a labelled array (ds.patient.masks(array) makes one of numpy's)",
    "Dataset": "a Dataset of a series",
    "Catalogue": "a catalogue: wb.catalogue.extracts(cohort) or wb.catalogue.idc()",
    "Cohort": "an opened cohort: wb.open_cohort(...)",
    "Settings": "wb.measure.Settings(...)",
}
#: Bytes of one name within a path at most, on every file system in use.
LONGEST_NAME: Final = 255
#: Share of letters in common (difflib's ratio) from which a name is worth suggesting.
ALIKE: Final = 0.8
_PLAIN: Final = (str, bytes, bool, int, float, complex, list, tuple, dict, set, type(None))


class Kind(NamedTuple):
    """One thing that an argument may be."""

    #: What it is called in a message; empty where it says nothing to the caller.
    words: str
    #: Whether a value is one.
    holds: Callable[[Any], bool]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Public function whose arguments are of the kinds that its annotations name, or a UsageError says what to give.

    Known are texts, numbers (NaN is none), whole numbers, True and False, ``Literal``, lists and tuples, mappings,
    paths, None, unions of these, and the classes of :data:`CLASSES`. An empty text is no text, unless it is the
    default. Arrays and series in one dimension are taken for lists, so that no function asks for their truth.

    Examples
    --------
    >>> @checked
    ... def grown(cells: int, *, rate: float = 1.0, names: Sequence[str] = ()) -> float:
    ...     return cells * rate
    >>> grown(3)
    3.0
    >>> grown(3, rate="fast")
    Traceback (most recent call last):
        ...
    workbench.errors.UsageError: rate cannot be 'fast'. give a number
    >>> grown(3, names="a")
    Traceback (most recent call last):
        ...
    workbench.errors.UsageError: names cannot be 'a'. give a list of texts: ['a']
    """
    signature = inspect.signature(function)
    kinds: dict[str, list[Kind]] = {}

    @wraps(function)
    def door(*args: P.args, **kwargs: P.kwargs) -> R:
        if not kinds:
            # When it is first called: by then every name that an annotation uses is there.
            kinds.update({name: _kinds(each.annotation, function) for name, each in signature.parameters.items()})
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            # Python's own words say best which argument is missing or unknown.
            return function(*args, **kwargs)
        for name, value in given.arguments.items():
            parameter = signature.parameters[name]
            if value is parameter.default or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            given.arguments[name] = taken(value, kinds[name], name=name)
        return function(*given.args, **given.kwargs)

    return door


def allowed(value: Any, annotation: str, *, name: str, among: Callable[..., Any]) -> Any:
    """*value* as an annotation allows it, for what stands within an argument.

    Parameters
    ----------
    annotation : str
        As a function of the module of *among* would write it.

    Raises
    ------
    UsageError
        It is nothing of that kind; says what to give.

    Examples
    --------
    >>> allowed(3, "str | None", name="node of an extract", among=allowed)
    Traceback (most recent call last):
        ...
    workbench.errors.UsageError: node of an extract cannot be 3. give a text, or leave it out
    """
    return taken(value, _kinds(annotation, among), name=name)


def check_fields(settings: Any, *names: str) -> None:
    """Nothing where fields of a dataclass hold what their annotations say.

    Raises
    ------
    UsageError
        One does not; says what there is.
    """
    for each in fields(settings):
        if each.name in names:
            taken(getattr(settings, each.name), _kinds(each.type, type(settings)), name=each.name)


def taken(value: Any, kinds: Iterable[Kind], *, name: str) -> Any:
    """*value* as a function may use it: itself, or the list of what an array of one dimension holds.

    Raises
    ------
    UsageError
        It is of none of the kinds; says which there are.
    """
    kinds = list(kinds)
    if not kinds or any(kind.holds(value) for kind in kinds):
        return value
    if _is_array(value):
        listed = value.tolist()
        if any(kind.holds(listed) for kind in kinds if kind.words.startswith("a list")):
            return listed
    wanted = _worded(kind.words for kind in kinds)
    shown = f"{', '.join(wanted[:-1])} or {wanted[-1]}" if wanted[1:] else "".join(wanted)
    one_text = isinstance(value, str) and value and "a list of texts" in wanted and "a text" not in wanted
    remedy = f"give {shown}" + (f": [{value!r}]" if one_text else "")
    if any(not kind.words for kind in kinds):
        remedy += ", or leave it out"
    raise UsageError(f"{name} cannot be {short(value)}", remedy=remedy)


def short(value: object) -> str:
    """*value* in a message: as it is written where that is short and plain, else what it is.

    Examples
    --------
    >>> short("lung"), short(object())
    ("'lung'", 'object')
    """
    plain = isinstance(value, _PLAIN) or (hasattr(value, "dtype") and not getattr(value, "shape", (1,)))
    told = repr(value) if plain else type(value).__name__
    return told if len(told) <= 60 else f"{told[:57]}..."


def alike(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Known names that are really like a word: nearly the same as a whole, or as one of their parts; the best first.

    Examples
    --------
    >>> alike("psaa", ["psa", "sex"]), alike("gleson", ["gleason_score"]), alike("nope", ["node"])
    (['psa'], ['gleason_score'], [])
    """
    asked = word.casefold()
    fits = []
    for name in dict.fromkeys(known):
        folded = name.casefold()
        whole = SequenceMatcher(None, asked, folded).ratio()
        # A part says little where it is short: "in", "of", "ct".
        parts = [part for part in re.split(r"[\W_]+", folded) if len(part) > 2]
        part = max((SequenceMatcher(None, asked, one).ratio() for one in parts), default=0.0)
        if max(whole, part) >= ALIKE:
            fits.append((-max(whole, part), -whole, name))
    return [name for *_, name in sorted(fits)[:most]]


def _worded(words: Iterable[str]) -> list[str]:
    """What to give, each once; who may give a path knows that it is written as a text."""
    found = [word for word in dict.fromkeys(words) if word]
    return [word for word in found if word != "a text"] if "a path" in found else found


def _is_array(value: Any) -> bool:
    """Whether it is a numpy array, a pandas Series or an Index, of one dimension."""
    return hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1


def is_number(value: Any) -> bool:
    """Whether it is a real number that a float can hold; True and NaN are none.

    Examples
    --------
    >>> is_number(3), is_number(float("inf")), is_number(True), is_number(10**400)
    (True, True, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return not isnan(value)
    except OverflowError:
        # A whole number beyond all floats.
        return False


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral)


def is_path(value: Any) -> bool:
    """Whether it can be the path of a file: no empty text, no name longer than file systems take.

    Examples
    --------
    >>> is_path("data/north"), is_path(""), is_path(3), is_path("a" * 300)
    (True, False, False, False)
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        # A name on a disk may hold bytes that are no text, but no more of them than a file system takes.
        return max(map(len, os.fsencode(value).split(b"/"))) <= LONGEST_NAME
    except UnicodeEncodeError:
        return False


def is_text(value: Any) -> bool:
    r"""Whether it is a text with something in it that can be written down as UTF-8.

    Examples
    --------
    >>> is_text("lung"), is_text(""), is_text(3), is_text("\udc80")
    (True, False, False, False)
    """
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_NAMED: Final[dict[str, Kind]] = {
    "None": Kind("", lambda value: value is None),
    "str": Kind("a text", is_text),
    "bool": Kind("True or False", lambda value: isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")),
    "int": Kind("a whole number", _is_whole),
    "float": Kind("a number", is_number),
    "PathLike": Kind("a path", is_path),
    "Path": Kind("a path", is_path),
    "Mapping": Kind("a mapping", lambda value: isinstance(value, Mapping)),
}
#: Plural of what a list may be of.
_SEVERAL: Final = {"a text": "texts", "a number": "numbers", "a whole number": "whole numbers", "a path": "paths"}


def _kinds(annotation: Any, function: Callable[..., Any]) -> list[Kind]:
    """What an annotation allows; nothing where it cannot be told."""
    if annotation is inspect.Parameter.empty:
        return []
    try:
        node = ast.parse(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)).body[0]
        return _of(node.value if isinstance(node, ast.Expr) else node, function)
    except (LookupError, SyntaxError):
        return []


def _of(node: ast.AST, function: Callable[..., Any]) -> list[Kind]:
    """Kinds of a part of an annotation.

    Raises
    ------
    LookupError
        It names something that is not known here.
    """
    if isinstance(node, ast.BinOp):
        return _united([*_of(node.left, function), *_of(node.right, function)])
    if isinstance(node, ast.Constant):
        return [_NAMED[str(node.value)]]
    if isinstance(node, ast.Subscript):
        return _subscripted(_last(node.value), node.slice, function)
    name = _last(node)
    if name in _NAMED:
        return [_NAMED[name]]
    if name in CLASSES:
        return [_class(name)]
    return _alias(vars(sys.modules[function.__module__])[name], function)


def _alias(found: Any, function: Callable[..., Any]) -> list[Kind]:
    """Kinds of a name that the function's own module gives to an annotation: an alias, or a type variable."""
    if isinstance(found, TypeVar):
        texts = [getattr(each, "__forward_arg__", None) for each in found.__constraints__]
        if not texts or None in texts:
            raise LookupError
        return [kind for text in texts for kind in _kinds(text, function)]
    said = str(found).replace("typing.", "").replace("collections.abc.", "")
    if said == "Any":
        raise LookupError
    if isinstance(found, type) and "[" not in said:
        return [Kind(f"a {found.__name__}", lambda value: isinstance(value, found))]
    return _of(ast.parse(said).body[0].value, function)  # type: ignore[attr-defined]


def _last(node: ast.AST) -> str:
    """Last part of a name: of ``pd.DataFrame`` the class."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    raise LookupError


def _class(name: str) -> Kind:
    return Kind(CLASSES[name], lambda value: any(each.__name__ == name for each in type(value).__mro__))


def _choice(choice: Any) -> Kind:
    return Kind(repr(choice), lambda value: isinstance(value, type(choice)) and value == choice)


def _subscripted(outer: str, inner: ast.AST, function: Callable[..., Any]) -> list[Kind]:
    if outer == "Literal":
        choices = [ast.literal_eval(each) for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
        return [_choice(one) for one in choices]
    if outer in ("Union", "Optional"):
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        kinds = [kind for part in parts for kind in _of(part, function)] + [_NAMED["None"]] * (outer == "Optional")
        return _united(kinds)
    if outer in ("Sequence", "Iterable", "Collection", "list", "tuple"):
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        each = [kind for part in parts if not _is_dots(part) for kind in _of(part, function)]
        words = " or ".join(_SEVERAL.get(word, word) for word in _worded(kind.words for kind in each))

        def listed(value: Any) -> bool:
            if outer in ("Iterable", "Collection") and not isinstance(value, Collection):
                # What can be gone through once alone is not gone through here.
                return isinstance(value, Iterable)
            several = (list, tuple) if outer not in ("Iterable", "Collection") else Collection
            if not isinstance(value, several) or isinstance(value, (str, bytes, Mapping)) or hasattr(value, "ndim"):
                return False
            return all(any(kind.holds(one) for kind in each) for one in value)

        return [Kind(f"a list of {words}", listed)]
    # What a mapping maps, or a path is of, is looked at where it is used.
    return [_NAMED[outer]]


def _united(kinds: list[Kind]) -> list[Kind]:
    """Kinds of a union. Where a path may be given, a text is one."""
    there = {kind.words for kind in kinds}
    return [kind for kind in kinds if kind.words != "a text"] if "a path" in there else kinds


def _is_dots(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
