from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract, PathNotFound, UnsafePath, UsageError
from workbench.extracts import cdm
from workbench.extracts.cdm.model import entities, file_of
from workbench.extracts.cdm.parts import Part

PATIENT = "identifier,patient_birth_sex\n"
STAGE = "identifier,cancer_stage_code,cancer_stage_as_concept\n"


def _values(extract: extracts.Extract) -> list[tuple[str, str, str]]:
    return [(row.patient_id, row.variable, row.value) for row in extract.clinical]


def _found(extract: extracts.Extract, code: str) -> list[tuple[int, str]]:
    return [(f.count, f.message) for f in extract.findings if f.code == code]


class TestFlows:
    """The CSV files that the flows write."""

    def test_patients_and_episodes_are_clinical_and_the_rest_is_refused_with_its_count(self, tmp_path: Path) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path))
        assert (extract.layout, extract.dataset_id, extract.series) == ("cdm", "ds0001", ())
        assert {row.table for row in extract.clinical} == {"patient", "episode"}
        assert sorted(count for count, _ in _found(extract, "clinical-unjoinable")) == [2, 3]
        assert extract.declared == {"form": "flow", "patients": 2, "studies": 3, "series": 2, "title": "Example"}

    def test_columns_are_spelt_as_in_the_sql_whatever_their_case(self, tmp_path: Path) -> None:
        text = "IDENTIFIER,PATIENT_BIRTH_SEX\nABC-1,COM1001366\n"
        extract = extracts.open_extract(trees.cdm(tmp_path, patient=text))
        assert ("ABC-1", "patient.patient_birth_sex", "COM1001366") in _values(extract)
        facts = {one.name: one for one in entities("dump")}
        assert facts["tumor_observation"].column("tumor_observation_value_as_number").name == (
            "tumor_observation_Value_as_number"
        )
        assert facts["procedure"].column("imagingtimepoint").name == "ImagingTimepoint"
        assert facts["health_status_assessment"].column("assesment_value_unit").role == "unit"

    def test_an_episode_gives_its_number_and_its_start(self, tmp_path: Path) -> None:
        row = next(r for r in extracts.open_extract(trees.cdm(tmp_path)).clinical if r.table == "episode")
        assert (row.episode, row.date, row.code, row.code_system) == ("1", "2019-05-01", "GEN1000008", "EUCAIM")

    def test_studies_have_timepoints_and_offsets_as_stated(self, tmp_path: Path) -> None:
        first, second, tagged = extracts.open_extract(trees.cdm(tmp_path)).studies
        assert (second.study_key, second.timepoint, second.offset, second.offset_unit, second.patient_id) == (
            "2.25.102", "2", "366.00", "COM1000153", "",
        )  # fmt: skip
        assert first.source == "image_study_20260102_030405_records.csv:2"
        assert (tagged.study_key, tagged.source) == ("2.25.103", "image_tag_20260102_030405_records.csv:3")

    def test_folders_of_the_toolset_and_one_base_folder_give_the_same(self, tmp_path: Path) -> None:
        flat = extracts.open_extract(trees.cdm(tmp_path / "flat"))
        placed = {
            (name if "/" in name else f"{'image_metadata' if 'image' in name else 'clinical_data'}/{name}"): text
            for name, text in trees.CDM_FLOW.items()
        }
        deep = extracts.open_extract(trees.cdm(tmp_path / "deep", placed))
        assert deep.layout == "cdm"
        assert _values(flat) == _values(deep)
        assert [(f.code, f.count, f.message) for f in flat.findings] == [
            (f.code, f.count, f.message) for f in deep.findings
        ]
        assert [ref.study_key for ref in flat.studies] == [ref.study_key for ref in deep.studies]

    def test_files_made_in_another_order_give_the_same(self, tmp_path: Path) -> None:
        first = extracts.open_extract(trees.cdm(tmp_path / "a"))
        second = extracts.open_extract(trees.cdm(tmp_path / "b", dict(reversed(list(trees.CDM_FLOW.items())))))
        assert _values(first) == _values(second)
        assert first.findings == second.findings


