"""Enhanced PET: its unit from real-world maps, its uptake from its own modules, and every refusal with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests import multiframe
from tests.dicom.values.test_pet import HALF_LIFE, WEIGHT, decayed
from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.pet import SuvFactors, suv_factors
from workbench.dicom.values.suv_files import ENHANCED_PET
from workbench.dicom.values.value_map import ValueMap, value_map
from workbench.errors import SuvUnavailable, UsageError

FACTOR = decayed(3600)


def agent(**values: Any) -> pydicom.Dataset:
    """One item of the Radiopharmaceutical Information Sequence: 350 MBq at nine."""
    facts = {"RadiopharmaceuticalAgentNumber": 1, "RadionuclideTotalDose": 350.0, "RadionuclideHalfLife": HALF_LIFE,
             "RadiopharmaceuticalStartDateTime": "20240301090000"}  # fmt: skip
    return multiframe.item(**(facts | values))


def mapped(units: str = "Bq/ml", slope: float = 2.0, label: str = "", **values: Any) -> pydicom.Dataset:
    """One real-world value map of all 16-bit numbers."""
    facts = {"RealWorldValueFirstValueMapped": -32768, "RealWorldValueLastValueMapped": 32767,
             "RealWorldValueSlope": slope, "RealWorldValueIntercept": 0.0, "LUTLabel": label or units,
             "MeasurementUnitsCodeSequence": {"CodeValue": units, "CodingSchemeDesignator": "UCUM",
                                              "CodeMeaning": units}}  # fmt: skip
    item = multiframe.item(**(facts | values))
    for keyword in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
        if keyword in item:
            item[keyword].VR = "SS"
    return item


#: Decay corrected to ten, an hour after the injection.
SCAN: dict[str, Any] = {
    "SOPClassUID": ENHANCED_PET, "Modality": "PT", "AttenuationCorrected": "YES", "DecayCorrected": "YES",
    "DecayCorrectionDateTime": "20240301100000", "PatientWeight": WEIGHT,
    "RadiopharmaceuticalInformationSequence": [agent()],
}  # fmt: skip


def write(
    folder: Path,
    maps: list[pydicom.Dataset] | None = None,
    *,
    rescale: tuple[float, float] | None = (1.0, 0.0),
    kind: str = "US",
    **tags: Any,
) -> Path:
    """One enhanced PET of three frames of the numbers of ``pixels(1)`` to ``pixels(3)``."""
    shared: dict[str, Any] = {}
    if rescale is not None:
        shared["PixelValueTransformationSequence"] = {
            "RescaleSlope": rescale[0], "RescaleIntercept": rescale[1], "RescaleType": kind,
        }  # fmt: skip
    path = folder / "a"
    multiframe.enhanced(
        path, [(0, 0, 2.0 * k) for k in range(3)], rescale=None, shared=shared, **(SCAN | tags)
    )  # fmt: skip
    dataset = pydicom.dcmread(path)
    if maps is None:
        maps = [mapped()]
    if maps:
        dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = maps
    dataset.save_as(path)
    return path


def opened(folder: Path, **options: Any) -> tuple[ValueMap, np.ndarray]:
    rows = frame_rows(scan(folder).instances)
    quantity = value_map(rows, root=folder, **options)
    refs = frame_refs(rows, folder, quantity)
    out = np.empty((len(refs), 6, 8), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return quantity, out


def factors(folder: Path) -> SuvFactors:
    found = suv_factors(frame_rows(scan(folder).instances), root=folder)
    assert isinstance(found, SuvFactors), str(found)
    return found


def refusal(folder: Path) -> SuvUnavailable:
    found = suv_factors(frame_rows(scan(folder).instances), root=folder)
    assert isinstance(found, SuvUnavailable)
    return found


STORED = np.stack([multiframe.pixels(i + 1) for i in range(3)])


def test_unit_and_values_are_those_of_the_real_world_map(tmp_path: Path) -> None:
    write(tmp_path)
    quantity, values = opened(tmp_path)
    assert (quantity.units, quantity.value_kind, quantity.findings) == ("Bq/ml", "activity", ())
    assert (values == 2 * STORED).all()


def test_map_goes_before_a_rescale_of_unspecified_type(tmp_path: Path) -> None:
    write(tmp_path, rescale=(3.0, 0.0))
    quantity, values = opened(tmp_path)
    assert (quantity.units, (values == 2 * STORED).all()) == ("Bq/ml", True)


def test_of_two_maps_the_one_that_is_the_rescale_is_the_physical_value(tmp_path: Path) -> None:
    maps = [mapped(), mapped("{SUVbw}g/ml", 0.01)]
    write(tmp_path, maps, rescale=(2.0, 0.0))
    quantity, values = opened(tmp_path)
    assert (quantity.units, (values == 2 * STORED).all()) == ("Bq/ml", True)
    assert factors(tmp_path).factor == pytest.approx([FACTOR] * 3)


def test_of_two_maps_neither_is_taken_where_the_rescale_is_none_of_them(tmp_path: Path) -> None:
    write(tmp_path, [mapped(), mapped("{SUVbw}g/ml", 0.01)])
    quantity, _ = opened(tmp_path)
    assert quantity.units == ""
    assert "real-world-choice" in [finding.code for finding in quantity.findings]
    assert "which unit" in str(refusal(tmp_path))
    assert opened(tmp_path, values="real-world:{SUVbw}g/ml")[0].units == "{SUVbw}g/ml"


def test_rescale_type_is_the_unit_where_there_is_no_map(tmp_path: Path) -> None:
    write(tmp_path, [], rescale=(2.0, 0.0), kind="BQML")
    quantity, values = opened(tmp_path)
    assert (quantity.units, quantity.value_kind, (values == 2 * STORED).all()) == ("Bq/mL", "activity", True)
    assert factors(tmp_path).factor == pytest.approx([FACTOR] * 3)


def test_dose_in_megabecquerels_decays_to_the_instant_of_the_correction(tmp_path: Path) -> None:
    write(tmp_path)
    found = factors(tmp_path)
    assert (found.kind, found.factor.dtype) == ("SUVbw", np.float64)
    # 350 MBq, an hour, 70 kg: as the plain PET of the same patient.
    assert found.factor == pytest.approx([FACTOR] * 3, rel=1e-12)
    assert "DecayCorrectionDateTime" in " ".join(found.steps)
    quantity, values = opened(tmp_path, values="suv")
    assert (quantity.units, quantity.value_kind, quantity.label) == ("{SUVbw}g/mL", "suv", "SUVbw")
    np.testing.assert_allclose(values, 2 * STORED * FACTOR, rtol=1e-6)


def test_time_zones_of_injection_and_correction_are_taken_into_account(tmp_path: Path) -> None:
    item = agent(RadiopharmaceuticalStartDateTime="20240301080000+0000")
    write(tmp_path, DecayCorrectionDateTime="20240301100000+0100", RadiopharmaceuticalInformationSequence=[item])
    assert factors(tmp_path).factor == pytest.approx([FACTOR] * 3)


def test_map_in_uptake_is_uptake_already(tmp_path: Path) -> None:
    write(tmp_path, [mapped("{SUVbw}g/ml", 0.01)], PatientWeight=None)
    assert factors(tmp_path).kind == "SUVbw"
    quantity, values = opened(tmp_path, values="suv")
    assert quantity.value_kind == "suv"
    np.testing.assert_allclose(values, 0.01 * STORED, rtol=1e-6)


def test_map_that_is_a_table_gives_activity_and_uptake(tmp_path: Path) -> None:
    table = mapped(
        RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=4095, RealWorldValueSlope=None,
        RealWorldValueIntercept=None, RealWorldValueLUTData=[5.0 * v for v in range(4096)],
    )  # fmt: skip
    for keyword in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
        table[keyword].VR = "US"
    frames = multiframe.numbered(3, dtype="<u2")
    write(tmp_path, [table], frames=frames, bits_stored=12)
    quantity, values = opened(tmp_path)
    assert (quantity.units, (values == 5 * frames).all()) == ("Bq/ml", True)
    quantity, values = opened(tmp_path, values="suv")
    assert quantity.luts is not None
    assert len({id(lut) for lut in quantity.luts}) == 1
    np.testing.assert_allclose(values, 5 * frames * FACTOR, rtol=1e-6)


@pytest.mark.parametrize(
    ("tags", "missing"),
    [
        ({"AttenuationCorrected": None}, ("AttenuationCorrected",)),
        ({"DecayCorrected": None}, ("DecayCorrected",)),
        ({"DecayCorrectionDateTime": None}, ("DecayCorrectionDateTime",)),
        ({"PatientWeight": None}, ("PatientWeight",)),
        (
            {"RadiopharmaceuticalInformationSequence": [agent(RadionuclideTotalDose=None)]},
            ("RadionuclideTotalDose",),
        ),
        ({"RadiopharmaceuticalInformationSequence": [agent(RadionuclideHalfLife=None)]}, ("RadionuclideHalfLife",)),
        (
            {"RadiopharmaceuticalInformationSequence": [agent(RadiopharmaceuticalStartDateTime=None)]},
            ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"),
        ),
        (
            {"PatientWeight": None, "DecayCorrectionDateTime": None},
            ("DecayCorrectionDateTime", "PatientWeight"),
        ),
    ],
)
def test_what_is_not_stated_is_named(tags: dict[str, Any], missing: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, **tags)
    assert refusal(tmp_path).missing == missing
    with pytest.raises(SuvUnavailable, match=missing[0]):
        opened(tmp_path, values="suv")


def test_without_map_and_unit_the_map_is_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert refusal(tmp_path).missing == ("RealWorldValueMappingSequence",)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"AttenuationCorrected": "NO"}, "not corrected for attenuation"),
        ({"DecayCorrected": "NO"}, "not corrected for decay"),
        ({"DecayCorrectionDateTime": "20240301"}, "cannot be read to the minute"),
        ({"DecayCorrectionDateTime": "20240301080000"}, "injection is later than the scan"),
        ({"DecayCorrectionDateTime": "20240401100000"}, "half-lives between"),
        ({"DecayCorrectionDateTime": "20240301100000+0100"}, "names its time zone"),
        ({"PatientWeight": 70_000.0}, "weight in kilograms"),
        ({"RadiopharmaceuticalInformationSequence": [agent(RadionuclideTotalDose=3.5e8)]}, "perhaps Bq"),
        ({"RadiopharmaceuticalInformationSequence": [agent(RadionuclideTotalDose=0.0)]}, "not above zero"),
        ({"RadiopharmaceuticalInformationSequence": [agent(), agent(RadiopharmaceuticalAgentNumber=2)]},
         "2 radiopharmaceuticals are stated"),
    ],
)  # fmt: skip
def test_what_cannot_be_true_is_refused_with_its_reason(tags: dict[str, Any], reason: str, tmp_path: Path) -> None:
    write(tmp_path, **tags)
    assert reason in str(refusal(tmp_path))


@pytest.mark.parametrize(
    ("units", "reason"), [("{counts}/s", "do not become SUV"), ("g/ml", "do not say which uptake value")]
)
def test_units_that_do_not_become_uptake_are_refused(units: str, reason: str, tmp_path: Path) -> None:
    write(tmp_path, [mapped(units)])
    assert reason in str(refusal(tmp_path))


def test_without_its_file_the_corrections_are_not_known(tmp_path: Path) -> None:
    write(tmp_path)
    found = suv_factors(frame_rows(scan(tmp_path).instances))
    assert isinstance(found, SuvUnavailable)
    assert "was not opened" in str(found)


def test_other_modalities_are_told_what_they_are_not(tmp_path: Path) -> None:
    multiframe.enhanced(tmp_path / "a", [(0, 0, 0), (0, 0, 1)])
    with pytest.raises(UsageError, match="not a PET series"):
        opened(tmp_path, values="suv")
    assert "not a PET series" in str(refusal(tmp_path))
