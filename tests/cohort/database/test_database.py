from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import workbench as wb
from workbench.errors import QueryError


def test_counts_are_those_of_the_answer_key(cohort: wb.Cohort, federation: Path, tmp_path: Path) -> None:
    from workbench.synthetic import write_federation

    truth = write_federation(federation)
    for row in cohort.overview():
        told = truth["nodes"][row["node"]]
        assert (row["patients"], row["studies"]) == (told["patients"], told["studies"])
        assert row["by_modality"] == told["series"]
    for node, told in truth["nodes"].items():
        series = cohort.series[cohort.series["node"] == node]
        assert int(series["n_instances"].sum()) == told["instances"]


def test_every_planted_fault_is_found_where_it_was_planted(cohort: wb.Cohort, federation: Path) -> None:
    from workbench.synthetic import write_federation

    truth = write_federation(federation)
    found = cohort.sql("select node, code, patient_id, series_uid from findings")
    for fault in truth["faults"]:
        for code in fault["expected"]:
            hits = found.query("node == @fault['node'] and code == @code")
            assert len(hits), fault
            if fault["series_uid"] and code != "unreleased-series-visible":
                assert fault["series_uid"] in set(hits["series_uid"]), fault


def test_clinical_values_are_the_truth_where_they_were_given(cohort: wb.Cohort, federation: Path) -> None:
    from workbench.synthetic import write_federation

    truth = write_federation(federation)
    clinical = cohort.clinical.query("timepoint == '1'").set_index("patient_id")
    spelt = {"M": "male", "F": "female"}
    for told in truth["patients"]:
        patient = told["patient_id"]
        assert clinical.loc[patient, "sex"] == spelt[told["clinical"]["sex"]]
        age = clinical.loc[patient, "age_at_diagnosis"]
        if "age_at_diagnosis" in told["not_given"]:
            assert age != age
        elif told["node"] != "cedro":
            assert age == told["clinical"]["age_at_diagnosis"]


def test_columns_of_the_public_tables(cohort: wb.Cohort) -> None:
    assert {
        "node",
        "patient_id",
        "n_studies",
        "n_series",
        "n_images",
        "modalities",
        "has_clinical",
        "has_imaging",
    } <= set(cohort.patients)
    assert {"node", "patient_id", "StudyInstanceUID", "StudyDate", "timepoint", "n_series"} <= set(cohort.studies)
    assert {"SeriesInstanceUID", "Modality", "kind", "geometry", "n_labels", "n_parts", "decodable"} <= set(
        cohort.series
    )
    assert {"raw_variable", "raw_value", "table", "file", "row", "rule"} <= set(cohort.values)
    assert list(cohort.findings) == ["severity", "code", "node", "count", "what", "where", "remedy"]
    assert list(cohort.variables) == ["variable", "type", "unit", "description"]
    # What names a row is no variable of it.
    assert not {"node", "patient_id", "timepoint"} & set(cohort.variables["variable"])


def test_serious_findings_come_first(cohort: wb.Cohort) -> None:
    order = {"serious": 0, "attention": 1, "note": 2}
    ranks = cohort.findings["severity"].map(order).tolist()
    assert ranks == sorted(ranks)


def test_a_condition_keeps_matching_series_their_patients_and_labels(cohort: wb.Cohort) -> None:
    petct = cohort.where("modality = 'PT'")
    assert petct.nodes == cohort.nodes
    assert set(petct.series["Modality"]) == {"PT"} | set(petct.series.query("kind != 'image'")["Modality"])
    kept = set(petct.series.query("kind == 'image'")["SeriesInstanceUID"])
    for refers_to in petct.series.query("kind != 'image'")["refers_to"]:
        assert kept & set(refers_to)
    assert set(petct.patients["patient_id"]) == set(petct.series["patient_id"])
    assert set(petct.clinical["patient_id"]) == set(petct.patients["patient_id"])


def test_conditions_chain_and_leave_the_first_cohort_alone(cohort: wb.Cohort) -> None:
    before = len(cohort.series)
    smaller = cohort.where("modality = 'CT'").where("sex = 'female'")
    assert len(cohort.series) == before
    assert smaller.conditions == ("modality = 'CT'", "sex = 'female'")
    assert set(smaller.clinical["sex"]) == {"female"}
    both = cohort.where("modality = 'CT' and sex = 'female'")
    assert set(both.series["SeriesInstanceUID"]) == set(smaller.series["SeriesInstanceUID"])