class TestLinks:
    """Whose rows are whose, said by the caller."""

    def test_linked_rows_are_loaded(self, tmp_path: Path) -> None:
        links = tmp_path / "links.csv"
        links.write_text("identifier,patient_id\ntm-1,ABC-1\ntm-2,ABC-2\ntm-3,ABC-1\ncc-1,ABC-1\n")
        extract = extracts.open_extract(trees.cdm(tmp_path), links=links)
        assert ("ABC-1", "tumor_marker_test.CLIN1000227", "7.70") in _values(extract)
        marker = next(r for r in extract.clinical if r.variable == "tumor_marker_test.CLIN1049757")
        assert (marker.patient_id, marker.code, marker.date) == ("ABC-2", "CLIN1046663", "2020-01-01")
        age = next(r for r in extract.clinical if r.variable.endswith("age_at_diagnosis"))
        assert (age.value, age.unit) == ("61.40", "COM1000151")
        assert [count for count, _ in _found(extract, "clinical-unjoinable")] == [1]

    def test_an_identifier_that_repeats_is_linked_by_its_table(self, tmp_path: Path) -> None:
        text = trees.CDM_FLOW["tumor_marker_test_20260102_030405_records.csv"].replace("tm-", "")
        root = trees.cdm(tmp_path, tumor_marker_test=text)
        (root / "cancer_stage_20260102_030405_records.csv").write_text(STAGE + "1,CLIN1033379,COM1000370\n")
        links = tmp_path / "links.csv"
        links.write_text("entity,identifier,patient_id\ntumor_marker_test,1,ABC-1\ncancer_stage,1,ABC-2\n")
        values = _values(extracts.open_extract(root, links=links))
        assert ("ABC-1", "tumor_marker_test.CLIN1000227", "7.70") in values
        assert ("ABC-2", "cancer_stage.CLIN1033379", "COM1000370") in values

    def test_identifiers_that_begin_with_patients_are_a_proposal_and_not_applied(self, tmp_path: Path) -> None:
        stage = STAGE + "ABC-1_s1,CLIN1033379,COM1000370\nABC-2_s1,CLIN1033379,COM1000370\n"
        root = trees.cdm(tmp_path)
        (root / "cancer_stage_20260102_030405_records.csv").write_text(stage)
        extract = extracts.open_extract(root)
        assert _found(extract, "link-proposed") == [(2, "2 identifier(s) of cancer_stage")]
        assert not any(row.table == "cancer_stage" for row in extract.clinical)
        links = tmp_path / "links.csv"
        assert cdm.write_proposed_links(root, links) == 2
        assert links.read_text() == (
            "entity,identifier,patient_id\ncancer_stage,ABC-1_s1,ABC-1\ncancer_stage,ABC-2_s1,ABC-2\n"
        )
        values = _values(extracts.open_extract(root, links=links))
        assert ("ABC-2", "cancer_stage.CLIN1033379", "COM1000370") in values

    def test_a_proposal_takes_the_longest_patient_and_all_identifiers_or_none(self, tmp_path: Path) -> None:
        patients = PATIENT + "A,COM1001366\nA-1,COM1001366\n"
        root = trees.cdm(tmp_path, {"patient_20260102_030405_records.csv": patients})
        stage = root / "cancer_stage_20260102_030405_records.csv"
        stage.write_text(STAGE + "A-1-x,CLIN1033379,COM1000370\nA-2,CLIN1033379,COM1000370\n")
        cdm.write_proposed_links(root, tmp_path / "links.csv")
        assert "A-1-x,A-1\n" in (tmp_path / "links.csv").read_text()
        stage.write_text(STAGE + "A-1-x,CLIN1033379,COM1000370\nB-2,CLIN1033379,COM1000370\n")
        with pytest.raises(UsageError, match="no identifier begins"):
            cdm.write_proposed_links(root, tmp_path / "links.csv")

    def test_tables_that_are_no_links_are_refused(self, tmp_path: Path) -> None:
        root = trees.cdm(tmp_path)
        with pytest.raises(PathNotFound):
            extracts.open_extract(root, links=tmp_path / "absent.csv")
        wrong = tmp_path / "links.csv"
        wrong.write_text("a,b\n1,2\n")
        with pytest.raises(UsageError, match="identifier and patient_id"):
            extracts.open_extract(root, links=wrong)
        wrong.write_text("identifier,patient_id\ntm-1,ABC-1\ntm-1,ABC-2\n")
        with pytest.raises(UsageError, match="two patients"):
            extracts.open_extract(root, links=wrong)
        with pytest.raises(UsageError, match="links= is not for"):
            extracts.open_extract(trees.idc(tmp_path), links=wrong)


