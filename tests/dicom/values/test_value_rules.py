"""Which map makes values of stored numbers, unasked and asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydicom
import pytest

from tests import factories, multiframe
from tests.dicom.values.test_pet import FDG, decayed
from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.value_map import ValueMap, value_map
from workbench.dicom.values.value_rules import PARAMETRIC_MAP
from workbench.errors import DicomError, SuvUnavailable, UsageError

#: Twelve bits, unsigned: 0 to 4095.
TWELVE = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
ADC = {"first": 0, "last": 4095, "slope": 0.5, "intercept": -3, "lut": None, "units": "um2/s", "label": "ADC"}
PHILIPS = {"Modality": "MR", "Manufacturer": "Philips Medical Systems", "RescaleSlope": 2.0, "RescaleIntercept": -8.0,
           "philips_scale_slope": 0.25}  # fmt: skip


def part(n: int = 1, *, maps: list[dict[str, Any]] | None = None, **columns: Any) -> pa.Table:
    """Rows of 12-bit images; a list gives a value to each row, None removes the column."""
    if maps is not None:
        columns["real_world_values"] = json.dumps(maps)
    facts = {name: value for name, value in (TWELVE | {"Modality": "MR"} | columns).items() if value is not None}
    return pa.table({name: value if isinstance(value, list) else [value] * n for name, value in facts.items()})


def codes(quantity: ValueMap) -> list[str]:
    return [finding.code for finding in quantity.findings]


def computed(path: Path, folder: Path, **options: Any) -> tuple[ValueMap, np.ndarray]:
    rows = frame_rows(scan(folder).instances)
    quantity = value_map(rows, root=folder, **options)
    refs = frame_refs(rows, folder, quantity)
    out = np.empty((len(refs), refs[0].rows, refs[0].columns), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return quantity, out


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 1.0, "RescaleIntercept": 0.0}])
def test_one_real_world_map_of_all_numbers_is_the_physical_value(rescale: dict[str, float]) -> None:
    quantity = value_map(part(maps=[ADC], **rescale))
    assert (quantity.units, quantity.value_kind, quantity.label) == ("um2/s", "real-world", "ADC")
    assert (quantity.slope.tolist(), quantity.intercept.tolist(), quantity.dtype.name) == ([0.5], [-3], "float32")


def test_whole_real_world_map_keeps_integers() -> None:
    quantity = value_map(part(maps=[ADC | {"slope": 2}]))
    assert (quantity.dtype.name, quantity.constant) == ("int16", True)


def test_rescale_goes_before_a_real_world_map() -> None:
    quantity = value_map(part(maps=[ADC], RescaleSlope=2.0, RescaleIntercept=0.0))
    assert (quantity.units, quantity.slope.tolist(), codes(quantity)) == ("1", [2], [])


@pytest.mark.parametrize(
    ("maps", "named"),
    [([ADC, ADC | {"label": "T2", "units": "ms"}], "ADC, T2"), ([ADC | {"last": 4000}], "ADC")],
    ids=["two", "short"],
)
def test_which_map_is_meant_is_left_to_the_caller(maps: list[dict[str, Any]], named: str) -> None:
    quantity = value_map(part(maps=maps))
    assert (quantity.identity, quantity.units, codes(quantity)) == (True, "1", ["real-world-choice"])
    assert quantity.findings[0].message == named


def test_of_two_maps_the_one_that_reaches_all_numbers_is_taken() -> None:
    quantity = value_map(part(maps=[ADC, ADC | {"label": "T2", "units": "ms", "last": 9}]))
    assert quantity.label == "ADC"


def test_map_that_cannot_be_computed_is_told() -> None:
    quantity = value_map(part(maps=[ADC | {"slope": None}]))
    assert (quantity.identity, codes(quantity)) == (True, ["real-world-unusable"])


def test_parametric_map_takes_its_one_map_and_marks_what_it_does_not_reach() -> None:
    quantity = value_map(part(maps=[ADC | {"last": 10}], SOPClassUID=PARAMETRIC_MAP))
    assert (quantity.units, quantity.dtype.name) == ("um2/s", "float32")
    assert quantity.luts is not None
    assert quantity.luts[0] is not None
    assert np.isnan(quantity.luts[0].table[-1])


def test_parametric_map_of_floats_keeps_the_limits_of_its_map() -> None:
    quantity = value_map(part(maps=[ADC], SOPClassUID=PARAMETRIC_MAP, pixel_float=True))
    assert (quantity.limits, quantity.luts, quantity.slope.tolist()) == (((0, 4095),), None, [0.5])


def test_real_world_map_without_a_unit_has_none() -> None:
    quantity = value_map(part(maps=[ADC | {"units": ""}]))
    assert (quantity.units, codes(quantity)) == ("", ["units-unknown"])


def test_real_world_values_of_functional_groups_are_read_and_computed(tmp_path: Path) -> None:
    mapping = multiframe.item(
        RealWorldValueFirstValueMapped=0, RealWorldValueLastValueMapped=1005, RealWorldValueSlope=0.5,
        RealWorldValueIntercept=10.0, LUTLabel="T2", MeasurementUnitsCodeSequence={"CodeValue": "ms"},
    )  # fmt: skip
    shared = {"RealWorldValueMappingSequence": mapping}
    path = multiframe.enhanced(
        tmp_path / "a", [(0, 0, 0), (0, 0, 1)], rescale=None, SOPClassUID=multiframe.ENHANCED_MR, Modality="MR",
        SharedFunctionalGroupsSequence=[
            multiframe.item(
                PlaneOrientationSequence={"ImageOrientationPatient": list(factories.AXIAL)},
                PixelMeasuresSequence={"PixelSpacing": [1, 1]},
            )
        ],
    )  # fmt: skip
    dataset = pydicom.dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [shared["RealWorldValueMappingSequence"]]
    dataset.save_as(path)
    assert value_map(frame_rows(scan(tmp_path).instances)).identity
    quantity, values = computed(path, tmp_path, values="real-world:T2")
    assert quantity.units == "ms"
    stored = multiframe.numbered(2)
    expected = np.where(stored <= 1005, stored * 0.5 + 10, np.nan).astype(np.float32)
    np.testing.assert_array_equal(values, expected)


def test_map_is_asked_for_by_its_label() -> None:
    table = part(maps=[ADC, ADC | {"label": "T2", "units": "ms", "slope": 2}], RescaleSlope=3.0)
    quantity = value_map(table, values="real-world:T2")
    assert (quantity.units, quantity.slope.tolist()) == ("ms", [2])
    assert value_map(part(maps=[ADC], RescaleSlope=3.0), values="real-world").units == "um2/s"


@pytest.mark.parametrize(
    ("table", "values", "offered"),
    [
        (part(), "nonsense", "use 'physical' or 'stored'"),
        (part(), "real-world", "use 'physical' or 'stored'"),
        (part(), "suv", "use 'physical' or 'stored'"),
        (part(), "quantitative", "use 'physical' or 'stored'"),
        (part(maps=[ADC]), "real-world:", "use 'physical' or 'stored' or 'real-world' or 'real-world:ADC'"),
        (part(maps=[ADC, ADC | {"label": "T2"}]), "real-world", "or 'real-world:ADC' or 'real-world:T2'"),
        (part(Modality="PT"), "real-world", "use 'physical' or 'stored' or 'suv'"),
        (part(**PHILIPS), "suv", "use 'physical' or 'stored' or 'quantitative'"),
        (part(SamplesPerPixel=3), "real-world", "use 'physical' or 'stored'"),
    ],
)
def test_what_a_series_does_not_have_is_refused_with_what_it_has(table: pa.Table, values: str, offered: str) -> None:
    with pytest.raises(UsageError) as caught:
        value_map(table, values=values)
    assert offered in (caught.value.remedy or "")


def test_both_ways_to_ask_for_stored_numbers_are_one() -> None:
    table = part(maps=[ADC], RescaleSlope=0.5)
    for quantity in (value_map(table, stored=True), value_map(table, values="stored")):
        assert (quantity.dtype.name, quantity.identity, quantity.value_kind) == ("uint16", True, "stored")


def test_dose_is_stored_numbers_times_its_scaling(tmp_path: Path) -> None:
    path = multiframe.dose(tmp_path / "a", [0, 2, 4])
    quantity, values = computed(path, tmp_path)
    assert (quantity.units, quantity.value_kind, quantity.dtype.name) == ("Gy", "dose", "float32")
    np.testing.assert_array_equal(values, (multiframe.numbered(3) * 0.001).astype(np.float32))


def test_relative_dose_has_no_unit() -> None:
    assert value_map(part(Modality="RTDOSE", DoseUnits="RELATIVE", DoseGridScaling=0.5)).units == "1"


@pytest.mark.parametrize(
    ("scaling", "code"), [(None, "dose-unscaled"), ([0.1, None], "dose-unscaled"), (0.0, "rescale-impossible")]
)
def test_dose_without_its_scaling_stays_stored(scaling: Any, code: str) -> None:
    quantity = value_map(part(2, Modality="RTDOSE", DoseUnits="GY", DoseGridScaling=scaling))
    assert (quantity.identity, quantity.units, quantity.value_kind, codes(quantity)) == (True, "", "stored", [code])


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM", "CR"])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(None, -1024.0), ([2.0, None, 2.0], -1024.0), ([2.0, None, 2.0], [-5.0, None, -5.0])]
)
def test_a_slope_that_is_no_number_leaves_all_images_as_stored(modality: str, slope: Any, intercept: Any) -> None:
    quantity = value_map(part(3, Modality=modality, RescaleSlope=slope, RescaleIntercept=intercept))
    assert (quantity.identity, quantity.units, quantity.value_kind) == (True, "", "stored")
    (finding,) = (finding for finding in quantity.findings if finding.code == "rescale-impossible")
    assert finding.severity == "serious"
    assert finding.message.startswith(f"RescaleSlope missing or no number in {3 if slope is None else 1} of 3 images")


@pytest.mark.parametrize("written", [b"x ", b"nan ", b"", b"1;5 "])
def test_an_unreadable_slope_of_a_file_is_not_taken_as_one(tmp_path: Path, written: bytes) -> None:
    for path in factories.stack(tmp_path, (0, 2), RescaleSlope=7, RescaleIntercept=-1024):
        slope, changed = (b"\x28\x00\x53\x10DS" + len(text).to_bytes(2, "little") + text for text in (b"7.0 ", written))
        assert path.read_bytes().count(slope) == 1
        path.write_bytes(path.read_bytes().replace(slope, changed))
    quantity, values = computed(tmp_path, tmp_path)
    assert codes(quantity) == ["rescale-impossible"]
    np.testing.assert_array_equal(values[0], factories.pixels(1))


def test_philips_numbers_are_called_display_and_left_alone() -> None:
    quantity = value_map(part(**PHILIPS))
    assert (quantity.value_kind, quantity.slope.tolist(), quantity.units) == ("display", [2], "1")
    assert value_map(part(**PHILIPS | {"philips_scale_slope": None})).value_kind == "signal"
    assert value_map(part(**PHILIPS | {"Manufacturer": "SIEMENS"})).value_kind == "signal"


def test_philips_quantitative_value_divides_by_both_slopes() -> None:
    quantity = value_map(part(2, **PHILIPS | {"philips_scale_slope": [0.25, 0.5]}), values="quantitative")
    # Stored 100 is displayed as 100 * 2 - 8 = 192; over 2 * 0.25 that is 384, over 2 * 0.5 it is 192.
    assert (100 * quantity.slope + quantity.intercept).tolist() == [384, 192]
    assert (quantity.value_kind, quantity.units, quantity.dtype.name) == ("quantitative", "1", "float32")


@pytest.mark.parametrize(
    ("column", "tag"), [("philips_scale_slope", "philips_scale_slope"), ("RescaleSlope", "RescaleSlope")]
)
@pytest.mark.parametrize("value", [None, 0.0, [2.0, None]])
def test_philips_without_its_slopes_has_no_quantitative_value(column: str, tag: str, value: Any) -> None:
    with pytest.raises(DicomError, match=rf"{column}.* missing in \d of 2 images") as caught:
        value_map(part(2, **PHILIPS | {column: value}), values="quantitative")
    assert caught.value.tag == tag


def test_uptake_multiplies_each_slices_own_slope() -> None:
    table = part(2, **FDG, RescaleSlope=[2.0, 3.0], RescaleIntercept=[0.0, 5.0])
    quantity = value_map(table, values="suv")
    assert quantity.slope == pytest.approx([2 * decayed(3600), 3 * decayed(3600)])
    assert quantity.intercept == pytest.approx([0, 5 * decayed(3600)])
    assert (quantity.units, quantity.value_kind, quantity.dtype.name) == ("{SUVbw}g/mL", "suv", "float32")
    assert (quantity.label, bool(quantity.steps)) == ("SUVbw", True)


def test_uptake_of_another_kind_is_not_called_body_weight() -> None:
    table = part(**FDG | {"Units": "GML"}, SUVType="LBM", RescaleSlope=1.0)
    quantity = value_map(table, values="suv")
    assert (quantity.units, quantity.value_kind) == ("{SUVlbm}g/mL", "suv-lbm")


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"PatientWeight": None, "RescaleSlope": 1.0}, ("PatientWeight",)),
        ({"RescaleSlope": None}, ("RescaleSlope",)),
        ({"RescaleSlope": 0.0}, ()),
    ],
)
def test_uptake_that_cannot_be_honest_is_an_error(columns: dict[str, Any], missing: tuple[str, ...]) -> None:
    with pytest.raises(SuvUnavailable) as caught:
        value_map(part(**FDG | columns), values="suv")
    assert caught.value.missing == missing


def test_real_world_uptake_is_told_from_other_quantities() -> None:
    quantity = value_map(part(maps=[ADC | {"units": "g/ml{SUVbw}", "label": "SUV"}], Modality="PT", Units="CNTS"))
    assert (quantity.value_kind, quantity.units) == ("suv", "g/ml{SUVbw}")


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -1024.0), (0.37, 1.5)])
def test_pydicom_agrees_on_single_frames(slope: float, intercept: float, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", RescaleSlope=slope, RescaleIntercept=intercept)
    _, values = computed(path, tmp_path)
    dataset = pydicom.dcmread(path)
    expected = pydicom.pixels.apply_rescale(dataset.pixel_array, dataset)
    np.testing.assert_array_equal(values[0], expected.astype(values.dtype))


def test_uptake_of_files_is_worked_from_their_headers(tmp_path: Path) -> None:
    nested = (
        "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
        "RadiopharmaceuticalStartDateTime",
    )  # fmt: skip
    tags: dict[str, Any] = {name: value for name, value in FDG.items() if name not in nested}
    tags["CorrectedImage"] = ["DECY", "ATTN"]
    tags["RadiopharmaceuticalInformationSequence"] = [multiframe.item(**{name: FDG[name] for name in nested})]
    path = factories.image(tmp_path / "a", **tags | {"RescaleSlope": 2.5})
    _, values = computed(path, tmp_path, values="suv")
    stored = pydicom.dcmread(path).pixel_array
    np.testing.assert_allclose(values[0], stored * 2.5 * decayed(3600), rtol=1e-6)
