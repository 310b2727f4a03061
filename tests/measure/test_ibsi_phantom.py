"""IBSI 1 digital phantom: what we compute lies within the tolerance of the reference values, each of them."""

from __future__ import annotations

import importlib.util

import pytest
import xarray as xr

from tests.conftest import absent
from tests.measure.ibsi import assert_within
from workbench.measure.definitions import FAMILIES
from workbench.measure.features import features
from workbench.measure.settings import Settings

pytestmark = pytest.mark.data

OWN = ("shape", "spatial", "local", "intensity", "histogram", "ivh")


def test_all_we_compute_is_within_the_reference_tolerance(
    phantom: xr.Dataset, reference: dict[str, tuple[float, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    # The phantom holds grey levels 1 to 6: no bins are made of them.
    table = features(phantom, groups=OWN, settings=Settings(bin_method="none", ivh_method="none"))
    assert (table["reason"] == "").all()
    found = {tag: value for tag, value in zip(table["ibsi"], table["value"], strict=True) if tag in reference}
    assert_within(found, reference)
    with capsys.disabled():
        print(f"\n{len(found)} of 487 IBSI reference values: {', '.join(found)}")
    assert len(found) == 74
    # Whatever has a tag of theirs has a reference value.
    assert {tag for tag in table["ibsi"] if tag} == set(found)
    families = ("morph_", "loc_", "stat_", "ih_", "ivh_")
    assert {tag for tag in reference if tag.startswith(families)} == set(found)


def test_a_fixed_number_of_bins_gives_the_grey_levels_back(phantom: xr.Dataset) -> None:
    # The phantom holds levels 1, 3, 4 and 6; six bins from 1 to 6 keep them apart.
    table = features(phantom, groups="histogram", settings=Settings(bin_size=6)).set_index("feature")["value"]
    plain = features(phantom, groups="histogram", settings=Settings(bin_method="none")).set_index("feature")["value"]
    assert table["ih_n_bins"] == plain["ih_n_bins"] == 6
    assert table["ih_entropy"] == pytest.approx(plain["ih_entropy"])
    assert table["ih_uniformity"] == pytest.approx(plain["ih_uniformity"])


@pytest.mark.parametrize(("aggregation", "count"), [("merge", 95), ("average", 95)])
def test_all_that_mirp_computes_is_within_the_reference_tolerance(
    phantom: xr.Dataset,
    reference: dict[str, tuple[float, float]],
    capsys: pytest.CaptureFixture[str],
    aggregation: str,
    count: int,
) -> None:
    if importlib.util.find_spec("mirp") is None:
        absent("mirp (make oracle)", "radiomics")
    settings = Settings(bin_method="none", texture_aggregation=aggregation)
    table = features(phantom, groups="texture", settings=settings)
    found = dict(zip(table["ibsi"], table["value"], strict=True))
    assert_within(found, reference)
    with capsys.disabled():
        print(f"\n{len(found)} of 487 IBSI reference values by mirp ({aggregation}): {', '.join(found)}")
    assert len(found) == count


def test_the_table_of_features_names_tags_of_the_reference(reference: dict[str, tuple[float, float]]) -> None:
    from workbench.measure.definitions import TEXTURES, texture_definitions

    tags = {d.ibsi for family in OWN for d in FAMILIES[family]} - {""}
    for aggregation in ("merge", "average"):
        tags |= {d.ibsi for family in TEXTURES for d in texture_definitions(family, aggregation)}
    assert tags <= set(reference)
    assert len(tags) == 74 + 95 + 41
