"""DICOM RT structure sets: their regions, and their masks on a grid (PS3.3 C.8.8.5 and C.8.8.6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.errors import LabelError
from workbench.findings import Finding
from workbench.labels.contours import PLANE_SHARE, Contour, ContourLayers, Slices, by_slice, without_repeats
from workbench.labels.header import Origin, code, content_date, empty_finding, items, numbers, text
from workbench.labels.segment import Drawing, Masks, Segment

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Floats = NDArray[np.float64]

#: ContourGeometricType that encloses an area.
CLOSED: Final = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
#: What makes a contour what it is.
_DRAWN: Final = ("ContourData", "ContourGeometricType")
_MESSAGES: Final = {
    "label-not-a-mask": "{n} contours of {segments} are points, lines or have fewer than 3 points",
    "label-off-slice": "{n} contours of {segments} lie on no slice of the image",
    "label-outside": "{n} contours of {segments} reach beyond the image",
    "label-repeated": "{n} contours of {segments} are stored more than once",
    "label-near-slice": "{n} contours of {segments} lie beside their slice, by less than half a step",
    "label-unreadable": "{n} contours of {segments} have no readable coordinates",
}


def segments_of(dataset: Dataset, *, origin: Origin) -> tuple[Segment, ...]:
    """Regions of interest of a structure set in its own order."""
    observed: dict[str, Dataset] = {}
    for item in items(dataset, "RTROIObservationsSequence"):
        observed.setdefault(text(item, "ReferencedROINumber"), item)
    date = content_date(dataset, "StructureSet")
    found: dict[int, Segment] = {}
    for item in items(dataset, "StructureSetROISequence"):
        number = text(item, "ROINumber")
        if not number:
            continue
        observation = observed.get(number)
        kind, meaning = code(observation, "RTROIIdentificationCodeSequence") if observation is not None else ("", "")
        segment = Segment(
            number=int(number),
            name=text(item, "ROIName") or f"segment {number}",
            code=kind,
            meaning=meaning,
            category=text(observation, "RTROIInterpretedType"),
            algorithm=text(item, "ROIGenerationAlgorithm"),
            source_uid=origin.source_uid,
            series_uid=origin.series_uid,
            kind="RTSTRUCT",
            date=date,
        )
        found.setdefault(segment.number, segment)
    return tuple(found.values())


@dataclass(slots=True)
class _Region:
    """What the contours of one region come to."""

    #: Closed contours, each on its slice.
    outlines: list[Contour] = field(default_factory=list)
    #: Points and lines, in mm.
    drawings: list[Drawing] = field(default_factory=list)
    #: Finding code -> how many contours.
    problems: Counter[str] = field(default_factory=Counter)


def _contours(segment: Segment, regions: list[Dataset], slices: Slices) -> _Region:
    """Closed contours of one region, each on its slice; points and lines; the others are counted."""
    region = _Region()
    drawn: set[tuple[Any, ...]] = set()
    for item in (item for each in regions for item in items(each, "ContourSequence")):
        # What is stored again byte for byte is not worked out again.
        stored = tuple(item.get_item(name).value if name in item else None for name in _DRAWN)
        if stored in drawn:
            region.problems["label-repeated"] += 1
            continue
        try:
            values = numbers(item, "ContourData")
        except ValueError:
            values = np.array([np.nan])
        geometry = text(item, "ContourGeometricType")
        if len(values) % 3 or not np.isfinite(values).all():
            region.problems["label-unreadable"] += 1
        elif geometry not in CLOSED or len(values) < 9:
            region.problems["label-not-a-mask"] += 1
            if len(values):
                region.drawings.append(Drawing(segment.number, segment.name, geometry, values.reshape(-1, 3)))
        elif (contour := slices.locate(values.reshape(-1, 3))) is None:
            region.problems["label-off-slice"] += 1
        else:
            region.outlines.append(contour)
            if isinstance(stored[0], bytes):
                drawn.add(stored)
    once = without_repeats(region.outlines)
    region.problems["label-repeated"] += len(region.outlines) - len(once)
    kept = slices.on_plane(once)
    region.problems["label-off-slice"] += len(once) - len(kept)
    # Places written with few decimals lie some hundredths of a step off; that is no news.
    near = PLANE_SHARE * slices.step
    region.problems["label-near-slice"] += sum(abs(contour.distance) > near for contour in kept)
    limits = np.array(slices.grid.shape[1:]) - 0.5
    outside = sum(bool((c.vertices < -0.5).any() or (c.vertices > limits).any()) for c in kept)
    region.problems["label-outside"] += outside
    region.outlines = kept
    return region


def masks_of(dataset: Dataset, *, grid: Grid, origin: Origin, check_frame: bool = True) -> Masks:
    """Boolean masks (segment, z, y, x) of a structure set on a grid.

    A voxel belongs to a region when its centre lies inside by the even-odd rule or on the contour; the closed contours
    of one slice combine by exclusive or. Each contour goes to the nearest slice when all its points are nearer than
    half a step. A region of which nothing but points and lines is given is no mask: it is among the drawings. Contours
    are read once, here; a slice is filled when its voxels are asked for.

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
        return Masks.none(grid.shape, finding)

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

    slices = Slices(grid)
    found = {segment: _contours(segment, regions.get(str(segment.number), []), slices) for segment in here}
    # A region of nothing but points and lines is no mask; one without any contour is an empty mask.
    drawn = {
        s: region for s, region in found.items() if region.outlines or set(+region.problems) != {"label-not-a-mask"}
    }
    layers = ContourLayers(grid.shape, tuple(by_slice(region.outlines) for region in drawn.values()))
    for name, message in _MESSAGES.items():
        concerned = {
            segment.number: region.problems[name] for segment, region in found.items() if region.problems[name]
        }
        if concerned:
            which = "segment " + ", ".join(str(number) for number in list(concerned)[:5])
            total = sum(concerned.values())
            findings.append(origin.finding(name, message.format(n=total, segments=which), count=total))
    if empty := [segment for index, segment in enumerate(drawn) if layers.is_empty(index)]:
        findings.append(empty_finding(empty, origin))
    drawings = tuple(drawing for region in found.values() for drawing in region.drawings)
    return Masks(tuple(drawn), grid.shape, layers, findings=tuple(findings), drawings=drawings)
