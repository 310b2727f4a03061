"""DICOM RT structure sets: their regions, and their masks on a grid (PS3.3 C.8.8.5 and C.8.8.6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.errors import LabelError
from workbench.findings import Finding
from workbench.labels.header import Origin, code, items, numbers, text
from workbench.labels.polygon import fill_contours
from workbench.labels.segment import Masks, Segment

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Floats = NDArray[np.float64]

#: ContourGeometricType that encloses an area.
CLOSED: Final = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
#: Contours of one slice that lie further apart along the normal than this share of the step are of different planes.
PLANE_SHARE: Final = 0.1
_MESSAGES: Final = {
    "label-not-a-mask": "{n} contours of {segments} are points, lines or have fewer than 3 points",
    "label-off-slice": "{n} contours of {segments} lie on no slice of the image",
    "label-outside": "{n} contours of {segments} reach beyond the image",
    "label-unreadable": "{n} contours of {segments} have no readable coordinates",
}


def segments_of(dataset: Dataset, *, origin: Origin) -> tuple[Segment, ...]:
    """Regions of interest of a structure set in its own order."""
    observed: dict[str, Dataset] = {}
    for item in items(dataset, "RTROIObservationsSequence"):
        observed.setdefault(text(item, "ReferencedROINumber"), item)
    found: dict[int, Segment] = {}
    for item in items(dataset, "StructureSetROISequence"):
        number = text(item, "ROINumber")
        if not number:
            continue
        observation = observed.get(number)
        segment = Segment(
            number=int(number),
            name=text(item, "ROIName") or f"segment {number}",
            code=code(observation, "RTROIIdentificationCodeSequence")[0] if observation is not None else "",
            category=text(observation, "RTROIInterpretedType"),
            algorithm=text(item, "ROIGenerationAlgorithm"),
            source_uid=origin.source_uid,
            series_uid=origin.series_uid,
            kind="RTSTRUCT",
        )
        found.setdefault(segment.number, segment)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Contour:
    """One closed contour on its slice."""

    #: Slice of the grid.
    slice: int
    #: Signed distance from that slice along the normal, mm.
    distance: float
    #: Row and column index of each vertex, (vertex, 2).
    vertices: Floats


class _Slices:
    """The slices of a grid as contours see them."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.along = grid.positions @ grid.normal
        # A single slice has no step; what was drawn on it is on it to well within a pixel.
        self.step = float(np.diff(self.along).min()) if len(self.along) > 1 else max(grid.pixel_spacing)

    def locate(self, points: Floats) -> _Contour | None:
        """The contour on its slice; None where any point is half a step or further from it.

        Exactly half a step belongs to no slice: it would be a matter of rounding which one.
        """
        depth = points @ self.grid.normal
        slice_ = int(np.abs(self.along - depth.mean()).argmin())
        distance = depth - self.along[slice_]
        if np.abs(distance).max() >= self.step / 2 * (1 - 1e-6):
            return None
        offset = points - self.grid.positions[slice_]
        axes = np.stack([self.grid.column_direction, self.grid.row_direction])
        return _Contour(slice_, float(distance.mean()), offset @ axes.T / np.array(self.grid.pixel_spacing))

    def on_plane(self, contours: list[_Contour]) -> list[_Contour]:
        """The contours that lie nearest to their slice, without those further off beside them.

        Contours drawn for another series can be denser than the slices. Those between slices are not part of the
        outline on the slice, and exclusive or would make rings of them.
        """
        nearest: dict[int, float] = {}
        for contour in contours:
            nearest[contour.slice] = min(abs(contour.distance), nearest.get(contour.slice, np.inf))
        slack = PLANE_SHARE * self.step
        return [contour for contour in contours if abs(contour.distance) <= nearest[contour.slice] + slack]


