"""NIfTI masks on the grid of an image: labels as segments, or one segment per volume.

World coordinates of a file are RAS millimetres of voxel centres (NIfTI-1 standard, sections on methods 1 to 3); an
image is LPS. Stored numbers are compared as they are stored, so no float copy of a label map is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.errors import ChangedFile, LabelError, PathNotFound, WorkbenchError
from workbench.findings import Finding
from workbench.labels.header import Origin, quiet
from workbench.labels.nifti_file import Stored, facts, lengths, load, require_room, world_affine
from workbench.labels.overlay import Overlay, overlay
from workbench.labels.segment import Masks, Segment, Voxels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: A file with more labels than this is an image of whole numbers, not a mask; brain atlases have up to a thousand.
MAX_LABELS: Final = 1024
#: A stored whole number counts as one up to this rounding of slope and intercept.
WHOLE: Final = 1e-3
#: Voxels looked at in one go.
_AT_ONCE: Final = 1 << 22


def masks_of(
    path: str | Path,
    *,
    grid: Grid,
    name: str = "",
    label_names: Mapping[int, str] | None = None,
    fraction: Literal["probability", "occupancy"] | None = None,
) -> Masks:
    """Masks (segment, z, y, x) of a NIfTI file on the grid of an image; boolean, or float32 if *fraction* is given.

    In three dimensions each label but 0 is a segment; in four each volume is one. The voxels must be those of the
    image up to the order and direction of the axes, cropping and padding; else the finding is
    ``label-grid-differs``. Uncompressed files are read slice by slice, compressed ones are kept in memory once.

    Parameters
    ----------
    path : str or Path
        ``.nii`` or ``.nii.gz``.
    grid : Grid
        Of the images.
    name : str, optional
        Name for findings and messages; by default the file's own.
    label_names : mapping of int to str, optional
        Name of each label (or volume, from 1); ``label 1`` where there is none.
    fraction : {"probability", "occupancy"}, optional
        Take numbers between 0 and 1 as fractions of this kind; they are never taken for a mask unasked.

    Raises
    ------
    PathNotFound
        No such file.
    LabelError
        sform and qform disagree, values are not whole numbers, a compressed file unpacks to more than
        :data:`~workbench.labels.nifti_file.MOST_UNPACKED` bytes, or the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from nibabel.nifti1 import Nifti1Image
    >>> from workbench.dicom.stacks.geometry import grid_from
    >>> slices = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 4.0]])
    >>> grid = grid_from(slices, np.array([1.0, 0, 0, 0, 1, 0]), (1, 1), (4, 5))
    >>> labels = np.zeros((5, 4, 3), "uint8")
    >>> labels[0, 0, 0], labels[1:3, 1, 1] = 1, 7
    >>> place = Path(tempfile.mkdtemp()) / "mask.nii"
    >>> Nifti1Image(labels, np.diag([-1.0, -1.0, 2.0, 1.0])).to_filename(place)
    >>> masks = masks_of(place, grid=grid)
    >>> [segment.name for segment in masks.segments], masks.data.sum(axis=(2, 3)).tolist()
    (['label 1', 'label 7'], [[1, 0, 0], [0, 2, 0]])
    """
    place = Path(path)
    name = name or place.name
    if not place.is_file():
        raise PathNotFound("no such file", file=name)
    with quiet():
        try:
            return _masks_of(place, grid, name, dict(label_names or {}), fraction)
        except WorkbenchError:
            raise
        except Exception as error:
            # A broken file fails in many ways inside nibabel and zlib; only the kind is told.
            raise LabelError(
                f"could not be read as NIfTI ({type(error).__name__})", file=name, remedy="ask for the file again"
            ) from None


@dataclass(frozen=True, slots=True)
class _Part:
    """Where one segment is in the file."""

    #: Fourth index.
    volume: int
    #: The stored number; None where every number but 0 counts.
    stored: float | None


class NiftiLayers:
    """Voxels of the segments of one NIfTI file, read when they are asked for; a compressed file is read once."""

    def __init__(
        self, path: Path, name: str, onto: Overlay, parts: list[_Part], stored: Stored, *, fractions: bool
    ) -> None:
        self._path, self._name, self._onto, self._parts, self._fractions = path, name, onto, parts, fractions
        self._facts = facts(path)
        self._held = None if stored.mapped else stored

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment: bool, or float32 fractions.

        Raises
        ------
        ChangedFile
            The file is no longer the one that was opened.
        """
        if facts(self._path) != self._facts:
            raise ChangedFile("file changed after it was opened", file=self._name, remedy="open it again")
        with quiet():
            held = self._held or Stored.of(load(self._path))
        if not held.mapped:
            self._held = held
        part = self._parts[segment]
        array = held.array[..., part.volume]
        if self._fractions:
            return self._onto.pick(array, slices, held.values, np.float32)
        number: Any = held.zero if part.stored is None else part.stored
        if array.dtype.kind in "ui" and float(number).is_integer():
            number = array.dtype.type(number)
        wanted = np.not_equal if part.stored is None else np.equal
        return self._onto.pick(array, slices, lambda plane: wanted(plane, number), np.bool_)


