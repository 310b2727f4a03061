"""What SUV asks of files: how many radiopharmaceuticals, and the corrections of an enhanced PET."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pydicom
import pytest

from tests import factories, multiframe
from workbench.dicom.scan import scan
from workbench.dicom.values import suv_files
from workbench.dicom.values.pet import SuvFactors, suv_factors
from workbench.dicom.values.suv_files import CORRECTIONS, ITEMS, with_file_facts
from workbench.errors import SuvUnavailable

#: A plain PET, corrected to its scan start an hour after the injection.
PLAIN: dict[str, Any] = {
    "Modality": "PT", "Units": "BQML", "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START",
    "PatientWeight": 70, "SeriesDate": "20240301", "SeriesTime": "100000", "AcquisitionDate": "20240301",
    "AcquisitionTime": "100000",
}  # fmt: skip


def agents(n: int) -> list[pydicom.Dataset]:
    facts = {"RadionuclideTotalDose": 3.5e8, "RadionuclideHalfLife": 6586.2,
             "RadiopharmaceuticalStartDateTime": "20240301090000"}  # fmt: skip
    return [multiframe.item(**facts) for _ in range(n)]


def plain(folder: Path, n_agents: int) -> pa.Table:
    factories.stack(folder, (0, 2, 4), RadiopharmaceuticalInformationSequence=agents(n_agents), **PLAIN)
    return scan(folder).instances


def test_one_radiopharmaceutical_is_the_one(tmp_path: Path) -> None:
    assert isinstance(suv_factors(plain(tmp_path, 1), root=tmp_path), SuvFactors)


@pytest.mark.parametrize("n", [2, 3])
def test_several_radiopharmaceuticals_are_refused_with_their_number(n: int, tmp_path: Path) -> None:
    found = suv_factors(plain(tmp_path, n), root=tmp_path)
    assert isinstance(found, SuvUnavailable)
    assert f"{n} radiopharmaceuticals are stated" in str(found)
    assert found.tag == "RadiopharmaceuticalInformationSequence"


def test_uptake_in_the_pixels_asks_for_no_radiopharmaceutical(tmp_path: Path) -> None:
    rows = plain(tmp_path, 2)
    rows = rows.set_column(rows.schema.get_field_index("Units"), "Units", pa.array(["GML"] * 3))
    assert isinstance(suv_factors(rows, root=tmp_path), SuvFactors)


def test_one_file_is_read_for_a_plain_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plain(tmp_path, 1)
    read: list[str] = []

    def counted(path: str, size: int, time: int) -> tuple[int | None, str | None, str | None, str | None]:
        read.append(path)
        return 1, None, None, None

    monkeypatch.setattr(suv_files, "_read", counted)
    assert with_file_facts(rows, tmp_path)[ITEMS].to_pylist() == [1, 1, 1]
    assert len(read) == 1


def test_what_no_file_says_or_cannot_be_read_is_missing(tmp_path: Path) -> None:
    rows = plain(tmp_path, 1)
    found = with_file_facts(rows, tmp_path)
    assert [found[name].null_count for name in CORRECTIONS] == [3, 3, 3]
    gone = with_file_facts(rows, tmp_path / "elsewhere")
    assert gone[ITEMS].null_count == 3


def test_tables_that_name_no_file_stay_as_they_are() -> None:
    rows = pa.table({"Modality": ["PT"]})
    assert with_file_facts(rows, ".") is rows
