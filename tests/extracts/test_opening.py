from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract, EntryFileError, ExtractError, PathNotFound, UnsafePath, UsageError
from workbench.extracts.tree import MAX_DEPTH


@pytest.mark.parametrize(
    ("make", "layout"),
    [
        (lambda base: trees.dataset_service(base)[0], "dataset-service"),
        (trees.idc, "idc"),
        (trees.plain, "plain"),
    ],
)
def test_each_layout_is_recognised_by_its_names(tmp_path: Path, make: Callable[[Path], Path], layout: str) -> None:
    assert extracts.detect(make(tmp_path)) == layout


def test_missing_path_is_an_error_that_names_it(tmp_path: Path) -> None:
    for call in (extracts.detect, extracts.open_extract):
        with pytest.raises(PathNotFound, match="nowhere"):
            call(tmp_path / "nowhere")


def test_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    assert extracts.detect(tmp_path) is None
    with pytest.raises(EmptyExtract, match=r"index\.json.*s5cmd.*DICOM"):
        extracts.open_extract(tmp_path)


def test_folder_without_dicom_says_what_is_there_instead(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "IM1.dcm").write_text("text renamed to dcm " * 20)
    with pytest.raises(EmptyExtract, match=r"1 \.dcm, 1 \.txt|1 \.txt, 1 \.dcm"):
        extracts.open_extract(tmp_path)


def test_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dataset-service, cdm, idc, medical-folder, datmat, plain"):
        extracts.open_extract(tmp_path, layout="xnat")


