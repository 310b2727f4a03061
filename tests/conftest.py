"""Fixtures shared by all tests: a cache of their own, and the real data where it is present."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import tries
from tests.once import once

if TYPE_CHECKING:
    from workbench.cohort import Cohort

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Properties are tried with a quarter of their examples where only quick tests run."""
    if "not slow" in (config.getoption("markexpr") or ""):
        tries.PERCENT = 25
    # The same examples in every run: a failure seen once is seen by everybody. New ones are searched by `make fuzz`.
    # No deadline: timings are never assertions, and tests run beside each other.
    settings.register_profile("workbench", derandomize=True, deadline=None, max_examples=tries.tries(100))
    settings.load_profile("workbench")


def required() -> set[str]:
    """What may not be skipped in this run."""
    return {item.strip() for item in os.environ.get("WORKBENCH_REQUIRE", "").split(",") if item.strip()}


def absent(what: str, need: str) -> None:
    """Skip for want of *need*, or fail where it is required."""
    if need in required():
        pytest.fail(f"{what} is required (WORKBENCH_REQUIRE={need}) but absent")
    pytest.skip(f"{what} is absent")


def pytest_collection_finish() -> None:
    """What collecting made lives as long as the run: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, at ``../shared/data`` or where WORKBENCH_DATA points."""
    folder = Path(os.environ.get("WORKBENCH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        absent("real data (WORKBENCH_DATA)", "data")
    return folder


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """The folder of reference tables and miniature extracts, beside the real data."""
    folder = Path(os.environ.get("WORKBENCH_DATA", ROOT.parent / "shared" / "data")).parent / "reference"
    if not folder.is_dir():
        absent("reference folder (beside WORKBENCH_DATA)", "data")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the user's own cache."""
    os.environ["WORKBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["WORKBENCH_PROGRESS"] = "off"


@pytest.fixture(autouse=True)
def _options_as_they_were() -> Iterator[None]:
    """An option that one test sets is not set in the next."""
    from workbench.options import options

    kept = dict(options._set)
    yield
    options._set.clear()
    options._set.update(kept)


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default synthetic federation; no test changes it."""
    from workbench.synthetic import write_federation

    return once(tmp_path_factory, "federation", write_federation)


@pytest.fixture(scope="session")
def small_federation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with four patients a node: for tests that change a copy, or open it for the first time."""
    from workbench.synthetic import write_federation

    return once(tmp_path_factory, "small", partial(write_federation, patients=12))


@pytest.fixture(scope="session")
def cohort(federation: Path) -> Cohort:
    """The default synthetic federation, opened."""
    from workbench.cohort import open_cohort

    return open_cohort(str(federation / "extracts" / "*"), link_roots=[federation / "datalake"])


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Signals mean what they meant: a command that is over ignores them until its process ends; this one goes on."""
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Tests that a shell started in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    if here:
        for number, handler in handlers.items():
            signal.signal(number, handler)
