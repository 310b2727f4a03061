"""The axes of an image turned to patient directions by flips and transpositions alone; no value changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.derived import derived
from workbench.arrays.image_grid import AXES, GRID_COORDINATES, ImageGrid, grid_attrs, grid_coords, image_grid
from workbench.arrays.same_grid import irregular
from workbench.errors import UsageError

#: Planes as a radiologist looks at them: towards where x, y and z run. Rows run down the screen, columns across.
PLANES: Final = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIR"}
#: Patient axis and sense of a letter, in LPS.
LETTERS: Final = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}


def reorient(dataset: xr.Dataset, orientation: str) -> xr.Dataset:
    """Dataset whose axes x, y, z run most nearly towards the three named directions; no interpolation.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with a place in the patient.
    orientation : str
        Where x, y and z run to, one letter each: ``"LPS"`` to the left, to posterior, superior; ``"RAS"`` (nibabel's
        sense of the letters). Or a plane as it is read: ``"axial"`` (LPS), ``"coronal"`` (LIP), ``"sagittal"`` (PIR).

    Returns
    -------
    xarray.Dataset
        Coordinates, affine, position and orientation words follow; per-slice coordinates go with their axis. What
        was lazy stays lazy; a slice across the old slices reads all their files when it is read.

    Raises
    ------
    UsageError
        Not three directions of three different patient axes.
    IrregularGeometry
        No place; or slices that are tilted or uneven would have to become rows or columns.

    Notes
    -----
    World stays LPS, whatever the axes: only the order of the voxels changes. Coordinates ascend with the index.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
    >>> ds = from_array(np.arange(24).reshape(2, 3, 4), axes)
    >>> sagittal = reorient(ds, "sagittal")
    >>> sagittal["image"].shape, sagittal.attrs["plane"], sagittal.patient.orientation["y"]
    ((4, 2, 3), 'sagittal', 'superior-to-inferior')
    """
    wanted = _wanted(orientation)
    grid = image_grid(dataset)
    if not grid.placed:
        raise irregular(dataset, grid, "reorient")
    sources, flips = _assignment(grid.directions, wanted)
    moved = [axis for axis, source in zip(AXES, sources, strict=True) if axis != source]
    if "z" in moved and (grid.affine is None or grid.kind == "sheared"):
        raise irregular(dataset, grid, f"reorient({orientation!r})")
    renamed = dict(zip(sources, AXES, strict=True))
    flipped = {source: slice(None, None, -1) for source, flip in zip(sources, flips, strict=True) if flip}
    turned = _turned(grid, sources, flips)
    result = _moved(dataset.isel(flipped), renamed)
    attrs = {key: value for key, value in dataset.attrs.items() if key != "slice_spacing_mm"}
    return result.assign_coords(grid_coords(turned)).assign_attrs(attrs | grid_attrs(turned))


def _wanted(orientation: str) -> NDArray[np.float64]:
    """Unit vectors for z, y, x as columns."""
    letters = PLANES.get(str(orientation).lower(), str(orientation).upper())
    if len(letters) != 3 or not set(letters) <= set(LETTERS) or len({LETTERS[letter][0] for letter in letters}) < 3:
        raise UsageError(
            f"orientation cannot be {orientation!r}",
            remedy=f"name where x, y and z run to, for example 'LPS' or 'RAS', or one of {', '.join(PLANES)}",
        )
    columns = np.zeros((3, 3))
    for i, letter in enumerate(reversed(letters)):
        axis, sense = LETTERS[letter]
        columns[axis, i] = sense
    return columns


def _assignment(directions: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[list[str], list[bool]]:
    """Which old axis becomes z, y and x, and whether it is flipped: the choice that turns least in all."""
    from scipy.optimize import linear_sum_assignment

    agreement = wanted.T @ directions
    _, old = linear_sum_assignment(-np.abs(agreement))
    flips = [bool(agreement[new, source] < 0) for new, source in enumerate(old)]
    return [AXES[source] for source in old], flips


def _turned(grid: ImageGrid, sources: list[str], flips: list[bool]) -> ImageGrid:
    """The grid with its axes in the new order and sense."""
    sizes = dict(zip(AXES, grid.shape, strict=True))
    steps = {"z": grid.z_step, "y": grid.y_step, "x": grid.x_step}
    positions = grid.positions
    for source, flip in zip(sources, flips, strict=True):
        if not flip:
            continue
        positions = positions[::-1] if source == "z" else positions + (sizes[source] - 1) * steps[source]
        steps[source] = -steps[source]
    z_step, y_step, x_step = (steps[source] for source in sources)
    shape = (sizes[sources[0]], sizes[sources[1]], sizes[sources[2]])
    spacing = grid.slice_spacing
    if sources[0] != "z":
        positions = positions[0] + np.outer(np.arange(shape[0]), z_step)
        spacing = float(np.linalg.norm(z_step))
    return replace(
        grid, shape=shape, positions=positions, z_step=z_step, y_step=y_step, x_step=x_step, slice_spacing=spacing
    )


def _moved(dataset: xr.Dataset, renamed: dict[str, str]) -> xr.Dataset:
    """Variables and coordinates with their dims renamed and the image dims back in the order z, y, x."""
    variables: dict[Any, xr.Variable] = {}
    for name, data in dataset.variables.items():
        if name in GRID_COORDINATES:
            continue
        variable = data.to_base_variable()
        encoding = dict(variable.encoding)
        if "preferred_chunks" in encoding:
            encoding["preferred_chunks"] = {renamed.get(d, d): n for d, n in encoding["preferred_chunks"].items()}
        dims = tuple(renamed.get(str(dim), dim) for dim in variable.dims)
        swapped = xr.Variable(dims, variable._data, variable.attrs, encoding, fastpath=True)
        places = [i for i, dim in enumerate(swapped.dims) if dim in AXES]
        order = list(swapped.dims)
        for place, dim in zip(places, [axis for axis in AXES if axis in swapped.dims], strict=True):
            order[place] = dim
        variables[name] = (
            derived([swapped], dims=[str(dim) for dim in order]) if order != list(swapped.dims) else swapped
        )
    coords = {name: variables.pop(name) for name in list(variables) if name in dataset.coords}
    return xr.Dataset(variables, coords=coords)
