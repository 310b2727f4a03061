"""What a label object holds: its segments, its description, its masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.findings import Finding

LabelKind = Literal["SEG", "RTSTRUCT"]
Voxels = NDArray[np.bool_] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """One label of a segmentation, or one region of interest of a structure set.

    Examples
    --------
    >>> Segment(number=1, name="Neoplasm", code="SCT:108369006").code
    'SCT:108369006'
    """

    #: SegmentNumber or ROINumber.
    number: int
    #: SegmentLabel or ROIName; ``segment 1`` where the object gives none.
    name: str
    #: What it is, ``scheme:value``, e.g. ``SCT:108369006``; empty where not coded.
    code: str = ""
    #: Meaning of the property category (SEG) or RTROIInterpretedType (RTSTRUCT); empty where not stated.
    category: str = ""
    #: ``MANUAL``, ``SEMIAUTOMATIC`` or ``AUTOMATIC``; empty where not stated.
    algorithm: str = ""
    #: Name of the algorithm that drew it; never a person's, so empty for what was drawn by hand.
    annotator: str = ""
    #: SOPInstanceUID of the object.
    source_uid: str = ""
    #: SeriesInstanceUID of the object.
    series_uid: str = ""
    #: ``SEG`` or ``RTSTRUCT``.
    kind: LabelKind = "SEG"


@dataclass(frozen=True, slots=True)
class Description:
    """What a label object says of itself, without its pixels or contours."""

    #: ``SEG`` or ``RTSTRUCT``.
    kind: LabelKind
    #: Segments in the order of the object.
    segments: tuple[Segment, ...]
    #: SeriesInstanceUID of the images it says it was drawn on.
    referenced_series_uids: tuple[str, ...]
    #: SOPInstanceUID of the images it says it was drawn on.
    referenced_instance_uids: tuple[str, ...]
    #: FrameOfReferenceUID of everything in it.
    frame_of_reference_uids: tuple[str, ...]
    #: Whether it gives fractions instead of yes and no.
    fractional: bool
    #: SOPInstanceUID of the object.
    source_uid: str
    #: SeriesInstanceUID of the object.
    series_uid: str
    #: What is irregular.
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The segments of one label object on the grid of an image."""

    #: Segments in the order of the first axis of ``data``.
    segments: tuple[Segment, ...]
    #: (segment, z, y, x): boolean, or float32 between 0 and 1 for a fractional segmentation.
    data: Voxels
    #: ``probability`` or ``occupancy`` for a fractional segmentation, else empty.
    fractional_type: str = ""
    #: What is irregular.
    findings: tuple[Finding, ...] = ()

    @property
    def kind(self) -> Literal["mask", "fraction"]:
        """``mask`` for yes and no, ``fraction`` for values between 0 and 1."""
        return "mask" if self.data.dtype == np.bool_ else "fraction"
