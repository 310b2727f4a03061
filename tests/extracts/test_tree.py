from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.extracts.tree import MAX_DEPTH, Sample, Tree, depth, join


def test_names_come_sorted_and_hidden_ones_not_at_all(tmp_path: Path) -> None:
    for name in ("b", "a", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "z").write_text("")
    (tmp_path / ".DS_Store").write_text("")
    found = Tree(tmp_path, (tmp_path,)).folder()
    assert (found.folders, found.files) == (("a", "b"), ("z",))


def test_things_that_are_neither_file_nor_folder_are_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = Tree(tmp_path, (tmp_path,)).folder()
    assert (found.folders, found.files) == ((), ())


def test_folder_reached_by_two_links_is_entered_once(tmp_path: Path) -> None:
    lake, root = tmp_path / "lake", tmp_path / "root"
    lake.mkdir()
    root.mkdir()
    (lake / "x").write_text("")
    (root / "a").symlink_to(lake)
    (root / "b").symlink_to(lake)
    tree = Tree(root, (root, lake))
    assert len(list(tree.files())) == 1
    assert len(list(tree.files())) == 1


def test_dangling_link_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    tree = Tree(tmp_path, (tmp_path,))
    tree.folder()
    tree.folder()
    assert [(finding.code, finding.path) for finding in tree.findings] == [("link-dangling", "link")]


def test_walk_ends_in_the_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 3))
    deep.mkdir(parents=True)
    (deep / "x").write_text("")
    (deep.parents[2] / "y").write_text("")
    assert [path.rsplit("/", 1)[1] for path in Tree(tmp_path, (tmp_path,)).files()] == ["y"]


def test_sample_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sample, "WIDTH", 5)
    for first in range(8):
        for second in range(3):
            (tmp_path / f"{first}" / f"{second}").mkdir(parents=True)
    sample = Sample(Tree(tmp_path, (tmp_path,)))
    assert sample.folders(1) == ("0", "1", "2", "3", "4")
    assert sample.folders(2) == ("0/0", "0/1", "0/2", "1/0", "1/1")
    assert sample.folders(Sample.LEVELS + 1) == ()


def test_paths_join_and_count() -> None:
    assert join(".", "a") == "a"
    assert join("a", "b") == "a/b"
    assert (depth("."), depth("a"), depth("a/b")) == (0, 1, 2)


def test_folders_below_the_last_level_are_a_finding(tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * (MAX_DEPTH + 1)).mkdir(parents=True)
    tree = Tree(tmp_path, (tmp_path,))
    assert list(tree.files()) == []
    (finding,) = tree.findings
    assert (finding.code, finding.path) == ("folder-too-deep", "/".join(["d"] * MAX_DEPTH))


def test_last_level_itself_is_looked_into(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * MAX_DEPTH)
    deep.mkdir(parents=True)
    (deep / "x").write_text("")
    tree = Tree(tmp_path, (tmp_path,))
    assert len(list(tree.files())) == 1
    assert tree.findings == ()
