"""Where the voxels of a Dataset are, as it stands now: cropped, thinned out or flipped by ``isel`` since it was opened.

``isel`` moves the coordinates ``z``, ``y``, ``x`` and ``position`` along, and cannot move ``affine``; so the grid is
read from all of them together. World is LPS, millimetres, voxel centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays import accessor as _accessor  # noqa: F401  registers ds.patient
from workbench.arrays.axes import AXES as AXES
from workbench.arrays.axes import (
    numbers_along,
    plane_along_axes,
    require_agreement,
    require_axes,
    require_numbers,
    stated_matrix,
    stated_positions,
)
from workbench.arrays.coordinates import codes, state_directions, text, word, words
from workbench.dicom.stacks.geometry import COORDINATE_DECIMALS, ORIENTATION_TOLERANCE, SHEAR_TOLERANCE_DEG, grid_from
from workbench.errors import IrregularGeometry, UsageError

Floats = NDArray[np.float64]

#: Coordinates that say where voxels are; whatever puts an image on another grid replaces them all.
GRID_COORDINATES: Final = (*AXES, "position", "axis", "affine", "world", "voxel", "frame_of_reference_uid")
#: Attributes that say the same about the whole image.
GRID_ATTRIBUTES: Final = (
    "space", "plane", "geometry", "geometry_flags", "pixel_spacing_mm", "slice_spacing_mm", "obliquity_deg",
    "shear_deg", "ImageOrientationPatient",
)  # fmt: skip
_ENDS: Final = (("right", "left"), ("anterior", "posterior"), ("inferior", "superior"))


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """Places of the voxels of an image, and how regular they are."""

    #: The verdict on the slice axis, as in ``attrs["geometry"]``.
    kind: str
    #: Further irregularities, e.g. ``("sheared",)`` beside ``gaps``.
    flags: tuple[str, ...]
    #: Slices, rows, columns.
    shape: tuple[int, int, int]
    #: Centre of voxel (z, 0, 0) of each slice, (z, 3) LPS mm; NaN where unplaced.
    positions: Floats
    #: Step along axis z, LPS mm; NaN where steps are uneven or unknown.
    z_step: Floats
    #: Step along axis y, LPS mm; NaN where unplaced.
    y_step: Floats
    #: Step along axis x, LPS mm; NaN where unplaced.
    x_step: Floats
    #: mm between slices along their normal; with gaps the spacing that all steps are multiples of; NaN where uneven.
    slice_spacing: float
    #: Number of missing slices.
    n_gaps: int
    #: Angle between normal and stacking direction, degrees; 0 where not sheared.
    shear_deg: float
    #: FrameOfReferenceUID, empty where not stated.
    frame_of_reference_uid: str
    #: Code of the finding on uneven slices and what it says, e.g. ``spacing-uneven: steps from 2.00 ...``; else empty.
    reason: str = ""

    @property
    def placed(self) -> bool:
        """Whether every slice has a place in the patient."""
        return bool(np.isfinite(self.y_step).all())

    @property
    def affine(self) -> Floats | None:
        """Voxel index (z, y, x, 1) -> LPS mm (x, y, z, 1), 4x4; None where slices have no even grid."""
        if not np.isfinite(self.z_step).all():
            return None
        affine = np.eye(4)
        affine[:3] = np.stack([self.z_step, self.y_step, self.x_step, self.positions[0]], axis=1)
        return affine

    @property
    def normal(self) -> Floats:
        """Unit vector across the slices, on the side to which their number grows, LPS; NaN where unplaced."""
        normal = np.cross(self.x_step, self.y_step)
        normal /= np.linalg.norm(normal)
        ascent = self.z_step if np.isfinite(self.z_step).all() else self.positions[-1] - self.positions[0]
        return -normal if ascent @ normal < 0 else normal

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Mm from voxel to voxel along z (across the slices), y and x; NaN where uneven or unknown."""
        z = abs(float(self.z_step @ self.normal))
        return z, float(np.linalg.norm(self.y_step)), float(np.linalg.norm(self.x_step))

    @property
    def directions(self) -> Floats:
        """Unit vectors of the axes z, y, x as the columns of a 3x3 matrix, LPS."""
        z_step = self.z_step if np.isfinite(self.z_step).all() else self.normal
        columns = np.stack([z_step, self.y_step, self.x_step], axis=1)
        directions: Floats = columns / np.linalg.norm(columns, axis=0)
        return directions

    def coordinates(self) -> dict[str, Floats]:
        """Millimetres of the voxel centres: the projection of each on its image axis, ascending with the index."""
        _, dy, dx = self.spacing
        first = self.positions[0]
        exact = {
            "z": self.positions @ self.normal,
            "y": first @ self.y_step / dy + dy * np.arange(self.shape[1]),
            "x": first @ self.x_step / dx + dx * np.arange(self.shape[2]),
        }
        # Adding zero makes a plain zero of a negative one.
        return {axis: np.round(values, COORDINATE_DECIMALS) + 0.0 for axis, values in exact.items()}

    def describe(self) -> str:
        """Short text: size and spacing, e.g. ``512x512x120 at 0.70x0.70x2.00 mm``."""
        z, y, x = self.shape
        if not self.placed:
            return f"{x}x{y}x{z} without a place"
        dz, dy, dx = self.spacing
        if np.isnan(dz):
            return f"{x}x{y}x{z} at {dx:.2f}x{dy:.2f} mm, slices uneven"
        same = max(dz, dy, dx) - min(dz, dy, dx) < 0.005
        return f"{x}x{y}x{z} at {dx:.2f} mm" if same else f"{x}x{y}x{z} at {dx:.2f}x{dy:.2f}x{dz:.2f} mm"


