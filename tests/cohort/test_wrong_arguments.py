"""Whatever is passed to the public functions of a cohort meets a result or our own error, which says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from tests.cohort.test_lock import _series
from tests.tries import part
from workbench.errors import UsageError, WorkbenchError

UID = "1.2.11"


class Odd:
    """Something that nothing takes."""


#: Things that no argument below can be.
NEVER: dict[str, Any] = {
    "object": Odd(), "bytes": b"x", "numbers by number": {3: 4}, "zero byte": "a\0b", "class": Odd,
    "table": pd.DataFrame({3: [1]}),
}  # fmt: skip
#: Things that some of them can be.
PERHAPS: dict[str, Any] = {
    "number": 3, "minus": -1, "nan": float("nan"), "infinite": float("inf"), "beyond floats": 10**400, "none": None,
    "empty": "", "no utf-8": "\udc80", "long": "x" * 5000, "empty list": [], "numbers": [3], "nones": [None, None],
    "pair": ("a", 3), "mapping": {"a": 3}, "texts": {"a": "x"}, "true": True, "array": np.arange(3), "quote": "'; --",
    "missing": pd.NA, "set": {1, 2}, "once": iter([1]), "float": np.float32("nan"),
}  # fmt: skip


class Given:
    """Cohorts, catalogues and folders that the calls are made on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.north, self.south = folder / "north", folder / "south"
        for node, start in ((self.north, 10), (self.south, 20)):
            _series(node / f"P{start}", f"P{start}", start + 1, slices=1)
            (node / "clinical.csv").write_text(f"patient_id,sex,psa\nP{start},M,3\n")
        # Opening an extract otherwise makes its tables anew: the cohort that is asked is of copies.
        places = [shutil.copytree(node, folder / "asked" / node.name) for node in (self.north, self.south)]
        self.cohort = wb.open_cohort(places)
        self.catalogue = wb.catalogue.extracts(self.cohort)
        self.selection = self.catalogue.search(modality="CT")
        self.flow = self.cohort.attrition(["modality = 'CT'"])
        self.overlap = self.cohort.overlap("CT", "psa")
        self.timeline = self.cohort.timeline("P10")

    def open(self, **how: Any) -> wb.Cohort:
        return wb.open_cohort(how.pop("paths", self.north), **how)


Call = Callable[[Given, Any], object]


def _named(whose: Callable[[Given], Callable[..., object]], /, *names: str, **fixed: Any) -> dict[str, Call]:
    """A call for each argument that has a name, the others as they are."""
    return {name: lambda given, value, name=name: whose(given)(**{**fixed, name: value}) for name in names}


_OPENING = (
    "layout", "node", "id_column", "node_column", "header", "clinical", "index", "links", "modalities", "masks",
    "link_roots", "mapping", "trust", "lock", "linkage",
)  # fmt: skip
_BY_EXTRACT = _OPENING[: _OPENING.index("trust")]

#: Function -> argument -> how it is called with a value for that argument.
CALLS: dict[str, dict[str, Call]] = {
    "open_cohort": _named(lambda g: g.open, "paths", *_OPENING),
    "open_cohort, two extracts": {
        name: lambda g, value, name=name: wb.open_cohort([g.north, g.south], **{name: value}) for name in _BY_EXTRACT
    },
    "open_cohort, by extract": {
        name: lambda g, value, name=name: g.open(**{name: {g.north: value}}) for name in _BY_EXTRACT
    },
    "open_cohort, within": {
        **{name: lambda g, value, name=name: g.open(**{name: [value]}) for name in ("clinical", "masks", "link_roots")},
        "modality": lambda g, value: g.open(modalities={"T1w": value}),
    },
    "where": _named(lambda g: g.cohort.where, "condition"),
    "sql": _named(lambda g: g.cohort.sql, "query"),
    "attrition": {
        "steps": lambda g, value: g.cohort.attrition(value),
        "step": lambda g, value: g.cohort.attrition([value]),
        "name": lambda g, value: g.cohort.attrition([(value, "true")]),
        "condition": lambda g, value: g.cohort.attrition([("x", value)]),
        **_named(lambda g: g.flow.shareable, "min_count"),
        **_named(lambda g: g.flow.figure, "width"),
    },
    "overlap": {
        "set": lambda g, value: g.cohort.overlap("CT", value),
        "name": lambda g, value: g.cohort.overlap((value, "true")),
        "condition": lambda g, value: g.cohort.overlap(("x", value)),
        **_named(lambda g: g.overlap.shareable, "min_count"),
        **_named(lambda g: g.overlap.figure, "width", "most"),
    },
    "sample": {
        "n": lambda g, value: g.cohort.sample(value),
        **_named(lambda g: g.cohort.sample, "by", "stratify", "seed", n=1),
    },
    "split": {
        **_named(lambda g: g.cohort.split, "by", "stratify", "seed", "fractions", fractions={"a": 0.5, "b": 0.5}),
        "fraction": lambda g, value: g.cohort.split(fractions={"a": value}),
    },
    "nearest": _named(lambda g: g.cohort.nearest, "variable", "direction", "within_days", variable="psa"),
    "timeline": {
        **_named(lambda g: g.cohort.timeline, "patient", "node", patient="P10"),
        **_named(lambda g: g.timeline.figure, "width"),
    },
    "lock": {
        "path": lambda g, value: g.cohort.lock(g.folder / value if isinstance(value, str) and value else value),
        **_named(lambda g: g.cohort.lock, "rehash", path="lock.json"),
    },
    "check": {
        "profile": lambda g, value: g.cohort.check(value),
        **_named(lambda g: g.cohort.check, "description", "tier3"),
    },
    "summary": _named(lambda g: g.cohort.summary, "audience"),
    "duplicates": _named(lambda g: g.cohort.duplicates, "pixels"),
    "load": _named(
        lambda g: g.cohort.load, "series_uid", "node", "part", "masks", "names", "threshold", "resample", "values",
        "dtype", series_uid=UID,
    ),
    "nifti_masks": _named(lambda g: g.cohort.nifti_masks, "series_uid", "node", series_uid=UID),
    "stack": _named(
        lambda g: g.cohort.stack, "spacing", "around", "size_mm", "masks", "names", "threshold", "resample", "prepare",
        "method", "workers", spacing=9.0, around="image",
    ),
    "cache": _named(lambda g: g.cohort.cache, "path", "masks", "workers", path="cohort.zarr"),
    "map": _named(
        lambda g: g.cohort.map, "function", "on", "masks", "retries", "workers", "client", function=lambda ds: 1
    ),
    "sets": {
        "|": lambda g, value: g.cohort | value,
        "&": lambda g, value: g.cohort & value,
        "-": lambda g, value: g.cohort - value,
    },
    "catalogue": {
        "extracts": lambda g, value: wb.catalogue.extracts(value),
        "describe": lambda g, value: wb.catalogue.describe(value),
        "audience": lambda g, value: wb.catalogue.describe(g.cohort, audience=value),
        "together": lambda g, value: wb.catalogue.together(g.catalogue, value),
        "sql": lambda g, value: g.catalogue.sql(value),
        "holdings": lambda g, value: g.catalogue.holdings(value),
        **_named(lambda g: g.catalogue.holdings, "per"),
        "condition": lambda g, value: g.catalogue.search(value),
        **_named(
            lambda g: g.catalogue.search, "modality", "body_part", "maker", "licence", "node", "collection", "sex",
            "age", "max_gb", "annotations", "where",
        ),
        "counts": lambda g, value: g.selection.counts(value),
        "manifest": lambda g, value: g.selection.manifest(value),
        "read_manifest": lambda g, value: wb.catalogue.read_manifest(value, catalogue=g.catalogue),
        "catalogue": lambda g, value: wb.catalogue.read_manifest("none.s5cmd", catalogue=value),
        **{name: lambda g, value, name=name: getattr(wb.catalogue, name)(value)
           for name in ("age", "sex", "maker", "body_parts")},
    },
    "vocabulary": {
        "search": lambda g, value: wb.vocabulary.search(value),
        **_named(lambda g: lambda limit: wb.vocabulary.search("psa", limit=limit), "limit"),
        **{name: lambda g, value, name=name: getattr(wb.vocabulary, name)(value)
           for name in ("variable", "codes", "conflicts")},
    },
}  # fmt: skip

