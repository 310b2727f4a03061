"""Segmentations onto the Dataset of the series they refer to: ``mask (segment, z, y, x)``, lazily."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from workbench.arrays.arguments import one_of, yes_no
from workbench.arrays.coordinates import codes, text, words
from workbench.arrays.label_files import LabelFile, Paths, files_of
from workbench.arrays.lazy_masks import LazyMasks, Reordered
from workbench.dicom.stacks.geometry import Grid
from workbench.dicom.stacks.stack import Plan
from workbench.errors import LabelError, PathNotFound
from workbench.findings import Finding
from workbench.labels import Masks, Segment, masks_on_grid
from workbench.labels.choosing import Select, above, check_select, chosen, named
from workbench.labels.names import name_table

if TYPE_CHECKING:
    from workbench.labels.names import Names

__all__ = ["LabelFile", "MaskOptions", "masks", "with_masks"]

#: Fields of a segment that are coordinates of its dimension.
FIELDS: Final = (
    "code", "meaning", "category", "category_code", "region", "region_meaning", "algorithm", "annotator", "date",
    "standard", "source_uid", "kind",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """Which masks, under which names, and how they come onto the image."""

    #: ``newest`` or a mapping, see :func:`workbench.labels.choosing.chosen`; None for all.
    select: Select | None = None
    #: The user's own table of names, see :func:`workbench.labels.names.name_table`.
    names: Names | None = None
    #: Least fraction that is in a mask; None leaves fractions as they are.
    threshold: float | None = None
    #: ``nearest`` for masks on another grid; None refuses them by a finding.
    resample: Literal["nearest"] | None = None
    #: Refuse another frame of reference.
    check_frame: bool = True
    #: What numbers between 0 and 1 of a NIfTI file or an array are; None takes whole numbers alone.
    fraction: Literal["probability", "occupancy"] | None = None

    def __post_init__(self) -> None:
        check_select(self.select)
        above(Masks.none((1, 1, 1)), self.threshold)
        yes_no(self.check_frame, name="check_frame")
        if self.resample is not None:
            one_of(self.resample, ("nearest",), name="resample")
        if self.fraction is not None:
            one_of(self.fraction, ("probability", "occupancy"), name="fraction")


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """The slices of a Dataset as labels see them: ascending along the normal, each place once."""

    grid: Grid
    #: SOPInstanceUID of each slice of the grid.
    uids: list[str]
    #: Slice of the grid for each slice of the Dataset; None where they are the same.
    order: NDArray[np.int64] | None = None
    #: Slice of the Dataset for each slice of the grid.
    first: NDArray[np.int64] | None = None

    def onto(self, masks: Masks) -> Masks:
        """Masks of the grid on the slices of the Dataset."""
        if self.order is None:
            return masks
        shape = (len(self.order), *masks.shape[1:])
        return replace(masks, shape=shape, layers=Reordered(masks.layers, self.order))


def with_masks(
    dataset: xr.Dataset, plan: Plan | None, files: Iterable[LabelFile], *, options: MaskOptions | None = None
) -> tuple[xr.Dataset, list[Finding]]:
    """Dataset with ``mask (segment, z, y, x)`` of all label files, and what was irregular about them.

    Segments are labelled by name; code, category, region, algorithm, annotator, date, standard name, kind, number and
    source stand beside it. Fractional segmentations come as ``fraction (fraction_segment, z, y, x)``, unless there is
    a threshold. A label object that cannot be used is a finding and does not hide the others.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`workbench.arrays.build.build` makes it of *plan*.
    plan : Plan, optional
        Of the series; without it, as for a NIfTI image, places are taken from the Dataset.
    files : iterable of LabelFile
        Segmentations and structure sets.
    options : MaskOptions, optional
        Which of them, and how.
    """
    if plan is None:
        return _added(dataset, _target(dataset), list(files), options or MaskOptions())
    # Labels are drawn on places; with an extra dimension every volume has the same ones.
    cells = plan.cells.reshape(-1, plan.cells.shape[-1])
    row_of_slice = np.where((cells >= 0).any(axis=0), cells.max(axis=0), -1)
    uids = plan.rows["SOPInstanceUID"].to_pylist()
    target = _Target(plan.grid, [uids[row] if row >= 0 else "" for row in row_of_slice])
    return _added(dataset, target, list(files), options or MaskOptions())


def masks(
    dataset: xr.Dataset, source: Paths | Any = None, *, options: MaskOptions | None = None
) -> tuple[xr.Dataset, list[Finding]]:
    """Dataset with the masks of label files or of a labelled array, and what was irregular about them.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series as opened by ``engine="dicom"``, or a part of one.
    source : path, paths or array, optional
        As :func:`workbench.arrays.label_files.files_of`; or labels (z, y, x), or masks (segment, z, y, x), as numpy or
        labelled array.
    options : MaskOptions, optional
        Which of them, and how.

    Raises
    ------
    UsageError, PathNotFound
        *source* is none that there is.
    GridMismatch, LabelError
        An array that is not on the voxels of the image, or holds no labels.
    IrregularGeometry
        Tilted slices without an even grid were cropped.
    """
    options = options or MaskOptions()
    dataset = _without(dataset)
    target = _target(dataset)
    if source is None or _is_paths(source):
        files, findings = files_of(source, dataset)
        added, further = _added(dataset, target, files, options)
        return added, [*findings, *further]
    from workbench.labels.plain_array import masks_of

    labels = source
    if not hasattr(labels, "dims"):
        labels = np.asarray(labels)
        if target.first is not None and labels.ndim >= 3 and labels.shape[-3] == dataset.sizes["z"]:
            labels = labels.take(target.first, axis=-3)
    found = masks_of(
        labels, grid=target.grid, sop_instance_uids=target.uids, fraction=options.fraction,
        check_frame=options.check_frame,
    )  # fmt: skip
    return _chosen(dataset, [target.onto(named(found, name_table(options.names)))], [], options)


def _without(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset without the masks, points and findings of an earlier loading."""
    dims = [dim for dim in ("segment", "fraction_segment", "point") if dim in dataset.dims]
    # After isel(segment=0) they have no dimension of their own.
    names = ["mask", "fraction", "segment", "fraction_segment"]
    names += [f"{dim}_{field}" for dim in names[2:] for field in (*FIELDS, "number")]
    left = dataset.drop_dims(dims).drop_vars(names, errors="ignore")
    attrs = {name: value for name, value in left.attrs.items() if name not in ("mask_findings", "unmapped_names")}
    if "mask_findings" in dataset.attrs:
        told = {line.partition(":")[0] for line in str(dataset.attrs["mask_findings"]).splitlines()}
        # A code of the images may be that of a mask, too; those of masks alone begin with "label".
        gone = {code for code in told if code.startswith("label")}
        attrs["findings"] = words(code for code in codes(attrs.get("findings", "")) if code not in gone)
    left.attrs = attrs
    return left