def even_grid(affine: Floats, shape: tuple[int, int, int], frame_of_reference_uid: str = "") -> ImageGrid:
    """Grid of *shape* (z, y, x) whose voxel (z, y, x, 1) has its centre at *affine* times it, LPS mm.

    Examples
    --------
    >>> grid = even_grid(np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]], (3, 4, 4))
    >>> grid.kind, grid.spacing, grid.coordinates()["z"].tolist()
    ('regular', (2.0, 1.0, 1.0), [0.0, 2.0, 4.0])
    """
    affine = np.asarray(affine, dtype=np.float64)
    z_step, y_step, x_step, origin = affine[:3].T
    normal = np.cross(x_step, y_step)
    advance = abs(float(z_step @ normal)) / float(np.linalg.norm(normal))
    drift = float(np.sqrt(max(0.0, z_step @ z_step - advance**2)))
    shear = float(np.degrees(np.arctan2(drift, advance)))
    sheared = shear > SHEAR_TOLERANCE_DEG
    return ImageGrid(
        kind="sheared" if sheared else "regular", flags=(), shape=shape,
        positions=origin + np.outer(np.arange(shape[0]), z_step), z_step=z_step, y_step=y_step, x_step=x_step,
        slice_spacing=advance, n_gaps=0, shear_deg=shear if sheared else 0.0,
        frame_of_reference_uid=frame_of_reference_uid,
    )  # fmt: skip


def image_grid(dataset: xr.Dataset) -> ImageGrid:
    """Grid of the image (z, y, x) in *dataset* as it is now.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series as opened by ``engine="dicom"``, or a part of one by slices or numbers along its axes. Averages and
        values in between (``coarsen``, ``interp``) stand where ``z``, ``y`` and ``x`` say. Of straight slices these
        three suffice: the image alone (``ds[["image"]]``) has its place, too.

    Raises
    ------
    UsageError
        An axis is gone, was picked from unevenly in the plane, or was changed by an operation that does not keep
        the places of its voxels.
    IrregularGeometry
        Tilted slices without an even grid were cropped in the plane.
    """
    require_axes(dataset)
    z, y, x = (dataset.sizes[axis] for axis in AXES)
    frame = word(dataset, "frame_of_reference_uid")
    verdict = str(dataset.attrs.get("geometry", ""))
    if verdict in ("projection", "unplaced"):
        return _nowhere(verdict, (z, y, x), frame)
    require_numbers(dataset)
    stated, starts = stated_matrix(dataset), stated_positions(dataset)
    plane = _plane(dataset, stated)
    if plane is None or (stated is None and starts is None):
        summed = plane_along_axes(dataset)
        if summed is None and starts is None:
            return _nowhere("", (z, y, x), frame)
        if summed is None:
            return _without_directions(dataset, (z, y, x), verdict, frame)
        starts, y_unit, x_unit, (dy, dx) = summed
    else:
        y_unit, x_unit, (dy, dx) = plane
        normal = np.cross(x_unit, y_unit)
        if starts is None:
            assert stated is not None
            normal = -normal if stated[:3, 0] @ normal < 0 else normal
            number = (dataset["z"].values - stated[:3, 3] @ normal) / (stated[:3, 0] @ normal)
            starts = stated[:3, 3] + np.outer(number, stated[:3, 0])
        require_agreement(dataset, starts, normal / np.linalg.norm(normal))
    corner = stated[:3, 3] if stated is not None else starts[0]
    y_first, y_number = numbers_along(dataset, "y", float(corner @ y_unit), dy)
    x_first, x_number = numbers_along(dataset, "x", float(corner @ x_unit), dx)
    if stated is None and (y_first or x_first) and "sheared" in codes(dataset.attrs.get("geometry_flags", "")):
        raise IrregularGeometry(
            "tilted slices without an even grid were cropped in the plane: their place is not known",
            remedy="call ds.patient on the whole series, then crop",
        )
    positions = starts + y_first * dy * y_unit + x_first * dx * x_unit
    y_step, x_step = y_number * dy * y_unit, x_number * dx * x_unit
    return _judged(positions, y_step, x_step, (z, y, x), stated, frame, _thickness(dataset))