def _masks_of(path: Path, grid: Grid, name: str, names: Mapping[int, str], fraction: str | None) -> Masks:
    image = load(path)
    origin = Origin("", "", name)
    affine = world_affine(image, name=name)
    if affine is None:
        text = "the file says nowhere where its voxels are (codes of sform and qform are 0)"
        return Masks.none(grid.shape, origin.finding("label-grid-differs", text))
    if not grid.placed:
        text = "the images have no place in the patient, the mask does"
        return Masks.none(grid.shape, origin.finding("label-grid-differs", text))
    # The header alone says where the voxels are: what is not on the image is not unpacked.
    shape = lengths(image.shape)
    onto = overlay(affine, shape, grid)
    if onto is None:
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        text = "voxels of the file ({} at {} mm) are not on those of the image".format(
            "x".join(map(str, shape)), "x".join(f"{size:.2f}" for size in sizes)
        )
        return Masks.none(grid.shape, origin.finding("label-grid-differs", text))
    require_room(image, path, name=name)
    stored = Stored.of(image)

    count = _fractions(stored, onto, name) if fraction else _labels(stored, onto, name)
    by_volume = bool(fraction) or stored.array.shape[3] > 1
    if by_volume:
        if not fraction:
            _one_label_each(count, name)
        found = {number + 1: _Part(number, None) for number in range(stored.array.shape[3])}
    else:
        found = {label: _Part(0, count[0, label][0]) for _, label in sorted(count)}
    inside = {number: _inside(count, number, by_volume) for number in found}
    segments = tuple(Segment(n, names.get(n) or f"label {n}", kind="NIFTI") for n in found)
    layers = NiftiLayers(path, name, onto, list(found.values()), stored, fractions=bool(fraction))
    findings = _told(origin, count, inside, fraction)
    return Masks(segments, grid.shape, layers, "fraction" if fraction else "mask", fraction or "", findings)


#: (volume, label) -> stored number, voxels in the file, voxels on the image.
_Count = dict[tuple[int, int], tuple[float, int, int]]


def _labels(stored: Stored, onto: Overlay, name: str) -> _Count:
    """Voxels of each label but 0, slab by slab."""
    count: _Count = {}
    for volume, slab, inner in _slabs(stored.array, onto):
        numbers, found = _distinct(slab)
        same = inner.shape == slab.shape
        within = dict(zip(*(each.tolist() for each in ((numbers, found) if same else _distinct(inner))), strict=True))
        for code, n in zip(numbers.tolist(), found.tolist(), strict=True):
            value = float(stored.values(np.asarray(code, dtype=np.float64)))
            label = round(value) if np.isfinite(value) else -1
            if not np.isfinite(value) or abs(value - label) > WHOLE:
                raise _not_whole(stored, name)
            if label < 0:
                raise LabelError(f"a label is {label}", file=name, remedy="labels are whole numbers from 0")
            if label:
                _, total, inside = count.get((volume, label), (code, 0, 0))
                count[volume, label] = (code, total + n, inside + within.get(code, 0))
        if len(count) > MAX_LABELS:
            text = f"more than {MAX_LABELS} different numbers: an image, not a mask"
            raise LabelError(text, file=name, remedy="name the file of the mask")
    return count


