from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import UnsafePath
from workbench.extracts.paths import checked_parts, inside, locate


@given(st.text("ab./\\:\0C", max_size=12))
def test_checked_path_never_climbs_out(text: str) -> None:
    try:
        parts = checked_parts(text, place="index.json[0].path")
    except UnsafePath:
        return
    assert parts
    assert not {"", ".", ".."} & set(parts)
    assert not any("/" in part or "\0" in part for part in parts)


def test_inside_knows_the_root_itself_and_slash() -> None:
    assert inside("/a", (Path("/a"),))
    assert inside("/a/b", (Path("/"),))
    assert not inside("/ab", (Path("/a"),))


def test_link_inside_the_root_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = locate(tmp_path, ("link",), roots=(tmp_path,))
    assert (found.state, found.path, found.real) == ("found", "link", tmp_path / "real")


def test_link_that_passes_outside_on_its_way_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "real").mkdir(parents=True)
    outside.mkdir()
    (outside / "back").symlink_to(root / "real")
    (root / "link").symlink_to(outside)
    with pytest.raises(UnsafePath):
        locate(root, ("link", "back"), roots=(root,))


def test_target_that_shares_no_name_with_the_link_is_not_printed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "Ana-1961"
    root.mkdir()
    outside.mkdir()
    (root / "S1").symlink_to(outside)
    with pytest.raises(UnsafePath) as caught:
        locate(root, ("S1",), roots=(root,))
    assert "Ana" not in str(caught.value)
    assert "link_roots" in str(caught.value)


def test_missing_and_dangling_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    assert locate(tmp_path, ("gone", "x"), roots=(tmp_path,)).state == "missing"
    assert locate(tmp_path, ("link", "x"), roots=(tmp_path,)).state == "dangling"