def _is_paths(source: Any) -> bool:
    import os

    if isinstance(source, (str, os.PathLike)):
        return True
    return isinstance(source, (list, tuple)) and all(isinstance(one, (str, os.PathLike)) for one in source)


def _target(dataset: xr.Dataset) -> _Target:
    """The slices of a Dataset as it stands now."""
    from workbench.arrays.image_grid import image_grid
    from workbench.dicom.stacks.geometry import grid_from

    image = image_grid(dataset)
    uids = _slice_uids(dataset)
    frame = image.frame_of_reference_uid
    if not image.placed:
        nowhere = grid_from(image.positions, np.full(6, np.nan), (np.nan, np.nan), image.shape[1:], projection=True)
        return _Target(replace(nowhere, frame_of_reference_uid=frame), uids)
    steps = (image.y_step, image.x_step)
    spacing = (float(np.linalg.norm(steps[0])), float(np.linalg.norm(steps[1])))
    orientation = np.concatenate([image.x_step / spacing[1], image.y_step / spacing[0]])
    depth = image.positions @ np.cross(orientation[:3], orientation[3:])
    _, first, order = np.unique(np.round(depth, 5), return_index=True, return_inverse=True)
    grid = grid_from(image.positions[first], orientation, spacing, image.shape[1:], frame_of_reference_uid=frame)
    if len(first) == len(depth) and (np.diff(first) > 0).all():
        return _Target(grid, uids)
    return _Target(grid, [uids[slice_] for slice_ in first], order.ravel(), first)