def _fractions(stored: Stored, onto: Overlay, name: str) -> _Count:
    """Voxels above 0 of each volume, slab by slab."""
    count: _Count = {}
    for volume, slab, inner in _slabs(stored.array, onto):
        values = stored.values(slab)
        if not ((values >= 0) & (values <= 1)).all():
            raise LabelError("fractions are not all between 0 and 1", file=name, remedy="give a mask of whole numbers")
        _, before, within = count.get((volume, 1), (0.0, 0, 0))
        before += int(np.count_nonzero(values))
        count[volume, 1] = (0.0, before, within + int(np.count_nonzero(stored.values(inner))))
    return count


def _slabs(array: NDArray[Any], onto: Overlay) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
    """Volume, a slab of the file, and the part of that slab which is on the grid."""
    inside = [onto.inside(axis) for axis in range(3)]
    bounds = [slice(int(each[0]), int(each[-1]) + 1) if len(each) else slice(0, 0) for each in inside]
    thick = max(1, _AT_ONCE // max(1, array.shape[0] * array.shape[1]))
    for volume in range(array.shape[3]):
        for start in range(0, array.shape[2], thick):
            slab = np.asarray(array[:, :, start : start + thick, volume])
            deep = inside[2][(inside[2] >= start) & (inside[2] < start + thick)] - start
            yield volume, slab, slab[bounds[0], bounds[1]][:, :, deep]


def _distinct(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Different numbers and how often each occurs; by counting where they are whole and small."""
    if not values.size:
        return np.empty(0), np.empty(0)
    low, high = float(values.min()), float(values.max())
    if high - low <= 1 << 16:
        flat = values.ravel(order="K")
        whole = flat.astype(np.int64) - int(low)
        if values.dtype.kind in "ui" or (whole + int(low) == flat).all():
            found = np.bincount(whole)
            numbers = np.flatnonzero(found)
            return numbers + float(low), found[numbers]
    numbers, found = np.unique(values, return_counts=True)
    return numbers, found


def _not_whole(stored: Stored, name: str) -> LabelError:
    values = stored.values(np.array([stored.array.min(), stored.array.max()], dtype=np.float64))
    low, high = sorted(float(value) for value in values)
    between = low >= 0 and high <= 1
    remedy = "pass fraction='probability' or 'occupancy' if that is what they are" if between else "it is no mask"
    return LabelError(f"values from {low:g} to {high:g} are not whole numbers", file=name, remedy=remedy)


def _one_label_each(count: _Count, name: str) -> None:
    volumes = [volume for volume, _ in count]
    if len(set(volumes)) < len(volumes):
        raise LabelError(
            "several labels in one volume of a file of several volumes",
            file=name,
            remedy="give one label per volume, or one volume of labels",
        )


def _inside(count: _Count, number: int, by_volume: bool) -> int:
    rows = [row for (volume, label), row in count.items() if number == (volume + 1 if by_volume else label)]
    return sum(row[2] for row in rows)


def _told(origin: Origin, count: _Count, inside: Mapping[int, int], fraction: str | None) -> tuple[Finding, ...]:
    """Findings: what is outside, empty, fractional."""
    findings = []
    if outside := sum(total - within for _, total, within in count.values()):
        text = f"{outside} voxels of the mask lie outside the image"
        findings.append(origin.finding("label-outside", text, count=outside))
    if not inside:
        findings.append(origin.finding("label-empty", "the file holds no label"))
    if empty := [number for number, voxels in inside.items() if not voxels]:
        which = ", ".join(str(number) for number in empty[:5])
        findings.append(origin.finding("label-empty", f"segment {which} has no voxel on the image", count=len(empty)))
    if fraction:
        findings.append(origin.finding("label-fractional", f"fractions of {fraction}"))
    return tuple(findings)
