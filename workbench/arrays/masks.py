"""Segmentations onto the Dataset of the series they refer to: ``mask (segment, z, y, x)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workbench.arrays.coordinates import text
from workbench.dicom.stacks.stack import Plan
from workbench.errors import LabelError, PathNotFound
from workbench.findings import Finding
from workbench.labels import Masks, Segment, masks_on_grid


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A segmentation or structure set that refers to a series."""

    #: Where it is.
    path: Path
    #: What to call it in findings, relative to its extract.
    name: str
    #: Bytes and time of change when it was indexed; None where it was not.
    indexed: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Whether the file is not, or no longer, the one that was indexed."""
        if self.indexed is None:
            return False
        try:
            facts = self.path.stat()
        except OSError:
            return True
        return (facts.st_size, facts.st_mtime_ns) != self.indexed


def with_masks(dataset: xr.Dataset, plan: Plan, files: Iterable[LabelFile]) -> tuple[xr.Dataset, list[Finding]]:
    """Dataset with ``mask (segment, z, y, x)`` of all label files, and what was irregular about them.

    Segments are labelled by name; code, category, algorithm, annotator, number and source stand beside it.
    Fractional segmentations come as ``fraction (fraction_segment, z, y, x)``, never thresholded. A label object
    that cannot be used is a finding and does not hide the others.
    """
    findings: list[Finding] = []
    binary: list[Masks] = []
    fractional: list[Masks] = []
    # Labels are drawn on places; with an extra dimension every volume has the same ones.
    cells = plan.cells.reshape(-1, plan.cells.shape[-1])
    row_of_slice = np.where((cells >= 0).any(axis=0), cells.max(axis=0), -1)
    uids = plan.rows["SOPInstanceUID"].to_pylist()
    slice_uids = [uids[row] if row >= 0 else "" for row in row_of_slice]
    for file in files:
        if file.changed():
            text = "file changed after it was indexed: open the cohort again"
            findings.append(Finding("label-unreadable", text, path=file.name))
            continue
        try:
            masks = masks_on_grid(file.path, grid=plan.grid, sop_instance_uids=slice_uids, name=file.name)
        except (LabelError, PathNotFound) as error:
            findings.append(Finding("label-unreadable", error.what, path=file.name))
            continue
        findings.extend(masks.findings)
        if masks.segments:
            (fractional if masks.kind == "fraction" else binary).append(masks)
    added = dataset
    if binary:
        added = _add(added, "mask", "segment", binary)
    if fractional:
        added = _add(added, "fraction", "fraction_segment", fractional)
    return added, findings


def _add(dataset: xr.Dataset, name: str, dim: str, masks: Sequence[Masks]) -> xr.Dataset:
    segments = [segment for each in masks for segment in each.segments]
    data = masks[0].data if len(masks) == 1 else np.concatenate([each.data for each in masks])
    attrs: dict[str, Any] = {"long_name": "segmentation", "units": "1"}
    if name == "fraction":
        attrs["value_kind"] = [kind for each in masks for kind in [each.fractional_type] * len(each.segments)]
    variable = xr.Variable((dim, "z", "y", "x"), data, attrs)
    return dataset.assign({name: variable}).assign_coords(_coords(dim, segments))


def _coords(dim: str, segments: Sequence[Segment]) -> dict[str, Any]:
    coords: dict[str, Any] = {dim: text((dim,), [segment.name for segment in segments])}
    for field in ("code", "category", "algorithm", "annotator", "source_uid"):
        coords[f"{dim}_{field}"] = text((dim,), [getattr(segment, field) for segment in segments])
    coords[f"{dim}_number"] = (dim, np.array([segment.number for segment in segments]))
    return coords
