"""What multi-frame objects say of their frames is found, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests import multiframe
from tests.factories import positions
from workbench.dicom.stacks.functional import frame_facts, unpack


def facts(path: Path) -> dict[str, list[Any]]:
    data = frame_facts(path)
    assert data is not None
    return dict(unpack(data).to_pydict())


PLACES = positions((0, 2, 4)).tolist()


def test_places_and_maps_come_from_the_groups_of_each_frame(tmp_path: Path) -> None:
    path = multiframe.enhanced(tmp_path / "a", PLACES, rescale=[(1, -1000), (2, 0), (0.5, 3)])
    found = facts(path)
    assert found["ImagePositionPatient"] == PLACES
    assert found["RescaleSlope"] == [1, 2, 0.5]
    assert found["RescaleIntercept"] == [-1000, 0, 3]
    assert found["PixelSpacing"] == [[0.5, 0.8]] * 3


def test_what_functional_groups_do_not_say_is_unknown_whatever_the_top_level_says(tmp_path: Path) -> None:
    path = multiframe.enhanced(tmp_path / "a", PLACES, rescale=None, RescaleSlope=7, RescaleIntercept=9)
    assert facts(path)["RescaleSlope"] == [None] * 3


def test_a_frames_own_group_wins_over_the_shared_one(tmp_path: Path) -> None:
    path = multiframe.enhanced(
        tmp_path / "a", PLACES, shared={"MREchoSequence": {"EffectiveEchoTime": 5.0}},
        per_frame={"MREchoSequence": [{"EffectiveEchoTime": 5.0 + i} if i else {} for i in range(3)]},
    )  # fmt: skip
    assert facts(path)["EchoTime"] == [5, 6, 7]


@pytest.mark.parametrize(
    ("group", "attribute", "values", "column"),
    [
        ("MRDiffusionSequence", "DiffusionBValue", [0.0, 500.0, 1000.0], "DiffusionBValue"),
        ("MRTimingAndRelatedParametersSequence", "FlipAngle", [2.0, 5.0, 9.0], "FlipAngle"),
        ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", [0.0, 30.0, 60.0], "TriggerTime"),
        ("TemporalPositionSequence", "TemporalPositionTimeOffset", [0.0, 1.5, 3.0], "temporal_offset_s"),
        ("FrameContentSequence", "TemporalPositionIndex", [1, 2, 3], "TemporalPositionIdentifier"),
    ],
)
def test_key_values_are_found_by_frame(
    group: str, attribute: str, values: list[Any], column: str, tmp_path: Path
) -> None:
    path = multiframe.enhanced(tmp_path / "a", PLACES, per_frame={group: [{attribute: value} for value in values]})
    assert facts(path)[column] == values


def test_acquisition_datetime_gives_date_and_time(tmp_path: Path) -> None:
    stamps = [{"FrameAcquisitionDateTime": f"20200102030405.{i}+0100"} for i in range(3)]
    found = facts(multiframe.enhanced(tmp_path / "a", PLACES, per_frame={"FrameContentSequence": stamps}))
    assert found["AcquisitionDate"] == ["20200102"] * 3
    assert found["AcquisitionTime"] == ["030405.0", "030405.1", "030405.2"]


def test_groups_that_do_not_match_the_number_of_frames_say_nothing(tmp_path: Path) -> None:
    path = multiframe.enhanced(tmp_path / "a", PLACES, frames=multiframe.numbered(4))
    assert frame_facts(path) is None


def test_dose_planes_lie_at_their_offsets(tmp_path: Path) -> None:
    assert facts(multiframe.dose(tmp_path / "a", [0, 3, 6]))["ImagePositionPatient"] == [
        [-10, 20, 30], [-10, 20, 33], [-10, 20, 36],
    ]  # fmt: skip
    absolute = multiframe.dose(tmp_path / "b", [30, 33, 36])
    assert facts(absolute)["ImagePositionPatient"][2] == [-10, 20, 36]


def test_slices_of_a_nuclear_reconstruction_follow_the_sign_of_their_spacing(tmp_path: Path) -> None:
    detector = multiframe.item(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    for step in (4.0, -4.0):
        path = multiframe.multi_frame(
            tmp_path / f"{step}", multiframe.numbered(3), SOPClassUID=multiframe.NUCLEAR, Modality="NM",
            DetectorInformationSequence=[detector], SliceVector=[1, 2, 3], SpacingBetweenSlices=step,
            EnergyWindowVector=[1, 1, 1],
        )  # fmt: skip
        assert [place[2] for place in facts(path)["ImagePositionPatient"]] == [3, 3 + step, 3 + 2 * step]


def test_cine_times_are_milliseconds_since_the_first_frame(tmp_path: Path) -> None:
    common = {"SOPClassUID": multiframe.ULTRASOUND, "Modality": "US"}
    even = multiframe.multi_frame(tmp_path / "a", multiframe.numbered(3), FrameTime=40, **common)
    assert facts(even)["frame_time_ms"] == [0, 40, 80]
    uneven = multiframe.multi_frame(tmp_path / "b", multiframe.numbered(3), FrameTimeVector=[0, 30, 50], **common)
    assert facts(uneven)["frame_time_ms"] == [0, 30, 80]


def test_a_file_that_is_no_dicom_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"nothing" * 100)
    assert frame_facts(tmp_path / "a") is None


def test_real_world_values_are_kept_as_they_stand(tmp_path: Path) -> None:
    entry = Dataset()
    entry.RealWorldValueFirstValueMapped, entry.RealWorldValueLastValueMapped = 0, 4095
    entry.RealWorldValueSlope, entry.RealWorldValueIntercept, entry.LUTLabel = 0.5, -3.0, "ADC"
    entry.MeasurementUnitsCodeSequence = [multiframe.item(CodeValue="um2/s", CodingSchemeDesignator="UCUM")]
    path = multiframe.enhanced(tmp_path / "a", PLACES)
    import pydicom

    dataset = pydicom.dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.RealWorldValueMappingSequence = [entry]
        entry["RealWorldValueFirstValueMapped"].VR = entry["RealWorldValueLastValueMapped"].VR = "US"
    dataset.save_as(path)
    import json

    told = json.loads(facts(path)["real_world_values"][0])
    assert told == [
        {"first": 0, "last": 4095, "slope": 0.5, "intercept": -3, "lut": None, "units": "um2/s", "label": "ADC"}
    ]


def test_legacy_converted_frames_of_a_real_object_are_placed(data_dir: Path) -> None:
    found = facts(data_dir / "dcmqi" / "segmentations" / "24x38x3" / "multiframe" / "mf.dcm")
    assert np.allclose(np.diff([place[2] for place in found["ImagePositionPatient"]]), 2.5)
