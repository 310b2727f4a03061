from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workbench.errors import UsageError, WriteError
from workbench.options import Options
from workbench.writing import write_text


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Options:
    for name in ("CACHE", "LINK_ROOTS", "MEMORY", "PROGRESS", "WORKERS"):
        monkeypatch.delenv(f"WORKBENCH_{name}", raising=False)
    for name in ("DATA_PATH", "SANDBOX_PATH"):
        monkeypatch.delenv(name, raising=False)
    return Options()


def test_the_environment_is_read_when_asked(options: Options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_LINK_ROOTS", os.pathsep.join(["/lake", "/second lake"]))
    monkeypatch.setenv("WORKBENCH_PROGRESS", "lines")
    monkeypatch.setenv("WORKBENCH_WORKERS", "3")
    assert options.cache == tmp_path
    assert options.link_roots == (Path("/lake"), Path("/second lake"))
    assert options.progress == "lines"
    assert options.workers == 3


def test_what_is_set_in_python_goes_before_the_environment(
    options: Options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", "/elsewhere")
    options.cache = tmp_path
    options.link_roots = ["/lake"]
    options.workers = 2
    options.progress = "off"
    assert (options.cache, options.link_roots, options.workers) == (tmp_path, (Path("/lake"),), 2)
    assert options.progress == "off"


@pytest.mark.parametrize(("name", "value"), [("PROGRESS", "loud"), ("WORKERS", "0"), ("WORKERS", "many")])
def test_a_wrong_environment_variable_is_named(
    options: Options, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"WORKBENCH_{name}", value)
    with pytest.raises(UsageError, match=f"WORKBENCH_{name}"):
        getattr(options, name.lower())


def test_wrong_values_are_refused_when_set(options: Options) -> None:
    with pytest.raises(UsageError):
        options.progress = "loud"
    with pytest.raises(UsageError):
        options.workers = 0


def test_the_default_cache_is_the_users_own(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert options.cache == Path("/somewhere/cache/cancer-imaging-workbench")


def test_cache_folders_are_made_for_their_owner_alone(options: Options, tmp_path: Path) -> None:
    options.cache = tmp_path / "cache"
    folder = options.cache_folder("a", "b")
    assert folder.is_dir()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_folders_that_were_there_become_the_owners_alone_and_the_files_in_them(
    options: Options, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    (cache / "a" / "b").mkdir(parents=True)
    for folder in (cache, cache / "a", cache / "a" / "b"):
        folder.chmod(0o755)
    options.cache = cache
    write_text(options.cache_folder("a", "b") / "table.json", "{}")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (cache, *cache.rglob("*"))}
    # The cache may be a folder for other things, too; what is in it is not.
    assert modes == {"cache": 0o755, "a": 0o700, "b": 0o700, "table.json": 0o600}
    write_text(tmp_path / "out" / "report.json", "{}")
    assert stat.S_IMODE((tmp_path / "out" / "report.json").stat().st_mode) & 0o044 == 0o044


def test_a_cache_that_cannot_be_made_names_the_variable(options: Options, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options.cache = tmp_path / "file" / "cache"
    with pytest.raises(WriteError, match="WORKBENCH_CACHE"):
        options.cache_folder("a")


@pytest.mark.parametrize(
    ("text", "count"), [("4GB", 4 * 10**9), ("512 MiB", 512 * 2**20), ("1.5g", 15 * 10**8), (3 * 10**8, 3 * 10**8)]
)
def test_memory_is_a_number_or_a_text(options: Options, text: str | int, count: int) -> None:
    assert options.memory is None
    options.memory = text  # type: ignore[assignment]
    assert options.memory == count


@pytest.mark.parametrize("text", ["", "much", "4 elephants", "-1GB", "12MB", "0"])
def test_memory_that_is_none_or_too_little_is_misuse(
    options: Options, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(UsageError, match="memory"):
        options.memory = text  # type: ignore[assignment]


def test_no_more_processes_than_memory_holds(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_WORKERS", "6")
    assert options.workers == 6
    monkeypatch.setenv("WORKBENCH_MEMORY", "1GB")
    assert options.workers == 3
    monkeypatch.setenv("WORKBENCH_MEMORY", "256MB")
    assert options.workers == 1


class TestMountedFolders:
    """The two variables of a federation that starts a job over data it mounts."""

    def test_links_may_lead_into_the_data(self, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORKBENCH_LINK_ROOTS", "/lake")
        monkeypatch.setenv("DATA_PATH", "/data")
        assert options.link_roots == (Path("/lake"), Path("/data"))
        options.link_roots = ["/other"]
        assert options.link_roots == (Path("/other"),)

    def test_the_cache_and_what_is_written_go_to_the_sandbox(
        self, options: Options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        assert options.output("reports") == "reports"
        monkeypatch.setenv("SANDBOX_PATH", str(tmp_path))
        assert options.output("reports") == str(tmp_path / "reports")
        assert options.cache == tmp_path / "workbench-cache"
        assert stat.S_IMODE(options.cache_folder("a").parent.stat().st_mode) == 0o700
        monkeypatch.setenv("WORKBENCH_CACHE", "/elsewhere")
        assert options.cache == Path("/elsewhere")

    @pytest.mark.parametrize("value", ["", "data", "./data"])
    def test_a_variable_that_is_no_absolute_path_is_somebody_elses(
        self, options: Options, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("DATA_PATH", value)
        monkeypatch.setenv("SANDBOX_PATH", value)
        assert (options.data_path, options.sandbox_path, options.link_roots) == (None, None, ())

    def test_what_is_not_here_is_looked_for_in_the_data(
        self, options: Options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        data, here = tmp_path / "da[t]a", tmp_path / "here"
        for folder in (data / "north", data / "south", here / "south"):
            folder.mkdir(parents=True)
        monkeypatch.chdir(here)
        assert options.at_hand("north") == "north"
        monkeypatch.setenv("DATA_PATH", str(data))
        assert options.at_hand("north") == str(data / "north")
        assert options.at_hand("south") == "south"
        assert options.at_hand("absent") == "absent"
        assert options.at_hand(str(data / "north")) == str(data / "north")
        monkeypatch.chdir(data / "north")
        assert options.at_hand("no*") == str(tmp_path / "da[[]t]a" / "no*")


@pytest.mark.parametrize("name", ["min_counts", "Audience", "data_path", "cache_folder"])
def test_an_option_that_is_none_is_not_taken(options: Options, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is no option.*cache, link_roots, progress, audience, min_count"):
        setattr(options, name, 20)
    assert options.min_count == 5


def test_one_link_root_is_one_folder_not_the_letters_of_its_path() -> None:
    options = Options()
    for given in ("/data/lake", Path("/data/lake"), ["/data/lake"]):
        options.link_roots = given  # type: ignore[assignment]
        assert options.link_roots == (Path("/data/lake"),)
