"""Which unit values have, by the header alone; what is not stated stays unknown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from workbench.dicom.values.units import PET_UNITS, stated_unit


def unit_of(*rows: dict[str, Any]) -> tuple[str, str, list[str]]:
    units, kind, findings = stated_unit(pa.Table.from_pylist(list(rows)))
    return units, kind, [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("row", "units", "kind"),
    [
        ({"Modality": "NM"}, "{counts}", "counts"),
        ({"Modality": "US"}, "1", "signal"),
        ({"Modality": "CR", "RescaleType": "OD"}, "10*-3.{OD}", "signal"),
        ({"Modality": "CT", "RescaleType": "Z_EFF"}, "{Z_eff}", "signal"),
        ({"Modality": "MR", "RescaleType": "normalized"}, "1", "signal"),
        ({"Modality": "MR", "RescaleType": "mrad"}, "mrad", "signal"),
        ({"Modality": "RTDOSE", "DoseUnits": "GY"}, "Gy", "dose"),
        ({"Modality": "RTDOSE", "DoseUnits": "RELATIVE"}, "1", "dose"),
        ({"Modality": "PT", "Units": "MLMING"}, "mL/min/g", "signal"),
        ({"Modality": "PT", "Units": "CM2ML"}, "cm2/mL", "suv-bsa"),
        ({"Modality": "PT", "Units": "PROPCNTS"}, "1", "counts"),
    ],
)
def test_stated_unit(row: dict[str, Any], units: str, kind: str) -> None:
    assert unit_of(row) == (units, kind, [])


@pytest.mark.parametrize(
    "rows",
    [
        [{"Modality": "SEG"}],
        [{"Modality": None}],
        [{"Modality": "RTDOSE"}],
        [{"Modality": "CT", "RescaleType": "FURLONG"}],
        [{"Modality": "CT", "RescaleType": "HU"}, {"Modality": "CT", "RescaleType": "Z_EFF"}],
        [{"Modality": "PT", "Units": "GML", "SUVType": "BW"}, {"Modality": "PT", "Units": "GML", "SUVType": "LBM"}],
        [{"Modality": "PT", "Units": "BQML"}, {"Modality": "PT", "Units": None}],
    ],
)
def test_unknown_or_mixed_unit_is_empty(rows: list[dict[str, Any]]) -> None:
    units, _, codes = unit_of(*rows)
    assert (units, codes) == ("", ["units-unknown"])


def test_every_pet_unit_of_the_standard_is_known() -> None:
    # PS3.3 C.8.9.1.1.3.
    standard = (
        "CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM", "UMOLML",
        "PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV",
    )  # fmt: skip
    assert set(PET_UNITS) == set(standard)
