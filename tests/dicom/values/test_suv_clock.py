"""When a scan began and a tracer was injected: which header fact is taken, and when none is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dicom.values.test_pet import HALF_LIFE, codes, decayed, factors, mean_within, refusal

#: A series written after the scan, in which the images' own times are left.
LATER: dict[str, Any] = {"SeriesTime": "140000"}
#: Two bed positions of two minutes, three minutes apart, of a scan that began at ten.
BEDS: dict[str, Any] = {
    "AcquisitionTime": ["100000", "100300"],
    "ActualFrameDuration": 120_000,
    "FrameReferenceTime": [1000 * mean_within(120), 1000 * (180 + mean_within(120))],
}


def test_series_time_is_the_scan_start_while_beds_follow() -> None:
    assert factors(AcquisitionTime=["100000", "102500"]).factor == pytest.approx([decayed(3600)] * 2)


def test_rounding_of_the_clock_is_not_a_later_series() -> None:
    # A real Siemens series: series time 123515, acquisition 123514.999995.
    found = factors(SeriesTime="100000.000000", AcquisitionTime="095959.999995")
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert codes(found) == []


def test_later_series_takes_the_scan_time_of_ge() -> None:
    found = factors(**LATER, Manufacturer="GE MEDICAL SYSTEMS", ge_scan_datetime="20240301100000.00")
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert any("GE" in step for step in found.steps)


def test_ge_time_is_not_used_where_the_series_time_holds() -> None:
    assert factors(ge_scan_datetime="20240301093000").factor == pytest.approx([decayed(3600)] * 2)


@pytest.mark.parametrize(
    ("text", "reason"), [("20240301", "cannot be read"), ("x", "cannot be read"), ("20240301120000", "later than")]
)
def test_ge_time_that_cannot_be_right_is_refused(text: str, reason: str) -> None:
    assert reason in str(refusal(**LATER, ge_scan_datetime=text))


def test_later_series_is_dated_back_from_its_frames() -> None:
    found = factors(**LATER, **BEDS)
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert codes(found) == ["suv-start-from-frames"]


def test_ge_counts_frames_from_their_start() -> None:
    found = factors(**LATER, **BEDS | {"Manufacturer": "GE MEDICAL SYSTEMS", "FrameReferenceTime": [0.0, 180_000.0]})
    assert found.factor == pytest.approx([decayed(3600)] * 2)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, "frame times do not tell"),
        ({"FrameReferenceTime": 0.0, "ActualFrameDuration": 120_000}, "frame times do not tell"),
        (BEDS | {"FrameReferenceTime": 59_937.0}, "180 s apart"),
        (BEDS | {"AcquisitionTime": "100000", "FrameReferenceTime": 1000.0}, "after the acquisition"),
        (
            BEDS | {"Manufacturer": "Philips", "AcquisitionTime": "102000", "FrameReferenceTime": 9e5},
            "one bed position",
        ),
    ],
)
def test_later_series_whose_frames_do_not_agree_has_no_start(columns: dict[str, Any], reason: str) -> None:
    found = refusal(**LATER, **columns)
    assert reason in str(found)
    assert "later than the first acquisition" in str(found)


def test_philips_frames_that_agree_among_themselves_are_taken() -> None:
    assert factors(**LATER, **BEDS, Manufacturer="PHILIPS").factor == pytest.approx([decayed(3600)] * 2)


def test_frames_that_contradict_the_series_time_are_told_with_their_effect() -> None:
    found = factors(**BEDS | {"SeriesTime": "093000"})
    assert found.factor == pytest.approx([decayed(1800)] * 2)
    assert codes(found) == ["suv-start-doubtful"]
    # Half an hour of F-18 is a factor of 2 ** (1800 / 6586.2).
    assert f"{100 * (2 ** (1800 / HALF_LIFE) - 1):.0f} %" in found.findings[0].message


def test_bare_injection_time_belongs_to_the_day_of_the_scan() -> None:
    found = factors(RadiopharmaceuticalStartDateTime=None)
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert codes(found) == ["suv-injection-date"]


def test_bare_injection_time_later_than_the_scan_is_of_the_day_before() -> None:
    found = factors(
        RadiopharmaceuticalStartDateTime=None, RadiopharmaceuticalStartTime="233000", SeriesTime="003000",
        AcquisitionTime="003000",
    )  # fmt: skip
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert "day before" in found.findings[0].message


def test_dated_injection_crosses_midnight_by_itself() -> None:
    found = factors(
        RadiopharmaceuticalStartDateTime="20240229233000", RadiopharmaceuticalStartTime="233000", SeriesTime="003000",
        AcquisitionTime="003000",
    )  # fmt: skip
    assert found.factor == pytest.approx([decayed(3600)] * 2)
    assert codes(found) == []


def test_bare_injection_time_of_a_long_lived_nuclide_may_be_of_any_day() -> None:
    zirconium = 78.4 * 3600
    found = refusal(RadiopharmaceuticalStartDateTime=None, RadionuclideHalfLife=zirconium)
    assert found.missing == ("RadiopharmaceuticalStartDateTime",)


def test_late_scan_of_a_long_lived_nuclide_is_plain() -> None:
    zirconium = 78.4 * 3600
    found = factors(RadiopharmaceuticalStartDateTime="20240225090000", RadionuclideHalfLife=zirconium)
    days = 5 * 86_400 + 3600
    assert found.factor == pytest.approx([70_000 / (3.5e8 * 2 ** (-days / zirconium))] * 2)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"RadiopharmaceuticalStartDateTime": "20240301110000"}, "later than the scan"),
        ({"RadiopharmaceuticalStartDateTime": "20240305090000"}, "later than the scan"),
        # A date shifted by one day is 13 half-lives of F-18.
        ({"RadiopharmaceuticalStartDateTime": "20240229090000"}, "14 half-lives"),
        ({"RadionuclideHalfLife": 109.77}, "33 half-lives"),
        ({"RadiopharmaceuticalStartDateTime": "20240301"}, "to the minute"),
        ({"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "09"}, "to the minute"),
    ],
)
def test_injection_that_cannot_be_right_is_refused(columns: dict[str, Any], reason: str) -> None:
    found = refusal(**{"RadiopharmaceuticalStartTime": None} | columns)
    assert reason in str(found)
    assert found.missing == ()


def test_two_injection_times_that_differ_are_refused() -> None:
    assert "different times of day" in str(refusal(RadiopharmaceuticalStartTime="093000"))


def test_time_zone_of_the_injection_needs_a_second_witness() -> None:
    zoned = "20240301090000+0100"
    assert factors(RadiopharmaceuticalStartDateTime=zoned).factor == pytest.approx([decayed(3600)] * 2)
    found = refusal(RadiopharmaceuticalStartDateTime=zoned, RadiopharmaceuticalStartTime=None)
    assert found.missing == ("TimezoneOffsetFromUTC",)


@pytest.mark.parametrize(("zone", "hours"), [("+0000", 2), ("+0100", 1), ("+0130", 0.5)])
def test_time_zone_of_the_images_is_reckoned_with(zone: str, hours: float) -> None:
    zoned = {"RadiopharmaceuticalStartDateTime": "20240301090000+0100", "RadiopharmaceuticalStartTime": None}
    assert factors(TimezoneOffsetFromUTC=zone, **zoned).factor == pytest.approx([decayed(3600 * hours)] * 2)


def test_time_zones_that_contradict_the_time_of_day_are_refused() -> None:
    stated = {"RadiopharmaceuticalStartDateTime": "20240301090000+0100", "RadiopharmaceuticalStartTime": "090000"}
    assert "different times of day" in str(refusal(TimezoneOffsetFromUTC="+0000", **stated))
    assert factors(TimezoneOffsetFromUTC="+0100", **stated).factor == pytest.approx([decayed(3600)] * 2)


def test_two_time_zones_are_reckoned_with() -> None:
    found = factors(
        **LATER, ge_scan_datetime="20240301100000+0200", RadiopharmaceuticalStartDateTime="20240301080000+0100"
    )
    assert found.factor == pytest.approx([decayed(3600)] * 2)


def test_acquisition_may_be_dated_in_one_piece() -> None:
    found = factors(AcquisitionDate=None, AcquisitionTime=None, AcquisitionDateTime="20240301100000")
    assert found.factor == pytest.approx([decayed(3600)] * 2)


def test_times_to_the_minute_are_enough_and_to_the_hour_are_not() -> None:
    assert factors(SeriesTime="1000", AcquisitionTime="1000").factor == pytest.approx([decayed(3600)] * 2)
    assert "to the minute" in str(refusal(SeriesTime="10", AcquisitionTime="10"))
