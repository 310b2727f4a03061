"""Masks with holes and several parts, written as structure sets by the synthetic module and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from tests.strategies import hollow_masks
from tests.tries import tries
from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.labels import masks_on_grid
from workbench.synthetic.draws import make_plan
from workbench.synthetic.labels import structure_set

SHAPE = (5, 9, 11)
PLAN = make_plan(patients=6, seed=3)
#: One series of each node and modality, with its node, patient and study, on small images.
SERIES = {
    f"{node.name} {series.protocol.modality}": (
        node,
        patient,
        study,
        replace(series, placement=replace(series.placement, shape=SHAPE)),
    )
    for node in PLAN.nodes
    for patient in node.patients
    for study in patient.studies
    for series in study.series
}


def written(path: Path, name: str, mask: np.ndarray) -> Grid:
    """Write the mask as a structure set on a series; the grid of that series."""
    node, patient, study, series = SERIES[name]
    images = {}
    for k in range(SHAPE[0]):
        images[k] = Dataset()
        images[k].SOPClassUID, images[k].SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{k}"
    structure_set(3, node, patient, study, series, images, mask).save_as(path, enforce_file_format=True)
    place = series.placement
    positions = np.array([place.point(k) for k in range(SHAPE[0])])
    orientation = np.array([*place.row, *place.column])
    return grid_from(positions, orientation, place.spacing, SHAPE[1:], frame_of_reference_uid=series.frame_uid)


@settings(max_examples=tries(40), deadline=None)
@given(mask=hollow_masks(SHAPE), name=st.sampled_from(sorted(SERIES)))
def test_contours_give_back_masks_with_holes_and_parts(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, name: str
) -> None:
    path = tmp_path_factory.mktemp("contours") / "label.dcm"
    read: Any = masks_on_grid(path, grid=written(path, name, mask))
    # Each line runs halfway between a voxel inside and one outside, so it crosses no centre: none may differ.
    np.testing.assert_array_equal(read.data, mask[None])
