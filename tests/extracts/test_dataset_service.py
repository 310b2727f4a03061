from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EntryFileError, ExtractError, PathNotFound, UnsafePath
from workbench.extracts import index_file
from workbench.extracts.content import MAX_BYTES
from workbench.options import options


def rewrite(root: Path, items: Any) -> None:
    (root / "index.json").write_text(json.dumps(items), encoding="utf-8")


def test_series_come_from_the_index_in_its_order(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert [ref.path for ref in extract.series] == [
        f"{trees.SUBJECT_A}/{trees.STUDY_1}/1011",
        f"{trees.SUBJECT_A}/{trees.STUDY_1}/1012",
        f"{trees.SUBJECT_A}/{trees.STUDY_2}/1021",
        f"{trees.SUBJECT_B}/{trees.STUDY_3}/2011",
    ]
    first = extract.series[0]
    assert (first.patient_id, first.study_key, first.series_key) == (trees.SUBJECT_A, trees.STUDY_1, "1011")
    assert first.tags == ("Axial", "T2W")
    assert first.source == "index.json[0].series[0]"
    assert not first.recursive
    assert extract.findings == ()
    assert extract.declared == {"subjects": 2, "studies": 3, "series": 4}
    assert extract.tables == ("index.json", "eforms.json")
    assert extract.allowed_roots == (root, lake)
    assert extract.dataset_id == "11111111-2222"


def test_real_folders_open_without_link_roots(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    assert len(extracts.open_extract(root).series) == 4


def test_hostile_link_is_an_error_that_names_link_and_remedy(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    with pytest.raises(UnsafePath) as caught:
        extracts.open_extract(root)
    assert caught.value.file == f"{trees.SUBJECT_A}/{trees.STUDY_1}"
    assert f"link_roots=['{lake}']" in str(caught.value)


def test_link_roots_of_the_options_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, lake = trees.dataset_service(tmp_path)
    monkeypatch.setenv("WORKBENCH_LINK_ROOTS", str(lake))
    assert options.link_roots == (lake,)
    assert len(extracts.open_extract(root).series) == 4


def test_link_root_beside_the_target_does_not_help(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    near = tmp_path / "la"
    near.mkdir()
    with pytest.raises(UnsafePath):
        extracts.open_extract(root, link_roots=[near, lake / "other"])


def test_series_folder_that_links_out_is_an_error(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    outside = trees.image(tmp_path / "outside" / "IM").parent
    items = trees.index_items()
    items[0]["series"].append({"folderName": "9999", "tags": []})
    rewrite(root, items)
    (root / trees.SUBJECT_A / trees.STUDY_1 / "9999").symlink_to(outside)
    with pytest.raises(UnsafePath, match="9999"):
        extracts.open_extract(root)


@pytest.mark.parametrize("name", ["index.json", "eforms.json"])
def test_entry_files_that_link_out_are_errors(tmp_path: Path, name: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / name).rename(tmp_path / "elsewhere.json")
    (root / name).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UnsafePath, match=name):
        extracts.open_extract(root, link_roots=[lake])


@pytest.mark.parametrize("path", ["../lake/x", "/etc", "a/../../b", "C:\\data", "\\\\server\\x", "a\0b", "./", ".."])
def test_index_path_that_leaves_the_root_is_an_error(tmp_path: Path, path: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    items[1]["path"] = path
    rewrite(root, items)
    with pytest.raises(UnsafePath, match=r"index\.json\[1\]\.path"):
        extracts.open_extract(root, link_roots=[lake])


@pytest.mark.parametrize("name", ["..", "../1011", "/1011"])
def test_series_folder_name_that_leaves_the_study_is_an_error(tmp_path: Path, name: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    items[0]["series"][1]["folderName"] = name
    rewrite(root, items)
    with pytest.raises(UnsafePath, match=r"index\.json\[0\]\.series\[1\]\.folderName"):
        extracts.open_extract(root, link_roots=[lake])


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("[{]", "line 1, column 3"),
        ("", "line 1"),
        ('{"a": 1}', "not a list"),
        ("[7]", r"index\.json\[0\]"),
        ('[{"studyId": "1", "subjectName": "P"}]', "'path' is missing"),
        ('[{"studyId": "1", "subjectName": 5, "path": "P/S"}]', "'subjectName'"),
        ('[{"studyId": "1", "subjectName": "P", "path": "P/S", "series": {}}]', "'series'"),
        ('[{"studyId": "1", "subjectName": "P", "path": "P/S", "series": [{}]}]', "'folderName' is missing"),
        ('[{"studyId": "1", "subjectName": "P", "path": "P/S", "series": [{"folderName": "a/b"}]}]', "more than one"),
        ("[" * 100_000, "nested"),
        ("[" + "9" * 5000 + "]", "number"),
    ],
)
def test_index_that_is_not_as_the_service_writes_it_says_where(tmp_path: Path, content: str, where: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / "index.json").write_text(content)
    with pytest.raises(EntryFileError, match=where):
        extracts.open_extract(root, link_roots=[lake])


def test_index_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / "index.json").write_bytes('[{"studyName": "PRÓSTATA"}]'.encode("latin-1"))
    with pytest.raises(EntryFileError, match="not UTF-8 at byte 18"):
        extracts.open_extract(root, link_roots=[lake])


json_values = st.recursive(
    st.none() | st.integers() | st.sampled_from(["P1", "P1/S1", "..", "/", "\0", ""]) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["studyId", "subjectName", "path", "series", "folderName", "tags"]), inner, max_size=6
        )
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_any_json_in_the_index_opens_or_is_an_extract_error(tmp_path: Path, value: Any) -> None:
    item = {"studyId": "1", "subjectName": "P1", "path": "P1/S1", "series": [{"folderName": "1", "tags": []}]}
    for content in (value, [value], [item | value if isinstance(value, dict) else value, item]):
        rewrite(tmp_path, content)
        with contextlib.suppress(ExtractError):
            extracts.open_extract(tmp_path, layout="dataset-service")


def test_missing_index_is_an_error_when_the_layout_is_forced(tmp_path: Path) -> None:
    with pytest.raises(EntryFileError, match="missing"):
        extracts.open_extract(tmp_path, layout="dataset-service")


def test_listed_series_that_is_not_there_is_a_finding_and_the_rest_opens(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    items[0]["series"].append({"folderName": "1013", "tags": []})
    rewrite(root, items)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert len(extract.series) == 4
    (finding,) = extract.findings
    assert finding.code == "series-folder-missing"
    assert finding.path == f"{trees.SUBJECT_A}/{trees.STUDY_1}/1013"
    assert finding.patient_id == trees.SUBJECT_A


def test_listed_study_that_is_not_there_counts_its_series(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / trees.SUBJECT_A / trees.STUDY_1).unlink()
    extract = extracts.open_extract(root, link_roots=[lake])
    assert [(f.code, f.count) for f in extract.findings] == [("series-folder-missing", 2)]
    assert len(extract.series) == 2


def test_file_in_the_place_of_a_folder_is_missing(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    items = trees.index_items()
    items[0]["series"].append({"folderName": "1013", "tags": []})
    items.append({**trees.index_items()[2], "path": f"{trees.SUBJECT_B}/225000202"})
    rewrite(root, items)
    (root / trees.SUBJECT_A / trees.STUDY_1 / "1013").write_text("x")
    (root / trees.SUBJECT_B / "225000202").write_text("x")
    extract = extracts.open_extract(root)
    assert trees.codes(extract) == ["series-folder-missing"] * 2
    assert len(extract.series) == 4


def test_dangling_link_means_the_lake_is_not_mounted(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    lake.rename(tmp_path / "gone")
    extract = extracts.open_extract(root)
    assert extract.series == ()
    assert [(f.code, f.count) for f in extract.findings] == [
        ("datalake-not-mounted", 2),
        ("datalake-not-mounted", 1),
        ("datalake-not-mounted", 1),
    ]
    assert extract.clinical


def test_dangling_series_link_is_a_finding(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    items = trees.index_items()
    items[0]["series"].append({"folderName": "1013", "tags": []})
    rewrite(root, items)
    (root / trees.SUBJECT_A / trees.STUDY_1 / "1013").symlink_to(tmp_path / "nowhere")
    extract = extracts.open_extract(root)
    assert trees.codes(extract) == ["datalake-not-mounted"]
    assert len(extract.series) == 4


def test_circle_of_links_leads_nowhere(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    study = root / trees.SUBJECT_B / trees.STUDY_3
    study.unlink()
    study.symlink_to(study)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert trees.codes(extract) == ["datalake-not-mounted"]


def test_study_folder_that_cannot_be_listed_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _denied() if str(path).endswith(trees.STUDY_2) else real(path))
    extract = extracts.open_extract(root)
    assert trees.codes(extract) == ["file-unreadable"]
    assert len(extract.series) == 3


def _denied() -> Any:
    raise PermissionError(13, "Permission denied")


def test_series_that_was_not_handed_over_is_counted_and_not_listed(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    study = lake / trees.SUBJECT_A / trees.STUDY_1
    trees.image(study / "1018" / "2.25.9.dcm")
    trees.image(study / "1019" / "2.25.9.dcm")
    trees.image(study / ".cache" / "2.25.9.dcm")
    extract = extracts.open_extract(root, link_roots=[lake])
    (finding,) = extract.findings
    assert (finding.code, finding.count) == ("unreleased-series-visible", 2)
    assert not any("1018" in ref.path or "1019" in ref.path for ref in extract.series)


def test_index_without_a_series_list_hands_nothing_over(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    del items[0]["series"]
    rewrite(root, items)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert [(f.code, f.count) for f in extract.findings] == [("unreleased-series-visible", 2)]
    assert len(extract.series) == 2


def test_folder_listed_twice_is_opened_once(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = [*trees.index_items(), trees.index_items()[2]]
    rewrite(root, items)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert trees.codes(extract) == ["listed-twice"]
    assert len(extract.series) == 4


def test_one_study_listed_in_two_items_has_no_unreleased_series(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    half = {**items[0], "series": items[0]["series"][1:]}
    items[0]["series"] = items[0]["series"][:1]
    rewrite(root, [*items, half])
    extract = extracts.open_extract(root, link_roots=[lake])
    assert extract.findings == ()
    assert len(extract.series) == 4


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_names_are_compared_in_one_unicode_form(tmp_path: Path, listed: str) -> None:
    on_disk = "NFD" if listed == "NFC" else "NFC"
    subject, study, series = "Peña", "PRÓSTATA", "Sección"
    root = tmp_path / "node"
    disk = "/".join(normalize(on_disk, name) for name in (subject, study, series))
    trees.image(root / disk / "2.25.1.dcm")
    item = {
        "studyId": "1",
        "subjectName": normalize(listed, subject),
        "path": normalize(listed, f"{subject}/{study}"),
        "series": [{"folderName": normalize(listed, series), "tags": []}],
    }
    rewrite(root, [item])
    extract = extracts.open_extract(root)
    assert extract.findings == ()
    assert [(ref.path, ref.patient_id) for ref in extract.series] == [(disk, normalize("NFC", subject))]


def test_path_of_another_subject_is_a_finding(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    items[2]["subjectName"] = trees.SUBJECT_A
    rewrite(root, items)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert trees.codes(extract) == ["patient-id-mismatch"]


def test_filtered_index_selects_and_may_not_add(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(trees.index_items()[2:]))
    extract = extracts.open_extract(root, link_roots=[lake], index=mine)
    assert [ref.source for ref in extract.series] == ["mine.json[0].series[0]"]
    assert extract.findings == ()

    more = trees.index_items()[2:]
    more[0]["series"].append({"folderName": "2019", "tags": []})
    mine.write_text(json.dumps(more))
    with pytest.raises(EntryFileError, match=r"mine\.json\[0\]"):
        extracts.open_extract(root, link_roots=[lake], index=mine)
    with pytest.raises(PathNotFound):
        extracts.open_extract(root, link_roots=[lake], index=tmp_path / "none.json")


def test_broken_eforms_leave_the_images_open(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / "eforms.json").write_text('[{"subjectName":')
    extract = extracts.open_extract(root, link_roots=[lake])
    assert trees.codes(extract) == ["clinical-unreadable"]
    assert extract.findings[0].path == "eforms.json"
    assert len(extract.series) == 4


def test_absent_eforms_are_no_finding_here(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    (root / "eforms.json").unlink()
    extract = extracts.open_extract(root, link_roots=[lake])
    assert (tuple(extract.clinical), extract.findings, extract.tables) == ((), (), ("index.json",))


def test_eforms_are_clinical_rows(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    rows = extracts.open_extract(root, link_roots=[lake]).clinical
    assert [(row.patient_id, row.variable, row.value) for row in rows] == [
        (trees.SUBJECT_A, "inclusion_criteria.age_at_diagnosis", "61"),
        (trees.SUBJECT_A, "patient_data.gender", "MALE"),
        (trees.SUBJECT_B, "inclusion_criteria.age_at_diagnosis", "70"),
        (trees.SUBJECT_B, "patient_data.gender", "FEMALE"),
    ]


def test_nothing_below_a_study_is_opened_or_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, lake = trees.dataset_service(tmp_path)
    trees.image(lake / trees.SUBJECT_A / trees.STUDY_1 / "1019" / "2.25.9.dcm")
    opened = trees.watch(monkeypatch)
    listed: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        listed.append(os.path.realpath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    extracts.open_extract(root, link_roots=[lake])
    assert {Path(path).name for path in opened} == {"index.json", "eforms.json"}
    studies = {str(lake / item["path"]) for item in trees.index_items()}
    assert set(listed) == {str(root), *studies}


def test_fifteen_thousand_series_cost_one_listing_per_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_studies, per_study = 736, 21
    items = []
    listed: list[str] = []

    class Entry:
        def __init__(self, folder: str, name: str) -> None:
            self.name, self.path = name, f"{folder}/{name}"

        def is_symlink(self) -> bool:
            return False

        def is_dir(self, *, follow_symlinks: bool = True) -> bool:
            return True

    class Listing(list[Entry]):
        def __enter__(self) -> Listing:
            return self

        def __exit__(self, *_: object) -> None: ...

    root = tmp_path / "big"
    for number in range(n_studies):
        item = trees.index_items()[0]
        item["path"] = f"{trees.SUBJECT_A}/{number}"
        item["series"] = [{"folderName": f"{number}{series:02}", "tags": []} for series in range(per_study)]
        items.append(item)
        (root / item["path"]).mkdir(parents=True)
    rewrite(root, items)
    real = os.scandir

    def scandir(path: Any) -> Any:
        listed.append(str(path))
        if Path(path).parent.name != trees.SUBJECT_A:
            return real(path)
        number = Path(path).name
        return Listing(Entry(str(path), f"{number}{series:02}") for series in range(per_study))

    monkeypatch.setattr(os, "scandir", scandir)
    extract = extracts.open_extract(root)
    assert len(extract.series) == n_studies * per_study == extract.declared["series"]
    assert extract.findings == ()
    assert len(listed) <= n_studies + 5


@pytest.mark.data
@pytest.mark.parametrize("forms", ["eforms.json", "eforms_flat.json"])
def test_reference_example_opens(tmp_path: Path, reference_dir: Path, forms: str) -> None:
    example = reference_dir / "eucaim" / "examples" / "dataset_service"
    root, lake = tmp_path / "11111111-2222-4333-8444-555555555555", tmp_path / "lake"
    root.mkdir()
    (root / "index.json").write_bytes((example / "index.json").read_bytes())
    (root / "eforms.json").write_bytes((example / forms).read_bytes())
    items = json.loads((root / "index.json").read_text())
    for item in items:
        for series in item["series"]:
            trees.image(lake / item["path"] / series["folderName"] / "2.25.1.dcm")
        (root / item["path"]).parent.mkdir(exist_ok=True)
        (root / item["path"]).symlink_to(lake / item["path"])
    trees.image(lake / items[0]["path"] / "22500000000000000000000000000000000001019" / "2.25.10190001.dcm")
    extract = extracts.open_extract(root, link_roots=[lake])
    assert len(extract.series) == sum(len(item["series"]) for item in items) == 4
    assert trees.codes(extract) == ["unreleased-series-visible"]
    values = {row.variable: row.value for row in extract.clinical}
    expected = (
        {"age": "61", "stage": "II"}
        if forms == "eforms_flat.json"
        else {
            "inclusion_criteria.baseline_date": "2019-05-01",
            "inclusion_criteria.age_at_diagnosis": "61",
            "patient_data.gender": "FEMALE",
            "inclusion_criteria.date_baseline_ct": "2020-02-01",
            "inclusion_criteria.age_at_baseline": "70",
        }
    )
    assert values == expected


def replace_by(kind: str, path: Path) -> None:
    """Something that is no regular file, in the place of *path*."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
            listener.bind(path.name)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path.with_suffix(".pipe"))
        path.symlink_to(path.with_suffix(".pipe"))


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "link to a pipe"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    replace_by(kind, root / "eforms.json")
    (finding,) = extracts.open_extract(root, link_roots=[lake]).findings
    assert (finding.code, finding.path) == ("clinical-unreadable", "eforms.json")
    replace_by(kind, root / "index.json")
    for layout in (None, "dataset-service"):
        with pytest.raises(EntryFileError, match=r"not a regular file \[index\.json\]"):
            extracts.open_extract(root, link_roots=[lake], layout=layout)


def test_pipe_as_index_alone_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(EntryFileError, match="not a regular file"):
        extracts.open_extract(tmp_path)


def test_entry_files_beyond_the_largest_size_are_left_unread(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    os.truncate(root / "eforms.json", MAX_BYTES + 1)
    (finding,) = extracts.open_extract(root, link_roots=[lake]).findings
    assert (finding.code, finding.path) == ("clinical-unreadable", "eforms.json")
    assert "larger than 256 MiB" in finding.message
    os.truncate(root / "index.json", index_file.MAX_BYTES + 1)
    with pytest.raises(EntryFileError, match="larger than 1024 MiB"):
        extracts.open_extract(root, link_roots=[lake])


@pytest.mark.parametrize("path", [f"P1/{'a' * 300}", f"{'é' * 200}/S1", f"P1/{'a' * 300}/../x", "P1/\0"])
def test_path_longer_than_the_file_system_allows_is_an_error_that_names_it(tmp_path: Path, path: str) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    (root / "P1").mkdir()
    items[1]["path"] = path
    rewrite(root, items)
    with pytest.raises(ExtractError, match=r"index\.json\[1\]\.path") as caught:
        extracts.open_extract(root, link_roots=[lake])
    if "longer" in caught.value.what:
        assert isinstance(caught.value, EntryFileError)
    assert ("longer" in caught.value.what) == (not {"..", "\0"} & set(path.split("/")))


def test_path_that_is_too_long_as_a_whole_is_an_error_that_names_it(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    (root / "P1").symlink_to(".")
    items[1]["path"] = "/".join(["P1"] * 3 + ["b" * 255] * 20)
    rewrite(root, items)
    assert "series-folder-missing" in trees.codes(extracts.open_extract(root, link_roots=[lake]))


def test_series_folder_longer_than_the_file_system_allows_is_not_on_disk(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    items = trees.index_items()
    items[0]["series"][0]["folderName"] = "a" * 300
    rewrite(root, items)
    extract = extracts.open_extract(root, link_roots=[lake])
    assert set(trees.codes(extract)) == {"series-folder-missing", "unreleased-series-visible"}
    assert len(extract.series) == 3


def test_folder_beside_the_series_whose_name_is_not_utf_8_is_only_counted(tmp_path: Path) -> None:
    root, _ = trees.dataset_service(tmp_path, linked=False)
    study = root / trees.SUBJECT_A / trees.STUDY_1
    Path(os.fsdecode(os.fsencode(study) + b"/caf\xe9")).mkdir()
    (finding,) = extracts.open_extract(root).findings
    assert finding.code == "unreleased-series-visible"
    (finding.path + finding.message).encode()
