"""mirp as an oracle: on the IBSI digital phantom all that it reports is within the reference tolerance, and is ours.

mirp (EUPL, gigabytes with all it needs) stays out of the test environment: ``make oracle`` runs this in one of its own.
"""

from __future__ import annotations

import importlib.util
import re
from numbers import Real
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from tests.conftest import absent
from tests.measure.ibsi import assert_within
from tests.measure.test_ibsi_phantom import OWN
from workbench.measure.features import features
from workbench.measure.settings import Settings
from workbench.measure.textures import _quiet

pytestmark = [pytest.mark.data, pytest.mark.slow]

#: How mirp ends the name of a texture -> how the reference table does (IBSI 1, aggregation of texture matrices).
AGGREGATIONS = {
    "2d_avg": "2D_avg", "2d_s_mrg": "2D_comb", "2.5d_d_mrg": "2_5D_avg", "2.5d_v_mrg": "2_5D_comb", "3d_avg": "3D_avg",
    "3d_v_mrg": "3D_comb", "2d": "2D", "2.5d": "2_5D", "3d": "3D",
}  # fmt: skip
#: What mirp is asked for: every aggregation of the reference table.
MATRICES = [f"{planes}_{way}" for planes, ways in (
    ("2d", ("average", "slice_merge")), ("2.5d", ("direction_merge", "volume_merge")),
    ("3d", ("average", "volume_merge")),
) for way in ways]  # fmt: skip
ZONES = ["2d", "2.5d", "3d"]
#: Rows of the reference table without a value: IBSI reached no consensus on them.
WITHOUT_VALUE = {
    "morph_vol_dens_ombb", "morph_area_dens_ombb", "morph_vol_dens_mvee", "morph_area_dens_mvee", "ivh_auc",
}  # fmt: skip


def tag_of(column: str) -> str:
    """Tag of the reference table for a column of mirp's; distance and difference level go without saying."""
    ends = "|".join(re.escape(end) for end in sorted(AGGREGATIONS, key=len, reverse=True))
    found = re.fullmatch(rf"((?:cm|rlm|szm|dzm|ngt|ngl)_\w+?)(?:_d1)?(?:_a0(?:\.0)?)?_({ends})", column)
    return f"{found[1]}_{AGGREGATIONS[found[2]]}" if found else column


@pytest.fixture(scope="module")
def oracle(data_dir: Path) -> dict[str, float]:
    """Tag -> value, of everything that mirp reports on the phantom."""
    if importlib.util.find_spec("mirp") is None:
        absent("mirp (make oracle)", "radiomics")
    from mirp import extract_features

    with _quiet():
        found: Any = extract_features(
            image=str(data_dir / "ibsi1" / "phantom.nii.gz"), mask=str(data_dir / "ibsi1" / "mask.nii.gz"),
            # Grey levels are taken as they are; only of CT does mirp take them so for the volume histogram.
            image_modality="ct", base_discretisation_method="none", ivh_discretisation_method="none",
            base_feature_families="all", no_approximation=True, glcm_spatial_method=MATRICES,
            glrlm_spatial_method=MATRICES, glszm_spatial_method=ZONES, gldzm_spatial_method=ZONES,
            ngtdm_spatial_method=ZONES, ngldm_spatial_method=ZONES,
        )  # fmt: skip
    row = found[0].iloc[0]
    return {tag_of(name): float(value) for name, value in row.items() if isinstance(value, Real)}


def test_all_that_mirp_reports_is_within_the_reference_tolerance(
    oracle: dict[str, float],
    reference: dict[str, tuple[float, float]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {tag: value for tag, value in oracle.items() if tag in reference}
    assert_within(found, reference)
    with capsys.disabled():
        print(
            f"\n{len(found)} of 487 IBSI reference values by mirp; without a value: {', '.join(sorted(WITHOUT_VALUE))}"
        )
    assert set(found) == set(reference)
    assert len(found) == 487 - len(WITHOUT_VALUE)


def test_what_we_compute_ourselves_is_what_mirp_reports(
    oracle: dict[str, float],
    phantom: xr.Dataset,
) -> None:
    table = features(phantom, groups=OWN, settings=Settings(bin_method="none", ivh_method="none"))
    ours = {tag: value for tag, value in zip(table["ibsi"], table["value"], strict=True) if tag}
    assert len(ours) == 74
    assert ours == pytest.approx({tag: oracle[tag] for tag in ours}, rel=1e-5, abs=1e-9)