def _slice_uids(dataset: xr.Dataset) -> list[str]:
    n = dataset.sizes["z"]
    if "sop_instance_uid" not in dataset.coords:
        return [""] * n
    uids = dataset["sop_instance_uid"]
    if "z" not in uids.dims:
        return [str(uids.values.ravel()[0])] * n if uids.size else [""] * n
    # With an extra dimension any of the images at a place stands for it.
    values = uids.transpose(..., "z").values.reshape(-1, n)
    return [next((str(uid) for uid in column if uid), "") for column in values.T]


def _added(
    dataset: xr.Dataset, target: _Target, files: Sequence[LabelFile], options: MaskOptions
) -> tuple[xr.Dataset, list[Finding]]:
    findings: list[Finding] = []
    found: list[Masks] = []
    table = name_table(options.names)
    drawn: dict[tuple[str, str], str] = {}
    for file in files:
        if file.changed():
            message = "file changed after it was indexed: open the data again"
            findings.append(Finding("label-unreadable", message, path=file.name))
            continue
        try:
            read = _read(file, target, options)
            findings += _again(read, file.name, drawn)
            found.append(target.onto(named(read, table)))
        except (LabelError, PathNotFound) as error:
            findings.append(Finding("label-unreadable", error.what, path=file.name))
    return _chosen(dataset, found, findings, options)


def _again(masks: Masks, name: str, drawn: dict[tuple[str, str], str]) -> list[Finding]:
    """Segments whose outlines another object has under the same name: an export of an export, counted twice."""
    layers: Any = masks.layers
    if not hasattr(layers, "digest"):
        return []
    # A region without an outline is like every other.
    segments = [(place, segment) for place, segment in enumerate(masks.segments) if len(layers.occupied(place))]
    keys = [(segment.name, layers.digest(place)) for place, segment in segments]
    found = [
        Finding("label-twice", f"{key[0]} is drawn in {drawn[key]} as it is here", path=name)
        for key in keys
        if key in drawn
    ]
    drawn.update({key: name for key in keys if key not in drawn})
    return found


def _read(file: LabelFile, target: _Target, options: MaskOptions) -> Masks:
    if not file.is_nifti:
        return masks_on_grid(
            file.path, grid=target.grid, sop_instance_uids=target.uids, name=file.name,
            check_frame=options.check_frame, resample=options.resample,
        )  # fmt: skip
    from workbench.labels.nifti import masks_of

    found = masks_of(file.path, grid=target.grid, name=file.name, fraction=options.fraction)
    if options.resample == "nearest" and any(finding.code == "label-grid-differs" for finding in found.findings):
        from workbench.labels.nifti_grid import masks_by_nearest

        return masks_by_nearest(file.path, grid=target.grid, name=file.name)
    return found


def _chosen(
    dataset: xr.Dataset, found: Sequence[Masks], findings: list[Finding], options: MaskOptions
) -> tuple[xr.Dataset, list[Finding]]:
    """Dataset with what is asked for of the masks, and all findings."""
    kept, further = chosen(found, options.select)
    kept = [above(each, options.threshold) for each in kept]
    findings = [*findings, *further, *(finding for each in kept for finding in each.findings)]
    added = dataset
    for name, dim in (("mask", "segment"), ("fraction", "fraction_segment")):
        if some := [each for each in kept if each.kind == name and each.segments]:
            added = _add(added, name, dim, some)
    added = _unmapped(added, kept)
    if drawings := [drawing for each in kept for drawing in each.drawings]:
        added = added.assign_coords(_points(drawings))
    return added, findings


def _unmapped(dataset: xr.Dataset, masks: Sequence[Masks]) -> xr.Dataset:
    """Dataset whose attribute ``unmapped_names`` lists, one line each, the names that no table of names holds."""
    names = dict.fromkeys(" ".join(s.name.splitlines()) for each in masks for s in each.segments if not s.standard)
    return dataset.assign_attrs(unmapped_names="\n".join(names)) if names else dataset


def told(dataset: xr.Dataset, findings: Sequence[Finding]) -> xr.Dataset:
    """Dataset with the findings in its attributes: codes among the others, texts in the lines of ``mask_findings``.

    The text is empty where nothing is irregular.
    """
    if not findings:
        return dataset.assign_attrs(mask_findings="")
    texts = [f"{f.code}: {f.message}" + (f" [{f.path}]" if f.path else "") for f in findings]
    known = sorted({*codes(dataset.attrs.get("findings", "")), *(f.code for f in findings)})
    return dataset.assign_attrs(findings=words(known), mask_findings="\n".join(texts))


