"""The series of a header table: parts, plans, findings, and the one asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.tries import tries
from workbench.dicom.pixels.codecs import decodable
from workbench.dicom.scan import scan
from workbench.dicom.series import Series, choose, choose_part, iterate_series
from workbench.errors import AmbiguousSeries, SeriesNotFound


def series_of(folder: Path) -> list[Series]:
    return list(iterate_series(scan(folder).table, folder))


def codes(series: Series) -> list[str]:
    return sorted(finding.code for finding in series.findings)


def test_findings_name_series_and_patient(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4, 8))
    series = series_of(tmp_path)[0]
    assert [(f.code, f.series_uid, f.patient_id) for f in series.findings] == [
        ("slices-missing", factories.SERIES, "P1")
    ]


def test_every_frame_is_in_a_plan_or_in_a_finding(tmp_path: Path) -> None:
    factories.stack(tmp_path / "s", (0, 2, 4, 8))
    factories.image(tmp_path / "l", 50, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    factories.image(tmp_path / "m", 60, frames=np.zeros((4, 6, 8), "<i2"))
    shutil.copy(tmp_path / "l", tmp_path / "copy-of-l")
    found = scan(tmp_path)
    series = next(iterate_series(found.table, tmp_path))
    placed = sum(int((plan.cells >= 0).sum()) for plan in series.plans)
    dropped = sum(f.count for f in series.findings if f.code == "duplicate-instance")
    in_files = sum(row["NumberOfFrames"] or 1 for row in found.instances.to_pylist())
    assert placed + dropped == in_files == 10
    assert series.n_frames == 9
    assert codes(series) == ["duplicate-instance", "multi-frame-unplaced", "several-parts", "slices-missing"]


def test_a_lone_localiser_is_not_news(tmp_path: Path) -> None:
    factories.stack(tmp_path / "s")
    factories.image(tmp_path / "l", 50, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert codes(series_of(tmp_path)[0]) == ["several-parts"]


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"LossyImageCompression": "01"}, "lossy-compression"),
        ({"Modality": "ECG"}, "units-unknown"),
        ({"RescaleSlope": None}, "rescale-impossible"),
    ],
)
def test_what_pixels_are_is_told(tags: dict[str, Any], code: str, tmp_path: Path) -> None:
    factories.stack(tmp_path, **tags)
    assert codes(series_of(tmp_path)[0]) == [code]


def test_syntax_without_a_decoder_is_told_at_scan_time(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-ls"])
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.99"))
    series = series_of(tmp_path)[0]
    assert not series.decodable
    assert "syntax-not-decodable" in codes(series)


def test_colour_that_decoders_disagree_on_is_as_decodable_as_the_table_says(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-70"], SamplesPerPixel=3)
    assert series_of(tmp_path)[0].decodable is decodable(factories.LOSSLESS["jpeg-70"], colour=True)


def test_series_without_images_has_no_plan(tmp_path: Path) -> None:
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT")
    factories.write(tmp_path / "a", dataset)
    series = series_of(tmp_path)[0]
    assert (series.kind, series.plans, series.n_frames) == ("structure-set", (), 1)


def test_the_only_series_may_be_left_out(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    assert choose(scan(tmp_path).table, tmp_path, series=None, where="here").uid == factories.SERIES


def test_ambiguous_series_are_listed(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a")
    factories.stack(tmp_path / "b", (0, 2), first=20, SeriesInstanceUID="1.2.3", Modality="MR")
    table = scan(tmp_path).table
    with pytest.raises(AmbiguousSeries) as caught:
        choose(table, tmp_path, series=None, where="here")
    assert "2 series" in str(caught.value)
    assert "1.2.3 MR 2" in str(caught.value)
    assert "series=" in str(caught.value)
    assert choose(table, tmp_path, series="1.2.3", where="here").uid == "1.2.3"
    with pytest.raises(SeriesNotFound):
        choose(table, tmp_path, series="9.9", where="here")


def test_parts_are_chosen_by_number_from_one(tmp_path: Path) -> None:
    factories.stack(tmp_path / "s")
    factories.image(tmp_path / "l", 50, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    series = series_of(tmp_path)[0]
    with pytest.raises(AmbiguousSeries, match="2 parts"):
        choose_part(series, None)
    assert (choose_part(series, 1).n_frames, choose_part(series, 2).n_frames) == (6, 1)
    for part in (0, 3, -1):
        with pytest.raises(SeriesNotFound):
            choose_part(series, part)


ODD = st.dictionaries(
    st.sampled_from(
        ["SOPClassUID", "ImageType", "Modality", "Units", "AcquisitionTime", "PhotometricInterpretation", "RescaleType",
         "FrameOfReferenceUID", "SUVType"]
    ),
    st.sampled_from([None, "", "X", "1.2", "GML", "MOSAIC", "99", "HU", "PALETTE COLOR"]),
)  # fmt: skip
ODD_NUMBERS = st.dictionaries(
    st.sampled_from(
        ["InstanceNumber", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
         "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "EchoTime", "TriggerTime", "DiffusionBValue"]
    ),
    st.sampled_from([None, 0, 1, 2, 7, 12, 64, 65535]),
)  # fmt: skip
ODD_PLACES = st.dictionaries(
    st.sampled_from(["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]),
    st.sampled_from([None, [], [0], [0, 0], [1, 1], [0, 0, 0], [1e300, 0, 0], [0] * 6, [1e200] * 6, [1e-300, 1e300]]),
)


@given(st.lists(st.tuples(ODD, ODD_NUMBERS, ODD_PLACES), min_size=1, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=tries(150))
def test_no_header_however_odd_stops_the_planning(
    tmp_path_factory: Any, cases: list[tuple[dict[str, Any], ...]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    for number, tags in enumerate(cases):
        merged = {keyword: value for group in tags for keyword, value in group.items()}
        factories.image(folder / str(number), number, **merged)
    for series in series_of(folder):
        assert series.n_frames >= 1


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        ({"BitsStored": 20, "HighBit": 19}, "20 bits stored, high bit 19, of 16 bits: 2 images"),
        ({"BitsStored": 12, "HighBit": 16}, "12 bits stored, high bit 16, of 16 bits: 2 images"),
        ({"BitsStored": 12, "HighBit": 11}, None), ({"BitsStored": 12, "HighBit": 15}, None),
        ({"BitsStored": 16, "HighBit": None}, None),
    ],
)  # fmt: skip
def test_more_bits_than_there_is_room_for_are_told(tmp_path: Path, bits: dict[str, Any], told: str | None) -> None:
    factories.stack(tmp_path, (0, 2), **bits)
    (series,) = iterate_series(scan(tmp_path).table, tmp_path)
    found = [finding.message for finding in series.findings if finding.code == "bits-contradictory"]
    assert found == ([] if told is None else [told])