class TestRuns:
    """Several files of one table: what a second run of the flows adds."""

    FIRST = "patient_20260102_030405_records.csv"
    LATER = "patient_20260301_000000_records.csv"

    def test_all_runs_of_a_table_are_one_and_repeats_count_once(self, tmp_path: Path) -> None:
        tables = {self.FIRST: PATIENT + "P1,COM1001366\n", self.LATER: PATIENT + "P1,COM1001366\nP2,COM1001370\n"}
        extract = extracts.open_extract(trees.cdm(tmp_path, tables))
        assert _values(extract) == [
            ("P1", "patient.patient_birth_sex", "COM1001366"),
            ("P2", "patient.patient_birth_sex", "COM1001370"),
        ]
        assert extract.findings == ()

    def test_of_two_contents_the_later_run_wins_and_the_conflict_is_told(self, tmp_path: Path) -> None:
        tables = {self.FIRST: PATIENT + "P1,COM1001366\n", self.LATER: PATIENT + "P1,COM1001370\n"}
        extract = extracts.open_extract(trees.cdm(tmp_path, tables))
        assert _values(extract) == [("P1", "patient.patient_birth_sex", "COM1001370")]
        assert [(f.code, f.path, f.count) for f in extract.findings] == [("row-conflict", self.LATER, 1)]

    def test_one_identifier_may_have_several_tests(self, tmp_path: Path) -> None:
        tables = {
            self.FIRST: PATIENT + "P1,COM1001366\n",
            "cancer_stage_20260102_030405_records.csv": STAGE + "cs-1,CLIN1033379,A\ncs-1,CLIN1033358,B\n",
            "cancer_stage_20260301_000000_records.csv": STAGE + "cs-1,CLIN1033358,C\n",
        }
        links = tmp_path / "links.csv"
        links.write_text("identifier,patient_id\ncs-1,P1\n")
        extract = extracts.open_extract(trees.cdm(tmp_path, tables), links=links)
        assert [value for _, variable, value in _values(extract) if "stage" in variable] == ["A", "C"]
        assert [count for count, _ in _found(extract, "row-conflict")] == [1]

    def test_the_flow_with_fewer_columns_does_not_hide_the_timepoint(self, tmp_path: Path) -> None:
        head = "procedureidentifier,procedure_code,procedure_date"
        tables = {
            self.FIRST: PATIENT + "P1,COM1001366\n",
            "procedure_20260102_030406_records.csv": f"{head},imagingtimepoint\npr-1,IMG1000022,2019-05-01,1\n",
            "procedure_20260102_030407_records.csv": f"{head}\npr-1,IMG1000022,2019-05-01\npr-9,X,2019-05-02\n",
        }
        links = tmp_path / "links.csv"
        links.write_text("identifier,patient_id\npr-1,P1\npr-9,P1\n")
        extract = extracts.open_extract(trees.cdm(tmp_path, tables), links=links)
        codes = [(row.value, row.timepoint) for row in extract.clinical if row.variable.endswith("procedure_code")]
        assert codes == [("IMG1000022", "1"), ("X", "")]
        assert not _found(extract, "row-conflict")

    @given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["COM1001366", "COM1001370"])), max_size=8))
    def test_what_stands_is_what_was_written_last(
        self, tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[str, str]]
    ) -> None:
        tables = {
            f"patient_20260101_{number:06d}_records.csv": f"{PATIENT}{patient},{sex}\n"
            for number, (patient, sex) in enumerate(runs)
        } or {self.FIRST: PATIENT}  # fmt: skip
        extract = extracts.open_extract(trees.cdm(tmp_path_factory.mktemp("runs"), tables))
        assert {patient: value for patient, _, value in _values(extract)} == dict(runs)
        assert len(_values(extract)) == len(dict(runs))