#: What they can be nevertheless: a class can be called, a text of a header is any text, names of no mask rename none.
FREE = {("map", "function", "class"), ("stack", "prepare", "class"), ("stack", "names", "numbers by number"),
        *(("catalogue", name, "zero byte") for name in ("age", "sex", "maker", "body_parts"))}  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("wrong"))


@pytest.mark.parametrize(("function", "argument"), [(f, a) for f, calls in CALLS.items() for a in calls])
def test_a_wrong_argument_meets_our_own_error(
    given: Given, function: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call = CALLS[function][argument]
    for what, value in NEVER.items():
        if (function, argument, what) in FREE:
            continue
        with pytest.raises(WorkbenchError) as caught:
            call(given, value)
        assert caught.value.remedy, what
        assert "select " not in str(caught.value)
    # Each argument meets another part of them where few are tried.
    for value in part(list(PERHAPS.values()), len(function + argument)):
        with suppress(WorkbenchError):
            call(given, value)


def test_what_stands_before_a_cohort_must_be_one(given: Given) -> None:
    with pytest.raises(UsageError, match=r"cannot be combined with \|.*give a cohort"):
        3 | given.cohort


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g: g.cohort.split(fractions=[0.7, 0.3]), "fractions cannot be [0.7, 0.3]. give a mapping"),
        (lambda g: g.cohort.split(fractions={"a": "x"}), "fractions cannot hold 'a': 'x'. give each part a name"),
        (lambda g: g.cohort.attrition(None), "the steps are no list of conditions. for example: attrition("),
        (lambda g: g.cohort.attrition([3]), "a step is no (name, condition). for example:"),
        (lambda g: g.cohort.overlap(3), "a step is no (name, condition)"),
        (lambda g: g.cohort.timeline(3), "patient cannot be 3. give a text"),
        (lambda g: g.cohort.lock(""), "path cannot be ''. give a path"),
        (lambda g: g.cohort.lock(None), "path cannot be None. give a path"),
        (lambda g: g.open(paths=3), "paths cannot be 3. give a path or a list of paths"),
        (lambda g: g.open(mapping=3), "mapping cannot be 3. give a path or a mapping, or leave it out"),
        (lambda g: g.open(modalities="MR"), "modalities cannot be 'MR'. give a mapping"),
        (lambda g: g.open(modalities={"T1w": 3}), "modalities cannot hold 'T1w': 3. give the DICOM modality of each"),
        (lambda g: g.open(header={g.north: "two"}), "header of an extract cannot be 'two'. give a whole number"),
        (lambda g: wb.vocabulary.search("psa", limit="x"), "limit cannot be 'x'. give a whole number"),
        (lambda g: g.flow.figure(width=-1), "a figure of -1 x 2.29 inches. give a width"),
    ],
)  # fmt: skip
def test_the_error_says_what_and_what_to_do(given: Given, call: Callable[[Given], object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        call(given)
    assert told in str(caught.value)
