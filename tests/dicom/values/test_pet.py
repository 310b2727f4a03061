"""Uptake values from headers: every rule worked by hand, and every refusal with its reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dicom.values.pet import SuvFactors, suv_factors
from workbench.errors import SuvUnavailable

HALF_LIFE = 6586.2
WEIGHT, DOSE = 70.0, 3.5e8
#: A whole-body FDG scan as most scanners describe it: injected at nine, scanned from ten.
FDG: dict[str, Any] = {
    "Modality": "PT", "Manufacturer": "SIEMENS", "Units": "BQML", "CorrectedImage": "NORM\\DTIM\\ATTN\\SCAT\\DECY",
    "DecayCorrection": "START", "PatientWeight": WEIGHT, "RadionuclideTotalDose": DOSE,
    "RadionuclideHalfLife": HALF_LIFE, "RadiopharmaceuticalStartDateTime": "20240301090000.000000",
    "RadiopharmaceuticalStartTime": "090000.000000", "SeriesDate": "20240301", "SeriesTime": "100000.000000",
    "AcquisitionDate": "20240301", "AcquisitionTime": "100000.000000",
}  # fmt: skip


def pet(n: int = 2, **columns: Any) -> pa.Table:
    """Rows of a PET part: FDG with *columns* instead; a list gives a value to each row, None removes the column."""
    facts = {name: value for name, value in (FDG | columns).items() if value is not None}
    return pa.table({name: value if isinstance(value, list) else [value] * n for name, value in facts.items()})


def factors(n: int = 2, **columns: Any) -> SuvFactors:
    found = suv_factors(pet(n, **columns))
    assert isinstance(found, SuvFactors), str(found)
    return found


def refusal(n: int = 2, **columns: Any) -> SuvUnavailable:
    found = suv_factors(pet(n, **columns))
    assert isinstance(found, SuvUnavailable)
    return found


def codes(found: SuvFactors) -> list[str]:
    return [finding.code for finding in found.findings]


def decayed(seconds: float) -> float:
    """Factor where *seconds* lie between injection and scan: weight in grams over the dose that is left."""
    left = DOSE * math.exp(-math.log(2) * seconds / HALF_LIFE)
    return WEIGHT * 1000 / left


def mean_within(seconds: float) -> float:
    """Time in a frame of that length at which the activity has its mean, by PS3.3 C.8.9.4.1.5."""
    rate = math.log(2) / HALF_LIFE
    return math.log(rate * seconds / (1 - math.exp(-rate * seconds))) / rate


def test_dose_is_decayed_from_injection_to_scan_start() -> None:
    found = factors()
    assert found.kind == "SUVbw"
    assert found.factor.dtype == np.float64
    assert found.factor == pytest.approx([decayed(3600)] * 2, rel=1e-12)
    # An hour is 0.5466 half-lives: 350 MBq become 239.6 MBq, 70,000 g over them 2.9213e-4 g/Bq.
    assert found.factor[0] == pytest.approx(2.9213e-4, rel=1e-4)
    assert codes(found) == []


def test_the_injection_itself_takes_no_decay() -> None:
    found = factors(
        DecayCorrection="ADMIN", RadionuclideHalfLife=None, SeriesTime=None, AcquisitionTime=None,
        RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime=None,
    )  # fmt: skip
    assert found.factor.tolist() == [70_000 / 3.5e8] * 2


def test_uncorrected_frames_decay_each_to_its_own_mean_time() -> None:
    found = factors(
        DecayCorrection="NONE", CorrectedImage="ATTN", AcquisitionTime=["100000", "101000"],
        ActualFrameDuration=[120_000, 600_000],
    )  # fmt: skip
    expected = [decayed(3600 + mean_within(120)), decayed(4200 + mean_within(600))]
    assert found.factor == pytest.approx(expected, rel=1e-9)
    # Ten minutes of F-18: the mean lies 1.6 s before the middle.
    assert mean_within(600) == pytest.approx(300 - 1.58, abs=0.01)


@pytest.mark.parametrize(("suv_type", "kind"), [("BW", "SUVbw"), ("LBM", "SUVlbm"), ("LBMJANMA", "SUVlbm(Janma)")])
def test_pixels_that_are_uptake_keep_their_own_name(suv_type: str, kind: str) -> None:
    found = factors(Units="GML", SUVType=suv_type, PatientWeight=None)
    assert (found.kind, found.factor.tolist(), codes(found)) == (kind, [1, 1], [])


def test_uptake_without_a_type_is_by_body_weight_and_says_so() -> None:
    found = factors(Units="GML")
    assert (found.kind, codes(found)) == ("SUVbw", ["suv-type-assumed"])


def test_uptake_by_surface_has_its_own_units() -> None:
    assert factors(Units="CM2ML").kind == "SUVbsa"
    assert factors(Units="CM2ML", SUVType="BSA").kind == "SUVbsa"


def test_philips_counts_take_the_scanners_own_factor_by_slice() -> None:
    found = factors(Units="CNTS", philips_suv_factor=[0.000551, 0.000552], philips_activity_factor=1.9)
    assert found.factor.tolist() == [0.000551, 0.000552]


def test_philips_counts_without_it_become_activity_first() -> None:
    found = factors(Units="CNTS", philips_activity_factor=[2.0, 4.0])
    assert found.factor == pytest.approx([2 * decayed(3600), 4 * decayed(3600)])


def test_uncorrected_philips_counts_do_not_take_a_factor_made_for_corrected_ones() -> None:
    found = factors(
        Units="CNTS", DecayCorrection="NONE", CorrectedImage="ATTN", philips_suv_factor=0.5,
        philips_activity_factor=2.0, ActualFrameDuration=120_000,
    )  # fmt: skip
    assert found.factor == pytest.approx([2 * decayed(3600 + mean_within(120))] * 2)


def test_a_philips_scanners_two_factors_agree_with_the_series_time() -> None:
    # Header facts of PHILIPS_BQML among the test metadata of cornerstonejs/calculate-suv. The scanner's own factors
    # give its SUV per Bq/mL; its frame reference time of 22 min is not counted from the acquisition time it states.
    found = factors(
        3, Manufacturer="Philips", PatientWeight=64.0, RadionuclideTotalDose=1.26e8, RadionuclideHalfLife=6586.199707,
        RadiopharmaceuticalStartDateTime="20201217100058", RadiopharmaceuticalStartTime="100058",
        SeriesDate="20201217", SeriesTime="110155", AcquisitionDate="20201217", AcquisitionTime="110156",
        FrameReferenceTime=1_328_700.0, ActualFrameDuration=120_700,
    )  # fmt: skip
    assert found.factor[0] == pytest.approx(0.003515736 / 4.709921, rel=2e-4)
    assert codes(found) == []


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"Units": None}, ("Units",)),
        ({"Units": ["BQML", None]}, ("Units",)),
        ({"PatientWeight": None}, ("PatientWeight",)),
        ({"PatientWeight": [70.0, None]}, ("PatientWeight",)),
        ({"RadionuclideTotalDose": None}, ("RadionuclideTotalDose",)),
        ({"RadionuclideHalfLife": None}, ("RadionuclideHalfLife",)),
        ({"DecayCorrection": None}, ("DecayCorrection",)),
        ({"CorrectedImage": None}, ("CorrectedImage",)),
        ({"SeriesTime": None}, ("SeriesTime",)),
        ({"SeriesDate": None, "SeriesTime": None}, ("SeriesDate", "SeriesTime")),
        ({"AcquisitionTime": None}, ("AcquisitionTime",)),
        ({"AcquisitionDate": ["20240301", None]}, ("AcquisitionDate",)),
        (
            {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": None},
            ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"),
        ),
        ({"PatientWeight": None, "RadionuclideTotalDose": None}, ("PatientWeight", "RadionuclideTotalDose")),
        ({"Units": "CNTS"}, ("philips_suv_factor", "philips_activity_factor")),
        ({"Units": "CNTS", "philips_suv_factor": [0.1, None]}, ("philips_suv_factor", "philips_activity_factor")),
        (
            {"DecayCorrection": "NONE", "CorrectedImage": "ATTN", "ActualFrameDuration": [120_000, None]},
            ("ActualFrameDuration",),
        ),
        ({"DecayCorrection": "NONE", "CorrectedImage": "ATTN", "AcquisitionTime": None, "ActualFrameDuration": 1000},
         ("AcquisitionTime",)),
    ],
)  # fmt: skip
def test_what_is_not_stated_is_named(columns: dict[str, Any], missing: tuple[str, ...]) -> None:
    assert refusal(**columns).missing == missing


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"Modality": "CT"}, "not a PET"),
        ({"Units": "PROPCNTS"}, "values in PROPCNTS"),
        ({"Units": "GML", "SUVType": "XYZ"}, "SUVType XYZ"),
        ({"Units": "GML", "SUVType": "BSA"}, "SUVType BSA"),
        ({"PatientWeight": 0.0}, "weight in kilograms"),
        ({"PatientWeight": -1.0}, "weight in kilograms"),
        ({"PatientWeight": 70_000.0}, "weight in kilograms"),
        ({"RadionuclideTotalDose": 350.0}, "perhaps MBq"),
        ({"RadionuclideTotalDose": 0.0}, "not above zero"),
        ({"RadionuclideTotalDose": -3.5e8}, "not above zero"),
        ({"RadionuclideHalfLife": 0.0}, "RadionuclideHalfLife is not above zero"),
        ({"PatientWeight": [70.0, 71.0]}, "PatientWeight differs"),
        ({"RadionuclideTotalDose": [3.5e8, 3.6e8]}, "RadionuclideTotalDose differs"),
        ({"Units": ["BQML", "GML"]}, "Units differs"),
        ({"DecayCorrection": ["START", "ADMIN"]}, "DecayCorrection differs"),
        ({"SeriesTime": ["100000", "100001"]}, "SeriesTime differs"),
        ({"DecayCorrection": "OTHER"}, "DecayCorrection OTHER"),
        ({"CorrectedImage": "DECY"}, "attenuation"),
        # The QIBA pseudo-code spells it DECAY, real headers DECY.
        ({"CorrectedImage": "ATTN\\DECAY"}, "no DECY"),
        ({"CorrectedImage": ["ATTN\\DECY", "ATTN"]}, "no DECY"),
        ({"DecayCorrection": "NONE", "ActualFrameDuration": 120_000}, "DecayCorrection says NONE"),
    ],
)
def test_what_cannot_be_true_is_refused_with_its_reason(columns: dict[str, Any], reason: str) -> None:
    found = refusal(**columns)
    assert reason in str(found)
    assert found.missing == ()


def test_the_message_counts_images_and_names_no_person() -> None:
    text = str(refusal(PatientWeight=[70.0, None]))
    assert text.startswith("SUV not available: PatientWeight missing in 1 of 2 images")
    assert "70" not in text


def test_what_was_used_is_told_without_values() -> None:
    steps = " ".join(factors().steps)
    assert "RadiopharmaceuticalStartDateTime" in steps
    assert "series date and time" in steps
    assert "2024" not in steps


@given(st.floats(1, 400), st.floats(1.01, 1.2))
def test_factor_grows_as_the_weight(weight: float, more: float) -> None:
    one, other = (factors(1, PatientWeight=value).factor[0] for value in (weight, weight * more))
    assert other / one == pytest.approx(more, rel=1e-9)


@given(st.floats(1e6, 1e10), st.floats(1.01, 50))
def test_factor_falls_as_the_dose(dose: float, more: float) -> None:
    one, other = (factors(1, RadionuclideTotalDose=value).factor[0] for value in (dose, dose * more))
    assert one / other == pytest.approx(more, rel=1e-9)


@given(st.integers(0, 86_399), st.integers(0, 50_000))
def test_only_the_interval_counts_not_the_time_of_day(start: int, later: int) -> None:
    def moment(seconds: int) -> tuple[str, str]:
        day, rest = divmod(seconds, 86_400)
        return f"202403{1 + day:02d}", f"{rest // 3600:02d}{rest // 60 % 60:02d}{rest % 60:02d}"

    (injected_day, injected), (scan_day, scanned) = moment(start), moment(start + later)
    found = factors(
        1, RadiopharmaceuticalStartDateTime=injected_day + injected, RadiopharmaceuticalStartTime=None,
        SeriesDate=scan_day, AcquisitionDate=scan_day, SeriesTime=scanned, AcquisitionTime=scanned,
    )  # fmt: skip
    assert found.factor[0] == pytest.approx(decayed(later), rel=1e-9)