class TestDump:
    """Tables of the output database."""

    def test_every_row_finds_its_patient_as_the_sql_joins(self, tmp_path: Path) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP))
        owners = {row.variable: row.patient_id for row in extract.clinical if row.table not in ("patient",)}
        assert owners["histologic_grade.CLIN1037300"] == "ABC-1"
        assert owners["tumor_observation.IMG1005457"] == "ABC-1"
        assert owners["procedure.procedure_code"] == "ABC-2"
        assert not _found(extract, "clinical-unjoinable")

    def test_the_patient_of_a_study_is_found_through_its_procedure(self, tmp_path: Path) -> None:
        first, second = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP)).studies
        assert (first.patient_id, first.date, first.offset, first.offset_unit) == (
            "ABC-1", "2019-05-01", "0.00", "COM1000153",
        )  # fmt: skip
        assert (second.patient_id, second.timepoint, second.offset) == ("ABC-2", "1", "12.00")

    def test_the_tumour_volume_is_read_from_the_column_of_its_unit(self, tmp_path: Path) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP))
        volume = next(row for row in extract.clinical if row.variable == "tumor.tumor_volume")
        assert (volume.value, volume.unit) == ("4.20", "")
        assert [count for count, _ in _found(extract, "value-in-unit-column")] == [1]

    def test_not_deceased_says_nothing_without_a_later_contact(self, tmp_path: Path) -> None:
        rows = [
            (row.patient_id, row.value, row.raw)
            for row in extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP)).clinical
            if row.variable == "patient.patient_deceased"
        ]
        assert rows == [("ABC-1", "f", ""), ("ABC-2", "", "f")]

    def test_numbers_that_the_database_counts_up_never_leave_it(self, tmp_path: Path) -> None:
        shifted = {
            name: "\n".join(
                ",".join(f"9{cell}9" if column.endswith("_id") and cell.isdigit() else cell
                         for column, cell in zip(text.splitlines()[0].split(","), line.split(","), strict=True))
                for line in text.splitlines()
            ) + "\n"
            for name, text in trees.CDM_DUMP.items()
        }  # fmt: skip
        one = extracts.open_extract(trees.cdm(tmp_path / "a", trees.CDM_DUMP))
        other = extracts.open_extract(trees.cdm(tmp_path / "b", shifted))
        assert list(one.clinical) == list(other.clinical)
        assert one.studies == other.studies
        assert one.findings == other.findings

    def test_rows_of_a_patient_that_the_table_of_patients_lacks_are_refused(self, tmp_path: Path) -> None:
        text = "cancer_condition_id,patient_id,cancer_condition_code\n1,ABC-1,X\n2,XYZ,Y\n"
        extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP, cancer_condition=text))
        told = {message.split(":")[0]: count for count, message in _found(extract, "clinical-unjoinable")}
        assert told == {"cancer_condition": 1, "procedure": 1}

    def test_where_both_forms_lie_together_the_dump_is_read(self, tmp_path: Path) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP | trees.CDM_FLOW))
        assert extract.declared["form"] == "dump"
        assert [count for count, _ in _found(extract, "file-ignored-by-layout")] == [len(trees.CDM_FLOW) - 1]


