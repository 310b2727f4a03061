from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from workbench.errors import ParameterError
from workbench.reports.opening import params
from workbench.reports.parameters import (
    CODES,
    CommonParams,
    Problem,
    check,
    json_safe,
    normalise,
    parse_assignments,
    rehydrate,
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Every(CommonParams):
    """One field of every type a template may use."""

    template_id: ClassVar[str] = "every"

    extract: list[Path] = Field(default=[Path("/")], description="where")
    flag: bool = False
    number: float = Field(default=1.0, gt=0)
    numbers: list[float] = Field(default=[])
    windows: list[tuple[float, float]] = Field(default=[])
    kinds: set[Literal["a", "b", "c"]] = Field(default=set())
    colour: Colour = Colour.RED
    pair: tuple[str, str] | None = None
    lock: Path | None = None


def codes(outcome: object) -> list[tuple[str, str]]:
    assert isinstance(outcome, list), outcome
    return [(problem.code, problem.name) for problem in outcome]


def good(outcome: Any) -> Any:
    assert not isinstance(outcome, list), outcome
    return outcome


finite = st.floats(allow_nan=False, allow_infinity=False)
raws = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**32 - 1) | st.integers(0, 2**32 - 1).map(str),
        "title": st.text(max_size=120),
        "where": st.text(),
        "as_of": st.dates() | st.dates().map(str) | st.none(),
        "nodes": st.lists(st.text(min_size=1), min_size=1) | st.none(),
        "flag": st.booleans() | st.sampled_from(["true", "no", "1"]),
        "number": st.floats(min_value=1e-300, max_value=1e300),
        "numbers": st.lists(finite) | st.tuples(finite, finite) | st.lists(finite).map(json.dumps),
        "windows": st.lists(st.tuples(finite, finite)),
        "kinds": st.sets(st.sampled_from("abc")) | st.sampled_from(["a,b", '["c"]', ""]),
        "colour": st.sampled_from([*Colour, "red", "blue"]),
        "pair": st.tuples(st.text(), st.text()) | st.none(),
        "lock": st.sampled_from([".", Path(), None, "none"]),
        "extract": st.sampled_from([".", ["."], [Path(), ".."], ".,.."]),
    },
)


@given(raws)
def test_rehydrated_json_equals_what_was_normalised(raw: dict[str, Any]) -> None:
    done = good(check(Every, raw))
    assert rehydrate(Every, json.loads(json.dumps(json_safe(done), allow_nan=False))) == done


def test_text_is_read_by_the_type_of_its_field() -> None:
    raw = {
        "extract": ".", "seed": " 7 ", "title": "7", "nodes": "A, B", "as_of": "2026-01-31", "number": "2.5",
        "numbers": "[1, 2.5]", "windows": "[[1, 2]]", "kinds": "c,a", "lock": "none", "flag": "true",
    }  # fmt: skip
    done = good(check(Every, raw))
    assert (done.seed, done.title, done.nodes, done.as_of) == (7, "7", ["A", "B"], date(2026, 1, 31))
    assert (done.number, done.numbers, done.windows, done.kinds) == (2.5, [1.0, 2.5], [(1.0, 2.0)], {"a", "c"})
    assert done.lock is None
    assert done.flag is True