def _judged(
    positions: Floats,
    y_step: Floats,
    x_step: Floats,
    shape: tuple[int, int, int],
    stated: Floats | None,
    frame: str,
    thickness: Floats | None,
) -> ImageGrid:
    """Verdict on the slices that are left, by the rules of :func:`workbench.dicom.stacks.geometry.grid_from`."""
    dy, dx = (float(np.linalg.norm(step)) for step in (y_step, x_step))
    # The verdict wants slices that ascend along first triple x second triple.
    turned = -1.0 if (positions[-1] - positions[0]) @ np.cross(x_step, y_step) < 0 else 1.0
    found = grid_from(
        positions, np.concatenate([x_step / dx, turned * y_step / dy]), (dy, dx), shape[1:],
        slice_thickness=thickness,
    )  # fmt: skip
    kind, z_step, spacing, shear = str(found.kind), np.full(3, np.nan), found.slice_spacing, found.shear_deg
    if found.affine is not None:
        z_step = found.affine[:3, 0]
        if stated is not None and np.abs(z_step - stated[:3, 0]).max() < 1e-9:
            z_step = stated[:3, 0].copy()
    elif kind == "single" and stated is not None:
        # One slice left of several: what was known of the step still holds.
        one = even_grid(stated, shape)
        kind, z_step, spacing, shear = one.kind, stated[:3, 0].copy(), one.slice_spacing, one.shear_deg
    reason = "" if found.affine is not None else next((f"{f.code}: {f.message}" for f in found.findings), "")
    return ImageGrid(
        kind, found.flags, shape, positions, z_step, y_step, x_step, spacing, found.n_gaps, shear, frame, reason
    )  # fmt: skip


def _thickness(dataset: xr.Dataset) -> Floats | None:
    """SliceThickness of each slice, (z,) mm; None where it is not one number for all or one for each."""
    stated = dataset.coords.get("SliceThickness")
    if stated is None or stated.dtype.kind not in "iuf" or stated.dims not in ((), ("z",)):
        return None
    return np.broadcast_to(np.asarray(stated.values, dtype=np.float64), (dataset.sizes["z"],))


def _nowhere(kind: str, shape: tuple[int, int, int], frame: str) -> ImageGrid:
    """Grid of an image without a place; *kind* is empty where it had one, which this Dataset no longer tells."""
    step = np.full(3, np.nan)
    return ImageGrid(kind, (), shape, np.full((shape[0], 3), np.nan), step, step, step, np.nan, 0, 0.0, frame)


def _plane(dataset: xr.Dataset, stated: Floats | None) -> tuple[Floats, Floats, tuple[float, float]] | None:
    """Unit vectors along y and x, and mm per voxel along them, as the series was opened; None where not stated."""
    if stated is not None:
        dy, dx = (float(np.linalg.norm(stated[:3, i])) for i in (1, 2))
        return stated[:3, 1] / dy, stated[:3, 2] / dx, (dy, dx)
    numbers = dataset.attrs.get("ImageOrientationPatient")
    spacing = dataset.attrs.get("pixel_spacing_mm")
    if numbers is None or spacing is None:
        return None
    orientation = np.asarray(numbers, dtype=np.float64)
    return orientation[3:], orientation[:3], (float(spacing[0]), float(spacing[1]))


def _without_directions(dataset: xr.Dataset, shape: tuple[int, int, int], verdict: str, frame: str) -> ImageGrid:
    """Grid of which only the slices' places are known: the attributes that held the rest are gone."""
    nowhere = np.full(3, np.nan)
    return ImageGrid(
        kind=verdict, flags=codes(dataset.attrs.get("geometry_flags", "")), shape=shape,
        positions=np.asarray(dataset["position"].values, dtype=np.float64), z_step=nowhere, y_step=nowhere,
        x_step=nowhere, slice_spacing=float(dataset.attrs.get("slice_spacing_mm", np.nan)), n_gaps=0, shear_deg=0.0,
        frame_of_reference_uid=frame,
    )  # fmt: skip


