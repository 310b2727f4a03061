"""A wheelhouse: what it refuses at once, what it does with a package of its own, and for real in the slow test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from workbench import wheelhouse
from workbench.errors import ToolError, UsageError
from workbench.wheelhouse import PROJECT, make_wheelhouse, platform_tags, without_addresses

#: No network for the process and its children; needs the right to make one (root, or user namespaces).
ALONE = (
    ["unshare", "--net"] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
)


def wheel(folder: Path, name: str, version: str = "1.0", *, needs: tuple[str, ...] = (), extras: str = "") -> Path:
    """A wheel with nothing in it but its name and needs."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    metadata += f"Provides-Extra: {extras}\n" if extras else ""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(f"{stem}/__init__.py", "")
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{info}/RECORD,,\n")
    return place


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three packages, the only ones pip can see."""
    folder = tmp_path / "a shelf of somebody"
    wheel(folder, "needed-one", "2.5")
    wheel(folder, "needed-one", "2.4")
    wheel(folder, "for-more", "0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # pip splits the variable at blanks.
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    needs = ("needed-one>=2", 'for-more; extra == "more"')
    return wheel(tmp_path / "own", PROJECT, "9.9", needs=needs, extras="more")


def test_a_wheelhouse_holds_what_is_needed_by_name_version_and_digest(shelf: Path, own: Path, tmp_path: Path) -> None:
    made = make_wheelhouse(tmp_path / "house", project=own)
    house = tmp_path / "house"
    lines = (house / "constraints.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"{PROJECT}==9.9", "needed-one==2.5"]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert made.n_wheels == len(list((house / "wheels").iterdir())) == 2
    told = json.loads((house / "wheelhouse.json").read_text())
    assert told["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    text = "".join((house / name).read_text() for name in ("constraints.txt", "install.sh", "wheelhouse.json"))
    assert str(tmp_path) not in text
    assert "shelf" not in text
    assert "://" not in text


def test_extras_come_too_and_what_is_not_needed_any_more_goes(shelf: Path, own: Path, tmp_path: Path) -> None:
    made = make_wheelhouse(tmp_path / "house", extras=["more"], project=own)
    assert "for-more==0.1" in (tmp_path / "house" / "constraints.txt").read_text()
    assert made.extras == ("more",)
    assert make_wheelhouse(tmp_path / "house", project=own).n_wheels == 2
    assert "for-more" not in (tmp_path / "house" / "constraints.txt").read_text()


def test_what_cannot_be_found_is_told_without_addresses(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "empty").as_uri())
    with pytest.raises(ToolError, match="needed-one") as told:
        make_wheelhouse(tmp_path / "house", project=own)
    assert str(tmp_path) not in str(told.value)
    # Begun, but not whole: nothing can be installed from it.
    assert not (tmp_path / "house" / "constraints.txt").exists()


def test_misuse_is_refused(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no extra"):
        make_wheelhouse(tmp_path / "house", extras=["mroe"], project=own)
    with pytest.raises(UsageError, match="platform"):
        make_wheelhouse(tmp_path / "house", platform="win_amd64", project=own)
    with pytest.raises(UsageError, match="source tree"):
        make_wheelhouse(tmp_path / "house", project=tmp_path)
    with pytest.raises(UsageError, match="interpreter"):
        make_wheelhouse(tmp_path / "house", python=tmp_path / "no-python", project=own)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        make_wheelhouse(other, project=own)
    assert [path.name for path in other.iterdir() if path.is_file()] == ["thesis.txt"]


@pytest.mark.parametrize("tag", ["manylinux_2_28_x86_64", "manylinux_2_17_aarch64"])
def test_older_tags_are_included(tag: str) -> None:
    tags = platform_tags(tag)
    assert tags[0] == tag
    assert any(one.startswith("manylinux2014_") for one in tags)
    assert len(set(tags)) == len(tags)


def test_addresses_do_not_reach_a_message() -> None:
    said = without_addresses("ERROR: Could not find x at https://user:token@host.example/simple (/home/me/x)")
    assert not re.search(r"token|host|home", said)


@pytest.mark.slow
def test_a_wheelhouse_is_installed_with_the_network_closed(tmp_path: Path) -> None:
    """About 315 MB come from the index that pip is set up with; nothing after that."""
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("no right to close the network for a process")
    house, environment = tmp_path / "house", tmp_path / "an environment"
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "wheelhouse", "--out", str(house), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_wheels"] > 100
    # Only what any shell has: nothing of this environment, no setting of pip.
    bare = {"PATH": os.defpath, "HOME": str(tmp_path / "home"), "PYTHON": sys.executable, "LANG": "C.UTF-8"}
    for proxy in ("http_proxy", "https_proxy"):
        bare[proxy] = "http://127.0.0.1:9"
    done = subprocess.run(
        [*ALONE, "sh", str(house / "install.sh"), str(environment)], env=bare, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The network is closed indeed.
    reach = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=5)"
    closed = subprocess.run([*ALONE, environment / "bin" / "python", "-c", reach], env=bare, capture_output=True)
    assert b"unreachable" in closed.stderr
    work = tmp_path / "work"
    work.mkdir()
    bare |= {"WORKBENCH_CACHE": str(tmp_path / "cache"), "WORKBENCH_PROGRESS": "lines"}
    del bare["PYTHON"]
    for arguments in (
        ["versions"],
        ["synthetic", "made", "--patients", "3"],
        ["open", "made/extracts/*", "--link-root", "made/datalake"],
        ["report", "run", "cohort-profile", "made/extracts/cedro"],
    ):
        done = subprocess.run(
            [*ALONE, environment / "bin" / "workbench", *arguments], cwd=work, env=bare, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "1 ok" in (work / "reports" / "index.html").read_text("utf-8")


def test_the_install_script_is_for_the_python_of_the_wheels() -> None:
    text = wheelhouse._INSTALL.format(python="3.12", major=3, minor=12)
    assert "(3, 12)" in text
    assert "--no-index" in text
    assert "--require-hashes" in text
