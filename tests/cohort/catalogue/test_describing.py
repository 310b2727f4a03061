"""What of a dataset's record a cohort tells, for its own people and for others."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image, mask
from tests.running import run
from workbench.cohort.catalogue.described import Described, Entry
from workbench.cohort.catalogue.describing import IRI
from workbench.cohort.catalogue.fields import fields
from workbench.cohort.tables.store import Stored
from workbench.errors import UsageError
from workbench.extracts.record import ClinicalRow
from workbench.options import options


def row(patient: str, variable: str, value: str) -> ClinicalRow:
    return ClinicalRow(patient, variable, value, table="clinical", file="clinical.csv", row=1)


def made(n: int, **facts: Any) -> Made:
    """A node of so many patients: a study, a series and a row each; ages 50, 51 ..., a day later each."""
    rows, told = [], []
    for i in range(n):
        day = f"2020{1 + i:02}15"
        rows.append(image(f"P{i}", f"1.{i}", **{
            "Modality": "CT", "Manufacturer": "SIEMENS", "BodyPartExamined": "PROSTATE", "StudyDate": day, **facts,
        }))  # fmt: skip
        told += [row(f"P{i}", "sex", "male"), row(f"P{i}", "age_at_diagnosis", str(50 + i) + ".5")]
    return Made(rows, told)


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What every extract declares, to be filled."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(Stored, "record", lambda _: {"declared": said})
    return said


def of(told: Described, field: str, node: str = "north") -> Entry:
    (entry,) = (one for one in told.entries if (one.node, one.field.field.partition(":")[2]) == (node, field))
    return entry


def test_what_a_cohort_tells_is_found(declared: dict[str, Any], tmp_path: Path) -> None:
    told = wb.catalogue.describe(cohort_of(tmp_path, {"north": made(3)}))
    assert of(told, "identifier").found == ("north",)
    assert of(told, "numberOfUniqueIndividuals").found == (3,)
    assert of(told, "numberOfRecords").found == (3,)
    assert of(told, "hasBirthSex").found == (f"{IRI}COM1001366",)
    assert of(told, "hasImageModality").found == (f"{IRI}IMG1000042",)
    assert (of(told, "hasImageBodyPart").found, of(told, "hasImageBodyPart").words) == (
        (f"{IRI}BP1000021",), ("prostate",),
    )  # fmt: skip
    assert (of(told, "minTypicalAge").found, of(told, "maxTypicalAge").found) == ((50,), (52,))
    assert of(told, "temporal").found == ("2020-01-15", "2020-03-15")
    assert of(told, "hasStructuredData").found == (True,)
    assert of(told, "hasVariables").found == ("age_at_diagnosis", "sex")
    assert of(told, "hasCondition").state == "missing"
    assert of(told, "description").state == "to state"
    assert {"eucaim:hasCondition", "dct:description", "dct:title"} <= set(told.missing("north"))
    assert "dct:spatial" in told.missing("north", level="O")


def test_records_are_studies_and_segmentations_are_annotated_studies(declared: dict[str, Any], tmp_path: Path) -> None:
    north = Made([
        image("P1", "1"), image("P1", "1", "1.2"), image("P1", "2"), image("P2", "3"),
        mask("P1", "1", ["1.1"]), mask("P1", "1", ["1.2"], "1.seg2"), mask("P2", "9", ["3.1"]),
    ])  # fmt: skip
    told = wb.catalogue.describe(cohort_of(tmp_path, {"north": north}))
    assert of(told, "numberOfRecords").found == (3,)
    assert of(told, "nbrOfSegmentations").found == (2,)


def test_declared_stands_beside_found(declared: dict[str, Any], tmp_path: Path) -> None:
    declared |= {"subjects": 3, "studies": 4, "title": "A trial"}
    told = wb.catalogue.describe(cohort_of(tmp_path, {"north": made(3)}))
    assert (of(told, "title").state, of(told, "title").declared) == ("declared", "A trial")
    assert "dct:title" not in told.missing("north")
    people, records = of(told, "numberOfUniqueIndividuals"), of(told, "numberOfRecords")
    assert (people.declared, people.note) == (3, "")
    assert (records.found, records.declared, records.note) == ((3,), 4, "the extract declares 4")


def test_what_has_no_concept_stays_a_word_and_says_so(declared: dict[str, Any], tmp_path: Path) -> None:
    told = wb.catalogue.describe(cohort_of(tmp_path, {"north": made(2, Manufacturer="Hologic", Modality="XA")}))
    maker = of(told, "hasEquipmentManufacturer")
    assert (maker.found, maker.note) == (("Hologic",), "no code of the hyper-ontology: Hologic")
    assert of(told, "hasImageModality").found == ("XA",)


def test_several_conditions_are_told(declared: dict[str, Any], tmp_path: Path) -> None:
    north = made(2)
    north.clinical += [row("P0", "diagnosis", "lung cancer"), row("P1", "diagnosis", "breast cancer")]
    condition = of(wb.catalogue.describe(cohort_of(tmp_path, {"north": north})), "hasCondition")
    assert len(condition.found) == 2
    assert "exactly one" in condition.note


def test_a_narrowed_cohort_says_so(declared: dict[str, Any], tmp_path: Path) -> None:
    whole = cohort_of(tmp_path, {"north": made(3)})
    told = wb.catalogue.describe(whole.where("patient_id = 'P1'"))
    assert of(told, "numberOfUniqueIndividuals").found == (1,)
    assert any("narrowed" in note for note in told.notes)
    assert not any("narrowed" in note for note in wb.catalogue.describe(whole).notes)


class TestForOthers:
    def shareable(self, folder: Path, north: Made) -> Described:
        return wb.catalogue.describe(cohort_of(folder, {"north": north}), audience="shareable")

    def test_a_value_of_few_patients_is_hidden(self, declared: dict[str, Any], tmp_path: Path) -> None:
        north = made(7)
        north.clinical.append(row("P9", "sex", "female"))
        north.series.append(image("P9", "9", Modality="MR"))
        told = self.shareable(tmp_path, north)
        for field, kept in (("hasBirthSex", "COM1001366"), ("hasImageModality", "IMG1000042")):
            assert of(told, field).found == (f"{IRI}{kept}",)
            assert "hidden" in of(told, field).note
        assert "female" not in repr(told)

    def test_few_patients_hide_everything_that_counts(self, declared: dict[str, Any], tmp_path: Path) -> None:
        declared |= {"subjects": 4, "studies": 4}
        told = self.shareable(tmp_path, made(4))
        for entry in told.entries:
            assert not any(isinstance(value, int) for value in entry.found), entry.field.field
            assert entry.declared is None
        assert of(told, "hasStructuredData").state == of(told, "hasImageModality").state == "hidden"

    def test_one_patients_second_study_is_not_told(self, declared: dict[str, Any], tmp_path: Path) -> None:
        north = made(8)
        assert of(self.shareable(tmp_path / "a", north), "numberOfRecords").found == (8,)
        north.series.append(image("P0", "99", StudyDate="20200701"))
        assert of(self.shareable(tmp_path / "b", north), "numberOfRecords").state == "hidden"

    def test_who_has_no_segmentation_is_not_told_where_they_are_few(
        self, declared: dict[str, Any], tmp_path: Path
    ) -> None:
        north = made(12)
        north.series += [mask(f"P{i}", f"1.{i}", [f"1.{i}.1"]) for i in range(6)]
        assert of(self.shareable(tmp_path / "a", north), "nbrOfSegmentations").found == (6,)
        north.series += [mask(f"P{i}", f"1.{i}", [f"1.{i}.1"]) for i in range(6, 11)]
        assert of(self.shareable(tmp_path / "b", north), "nbrOfSegmentations").state == "hidden"

    def test_ages_and_days_are_those_of_many(self, declared: dict[str, Any], tmp_path: Path) -> None:
        told = self.shareable(tmp_path, made(11))
        # Five patients are of this age or younger, and five of this age or older.
        assert (of(told, "minTypicalAge").found, of(told, "maxTypicalAge").found) == ((54,), (56,))
        assert of(told, "temporal").found == ("2020", "2020")
        few = self.shareable(tmp_path / "few", made(9))
        assert of(few, "minTypicalAge").state == of(few, "temporal").state == "hidden"

    def test_a_declared_count_gives_no_few_away(self, declared: dict[str, Any], tmp_path: Path) -> None:
        declared |= {"subjects": 9}
        entry = of(self.shareable(tmp_path, made(8)), "numberOfUniqueIndividuals")
        assert (entry.found, entry.declared, entry.note) == ((8,), None, "")

    def test_the_option_says_for_whom(self, declared: dict[str, Any], tmp_path: Path) -> None:
        north = cohort_of(tmp_path, {"north": made(4)})
        options.audience = "shareable"
        assert of(wb.catalogue.describe(north), "numberOfUniqueIndividuals").state == "hidden"
        assert of(wb.catalogue.describe(north, audience="local"), "numberOfUniqueIndividuals").found == (4,)
        with pytest.raises(UsageError, match="audience"):
            wb.catalogue.describe(north, audience="everybody")  # type: ignore[arg-type]


def test_the_demo_federation_has_a_record_per_node(cohort: wb.Cohort) -> None:
    told = wb.catalogue.describe(cohort)
    assert told.nodes == ("aurora", "boreal", "cedro")
    assert len(told.table) == 3 * len(fields())
    for node in told.nodes:
        # Structure sets at one of them, segmentations at the others.
        assert of(told, "hasAnnotationLabel", node).found == ("Tumour",)
        assert of(told, "numberOfUniqueIndividuals", node).found == (8,)
    studies = of(told, "numberOfRecords", "aurora")
    assert studies.found == (studies.declared,), "what index.json lists is what is there"
    assert pickle.loads(pickle.dumps(told)).cells() == told.cells()
    assert told._repr_html_().count("<table>") == 3


def test_the_command_prints_the_fields_and_names_what_is_missing(federation: Path) -> None:
    cedro = str(federation / "extracts" / "cedro")
    done = run("catalogue", "describe", cedro)
    assert done.returncode == 0, done.stderr
    assert "IMG1000042 CT" in done.stdout
    assert "to be stated by a person: dct:title M" in done.stdout
    told = json.loads(run("catalogue", "describe", cedro, "--audience", "shareable", "--json").stdout)
    assert (told["min_count"], len(told["fields"])) == (5, len(fields()))
    assert "dct:description" in told["missing"]["cedro"]
    assert run("catalogue", "describe", cedro, "--audience", "all").returncode == 2