def test_node_is_the_folder_name_unless_given(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    assert extracts.open_extract(root).node == "plain"
    assert extracts.open_extract(root, node="north").node == "north"


def test_findings_carry_the_node(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "code;age\nP1;61\n")
    found = extracts.open_extract(root, node="north").findings
    assert found
    assert {finding.node for finding in found} == {"north"}


def test_forced_layout_that_differs_is_a_finding(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    forced = extracts.open_extract(root, layout="plain")
    assert forced.layout == "plain"
    assert "layout-forced" in trees.codes(forced)
    assert "layout-forced" not in trees.codes(extracts.open_extract(root, layout="dataset-service"))


def test_broken_index_is_not_taken_for_a_plain_folder(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path, linked=False)
    text = (root / "index.json").read_text()
    (root / "eforms.json").unlink()
    for content in (text[: len(text) // 2], "", "\0\0\0", "<html>"):
        (root / "index.json").write_text(content)
        assert extracts.detect(root) == "dataset-service"
        with pytest.raises(EntryFileError, match=r"index\.json"):
            extracts.open_extract(root, link_roots=[lake])


def test_object_in_index_json_beside_images_is_some_other_tool_s(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "index.json").write_text('{"viewer": 1}')
    assert extracts.detect(root) == "plain"


def test_object_in_index_json_without_anything_else_is_an_entry_file_error(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(EntryFileError, match="not a list"):
        extracts.open_extract(tmp_path)


def test_single_file_opens_as_plain(tmp_path: Path) -> None:
    path = trees.image(tmp_path / "north" / "IM1")
    trees.image(tmp_path / "north" / "IM2")
    extract = extracts.open_extract(path)
    assert (extract.layout, extract.node, extract.root) == ("plain", "north", path.parent)
    assert [ref.path for ref in extract.series] == ["IM1"]


def test_single_file_that_is_not_dicom_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "IM1.dcm"
    path.write_text("text")
    assert extracts.detect(path) is None
    with pytest.raises(EmptyExtract, match="not DICOM"):
        extracts.open_extract(path)


def test_root_that_is_a_link_opens_at_its_target(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (tmp_path / "link").symlink_to(root)
    assert extracts.open_extract(tmp_path / "link").root == root.resolve()


def test_root_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ExtractError, match="Permission denied"):
        extracts.open_extract(tmp_path)


def test_folder_of_outward_links_only_is_unsafe_until_allowed(tmp_path: Path) -> None:
    lake = trees.image(tmp_path / "lake" / "s" / "IM1").parent
    root = tmp_path / "node"
    root.mkdir()
    (root / "images").symlink_to(lake)
    with pytest.raises(UnsafePath, match=r"\[images\].*link_roots"):
        extracts.open_extract(root)
    assert extracts.open_extract(root, link_roots=[lake]).layout == "plain"


def test_index_argument_is_refused_by_other_layouts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="index="):
        extracts.open_extract(trees.plain(tmp_path), index=tmp_path / "index.json")


@pytest.mark.parametrize("make", [lambda base: trees.dataset_service(base)[0], trees.idc, trees.plain])
def test_order_of_the_disk_does_not_matter(
    tmp_path: Path, make: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path)
    (root / "z.csv").write_text("patient_id,x\nP1,1\n")
    (root / "y.csv").write_text("code,x\nP1,1\n")
    expected = extracts.open_extract(root, link_roots=[tmp_path])
    real = os.scandir

    for seed in range(4):
        shuffler = random.Random(seed)

        class Shuffled:
            def __init__(self, path: Any = ".") -> None:
                with real(path) as entries:
                    self.entries = list(entries)
                shuffler.shuffle(self.entries)  # noqa: B023

            def __iter__(self) -> Any:
                return iter(self.entries)

            def __enter__(self) -> Shuffled:
                return self

            def __exit__(self, *_: object) -> None: ...

            def close(self) -> None: ...

        monkeypatch.setattr(os, "scandir", Shuffled)
        assert extracts.open_extract(root, link_roots=[tmp_path]) == expected


def test_opening_needs_no_heavy_library(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = trees.idc(tmp_path)
    (root / "clinical").mkdir()
    stamps = pa.array([0, None], pa.timestamp("ns"))
    pq.write_table(
        pa.table({"dicom_patient_id": ["EX-0001", "EX-0002"], "date": stamps}), root / "clinical" / "a.parquet"
    )
    code = (
        "import sys\nfrom workbench.extracts import open_extract\n"
        f"e = open_extract({str(root)!r})\n"
        "heavy = sorted({'pandas', 'pydicom', 'xarray', 'highdicom'} & set(sys.modules))\n"
        "assert len(e.clinical) == 2, e.clinical\nprint(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def several(base: Path) -> Path:
    """A folder of extracts: two of the dataset service (one further down), one plain."""
    holder = base / "all"
    trees.dataset_service(holder / "north", linked=False)
    (holder / "north" / "11111111-2222").rename(holder / "aurora")
    trees.dataset_service(holder / "north", linked=False)
    trees.plain(holder)
    return holder


def test_folder_of_several_extracts_is_not_opened_as_one(tmp_path: Path) -> None:
    holder = several(tmp_path)
    with pytest.raises(UsageError) as caught:
        extracts.open_extract(holder)
    assert "aurora, north/11111111-2222" in caught.value.what
    assert caught.value.remedy is not None
    assert f"open them each: {holder}/*" in caught.value.remedy
    assert f"{holder}/north/*" in caught.value.remedy


def test_folder_of_downloads_is_not_opened_as_one(tmp_path: Path) -> None:
    holder = tmp_path / "all"
    trees.image(holder / "loose" / "IM1")
    trees.idc(holder)
    with pytest.raises(UsageError, match=r"extracts of its own: idc \["):
        extracts.open_extract(holder)


def test_folder_of_extracts_that_looks_like_a_download_is_not_opened_as_one(tmp_path: Path) -> None:
    holder = tmp_path / "all"
    trees.idc(holder)
    (holder / "idc" / "manifest.s5cmd").unlink()
    (holder / "idc" / "example_collection").rename(holder / "collection")
    assert extracts.open_extract(holder).layout == "idc"
    trees.dataset_service(holder, linked=False)
    with pytest.raises(UsageError, match="11111111-2222"):
        extracts.open_extract(holder)


def test_folder_of_extracts_with_links_only_is_not_opened_as_one(tmp_path: Path) -> None:
    holder = tmp_path / "all"
    trees.dataset_service(holder)
    (holder / "lake").rename(tmp_path / "lake")
    with pytest.raises(UsageError, match="11111111-2222"):
        extracts.open_extract(holder)


def test_an_object_in_a_viewer_s_index_json_makes_no_extract(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "a" / "index.json").write_text('{"viewer": 1}')
    assert extracts.open_extract(root).layout == "plain"


def test_look_for_extracts_further_down_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.plain(tmp_path)
    trees.dataset_service(root / "b" / "c", linked=False)
    assert extracts.open_extract(root).layout == "plain"
    trees.dataset_service(root / "z", linked=False)
    with pytest.raises(UsageError):
        extracts.open_extract(root)
    monkeypatch.setattr("workbench.extracts.tree.Sample.WIDTH", 2)
    assert extracts.open_extract(root).layout == "plain"


@pytest.mark.parametrize("layout", ["plain", "idc"])
def test_forced_layout_says_that_unreleased_series_may_be_shown(tmp_path: Path, layout: str) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    holder = several(tmp_path)
    for path in (root, holder):
        finding = extracts.open_extract(path, layout=layout).findings[0]
        assert (finding.code, finding.severity) == ("layout-forced", "attention")
        assert "series that were not handed over may be among them" in finding.message


def test_link_roots_given_are_all_that_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, lake = trees.dataset_service(tmp_path)
    monkeypatch.setenv("WORKBENCH_LINK_ROOTS", str(lake))
    assert extracts.open_extract(root).allowed_roots == (root, lake)
    assert extracts.open_extract(root, link_roots=None).allowed_roots == (root, lake)
    for given in ((), (tmp_path / "other",)):
        with pytest.raises(UnsafePath):
            extracts.open_extract(root, link_roots=given)


def test_layouts_that_hand_over_links_are_named() -> None:
    assert {"dataset-service"} == extracts.LINKED_LAYOUTS
    assert set(extracts.LAYOUTS) > extracts.LINKED_LAYOUTS


def test_empty_path_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.plain(tmp_path)
    monkeypatch.chdir(root)
    for call in (extracts.detect, extracts.open_extract):
        with pytest.raises(UsageError, match="empty path"):
            call("")
    with pytest.raises(UsageError, match="link_roots"):
        extracts.open_extract(root, link_roots=[""])
    assert extracts.open_extract(".").root == root


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "a" * 300, "a\0b", "\udce9"])
def test_path_that_cannot_be_is_an_error_of_ours(path: str) -> None:
    for call in (extracts.detect, extracts.open_extract):
        with pytest.raises((PathNotFound, ExtractError)) as caught:
            call(path)
        str(caught.value).encode()


def test_folder_whose_name_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    root.rename(odd)
    for path in (odd, odd / "a" / "IM0"):
        for call in (extracts.detect, extracts.open_extract):
            with pytest.raises(ExtractError, match="name is not valid UTF-8") as caught:
                call(path)
            assert "caf\\udce9" in str(caught.value)
            assert "rename" in str(caught.value)
    (tmp_path / "link").symlink_to(odd)
    with pytest.raises(ExtractError, match="not valid UTF-8"):
        extracts.open_extract(tmp_path / "link")


def test_only_odd_names_is_said_so(tmp_path: Path) -> None:
    trees.image(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.dcm")))
    with pytest.raises(EmptyExtract, match=r"caf\\udce9\.dcm: name is not valid UTF-8"):
        extracts.open_extract(tmp_path)


@pytest.mark.parametrize("beside", [None, "notes.txt"])
def test_images_too_deep_down_are_not_said_to_be_absent(tmp_path: Path, beside: str | None) -> None:
    root = tmp_path / "node"
    trees.image(root.joinpath(*["d"] * (MAX_DEPTH + 1)) / "IM1")
    if beside:
        (root / beside).write_text("hello")
    with pytest.raises(EmptyExtract, match=r"within 16 levels.*deeper folder") as caught:
        extracts.open_extract(root)
    assert "folder without files" not in str(caught.value)
    assert extracts.open_extract(root / "d" / "d").layout == "plain"
