"""Textures: the error without mirp, and with it what it is asked and what comes back."""

from __future__ import annotations

import importlib.util
import logging
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import absent
from tests.measure import solids
from workbench.errors import MissingExtra
from workbench.measure import textures
from workbench.measure.definitions import TEXTURES, texture_definitions
from workbench.measure.features import EMPTY, features
from workbench.measure.settings import Settings


@pytest.fixture
def needs_mirp() -> None:
    if importlib.util.find_spec("mirp") is None:
        absent("mirp (make oracle)", "radiomics")


def test_without_mirp_one_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mirp", None)
    with pytest.raises(MissingExtra, match=r"mirp.*\[radiomics\]"):
        features(solids.dataset(solids.ball(3)), groups=("shape", "glcm"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A module in the place of mirp that answers with one number for every feature, and notes what it was asked."""
    asked: list[dict[str, Any]] = []

    def extract_features(**arguments: Any) -> list[pd.DataFrame]:
        logging.info("a line nobody asked for")
        asked.append(arguments)
        if arguments["base_discretisation_method"] == "none" and arguments["image"].min() < 1:
            raise ValueError("The 'none' transformation method requires integer values.")
        end = {"3d_average": "_3d_avg", "3d_volume_merge": "_3d_v_mrg"}[arguments["glcm_spatial_method"]]
        row = {"sample_name": "image"}
        for family in arguments["base_feature_families"]:
            for number, definition in enumerate(texture_definitions(family)):
                name = f"{TEXTURES[family]}_{definition.name.split('_', 1)[1]}"
                middle = {"glcm": "_d1" + end, "glrlm": end, "ngldm": "_d1_a0.0_3d"}.get(family, "_3d")
                row[name + middle + "_fbn_n32"] = float(number)
        return [pd.DataFrame([row])]

    module = types.ModuleType("mirp")
    module.extract_features = extract_features  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mirp", module)
    monkeypatch.setattr(textures, "version", lambda name: "2.7.0")
    return asked


def test_all_texture_families_come_with_their_tags_and_complete_settings(stand_in: list[dict[str, Any]]) -> None:
    table = features(solids.dataset(solids.ball(3)), groups="texture")
    assert table.groupby("group").size().to_dict() == {
        "glcm": 25, "glrlm": 16, "glszm": 16, "gldzm": 16, "ngtdm": 5, "ngldm": 17,
    }  # fmt: skip
    assert (table["reason"] == "").all()
    assert table["value"].tolist() == [float(i) for f in TEXTURES for i in range(len(texture_definitions(f)))]
    said = table.attrs["settings"]["mirp"]
    assert said["version"] == "2.7.0"
    assert said["base_discretisation_n_bins"] == 32
    assert set(stand_in[0]) - {"image", "mask", "image_name"} == set(said) - {"version"}
    tags = set(table["ibsi"])
    assert {"cm_joint_max_3D_comb", "rlm_sre_3D_comb", "szm_sze_3D", "ngl_dc_energy_3D"} <= tags
    averaged = features(solids.dataset(solids.ball(3)), groups="glcm", settings=Settings(texture_aggregation="average"))
    assert averaged["ibsi"].str.endswith("_3D_avg").all()


def test_mirp_gets_the_box_of_the_segment_alone(stand_in: list[dict[str, Any]]) -> None:
    mask = solids.ball(3)
    image = np.full(mask.shape, 1000, np.int16)
    image[mask] = np.arange(mask.sum())
    features(solids.dataset(mask, image), groups="glcm", settings=Settings(resegment_range=(5, None)))
    asked = stand_in[0]
    assert asked["image"].shape == asked["mask"].shape == (6, 6, 6)
    assert asked["image"].max() == mask.sum() - 1
    low, high = asked["resegmentation_intensity_range"]
    assert low == 5
    assert np.isnan(high)


def test_missing_values_and_empty_segments_refuse_textures(stand_in: list[dict[str, Any]]) -> None:
    mask = np.stack([np.ones((4, 4, 4), bool), np.zeros((4, 4, 4), bool)])
    image = np.ones((4, 4, 4), np.float32)
    image[0, 0, 0] = np.nan
    table = features(solids.dataset(mask, image), groups="ngtdm")
    assert table["value"].isna().all()
    assert table["reason"].unique().tolist() == ["1 voxels of the segment have no value", EMPTY]
    assert stand_in == []


def test_what_mirp_cannot_bin_is_a_reason(stand_in: list[dict[str, Any]]) -> None:
    table = features(solids.dataset(np.ones((3, 3, 3), bool)), groups="glcm", settings=Settings(bin_method="none"))
    assert table["reason"].str.startswith("mirp: The 'none'").all()


def test_mirp_leaves_logging_as_it_was(stand_in: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    before = list(logging.getLogger().handlers), logging.root.manager.disable
    with caplog.at_level(logging.INFO):
        features(solids.dataset(solids.ball(3)), groups="glcm")
    assert caplog.records == []
    assert (list(logging.getLogger().handlers), logging.root.manager.disable) == before


@pytest.mark.usefixtures("needs_mirp")
@pytest.mark.parametrize("method", ["number", "width"])
def test_real_mirp_gives_every_texture(method: Any) -> None:
    mask = solids.ball(6)
    image = np.random.default_rng(1).integers(0, 400, mask.shape).astype(np.int16)
    settings = Settings(resegment_range=(20, 380), bin_method=method, bin_size=25)
    table = features(solids.dataset(mask, image), groups="texture", settings=settings)
    assert (table["reason"] == "").all()
    assert np.isfinite(table["value"]).all()
    assert len(table) == 95
