"""What multi-frame objects say of their frames is found, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from pydicom.dataset import Dataset

from tests import multiframe
from tests.conftest import absent
from tests.factories import positions
from tests.real_table import collections, files
from tests.strategies import functional_groups
from tests.tries import tries
from workbench.dicom.headers.elements import Declined
from workbench.dicom.stacks import functional
from workbench.dicom.stacks.functional import frame_facts, unpack


@contextmanager
def by_pydicom() -> Iterator[None]:
    """Headers are read by pydicom alone."""
    with mock.patch.object(functional, "grouped_header", side_effect=Declined("asked to")):
        yield


@contextmanager
def by_our_walk() -> Iterator[None]:
    """Functional groups are never turned into objects."""
    with mock.patch.object(functional, "_functional_groups", side_effect=AssertionError("pydicom was asked")):
        yield


def columns(data: bytes | None) -> str | None:
    """What a frame table says, NaN written out so that it equals itself."""
    return None if data is None else repr(unpack(data).to_pydict())


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


@settings(max_examples=tries(250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(functional_groups())
def test_our_walk_and_pydicom_say_the_same_of_any_functional_groups(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(header)
    ours = columns(frame_facts(path))
    with by_pydicom():
        assert ours == columns(frame_facts(path))


@pytest.mark.data
@pytest.mark.parametrize("collection", ["dcmqi", "highdicom", "nibabel", "pydicom", "rt-utils"])
def test_our_walk_and_pydicom_say_the_same_of_real_multi_frame_objects(collection: str) -> None:
    if collection not in collections():
        absent(f"collection {collection}", "data")
    for known in files(collection):
        path = collections()[collection] / known[0]
        ours = columns(frame_facts(path))
        with by_pydicom():
            assert ours == columns(frame_facts(path)), known[0]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
def test_ordinary_functional_groups_never_become_objects(undefined: bool, implicit: bool, tmp_path: Path) -> None:
    import pydicom

    path = multiframe.enhanced(tmp_path / "a", PLACES, rescale=[(1, -1000), (2, 0), (0.5, 3)])
    dataset = pydicom.dcmread(path)
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        dataset[keyword].is_undefined_length = undefined
        for group in dataset[keyword].value:
            group.is_undefined_length_sequence_item = undefined
    if implicit:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    dataset.save_as(path, implicit_vr=implicit, little_endian=True)
    with by_our_walk():
        assert facts(path)["ImagePositionPatient"] == PLACES
        assert facts(path)["RescaleIntercept"] == [-1000, 0, 3]


def test_a_header_larger_than_the_first_read_is_read_on(tmp_path: Path) -> None:
    places = positions(range(6000)).tolist()
    path = multiframe.enhanced(tmp_path / "a", places, frames=np.zeros((6000, 1, 1), np.int16))
    assert path.stat().st_size > functional.FIRST_READ
    with by_our_walk():
        assert facts(path)["ImagePositionPatient"] == places


def test_what_takes_pydicom_too_long_says_nothing(tmp_path: Path) -> None:
    places = positions(range(20)).tolist()
    path = multiframe.enhanced(tmp_path / "a", places)
    with by_pydicom():
        assert frame_facts(path) is not None
        with mock.patch.object(functional, "MOST_ITEMS", 40):
            assert frame_facts(path) is None
        with mock.patch.object(functional, "MOST_BYTES", 1000):
            assert frame_facts(path) is None


def test_limits_of_implicit_maps_take_the_sign_of_the_pixels(tmp_path: Path) -> None:
    import json
    from struct import pack

    from tests.strategies import Element, part10

    entry = (Element(0x00409211, "US", pack("<h", -1)), Element(0x00409216, "US", pack("<h", -5)))
    for undefined in (False, True):
        item = (Element(0x00409096, "SQ", items=(entry,), undefined=undefined),)
        header = [Element(0x00280008, "IS", b"2"), Element(0x00280103, "US", b"\1\0"),
                  Element(0x52009230, "SQ", items=(item, item))]  # fmt: skip
        (tmp_path / "a").write_bytes(part10(header, "1.2.840.10008.1.2"))
        assert [one["first"] for one in json.loads(facts(tmp_path / "a")["real_world_values"][1])] == [-5]
        with by_pydicom():
            assert [one["first"] for one in json.loads(facts(tmp_path / "a")["real_world_values"][1])] == [-5]