def _contours(region: Dataset, slices: _Slices, problems: Counter[str]) -> list[_Contour]:
    """Closed contours of one region, each on its slice; the others are counted."""
    found: list[_Contour] = []
    for item in items(region, "ContourSequence"):
        try:
            values = numbers(item, "ContourData")
        except ValueError:
            values = np.array([np.nan])
        if len(values) % 3 or not np.isfinite(values).all():
            problems["label-unreadable"] += 1
        elif text(item, "ContourGeometricType") not in CLOSED or len(values) < 9:
            problems["label-not-a-mask"] += 1
        elif (contour := slices.locate(values.reshape(-1, 3))) is None:
            problems["label-off-slice"] += 1
        else:
            found.append(contour)
    kept = slices.on_plane(found)
    problems["label-off-slice"] += len(found) - len(kept)
    limits = np.array(slices.grid.shape[1:]) - 0.5
    problems["label-outside"] += sum(bool((c.vertices < -0.5).any() or (c.vertices > limits).any()) for c in kept)
    return kept


def masks_of(dataset: Dataset, *, grid: Grid, origin: Origin, check_frame: bool = True) -> Masks:
    """Boolean masks (segment, z, y, x) of a structure set on a grid.

    A voxel belongs to a region when its centre lies inside by the even-odd rule or on the contour; the closed contours
    of one slice combine by exclusive or. Each contour goes to the nearest slice when all its points are nearer than
    half a step. A region of which nothing but points and lines is given is left out.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The structure set.
    grid : Grid
        Of the images.
    origin : Origin
        For findings.
    check_frame : bool, default True
        Leave out regions in another frame of reference.

    Raises
    ------
    LabelError
        Where regions or contours are missing altogether, as in a file that was cut off.
    """
    regions: dict[str, list[Dataset]] = {}
    for item in items(dataset, "ROIContourSequence"):
        regions.setdefault(text(item, "ReferencedROINumber"), []).append(item)
    frames = {
        text(item, "ROINumber"): text(item, "ReferencedFrameOfReferenceUID") or text(dataset, "FrameOfReferenceUID")
        for item in reversed(items(dataset, "StructureSetROISequence"))
    }
    segments = segments_of(dataset, origin=origin)
    if "StructureSetROISequence" not in dataset or "ROIContourSequence" not in dataset:
        raise LabelError("no regions or no contours", file=origin.path, remedy="ask the node for the file again")
    if not grid.placed:
        finding = origin.finding("label-grid-differs", "the images have no place in the patient, contours do")
        return Masks((), np.zeros((0, *grid.shape), dtype=np.bool_), findings=(finding,))

    findings: list[Finding] = []
    here = []
    for segment in segments:
        uid = frames.get(str(segment.number), "")
        if not check_frame or not uid or not grid.frame_of_reference_uid or uid == grid.frame_of_reference_uid:
            here.append(segment)
    if other := len(segments) - len(here):
        message = f"{other} of {len(segments)} regions and the image differ in FrameOfReferenceUID"
        findings.append(origin.finding("label-frame-differs", message, count=other))
    undescribed = len(regions.keys() - frames.keys())
    if undescribed:
        message = f"contours of {undescribed} regions that the object does not describe"
        findings.append(origin.finding("label-unreadable", message, count=undescribed))

    slices = _Slices(grid)
    problems: dict[int, Counter[str]] = {}
    outlines: dict[Segment, list[_Contour]] = {}
    for segment in here:
        counted: Counter[str] = Counter()
        drawn = [c for region in regions.get(str(segment.number), []) for c in _contours(region, slices, counted)]
        problems[segment.number] = +counted
        if drawn or set(+counted) != {"label-not-a-mask"}:
            outlines[segment] = drawn

    data = np.zeros((len(outlines), *grid.shape), dtype=np.bool_)
    for index, drawn in enumerate(outlines.values()):
        for slice_ in {contour.slice for contour in drawn}:
            outline = [contour.vertices for contour in drawn if contour.slice == slice_]
            data[index, slice_] = fill_contours(outline, shape=grid.shape[1:])
    for name, message in _MESSAGES.items():
        concerned = {number: counted[name] for number, counted in problems.items() if counted[name]}
        if concerned:
            which = "segment " + ", ".join(str(number) for number in list(concerned)[:5])
            total = sum(concerned.values())
            findings.append(origin.finding(name, message.format(n=total, segments=which), count=total))
    return Masks(tuple(outlines), data, findings=tuple(findings))
