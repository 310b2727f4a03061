"""The catalogue of extracts at hand, of a small archive, and of both together."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import workbench as wb
from workbench.cohort import catalogue
from workbench.cohort.catalogue import archive
from workbench.errors import EntryFileError, ExtractError, MissingExtra, QueryError, UsageError

_ROWS = """
    select * from (values
        ('lung_one', 'A', '1.1', '1.1.1', '042y', 'F', 'CT', 'GE MEDICAL SYSTEMS', 'CHEST', 'CC BY 4.0', 'u1', 1.0),
        ('lung_one', 'A', '1.1', '1.1.2', '90', 'F', 'SEG', 'QIICR', null, 'CC BY 4.0', 'u2', 0.5),
        ('lung_one', 'B', '1.2', '1.2.1', 'N-A', '6657', 'CT', 'SIEMENS', 'CHESTABDPELVIS', 'CC BY-NC 3.0', 'u3', 2.0),
        ('both', 'A', '1.3', '1.3.1', null, null, 'MR', null, 'WO INTER', 'CC BY 3.0', 'u4', 4.0)
    ) t(collection_id, PatientID, StudyInstanceUID, SeriesInstanceUID, PatientAge, PatientSex, Modality, Manufacturer,
        BodyPartExamined, license_short_name, crdc_series_uuid, series_size_MB)"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> wb.catalogue.Catalogue:
    """An archive of four series, in the columns of the real index, normalised by the code that does it for real."""
    tmp_path = tmp_path_factory.mktemp("archive")
    run = duckdb.connect().execute
    uuid = "'00000000-0000-4000-8000-0000000000' || crdc_series_uuid"
    run(f"""copy (select * replace ({uuid}.replace('u', '0') as crdc_series_uuid),
            's3://bucket/' || ({uuid}).replace('u', '0') || '/*' as series_aws_url, '2020-01-02' as StudyDate,
            '1.2.840.10008.1.2.1,1.2.840.10008.1.2' as TransferSyntaxUID, 10 as instanceCount, 'x' as SeriesDescription,
            '10.1/x' as source_DOI from ({_ROWS})) to '{tmp_path}/index.parquet'""")
    run(f"""copy (select * from (values ('lung_one', 'Lung Cancer', 'lung'),
        ('both', 'Breast Cancer, Lung Cancer', 'Breast, Lung')) t(collection_id, cancer_types, tumor_locations))
        to '{tmp_path}/collections.parquet'""")
    archive._write(tmp_path / "index.parquet", tmp_path / "collections.parquet", tmp_path / "out.parquet")
    return catalogue.Catalogue(
        "small", {"series": f"select * from read_parquet('{tmp_path}/out.parquet')"}, paths=[f"{tmp_path}/out.parquet"]
    )


def test_no_row_and_no_text_is_lost_by_normalising(small: wb.catalogue.Catalogue) -> None:
    rows = small.sql("select * from series")
    assert len(rows) == 4
    assert sorted(rows["PatientAge"].dropna()) == ["042y", "90", "N-A"]
    assert sorted(rows["PatientSex"].dropna()) == ["6657", "F", "F"]
    assert sorted(rows["age_years"].dropna()) == [42, 90]
    assert rows.set_index("SeriesInstanceUID").loc["1.2.1", "sex"] == "unknown"
    assert list(rows["transfer_syntaxes"].iloc[0]) == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def test_a_size_is_in_millions_of_bytes(small: wb.catalogue.Catalogue) -> None:
    assert small.sql("select sum(size_bytes)::bigint from series").iloc[0, 0] == 7_500_000


def test_a_collection_of_two_diseases_is_found_by_each(small: wb.catalogue.Catalogue) -> None:
    assert len(small.search("breast")) == 1
    assert len(small.search("LUNG")) == 3
    assert len(small.search("lung", annotations=True)) == 4


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"modality": "ct"}, {"1.1.1", "1.2.1"}),
        ({"modality": ["CT", "MR"]}, {"1.1.1", "1.2.1", "1.3.1"}),
        ({"body_part": "pelvis"}, {"1.2.1"}),
        ({"maker": "general electric"}, {"1.1.1"}),
        ({"licence": "commercial"}, {"1.1.1", "1.3.1"}),
        ({"licence": "CC BY-NC"}, {"1.2.1"}),
        ({"collection": "both"}, {"1.3.1"}),
        ({"sex": "female"}, {"1.1.1"}),
        ({"age": (40, 50)}, {"1.1.1"}),
        ({"where": "n_instances = 10 and SeriesInstanceUID like '1.3%'"}, {"1.3.1"}),
    ],
)
def test_each_condition_finds_what_it_says(
    small: wb.catalogue.Catalogue, search: dict[str, object], found: set[str]
) -> None:
    assert set(small.search(**search).frame()["SeriesInstanceUID"]) == found  # type: ignore[arg-type]


