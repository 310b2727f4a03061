"""What callers pass in, held against annotations."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.arguments import checked
from workbench.errors import UsageError

if TYPE_CHECKING:
    Unseen = int

Bins = Literal["number", "width"]


@checked
def door(
    table: pd.DataFrame,
    *,
    level: float = 0.95,
    count: int = 3,
    name: str = "",
    names: Sequence[str] = (),
    size: tuple[float, ...] | None = None,
    how: Bins = "number",
    which: str | Sequence[str] = "all",
    path: str | os.PathLike[str] | None = None,
    roots: Iterable[str | os.PathLike[str]] | Mapping[str, str] = (),
    sure: bool = False,
    free: Any = None,
    unseen: Unseen | None = None,
) -> dict[str, Any]:
    """Give back what came in."""
    return {key: value for key, value in locals().items() if key != "table"}


TABLE = pd.DataFrame({"a": [1]})
ARRAY = np.array([1.5, 2.5])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"level": "high"}, "level cannot be 'high'. give a number"),
        ({"level": float("nan")}, "level cannot be nan. give a number"),
        ({"level": True}, "level cannot be True. give a number"),
        ({"level": ARRAY}, "level cannot be ndarray. give a number"),
        ({"count": 2.0}, "count cannot be 2.0. give a whole number"),
        ({"name": "a\0b"}, "name cannot be 'a\\x00b'. give a text"),
        ({"names": "a"}, "names cannot be 'a'. give a list of texts: ['a']"),
        ({"names": ["a", ""]}, "names cannot be ['a', '']. give a list of texts"),
        ({"size": 4}, "size cannot be 4. give a list of numbers, or leave it out"),
        ({"how": TABLE}, "how cannot be DataFrame. give 'number' or 'width'"),
        ({"which": 0}, "which cannot be 0. give a text or a list of texts"),
        ({"path": ""}, "path cannot be ''. give a path, or leave it out"),
        ({"roots": [None]}, "roots cannot be [None]. give a list of paths or a mapping"),
        ({"sure": "no"}, "sure cannot be 'no'. give True or False"),
        ({"table": xr.Dataset()}, "table cannot be Dataset. give a table (pandas DataFrame)"),
    ],
)
def test_what_is_of_no_kind_is_refused_with_what_to_give(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        door(**{"table": TABLE, **given})
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "given",
    [
        {"level": 1}, {"level": np.float32(0.5)}, {"level": float("inf")}, {"count": np.int16(2)}, {"name": ""},
        {"names": ["a"]}, {"names": ("a", "b")}, {"size": (1, 2.5)}, {"size": None}, {"how": "width"},
        {"which": "one"}, {"which": ["one"]}, {"path": "a"}, {"path": Path("a")}, {"roots": {"a", "b"}},
        {"roots": {"a": "b"}.values()}, {"roots": {"a": "b"}}, {"sure": np.True_}, {"free": ARRAY}, {"free": object()},
        {"unseen": "what cannot be known is let through"},
    ],
)  # fmt: skip
def test_what_is_of_a_kind_comes_through_as_it_is(given: dict[str, Any]) -> None:
    ((name, value),) = given.items()
    assert door(TABLE, **given)[name] is value


def test_arrays_and_series_are_taken_for_lists() -> None:
    assert door(TABLE, size=ARRAY)["size"] == [1.5, 2.5]
    assert door(TABLE, names=TABLE.columns)["names"] == ["a"]
    assert door(TABLE, names=pd.Series(["a", "b"]))["names"] == ["a", "b"]
    # A generator is not used up by looking at it.
    assert list(door(TABLE, roots=iter("ab"))["roots"]) == ["a", "b"]


def test_a_door_is_the_function_to_whoever_asks() -> None:
    assert (door.__name__, door.__doc__) == ("door", "Give back what came in.")
    assert "names: 'Sequence[str]' = ()" in str(inspect.signature(door))
    with pytest.raises(TypeError, match=r"door\(\) missing 1 required positional argument: 'table'"):
        door()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        door(TABLE, colour="red")  # type: ignore[call-arg]