def _add(dataset: xr.Dataset, name: str, dim: str, masks: Sequence[Masks]) -> xr.Dataset:
    segments = [segment for each in masks for segment in each.segments]
    attrs: dict[str, Any] = {"long_name": "segmentation", "units": "1"}
    if name == "fraction":
        attrs["value_kind"] = words(kind for each in masks for kind in [each.fractional_type] * len(each.segments))
    lazy = LazyMasks(masks)
    chunks = dict(zip((dim, "z", "y", "x"), (1, *lazy.shape[1:]), strict=True))
    variable = xr.Variable(
        (dim, "z", "y", "x"), indexing.LazilyIndexedArray(lazy), attrs, encoding={"preferred_chunks": chunks}
    )
    return dataset.assign({name: variable}).assign_coords(_coords(dim, segments))


def _coords(dim: str, segments: Sequence[Segment]) -> dict[str, Any]:
    coords: dict[str, Any] = {dim: text((dim,), [segment.name for segment in segments])}
    for field in FIELDS:
        coords[f"{dim}_{field}"] = text((dim,), [getattr(segment, field) for segment in segments])
    coords[f"{dim}_number"] = (dim, np.array([segment.number for segment in segments]))
    return coords


def _points(drawings: Sequence[Any]) -> dict[str, Any]:
    """Points and open lines as coordinates: ``point_position (point, axis)`` in mm, and which drawing each is of."""
    counts = [len(drawing.places) for drawing in drawings]
    numbers = [index for index, count in enumerate(counts) for _ in range(count)]
    attrs: Mapping[str, Any] = {"units": "mm", "long_name": "points and open lines of structure sets, LPS"}
    return {
        "point_position": xr.Variable(("point", "axis"), np.concatenate([d.places for d in drawings]), attrs),
        "point_drawing": ("point", np.array(numbers)),
        "point_name": text(("point",), [drawings[number].name for number in numbers]),
        "point_geometry": text(("point",), [drawings[number].geometry for number in numbers]),
        "point_segment_number": ("point", np.array([drawings[number].segment for number in numbers])),
    }


def add_masks(dataset: xr.Dataset, source: Paths | Any = None, **how: Any) -> xr.Dataset:
    """Dataset with ``mask`` (segment, z, y, x), or ``fraction``, read from the files when it is asked for.

    Masks that the Dataset had before are replaced. What is irregular stands in ``attrs["mask_findings"]``, and its
    codes among ``attrs["findings"]``; names that no table of names holds in ``attrs["unmapped_names"]``; one line each.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series as opened by ``engine="dicom"``, or a part of one.
    source : path, paths or array, optional
        A SEG, RTSTRUCT or NIfTI file, several, or a folder of them; or labels (z, y, x), or masks (segment, z, y, x),
        as numpy or labelled array. Without it, what refers to the series in the folder that it was opened from and
        below, else right beside it.
    **how
        ``select``: "newest", or a mapping of ``name``, ``code``, ``algorithm``, ``annotator``, ``newest`` ...;
        ``names``: a mapping or CSV that extends the shipped table of standard names; ``threshold``: makes fractions
        masks; ``resample="nearest"``: brings masks of another grid onto the image; ``check_frame=False``: also those
        of another frame of reference; ``fraction="probability"`` or ``"occupancy"``: what numbers between 0 and 1 of
        a NIfTI file or an array are. See :class:`MaskOptions`.

    Raises
    ------
    UsageError, PathNotFound
        An option or *source* is none that there is.
    GridMismatch, LabelError
        An array that is not on the voxels of the image, or holds no labels.

    Examples
    --------
    >>> from workbench.arrays.image_grid import from_array
    >>> ct = from_array(np.zeros((2, 4, 4), "int16"), np.diag([1.0, 1.0, 2.0, 1.0])[:, [2, 1, 0, 3]])
    >>> labels = np.zeros((2, 4, 4), int)
    >>> labels[0, 1:3, 1:3] = 7
    >>> found = ct.patient.masks(labels)
    >>> found["mask"].sizes["segment"], found["segment"].values.tolist(), int(found["mask"].sum())
    (1, ['label 7'], 4)
    """
    added, findings = masks(dataset, source, options=MaskOptions(**how))
    return told(added, findings)