class TestTraps:
    """What is odd in the values."""

    def test_terms_the_look_up_did_not_find_are_counted_with_the_original(self, tmp_path: Path) -> None:
        links = tmp_path / "links.csv"
        links.write_text("identifier,patient_id\ncc-1,ABC-1\ncc-2,ABC-2\n")
        extract = extracts.open_extract(trees.cdm(tmp_path), links=links)
        assert _found(extract, "code-not-found") == [
            (1, "cancer_condition.cancer_condition_histology_morphology: 1 of 2 value(s): phyllodes")
        ]
        row = [r for r in extract.clinical if r.variable.endswith("histology_morphology")][1]
        assert (row.value, row.code) == ("NOT FOUND", "")

    def test_originals_of_no_column_are_told_on_their_own(self, tmp_path: Path) -> None:
        log = trees.CDM_FLOW["mapping_logs/mapping_results_20260102_030405_records.csv"]
        root = trees.cdm(tmp_path, mapping_results="")
        (root / "mapping_logs" / "mapping_results_20260102_030405_records.csv").write_text(
            log.replace("HistologyMorphologyBehaviour", "Smoking")
        )
        assert (1, "Smoking, as the log of the mapping says: phyllodes") in _found(
            extracts.open_extract(root), "code-not-found"
        )

    def test_the_largest_number_that_a_column_holds_is_told(self, tmp_path: Path) -> None:
        assert [count for count, _ in _found(extracts.open_extract(trees.cdm(tmp_path)), "decimal-ceiling")] == [1]

    def test_swapped_columns_are_told_and_nothing_breaks(self, tmp_path: Path) -> None:
        head = "cancer_condition_asserted_date,cancer_condition_age_at_diagnosis"
        text = trees.CDM_DUMP["cancer_condition.csv"].replace("cancer_condition_age_at_diagnosis", "X")
        text = text.replace("cancer_condition_asserted_date", head.split(",")[1]).replace("X", head.split(",")[0])
        extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP, cancer_condition=text))
        told = {message.split(":")[0]: count for count, message in _found(extract, "column-type-unexpected")}
        assert told == {
            "cancer_condition.cancer_condition_asserted_date": 2,
            "cancer_condition.cancer_condition_age_at_diagnosis": 1,
        }

    def test_columns_in_another_order_are_the_same_table(self, tmp_path: Path) -> None:
        text = "\n".join(",".join(reversed(line.split(","))) for line in trees.CDM_DUMP["tumor.csv"].splitlines())
        one = extracts.open_extract(trees.cdm(tmp_path / "a", trees.CDM_DUMP))
        other = extracts.open_extract(trees.cdm(tmp_path / "b", trees.CDM_DUMP, tumor=text + "\n"))
        assert sorted(_values(one)) == sorted(_values(other))
        assert one.findings == other.findings

    def test_several_datasets_in_one_file_are_told(self, tmp_path: Path) -> None:
        root = trees.cdm(tmp_path, dataset="identifier,dataset_title\nds0001,A\nds0002,B\n")
        extract = extracts.open_extract(root)
        assert [count for count, _ in _found(extract, "datasets-mixed")] == [2]
        assert extract.dataset_id == "export"

    @pytest.mark.parametrize(
        ("text", "what"),
        [("", "empty"), ("a,b\n1,2\n", "no column of the table"), ("identifier,Identifier\n1,2\n", "stands twice")],
    )
    def test_a_file_that_is_no_table_is_a_finding(self, tmp_path: Path, text: str, what: str) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path, cancer_condition=text))
        assert any(what in message for _, message in _found(extract, "clinical-unreadable"))
        assert any(row.table == "patient" for row in extract.clinical)

    def test_rows_that_do_not_fit_are_left_out_and_counted(self, tmp_path: Path) -> None:
        extract = extracts.open_extract(trees.cdm(tmp_path, patient=PATIENT + "P1\nP2,COM1001366\n,,,\n"))
        assert [count for count, _ in _found(extract, "clinical-unreadable")] == [1]
        assert {row.patient_id for row in extract.clinical} == {"P2"}

    def test_other_separators_and_encodings_are_read(self, tmp_path: Path) -> None:
        root = trees.cdm(tmp_path, trees.CDM_DUMP)
        (root / "patient.csv").write_bytes("patient_id;patient_cause_of_death\nABC-1;Müdigkeit\n".encode("cp1252"))
        extract = extracts.open_extract(root, layout="cdm")
        assert ("ABC-1", "patient.patient_cause_of_death", "Müdigkeit") in _values(extract)
        assert [f.code for f in extract.findings if f.path == "patient.csv"] == ["clinical-encoding"]


class TestDetection:
    """What is taken for this layout."""

    def test_tables_that_only_share_a_name_are_not_the_model(self, tmp_path: Path) -> None:
        (tmp_path / "patient.csv").write_text("name,age\nA,61\n")
        (tmp_path / "image_series.csv").write_text("path,modality\na,CT\n")
        trees.image(tmp_path / "IM1")
        assert extracts.detect(tmp_path) == "plain"

    def test_a_folder_without_tables_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(EmptyExtract, match="no table of the common data model"):
            extracts.open_extract(tmp_path, layout="cdm")

    def test_file_names_are_told_whatever_their_case(self) -> None:
        assert file_of("PATIENT_20260102_030405_Records.CSV") == ("patient", "flow", "20260102_030405")
        assert file_of("tumour_20260102_030405_records.csv") is None

    def test_a_table_linked_out_is_not_read(self, tmp_path: Path) -> None:
        root = trees.cdm(tmp_path)
        outside = tmp_path / "outside.csv"
        outside.write_text(PATIENT + "SECRET,COM1001366\n")
        (root / "patient_20270101_000000_records.csv").symlink_to(outside)
        extract = extracts.open_extract(root)
        assert "link-outside" in trees.codes(extract)
        assert "SECRET" not in {row.patient_id for row in extract.clinical}