def test_every_problem_is_listed_at_once() -> None:
    found = codes(
        normalise(
            "cohort-profile",
            {
                "extract": ["nowhere"],
                "max_categoris": 3,
                "max_categories": 1,
                "group_by": "moon",
                "as_of": "31.1.2026",
                "title": "x" * 121,
                "seed": "seven",
                "api_key": "abc",
                "nodes": [],
            },
        )
    )
    assert set(found) == {
        ("param:path-missing", "extract"),
        ("param:unknown", "max_categoris"),
        ("param:range", "max_categories"),
        ("param:choice", "group_by"),
        ("param:format", "as_of"),
        ("param:length", "title"),
        ("param:type", "seed"),
        ("param:secret", "api_key"),
        ("param:length", "nodes"),
    }
    assert len(found) == 9


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ("param:missing", "extract")),
        ({"extract": []}, ("param:missing", "extract")),
        ({"extract": None}, ("param:type", "extract")),
        ({"extract": 5}, ("param:type", "extract")),
        ({"extract": "."} | {"seed": -1}, ("param:range", "seed")),
        ({"extract": "."} | {"seed": 1.5}, ("param:type", "seed")),
        ({"extract": "."} | {"seed": "inf"}, ("param:type", "seed")),
        ({"extract": "."} | {"nodes": {"A": 1}}, ("param:type", "nodes")),
        ({"extract": "."} | {"nodes": '["A"'}, ("param:format", "nodes")),
        ({"extract": "."} | {"as_of": 12.5}, ("param:type", "as_of")),
        ({"extract": "."} | {"where": ["x"]}, ("param:type", "where")),
        ({"extract": "."} | {"token": "x"}, ("param:secret", "token")),
        ({"extract": "no/*/such"}, ("param:path-missing", "extract")),
        ({"extract": "."} | {"link_roots": "missing"}, ("param:path-missing", "link_roots")),
    ],
)
def test_wrong_value_gives_its_code(raw: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(normalise("cohort-profile", raw)) == [expected]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "nan", "-inf"])
def test_not_finite_number_is_refused(value: object) -> None:
    assert codes(check(Every, {"number": value})) == [("param:not-finite", "number")]
    assert codes(check(Every, {"numbers": [value]})) == [("param:not-finite", "numbers")]


def test_secret_value_is_never_repeated() -> None:
    outcome = normalise("cohort-profile", {"extract": ".", "db_password": "hunter2"})
    assert "hunter2" not in str(outcome)


def test_given_value_is_shown_in_at_most_80_characters() -> None:
    outcome = normalise("cohort-profile", {"extract": ".", "title": "x" * 500})
    assert isinstance(outcome, list)
    assert len(outcome[0].given) == 80


def test_numpy_numbers_are_plain_numbers() -> None:
    import numpy as np

    done = good(normalise("cohort-profile", {"extract": ".", "seed": np.int64(4), "max_categories": np.int32(5)}))
    assert json_safe(done)["seed"] == 4
    assert type(json_safe(done)["max_categories"]) is int


def test_relative_path_becomes_absolute_and_a_pattern_its_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert good(normalise("cohort-profile", {"extract": "a"})).extract == [tmp_path / "a"]
    assert good(normalise("cohort-profile", {"extract": "*"})).extract == [tmp_path / "a", tmp_path / "b"]


def test_assignment_twice_or_without_sign_is_a_problem() -> None:
    raw, problems = parse_assignments(["seed=1", "seed=2", "where=a = 'b'", "oops", "=3"])
    assert raw == {"seed": "1", "where": "a = 'b'"}
    assert [problem.code for problem in problems] == ["param:duplicate", "param:format", "param:format"]


def test_parameters_cannot_be_changed() -> None:
    done = good(normalise("cohort-profile", {"extract": "."}))
    with pytest.raises(ValueError, match="frozen"):
        done.seed = 3


def test_notebook_check_refuses_a_misspelt_name_and_ignores_what_ipython_adds() -> None:
    namespace = {"extract": ["."], "In": [], "Out": {}, "exit": 1, "quit": 1, "open": open, "_i": "", "wb": json}
    assert params("cohort-profile", namespace).extract == [Path.cwd()]
    with pytest.raises(ParameterError, match="did you mean max_categories") as caught:
        params("cohort-profile", namespace | {"max_categorie": 3, "seed": -1})
    assert [problem.code for problem in caught.value.problems] == ["param:unknown", "param:range"]  # type: ignore[attr-defined]


def test_unknown_problem_code_is_refused() -> None:
    assert "param:unknown" in CODES
    with pytest.raises(ValueError, match="unknown problem code"):
        Problem("param:other", "x")


def test_checking_parameters_and_listing_templates_load_nothing_heavy() -> None:
    script = (
        "import sys, workbench as wb; wb.reports.list_templates();"
        "wb.reports.normalise('cohort-profile', {'extract': '.'}); wb.reports.report;"
        "print({'papermill', 'matplotlib', 'xarray', 'pandas', 'pydicom', 'nbconvert'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