def test_a_size_bounds_whole_patients(small: wb.catalogue.Catalogue) -> None:
    for limit in (0.0005, 0.0016, 0.0031, 0.01):
        kept = small.search(annotations=True, max_gb=limit)
        assert kept.n_bytes <= limit * 1e9
        rows = kept.frame()
        whole = small.sql("select * from series").merge(rows[["collection", "PatientID"]].drop_duplicates())
        assert len(whole) == len(rows)
    assert len(kept) == 4


def test_the_manifest_names_each_series_once_and_its_licences(small: wb.catalogue.Catalogue, tmp_path: Path) -> None:
    found = small.search("lung", modality="CT")
    text = found.manifest(tmp_path / "m.s5cmd").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f"cp s3://bucket/00000000-0000-4000-8000-0000000000{n}/* ." for n in ("01", "03")]
    assert "1 series may not be used commercially" in text
    assert "not for commercial use" in repr(found)


def test_nothing_found_makes_no_manifest(small: wb.catalogue.Catalogue, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        small.search(where="false").manifest(tmp_path / "m.s5cmd")
    assert not (tmp_path / "m.s5cmd").exists()


@pytest.mark.parametrize(
    "search",
    [
        {"where": "true); drop table series; --"},
        {"where": "nonsense_column > 3"},
        {"where": "1 = 1; select 2"},
        {"where": "exists (select * from read_csv('/etc/passwd'))"},
        {"age": "old"},
        {"modality": []},
        {"max_gb": -1},
    ],
)
def test_what_cannot_be_asked_meets_our_error(small: wb.catalogue.Catalogue, search: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        small.search(**search)  # type: ignore[arg-type]
    assert len(small.sql("select * from series")) == 4


@pytest.mark.parametrize(
    ("search", "hint"),
    [
        ({"condition": "lnug"}, "Lung"),
        ({"licence": "comercial"}, "CC BY 4.0"),
        ({"modality": "XX"}, "CT"),
        ({"body_part": "chset"}, "Chest"),
    ],
)
def test_a_word_that_no_series_has_is_told_with_those_spelt_like_it(
    small: wb.catalogue.Catalogue, search: dict[str, str], hint: str
) -> None:
    with pytest.raises(QueryError, match="no series has") as caught:
        small.search(**search)
    assert hint in str(caught.value.remedy)


def test_arguments_of_the_wrong_kind_are_refused(small: wb.catalogue.Catalogue) -> None:
    for call in (
        lambda: small.search(3), lambda: small.sql(None), lambda: small.holdings(4), lambda: catalogue.extracts(3),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            call()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("query", ["drop view series", "copy series to 'x.csv'", "select 1; select 2", "selec", ""])
def test_only_questions_are_answered(small: wb.catalogue.Catalogue, query: str) -> None:
    with pytest.raises(UsageError):
        small.sql(query)


def test_what_is_odd_is_counted(small: wb.catalogue.Catalogue) -> None:
    dirt = small.dirt().set_index(["column", "what"])["n_series"]
    assert dirt["PatientAge", "no unit"] == 1
    assert dirt["PatientAge", "not an age"] == 1
    assert dirt["PatientSex", "not M, F or O"] == 1
    assert dirt["BodyPartExamined", "in no table"] == 1
    assert dirt["TransferSyntaxUID", "several in one series"] == 4


def test_an_index_without_its_columns_is_refused(tmp_path: Path) -> None:
    duckdb.connect().execute(f"copy (select 1 as x) to '{tmp_path}/index.parquet'")
    with pytest.raises(ExtractError, match="lacks"):
        archive._write(tmp_path / "index.parquet", tmp_path / "c.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "24.2.0")
    with pytest.raises(MissingExtra, match="catalogue"):
        catalogue.idc()


def test_extracts_at_hand_are_counted_side_by_side(cohort: wb.Cohort) -> None:
    held = catalogue.extracts(cohort)
    table = held.holdings("Modality")
    assert set(table.columns) == set(cohort.nodes)
    series = cohort.series.groupby(["Modality", "node"]).size()
    assert {(m, n): int(table.loc[m, n]) for m, n in series.index} == series.to_dict()
    assert held.search(modality="CT").n_series == (cohort.series["Modality"] == "CT").sum()
    assert "not sealed" in repr(held)
    with pytest.raises(UsageError, match="at hand"):
        held.search(modality="CT").manifest("never.s5cmd")


def test_hospitals_and_archive_stand_side_by_side(cohort: wb.Cohort, small: wb.catalogue.Catalogue) -> None:
    both = catalogue.together(catalogue.extracts(cohort), small)
    assert set(both.holdings("Modality").columns) == {*cohort.nodes, "idc"}
    assert len(both.sql("select * from series")) == len(cohort.series) + 4
    with pytest.raises(UsageError, match="two or more"):
        catalogue.together(small)


@pytest.mark.slow
class TestTheRealIndex:
    """idc-index-data as installed: a million real series."""

    @pytest.fixture(scope="class")
    def real(self) -> wb.catalogue.Catalogue:
        return catalogue.idc()

    def test_every_series_is_there_with_its_own_columns(self, real: wb.catalogue.Catalogue) -> None:
        import idc_index_data

        index = str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH)
        run = duckdb.connect().execute
        own = [name for name, *_ in run(f"describe select * from '{index}'").fetchall()]
        columns = ", ".join(f'"{name}"' for name in own)
        made = real.parts[0][0]["series"]
        differ = run(
            f"select count(*) from (select {columns} from ({made}) except all select {columns} from '{index}')"
        )
        assert differ.fetchone() == (0,)
        same = run(f"select (select count(*) from ({made})) = (select count(*) from '{index}')").fetchone()
        assert same == (True,)

    def test_what_is_odd_in_it_is_counted_as_an_independent_count_does(self, real: wb.catalogue.Catalogue) -> None:
        import idc_index_data
        import pandas as pd

        raw = pd.read_parquet(idc_index_data.IDC_INDEX_PARQUET_FILEPATH, columns=["PatientAge", "PatientSex"])
        dirt = real.dirt().set_index(["column", "what"])["n_series"]
        assert dirt["PatientAge", "missing"] == raw["PatientAge"].isna().sum()
        assert dirt["PatientAge", "no unit"] == raw["PatientAge"].str.fullmatch(r"\d{1,3}").sum()
        odd = ~raw["PatientSex"].dropna().isin(["M", "F", "O"])
        assert dirt["PatientSex", "not M, F or O"] == odd.sum()

    def test_a_manifest_is_read_back_and_what_is_gone_is_told(
        self, real: wb.catalogue.Catalogue, tmp_path: Path
    ) -> None:
        found = real.search("prostate", modality="MR", max_gb=0.2)
        path = found.manifest(tmp_path / "m.s5cmd")
        with path.open("a") as file:
            file.write("cp s3://bucket/00000000-0000-4000-8000-00000000dead/*  .\n")
        back = catalogue.read_manifest(path, catalogue=real)
        assert back["status"].value_counts().to_dict() == {"current": found.n_series, "withdrawn": 1}
        uid = real.sql("select crdc_series_uuid from prior_versions limit 1").iloc[0, 0]
        path.write_text(f"cp s3://bucket/{uid}/* .\n")
        assert set(catalogue.read_manifest(path, catalogue=real)["status"]) <= {"earlier", "current"}
        path.write_text("nothing\n")
        with pytest.raises(EntryFileError):
            catalogue.read_manifest(path, catalogue=real)

    def test_the_command_prints_what_was_found(self, real: wb.catalogue.Catalogue, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "workbench", "catalogue", "idc", "--condition", "prostate", "--modality", "MR",
                   "--max-gb", "0.2", "--manifest", str(tmp_path / "m.s5cmd"), "--json"]  # fmt: skip
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert told["series"] == real.search("prostate", modality="MR", max_gb=0.2).n_series
        assert (tmp_path / "m.s5cmd").read_text().count("\ncp ") == told["series"]


def test_a_selection_is_text_and_table(small: wb.catalogue.Catalogue) -> None:
    found = small.search("lung")
    assert "3 series of 3 patients" in repr(found)
    assert "<table" in found._repr_html_()
    assert found.counts("maker")["n_series"].sum() == 3
    with pytest.raises(QueryError):
        found.counts("nonsense")
    assert pickle.loads(pickle.dumps(found.frame())).equals(found.frame())