class TestImagesBeside:
    """Images of another layout in the same folder."""

    def test_plain_images_and_tables_are_one_extract(self, tmp_path: Path) -> None:
        root = trees.cdm(tmp_path, trees.CDM_DUMP)
        trees.image(root / "images" / "IM1")
        extract = extracts.open_extract(root)
        assert (extract.layout, extract.declared["images_layout"]) == ("cdm", "plain")
        assert [ref.path for ref in extract.series] == ["."]
        assert {row.file for row in extract.clinical} <= set(trees.CDM_DUMP)
        assert extract.tables == tuple(dict.fromkeys(extract.tables))

    def test_idc_and_datmat_folders_are_found_below_the_tables(self, tmp_path: Path) -> None:
        for maker, name in ((trees.idc, "idc"), (trees.datmat, "datmat")):
            root = maker(tmp_path / name)
            for file, text in trees.CDM_DUMP.items():
                (root / file).write_text(text)
            extract = extracts.open_extract(root)
            assert (extract.layout, extract.declared["images_layout"]) == ("cdm", name)
            assert len(extract.series) in (3, 4)

    def test_the_dataset_service_gives_images_and_both_give_values(self, tmp_path: Path) -> None:
        root, lake = trees.dataset_service(tmp_path)
        for file, text in trees.CDM_DUMP.items():
            (root / file).write_text(text)
        extract = extracts.open_extract(root, link_roots=[lake])
        assert (extract.layout, extract.declared["clinical_layout"]) == ("dataset-service", "cdm")
        assert len(extract.series) == 4
        assert {row.file for row in extract.clinical} >= {"eforms.json", "patient.csv", "tumor.csv"}
        assert len(extract.studies) == 2

    def test_a_link_out_of_the_lake_is_still_an_error(self, tmp_path: Path) -> None:
        root, _ = trees.dataset_service(tmp_path)
        shutil.copy(root / "index.json", tmp_path / "copy.json")
        (root / "patient_20260102_030405_records.csv").write_text(PATIENT)
        with pytest.raises(UnsafePath):
            extracts.open_extract(root, link_roots=[])


@pytest.mark.data
def test_reference_examples_open(reference_dir: Path) -> None:
    examples = reference_dir / "eucaim" / "examples"
    flow = extracts.open_extract(examples / "cdm_flow_csv")
    assert {message.split(":")[0]: count for count, message in _found(flow, "clinical-unjoinable")} == {
        "cancer_condition": 2, "cancer_stage": 2, "procedure": 4, "surgical_procedure": 1, "tumor_marker_test": 3,
    }  # fmt: skip
    assert [ref.study_key for ref in flow.studies] == ["2.25.101", "2.25.102", "2.25.201"]
    dump = extracts.open_extract(examples / "cdm_table_dump")
    assert dump.declared["form"] == "dump"
    assert [(ref.study_key, ref.patient_id, ref.timepoint) for ref in dump.studies] == [
        ("2.25.101", "ABC-1", "1"), ("2.25.102", "ABC-1", "2"), ("2.25.201", "ABC-2", "1"),
    ]  # fmt: skip
    assert trees.codes(dump) == ["value-in-unit-column"]


@pytest.mark.data
def test_table_facts_are_those_of_the_reference(reference_dir: Path) -> None:
    import json

    known = json.loads((reference_dir / "eucaim" / "cdm_tables.json").read_text("utf-8"))
    for form, names in (("dump", "columns"), ("flow", "flow_csv_columns")):
        theirs = {
            table: [column if isinstance(column, str) else column["column"] for column in facts[names]]
            for table, facts in (known["tables"] | known["files_without_a_table"]).items()
            if facts.get(names) and table != "process_logs"
        }
        ours = {one.name: [column.name for column in one.columns] for one in entities(form)}
        if form == "flow":
            theirs["procedure"] = [*theirs["procedure"], "ImagingTimepoint"]
        assert ours == theirs


