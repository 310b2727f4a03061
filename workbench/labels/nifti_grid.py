"""NIfTI masks of another grid on the grid of an image, each voxel the nearest one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.errors import LabelError
from workbench.labels import nifti
from workbench.labels.header import Origin, quiet
from workbench.labels.nearest import nearest
from workbench.labels.nifti_file import world_affine
from workbench.labels.segment import Masks


def masks_by_nearest(path: str | Path, *, grid: Grid, name: str = "", **how: Any) -> Masks:
    """Masks (segment, z, y, x) of a NIfTI file on a grid that its voxels are not on, by the nearest voxel.

    Parameters
    ----------
    path : str or Path
        ``.nii`` or ``.nii.gz``.
    grid : Grid
        Of the images.
    name : str, optional
        Name for findings and messages; by default the file's own.
    **how
        As in :func:`workbench.labels.nifti.masks_of`.

    Raises
    ------
    LabelError
        The file does not say where its voxels are, or they are not at right angles; or it cannot be read.
    """
    name = name or Path(path).name
    own = grid_of(path, name=name)
    return nearest(nifti.masks_of(path, grid=own, name=name, **how), own, grid, Origin("", "", name))


def grid_of(path: str | Path, *, name: str = "") -> Grid:
    """Grid of a NIfTI file's own voxels: slices along its third axis.

    Raises
    ------
    LabelError
        It does not say where its voxels are, or they are not at right angles.
    """
    import nibabel

    name = name or Path(path).name
    with quiet():
        image: Any = nibabel.load(path)
        affine = world_affine(image, name=name)
    if affine is None or not np.isfinite(affine).all():
        raise LabelError("the file does not say where its voxels are", file=name, remedy="set its sform")
    columns, rows, slices = (*image.shape[:3], 1, 1)[:3]
    right, down, along = affine[:3, :3].T
    spacing = (float(np.linalg.norm(down)), float(np.linalg.norm(right)))
    if not min(spacing) > 0:
        raise LabelError("the file does not say where its voxels are", file=name, remedy="set its sform")
    positions = affine[:3, 3] + np.outer(np.arange(slices), along)
    if along @ np.cross(right, down) < 0:
        positions = positions[::-1]
    found = grid_from(positions, np.concatenate([right / spacing[1], down / spacing[0]]), spacing, (rows, columns))
    if not found.placed:
        raise LabelError("its voxels are not at right angles", file=name, remedy="resample it to a straight grid")
    return found