def grid_coords(grid: ImageGrid) -> dict[str, xr.Variable]:
    """Coordinates z, y, x (mm), position (z, axis), affine (world, voxel) and frame of reference of a placed grid."""
    coords: dict[str, xr.Variable] = {}
    vectors = dict(zip(AXES, grid.directions.T, strict=True)) | {"z": grid.normal}
    for axis, values in grid.coordinates().items():
        coords[axis] = xr.Variable((axis,), values, {"units": "mm", "orientation": orientation_words(vectors[axis])})
    coords["frame_of_reference_uid"] = text((), grid.frame_of_reference_uid)
    about = {"units": "mm", "space": "LPS", "long_name": "centre of the first voxel"}
    coords["position"] = xr.Variable(("z", "axis"), grid.positions, about)
    coords["axis"] = text(("axis",), ["x", "y", "z"])
    state_directions(coords, grid.positions, vectors)
    if grid.affine is not None:
        about = {"space": "LPS", "long_name": "voxel index to LPS mm, voxel centres"}
        coords["affine"] = xr.Variable(("world", "voxel"), grid.affine, about)
        coords["world"] = text(("world",), ["x", "y", "z", "1"])
        coords["voxel"] = text(("voxel",), ["z", "y", "x", "1"])
    return coords


def grid_attrs(grid: ImageGrid) -> dict[str, Any]:
    """Attributes of a placed grid, plain types only: verdict, plane, spacings, angles, orientation."""
    _, dy, dx = grid.spacing
    largest = float(np.abs(grid.normal).max())
    attrs: dict[str, Any] = {
        "space": "LPS",
        "plane": ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(grid.normal)))],
        "geometry": grid.kind,
        "geometry_flags": words(grid.flags),
        "pixel_spacing_mm": [dy, dx],
        "obliquity_deg": float(np.degrees(np.arccos(min(1.0, largest)))),
        "shear_deg": float(grid.shear_deg),
        "ImageOrientationPatient": [float(value) for value in (*(grid.x_step / dx), *(grid.y_step / dy))],
    }
    if np.isfinite(grid.slice_spacing):
        attrs["slice_spacing_mm"] = float(grid.slice_spacing)
    return attrs


def orientation_words(vector: Floats) -> str:
    """Full words for where a direction (LPS) runs, by its largest part.

    Examples
    --------
    >>> orientation_words(np.array([0.1, 0.0, -0.99]))
    'superior-to-inferior'
    """
    axis = int(np.argmax(np.abs(vector)))
    from_, to = _ENDS[axis] if vector[axis] > 0 else _ENDS[axis][::-1]
    return f"{from_}-to-{to}"


def on_grid(dataset: xr.Dataset, variables: dict[str, xr.Variable], grid: ImageGrid) -> xr.Dataset:
    """New Dataset of *variables* on *grid*; what *dataset* says apart from places (coordinates, attrs) stays.

    Coordinates along z, y or x other than the grid's own belong to voxels that are no more, and are left out.
    """
    kept = {
        name: coordinate.variable
        for name, coordinate in dataset.coords.items()
        if name not in GRID_COORDINATES and not set(coordinate.dims) & {*AXES, "axis", "world", "voxel"}
    }
    attrs = {key: value for key, value in dataset.attrs.items() if key not in GRID_ATTRIBUTES}
    return xr.Dataset(variables, coords=kept | grid_coords(grid), attrs=attrs | grid_attrs(grid))


def from_array(
    array: NDArray[Any], affine: Floats, *, units: str = "", frame_of_reference_uid: str = "", name: str = "image"
) -> xr.Dataset:
    """Dataset of the convention from a plain array: ``image (z, y, x)`` with coordinates in mm.

    Parameters
    ----------
    array : array (z, y, x)
        Values; kept as they are.
    affine : array (4, 4)
        Voxel index (z, y, x, 1) -> LPS mm (x, y, z, 1), voxel centres.
    units : str
        UCUM unit of the values.
    frame_of_reference_uid : str
        Frame of reference; images without one are never taken to agree with others.
    name : str
        Name of the variable.

    Examples
    --------
    >>> ds = from_array(np.zeros((3, 4, 4), "int16"), np.diag([1.0, 1.0, 2.0, 1.0])[:, [2, 1, 0, 3]])
    >>> ds.sizes["z"], ds["z"].values.tolist(), ds.patient.orientation["z"]
    (3, [0.0, 2.0, 4.0], 'inferior-to-superior')
    """
    array = np.asarray(array)
    affine = np.asarray(affine, dtype=np.float64)
    if array.ndim != 3 or affine.shape != (4, 4):
        raise UsageError(
            f"from_array wants (z, y, x) and a 4x4 affine, not {array.shape} and {affine.shape}", remedy="reshape"
        )
    if not np.isfinite(affine).all() or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-12:
        raise UsageError("the affine cannot be inverted", remedy="give three independent axes")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if abs(float(affine[:3, 1] @ affine[:3, 2])) > ORIENTATION_TOLERANCE * lengths[1] * lengths[2]:
        raise UsageError("rows and columns of the affine are not at right angles", remedy="only axis z may be sheared")
    grid = even_grid(affine, (array.shape[0], array.shape[1], array.shape[2]), frame_of_reference_uid)
    variable = xr.Variable(AXES, array, {"units": units})
    return on_grid(xr.Dataset(attrs={"findings": ""}), {name: variable}, grid)
