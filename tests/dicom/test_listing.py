"""Which files there are; links only inside the allowed roots."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

from workbench.dicom.listing import Place, list_files


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def listed(root: Path, *places: Place, allowed: tuple[Path, ...] = ()) -> tuple[list[str], list[tuple[str, str]]]:
    files, findings = list_files(root, places or (Place(),), allowed_roots=allowed)
    return [file.path for file in files], [(finding.code, finding.path) for finding in findings]


def test_files_are_sorted_and_facts_taken(tmp_path: Path) -> None:
    tree(tmp_path, "b/2", "a", "b/1")
    files, findings = list_files(tmp_path, [Place()])
    assert [file.path for file in files] == ["a", "b/1", "b/2"]
    assert files[0].size == 1
    assert files[0].mtime_ns == (tmp_path / "a").stat().st_mtime_ns
    assert findings == []


def test_link_inside_is_followed(tmp_path: Path) -> None:
    tree(tmp_path, "data/1")
    (tmp_path / "also").symlink_to(tmp_path / "data" / "1")
    assert listed(tmp_path) == (["also", "data/1"], [])


def test_folder_reached_by_a_link_is_listed_under_its_own_name(tmp_path: Path) -> None:
    tree(tmp_path, "z/1")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert listed(tmp_path) == (["z/1"], [])


def test_link_outside_is_a_finding_and_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "extract"
    tree(tmp_path, "secret/1", "extract/2", "extracted/3")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "near").symlink_to(tmp_path / "extracted")
    (root / "file").symlink_to(tmp_path / "secret" / "1")
    files, findings = listed(root)
    assert files == ["2"]
    assert findings == [("link-outside", "file"), ("link-outside", "near"), ("link-outside", "out")]


def test_link_into_an_allowed_root_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "extract"
    tree(tmp_path, "lake/1", "extract/2")
    (root / "in").symlink_to(tmp_path / "lake")
    assert listed(root, allowed=(tmp_path / "lake",)) == (["2", "in/1"], [])


def test_link_out_of_an_allowed_root_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "extract"
    tree(tmp_path, "lake/1", "extract/2", "secret/3")
    (root / "in").symlink_to(tmp_path / "lake")
    (tmp_path / "lake" / "out").symlink_to(tmp_path / "secret")
    assert listed(root, allowed=(tmp_path / "lake",)) == (["2", "in/1"], [("link-outside", "in/out")])


def test_circle_of_links_ends(tmp_path: Path) -> None:
    tree(tmp_path, "a/b/1")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    files, findings = listed(tmp_path)
    assert files == ["a/b/1"]
    assert [code for code, _ in findings] in (["link-dangling"], ["link-outside"])


def test_dangling_link_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert listed(tmp_path) == ([], [("link-dangling", "gone")])


def test_fifo_is_ignored(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert listed(tmp_path) == ([], [])


def test_places_restrict_the_pass(tmp_path: Path) -> None:
    tree(tmp_path, "a/1", "a/deep/2", "b/3", "c")
    assert listed(tmp_path, Place("a", recursive=False), Place("c"))[0] == ["a/1", "c"]


def test_a_folder_seen_without_its_subfolders_is_seen_whole_where_asked(tmp_path: Path) -> None:
    tree(tmp_path, "a/1", "a/deep/2")
    assert listed(tmp_path, Place("a", recursive=False), Place("a"))[0] == ["a/1", "a/deep/2"]


def test_place_that_leaves_the_root_is_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "extract/1", "other/2")
    assert listed(tmp_path / "extract", Place("../other")) == ([], [("link-outside", "../other")])


def test_name_that_is_not_text_is_a_finding(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"bad\xff"), "wb"):
        pass
    assert listed(tmp_path) == ([], [("file-unreadable", "bad\\udcff")])


def test_tree_deeper_than_the_stack_is_listed(tmp_path: Path) -> None:
    tree(tmp_path, "/".join(["d"] * 120) + "/file")
    depth = len(inspect.stack())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    try:
        files, _ = listed(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert len(files) == 1
