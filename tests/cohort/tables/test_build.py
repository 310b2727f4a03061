"""Identity and conflicts: what the headers of one extract say against each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests import factories
from workbench.cohort.database.cases import OF_IMAGES
from workbench.cohort.tables.build import SERIES
from workbench.cohort.vocabulary.tables import variables
from workbench.synthetic import write_federation


def codes(cohort: wb.Cohort) -> set[str]:
    return set(cohort.sql("select code from findings")["code"])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write one image per given set of tags into an extract."""

    def several(*images: dict[str, object]) -> Path:
        for number, tags in enumerate(images, 1):
            tags = {"ImagePositionPatient": [0, 0, 2.0 * number], **tags}
            factories.image(tmp_path / "site" / f"{number}.dcm", number, **tags)
        return tmp_path / "site"

    return several


def test_images_that_name_no_patient_are_a_patient_per_study(write: Callable[..., Path]) -> None:
    folder = write(
        {"PatientID": None, "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1"},
        {"PatientID": "", "StudyInstanceUID": "1.2.2", "SeriesInstanceUID": "1.2.2.1"},
    )
    cohort = wb.open_cohort(folder)
    assert len(cohort.patients) == 2
    assert all(name.startswith("unnamed-") for name in cohort.patients["patient_id"])
    assert "patient-id-missing" in codes(cohort)


def test_one_series_of_several_patients_is_a_serious_finding(write: Callable[..., Path]) -> None:
    cohort = wb.open_cohort(write({"PatientID": "A"}, {"PatientID": "B"}))
    assert "patient-id-mixed" in set(cohort.findings.query("severity == 'serious'")["code"])


def test_one_series_of_several_studies_is_a_finding(write: Callable[..., Path]) -> None:
    cohort = wb.open_cohort(write({"StudyInstanceUID": "1.2.1"}, {"StudyInstanceUID": "1.2.2"}))
    assert "study-mixed" in codes(cohort)


@pytest.mark.parametrize("difference", [{"FrameOfReferenceUID": "1.2.9"}, {"Modality": "OT"}])
def test_what_is_in_another_frame_or_modality_is_not_stacked(
    write: Callable[..., Path], difference: dict[str, object]
) -> None:
    cohort = wb.open_cohort(write({}, {}, difference))
    assert cohort.series["n_parts"].item() == 2
    assert "several-parts" in codes(cohort)


def test_two_sexes_of_one_patient_are_a_conflict_two_ages_are_not(write: Callable[..., Path]) -> None:
    series = [{"SeriesInstanceUID": f"1.2.{n}", "StudyInstanceUID": f"1.3.{n}"} for n in (1, 2)]
    folder = write(
        {**series[0], "PatientSex": "M", "PatientAge": "050Y"}, {**series[1], "PatientSex": "F", "PatientAge": "052Y"}
    )
    found = wb.open_cohort(folder).sql("select message from findings where code = 'value-conflict'")
    assert found["message"].tolist() == ["sex"]


def test_a_slope_of_zero_leaves_values_as_stored(write: Callable[..., Path]) -> None:
    cohort = wb.open_cohort(
        write({"RescaleSlope": 0, "RescaleIntercept": 0}, {"RescaleSlope": 0, "RescaleIntercept": 0})
    )
    assert "rescale-impossible" in codes(cohort)
    image = cohort.load(cohort.series["SeriesInstanceUID"].item())["image"]
    assert np.ptp(image.values) > 0
    assert image.attrs["units"] == ""


def test_an_extract_reaches_into_no_neighbours_lake(tmp_path: Path) -> None:
    out = tmp_path / "practice"
    key = write_federation(out, patients=3, faults=["outside-link", "unreleased-series"])
    cohort = wb.open_cohort(str(out / "extracts" / "*"), link_roots=[out / "datalake"])
    assert len(cohort.patients) == key["arguments"]["patients"] == 3
    assert {"link-outside", "unreleased-series-visible"} <= codes(cohort)
    named = {out / "extracts" / "aurora": [out / "datalake"], out / "extracts" / "cedro": [out / "datalake"]}
    everything = wb.open_cohort(str(out / "extracts" / "*"), link_roots={str(k): v for k, v in named.items()})
    assert "link-outside" not in codes(everything)


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_a_label_that_changed_since_is_not_drawn_and_the_image_still_loads(
    federation: Path, tmp_path: Path, change: str
) -> None:
    import shutil

    folder = tmp_path / "boreal"
    shutil.copytree(federation / "extracts" / "boreal", folder)
    cohort = wb.open_cohort(folder)
    label = cohort.sql("select path, refers_to from series where kind = 'structure-set' limit 1").iloc[0]
    (file,) = (folder / label["path"]).glob("*.dcm")
    if change == "removed":
        file.unlink()
    else:
        os.utime(file, ns=(1, 1))
    loaded = cohort.load(label["refers_to"][0], masks=True)
    assert "mask" not in loaded
    assert "image" in loaded
    assert "label-unreadable" in loaded.attrs["findings"]


def test_no_column_of_clinical_is_one_of_series_too() -> None:
    names = {name.casefold() for name in SERIES.names}
    assert {name for name in variables() if name in names} <= OF_IMAGES


def test_a_table_may_speak_of_images_and_of_yes_and_no(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "patient_id,modality,episode,node,smoker,gleason,isup\nP1,CT,Diagnosis,x,ja,3+4,3\nP2,MR,Relapse,y,nein,7,\n"
    )
    cohort = wb.open_cohort(tmp_path, layout="plain", node="here")
    clinical = cohort.clinical.set_index("patient_id")
    assert {"modality", "episode"}.isdisjoint(clinical.columns)
    assert [bool(value) for value in clinical["nicotine_abuse"]] == [True, False]
    # Stated grade groups go before those that follow from a score, and that they differ is told.
    assert clinical["isup_grade_group"].tolist()[0] == 3
    assert "value-conflict" in set(cohort.findings["code"])
    assert set(cohort.values.loc[cohort.values["variable"] == "modality", "value"]) == {"CT", "MR"}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_a_header_word_that_is_no_sex_stays_and_is_counted(write: Callable[..., Path]) -> None:
    cohort = wb.open_cohort(write({"PatientSex": "6657", "PatientAge": "042y"}))
    values = cohort.values.set_index("raw_variable")
    assert values.loc["PatientAge", "value"] == "42"
    assert values.loc["PatientSex", ["raw_value", "rule"]].tolist() == ["6657", "unmapped"]
    found = cohort.findings
    assert found.loc[found["code"] == "value-unmapped", "where"].tolist() == ["PatientSex in headers"]


def test_a_word_that_nobody_knows_hides_no_value_of_the_headers(write: Callable[..., Path]) -> None:
    folder = write({"PatientID": "P1", "PatientSex": "F"})
    (folder / "clinical.csv").write_text("patient_id,sex\nP1,zzz\n")
    cohort = wb.open_cohort(folder)
    assert cohort.clinical["sex"].tolist() == ["female"]
    assert set(cohort.values.loc[cohort.values["variable"] == "sex", "value"]) == {"female", "zzz"}
    assert "value-unmapped" in codes(cohort)