def test_a_condition_nobody_meets_gives_an_empty_cohort(cohort: wb.Cohort) -> None:
    empty = cohort.where("modality = 'XX'")
    assert len(empty.patients) == len(empty.series) == len(empty.clinical) == 0
    assert "0" in repr(empty)


def test_findings_follow_the_selection(cohort: wb.Cohort) -> None:
    assert "gantry-tilt" in set(cohort.findings["code"])
    assert "gantry-tilt" not in set(cohort.where("modality = 'MR'").findings["code"])
    assert set(cohort.where("node = 'aurora'").findings["node"]) == {"aurora"}
    assert len(cohort.where("modality = 'XX'").findings) == 0


def test_a_grouped_finding_says_whose_it_is(cohort: wb.Cohort) -> None:
    row = cohort.findings.set_index("code").loc["gantry-tilt"]
    owner = cohort.sql("select patient_id from findings where code = 'gantry-tilt'")["patient_id"].item()
    assert owner in row["where"]


@pytest.mark.parametrize("condition", ["colour = 'red'", "modality = ", "1; drop table kept_series"])
def test_a_condition_that_is_not_understood_says_so(cohort: wb.Cohort, condition: str) -> None:
    with pytest.raises(QueryError):
        cohort.where(condition)


def test_an_error_never_repeats_a_value_of_the_data(cohort: wb.Cohort) -> None:
    with pytest.raises(QueryError) as caught:
        cohort.sql("select cast(raw_value as integer) from \"values\" where variable = 'sex'")
    for word in ("MALE", "Male", "masculino", "FEMALE"):
        assert word not in str(caught.value)


def test_sql_answers_over_all_tables(cohort: wb.Cohort) -> None:
    for table in ("patients", "studies", "series", "parts", "clinical", '"values"', "findings", "instances"):
        assert cohort.sql(f"select count(*) as n from {table}")["n"].item() > 0


def test_the_tables_cannot_be_changed_from_outside(cohort: wb.Cohort) -> None:
    table = cohort.patients
    table["node"] = "nowhere"
    for again in (cohort, cohort.where("true")):
        assert set(again.patients["node"]) == {"aurora", "boreal", "cedro"}


@pytest.mark.parametrize(
    "query",
    [
        "drop table all_series",
        "insert into kept_series values ('a', 'b')",
        "copy (select 1) to 'out.csv'",
        "attach 'other.db'",
        "select 1; select 2",
        "set threads = 1",
        "",
    ],
)
def test_a_question_only_asks(cohort: wb.Cohort, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError):
        cohort.sql(query)
    assert list(tmp_path.iterdir()) == []
    assert len(cohort.sql("select * from series")) == 66


@pytest.mark.parametrize("table", ["read_csv('{}')", "read_text('{}')", "'{}'", "glob('{}')"])
def test_a_question_reads_no_other_file(cohort: wb.Cohort, table: str, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("secret\n1\n")
    with pytest.raises(QueryError):
        cohort.sql(f"select * from {table.format(other)}")
    with pytest.raises(QueryError):
        cohort.where(f"exists (select 1 from {table.format(other)})")


@pytest.mark.parametrize("condition", ["", "  ", None, 3, b"true"])
def test_a_condition_that_is_no_text_is_refused(cohort: wb.Cohort, condition: object) -> None:
    with pytest.raises(QueryError):
        cohort.where(condition)  # type: ignore[arg-type]


def test_a_cohort_pickles(cohort: wb.Cohort) -> None:
    narrowed = cohort.where("modality = 'CT'")
    again = pickle.loads(pickle.dumps(narrowed))
    assert repr(again) == repr(narrowed)


def test_opening_and_printing_needs_no_pandas(federation: Path) -> None:
    code = (
        "import sys, workbench as wb\n"
        f"c = wb.open_cohort({str(federation / 'extracts' / '*')!r}, link_roots=[{str(federation / 'datalake')!r}])\n"
        "repr(c); c._repr_html_(); c.where(\"modality = 'CT'\")\n"
        "assert all(e.reused for e in c.extracts)\n"
        "print([m for m in ('pandas', 'xarray', 'pydicom', 'matplotlib', 'papermill') if m in sys.modules])"
    )
    wb.open_cohort(str(federation / "extracts" / "*"), link_roots=[federation / "datalake"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
