"""Stored numbers become quantities: exact integers where one whole map holds, else float32, never float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests import factories, multiframe
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.value_map import value_map
from workbench.errors import UsageError


def rows(folder: Path, *, n: int = 2, per_slice: dict[str, Any] | None = None, **tags: Any) -> pa.Table:
    factories.stack(folder, range(n), per_slice=per_slice, **tags)
    return scan(folder).instances


def codes(quantity: Any) -> list[str]:
    return [finding.code for finding in quantity.findings]


@pytest.mark.parametrize(
    ("tags", "dtype", "checked"),
    [
        ({}, "int16", False),
        ({"PixelRepresentation": 0}, "uint16", False),
        ({"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}, "int16", False),
        ({"RescaleIntercept": -1024}, "int16", True),
        ({"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024}, "int16", False),
        ({"RescaleSlope": 2}, "int32", False),
        ({"BitsStored": 12, "HighBit": 11, "RescaleSlope": 3}, "int16", False),
        ({"RescaleSlope": 0.5}, "float32", False),
        ({"RescaleIntercept": 0.25}, "float32", False),
        ({"RescaleSlope": 1e30}, "float32", False),
        # Bit numbers that contradict each other declare nothing: all bits count.
        ({"BitsStored": 8, "HighBit": 3, "PixelRepresentation": 0}, "uint16", False),
        ({"BitsStored": 12, "HighBit": 40}, "int16", False),
    ],
)
def test_dtype_is_the_smallest_that_holds_the_declared_range(
    tags: dict[str, Any], dtype: str, checked: bool, tmp_path: Path
) -> None:
    quantity = value_map(rows(tmp_path, **tags))
    assert (quantity.dtype.name, quantity.checked) == (dtype, checked)


def test_slopes_that_differ_by_slice_make_float32(tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, per_slice={"RescaleSlope": [1, 1.5]}))
    assert (quantity.dtype.name, quantity.slope.tolist(), quantity.constant) == ("float32", [1, 1.5], False)


def test_signs_that_differ_by_slice_are_both_held(tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, per_slice={"PixelRepresentation": [0, 1]}))
    assert quantity.dtype.name == "int32"


def test_stored_numbers_are_left_alone(tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, RescaleSlope=0.5), stored=True)
    assert (quantity.dtype.name, quantity.identity, quantity.units) == ("int16", True, "1")


@pytest.mark.parametrize("bits", [0, 24, 64, 65535])
def test_impossible_bits_never_stop_a_table(bits: int, tmp_path: Path) -> None:
    factories.image(tmp_path / "a", BitsAllocated=bits, BitsStored=bits, HighBit=65535)
    table = scan(tmp_path).table
    value_map(table)
    value_map(table, stored=True)


@pytest.mark.parametrize(
    ("tags", "units", "kind"),
    [
        ({}, "[hnsf'U]", "hounsfield"),
        ({"RescaleType": "HU"}, "[hnsf'U]", "hounsfield"),
        ({"RescaleType": "MGML"}, "mg/mL", "signal"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "1", "signal"),
        ({"Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None}, "1", "signal"),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/mL", "activity"),
        ({"Modality": "PT", "Units": "GML"}, "g/mL", "suv"),
        ({"Modality": "PT", "Units": "GML", "SUVType": "LBM"}, "g/mL", "suv-lbm"),
        ({"Modality": "PT", "Units": "CNTS"}, "{counts}", "counts"),
        ({"Modality": "NM", "RescaleSlope": None, "RescaleIntercept": None}, "{counts}", "counts"),
        ({"Modality": "MG", "RescaleSlope": None, "RescaleIntercept": None}, "1", "signal"),
    ],
)
def test_units_table(tags: dict[str, Any], units: str, kind: str, tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, **tags))
    assert (quantity.units, quantity.value_kind, codes(quantity)) == (units, kind, [])


@pytest.mark.parametrize(
    "tags",
    [
        {"Modality": "PT"},
        {"Modality": "PT", "Units": "XYZ"},
        # A CT without its map holds numbers of the detector's choosing.
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"Modality": "PT", "Units": "BQML", "RescaleSlope": None, "RescaleIntercept": None},
    ],
)
def test_unknown_unit_is_empty_with_a_finding(tags: dict[str, Any], tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, **tags))
    assert (quantity.units, codes(quantity)) == ("", ["units-unknown"])


def test_units_that_differ_within_a_pet_are_unknown(tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, Modality="PT", per_slice={"Units": ["BQML", "GML"]}))
    assert (quantity.units, codes(quantity)) == ("", ["units-unknown"])


def test_enhanced_ct_without_a_map_is_not_taken_for_hounsfield(tmp_path: Path) -> None:
    multiframe.enhanced(tmp_path / "a", [(0, 0, z) for z in range(3)], rescale=None)
    quantity = value_map(frame_rows(scan(tmp_path).instances))
    assert (quantity.units, quantity.value_kind, codes(quantity)) == ("", "stored", ["units-unknown"])


def test_enhanced_mr_without_a_map_is_signal_as_stored(tmp_path: Path) -> None:
    places = [(0, 0, z) for z in range(3)]
    multiframe.enhanced(tmp_path / "a", places, rescale=None, SOPClassUID=multiframe.ENHANCED_MR, Modality="MR")
    quantity = value_map(frame_rows(scan(tmp_path).instances))
    assert (quantity.units, quantity.value_kind, codes(quantity)) == ("1", "signal", [])
    assert quantity.identity


def test_enhanced_ct_scales_each_frame_by_its_own_map(tmp_path: Path) -> None:
    maps = [(1.0, -1000.0), (2.0, -1024.0)]
    multiframe.enhanced(tmp_path / "a", [(0, 0, 0), (0, 0, 1)], rescale=maps)
    quantity = value_map(frame_rows(scan(tmp_path).instances))
    assert (quantity.units, quantity.dtype.name, quantity.constant) == ("[hnsf'U]", "float32", False)
    assert list(zip(quantity.slope, quantity.intercept, strict=True)) == maps


def test_tables_of_older_scans_may_lack_columns() -> None:
    quantity = value_map(pa.table({"Modality": ["MR", "MR"]}))
    assert (quantity.dtype.name, quantity.units, quantity.identity) == ("uint16", "1", True)


def test_palette_indices_are_no_quantity(tmp_path: Path) -> None:
    quantity = value_map(rows(tmp_path, PhotometricInterpretation="PALETTE COLOR"))
    assert quantity.value_kind == "stored"


def test_dtype_asked_for_is_taken_and_checked(tmp_path: Path) -> None:
    table = rows(tmp_path)
    assert value_map(table, dtype="uint8").checked
    assert value_map(table, dtype="float32").dtype.name == "float32"
    assert value_map(table, stored=True, dtype="float32").dtype.name == "float32"


def test_whole_dtype_for_values_that_are_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not whole"):
        value_map(rows(tmp_path, RescaleSlope=0.5), dtype="int16")


@pytest.mark.parametrize("dtype", ["nonsense", "U5", "datetime64[s]", "complex64"])
def test_dtype_that_is_no_number_is_refused(dtype: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dtype cannot be"):
        value_map(rows(tmp_path), dtype=dtype)
