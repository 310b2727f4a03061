"""The same seven patients through every layout: the same tables, but for what a layout cannot carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.integration import sarcoma
from tests.integration.sarcoma_layouts import PATIENTS, WRITERS
from workbench.cohort import Cohort
from workbench.cohort.tables.store import store
from workbench.extracts import open_extract

pytestmark = [pytest.mark.data, pytest.mark.slow]

#: Columns of a series that say how and where it was handed over: they differ by nature.
OF_THE_LAYOUT = {
    "dataset_id", "tags", "path", "resource", "declared_timepoint", "timepoint_rule", "offset_days", "episode",
}  # fmt: skip
#: What NIfTI files have no place for: UIDs, dates, makers, texts, files per slice; structure sets are masks there.
NOT_IN_NIFTI = {
    "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "StudyDescription", "SeriesNumber",
    "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "StudyDate", "StudyTime", "date", "n_instances",
    "bytes", "refers_to",
}  # fmt: skip
#: How each is opened beside its folder.
HOW: dict[str, dict[str, Any]] = {
    "medical-folder": {
        "modalities": {"CT": "CT", "MR_T1": "MR", "PET": "PT"}, "masks": [f"{kind}_mask" for kind in sarcoma.KINDS],
    },
}  # fmt: skip
OTHERS = [layout for layout in WRITERS if layout != "plain"]


@pytest.fixture(scope="module")
def cohorts(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cohort]:
    out = tmp_path_factory.mktemp("layouts")
    found = {}
    for layout, write in WRITERS.items():
        folder = out / layout
        folder.mkdir()
        write(data_dir / "sts", folder, out / "lake")
        extract = open_extract(folder, node="node", link_roots=[out / "lake"], **HOW.get(layout, {}))
        assert extract.layout == layout
        found[layout] = Cohort([store(extract)])
    return found


def _series(cohort: Cohort, dropped: set[str]) -> pd.DataFrame:
    table = cohort.series
    if "SeriesInstanceUID" in dropped:
        table = table[table["kind"] == "image"]
    table = table.drop(columns=[*OF_THE_LAYOUT, *dropped])
    for name in table.columns:
        if table[name].map(type).eq(np.ndarray).any():
            table[name] = table[name].map(lambda uids: " ".join(map(str, uids)))
    return table.sort_values(["patient_id", "Modality", "kind", "Rows"]).reset_index(drop=True)


@pytest.mark.parametrize("layout", OTHERS)
def test_series_are_the_same(cohorts: dict[str, Cohort], layout: str) -> None:
    dropped = NOT_IN_NIFTI if layout == "medical-folder" else set()
    ours, plain = _series(cohorts[layout], dropped), _series(cohorts["plain"], dropped)
    assert len(plain) == (21 if dropped else 42)
    if dropped:
        # NIfTI stores places and spacings as float32.
        for table in (ours, plain):
            table["n_parts"] = table["n_parts"].astype("int64")
        pd.testing.assert_frame_equal(ours, plain, check_exact=False, rtol=1e-5, check_dtype=False)
    else:
        pd.testing.assert_frame_equal(ours, plain)


@pytest.mark.parametrize("layout", OTHERS)
def test_patients_and_studies_are_the_same(cohorts: dict[str, Cohort], layout: str) -> None:
    drop = ["dataset_id"] + (["n_series", "modalities"] if layout == "medical-folder" else [])
    ours, plain = (cohorts[name].patients.drop(columns=drop) for name in (layout, "plain"))
    pd.testing.assert_frame_equal(ours, plain)
    columns = ["patient_id", "timepoint"] + ([] if layout == "medical-folder" else ["StudyInstanceUID", "StudyDate"])
    studies = [cohorts[name].studies[columns] for name in (layout, "plain")]
    pd.testing.assert_frame_equal(*studies)


@pytest.mark.parametrize("layout", OTHERS)
def test_sex_and_age_are_the_same(cohorts: dict[str, Cohort], layout: str) -> None:
    columns = ["patient_id", "sex", "age_at_diagnosis"]
    tables = [
        cohorts[name].clinical[columns].drop_duplicates().sort_values("patient_id").reset_index(drop=True)
        for name in (layout, "plain")
    ]
    assert tables[0]["patient_id"].tolist() == sorted(PATIENTS)
    assert tables[0]["sex"].isin(["male", "female"]).all()
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("layout", OTHERS)
def test_images_and_masks_are_the_same(cohorts: dict[str, Cohort], layout: str) -> None:
    for patient in PATIENTS[:3]:
        for modality in ("CT", "MR", "PT"):
            chosen = []
            for name in (layout, "plain"):
                table = cohorts[name].series.set_index(["patient_id", "Modality"])
                chosen.append(cohorts[name].load(table["SeriesInstanceUID"][patient, modality], masks=True))
            ours, plain = chosen
            np.testing.assert_array_equal(ours["image"].values, plain["image"].values.astype(ours["image"].dtype))
            np.testing.assert_allclose(ours["affine"].values, plain["affine"].values, atol=1e-3)
            # The masks that came as NIfTI are those of the contours, but for voxels that lie on a contour.
            drawn, expected = (each["mask"].values.any(axis=0) for each in chosen)
            overlap = 2 * (drawn & expected).sum() / (drawn.sum() + expected.sum())
            assert overlap > (0.99 if layout == "medical-folder" else 1 - 1e-12)


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_only_what_a_layout_cannot_say_is_a_finding(cohorts: dict[str, Cohort], layout: str) -> None:
    expected = {"plain": {"clinical-dialect", "clinical-encoding"}, "datmat": {"clinical-table-taken"}}
    serious = cohorts[layout].findings.query("severity == 'serious'")
    assert serious.empty
    found = set(cohorts[layout].findings["code"]) - {"variable-unmapped", "timepoint-unused"}
    assert found == expected.get(layout, set())