class TestImagesElsewhere:
    """Tables and images in two folders."""

    @pytest.mark.parametrize("tables", [trees.CDM_DUMP, trees.CDM_FLOW])
    def test_three_ways_to_say_it_are_the_same(self, tmp_path: Path, tables: dict[str, str]) -> None:
        export, images = trees.cdm(tmp_path, tables), trees.idc(tmp_path)
        first = extracts.open_extract(images=images, clinical=export)
        assert (first.layout, first.declared["clinical_layout"], first.root) == ("idc", "cdm", images)
        assert len(first.series) == 3
        assert {row.file.rpartition("/")[0] for row in first.clinical} == {"../export"}
        for other in (extracts.open_extract(images, clinical=export), extracts.open_extract(export, images=images)):
            assert other == first

    def test_images_of_the_dataset_service_keep_their_forms(self, tmp_path: Path) -> None:
        root, lake = trees.dataset_service(tmp_path)
        extract = extracts.open_extract(images=root, clinical=trees.cdm(tmp_path, trees.CDM_DUMP), link_roots=[lake])
        assert {row.file for row in extract.clinical} >= {"eforms.json", "../export/patient.csv"}

    def test_no_path_at_all_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no path"):
            extracts.open_extract()


def _opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Files whose rows are read from now on, and how often."""
    seen: Counter[str] = Counter()
    real = Part.rows

    def counted(part: Part, broken: list[int] | None = None) -> Iterator[tuple[int, dict[str, str]]]:
        seen[part.path.name] += 1
        return real(part, broken)

    monkeypatch.setattr(Part, "rows", counted)
    return seen


@pytest.mark.parametrize("shape", ["flow", "dump"])
def test_rows_of_a_file_are_read_once_to_open_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    root = trees.cdm(tmp_path) if shape == "flow" else trees.cdm(tmp_path, trees.CDM_DUMP)
    seen = _opened(monkeypatch)
    extract = extracts.open_extract(root)
    assert seen
    assert set(seen.values()) == {1}
    before = seen.copy()
    assert len(extract.clinical)
    assert all(seen[name] - before[name] <= 1 for name in seen)


def test_rows_of_several_files_of_a_table_are_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.cdm(tmp_path)
    (root / "patient_20270102_030405_records.csv").write_text(PATIENT + "ABC-9,COM1001366\n")
    seen = _opened(monkeypatch)
    extract = extracts.open_extract(root)
    assert extract.declared["patients"] == 3
    assert {name: count for name, count in seen.items() if count > 1} == {
        "patient_20260102_030405_records.csv": 2, "patient_20270102_030405_records.csv": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_memory_of_a_large_export_grows_by_little_per_row(tmp_path: Path) -> None:
    """A number per row is held, to tell repeats; no cell is."""
    root = trees.cdm(tmp_path)
    rows = 400_000
    with (root / "tumor_marker_test_20260102_030405_records.csv").open("w") as file:
        file.write("identifier,tumor_marker_test_code,tumor_marker_test_value_as_number,tumor_marker_test_unit\n")
        file.writelines(f"m-{n},CLIN1000227,{n % 997}.10,{'ng/mL of a long-winded unit ' * 8}\n" for n in range(rows))
    code = """
import resource, sys
import numpy, pyarrow
from workbench.extracts import open_extract

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
extract = open_extract(sys.argv[1])
print(sum(finding.count for finding in extract.findings if finding.code == "clinical-unjoinable"), peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    lost, grown = map(int, done.stdout.split())
    assert lost >= rows
    assert grown * 1024 / rows < 200


def test_an_episode_is_of_the_patient_of_the_one_it_is_part_of_wherever_that_stands(tmp_path: Path) -> None:
    text = "episode_id,patient_id,episode_type_code,episode_parent_id\n1,,GEN1000008,2\n2,ABC-1,GEN1000008,\n3,,,4\n"
    extract = extracts.open_extract(trees.cdm(tmp_path, trees.CDM_DUMP | {"episode.csv": text}))
    told = [message for _, message in _found(extract, "clinical-unjoinable")]
    assert told == ["episode: 1 of 3 row(s) name no patient that is known"]
    assert {row.patient_id for row in extract.clinical if row.table == "episode"} == {"ABC-1"}
