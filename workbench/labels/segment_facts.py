"""What a DICOM segmentation states of each segment, word for word: nothing is made up where it says nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

from workbench.errors import LabelError, WorkbenchError
from workbench.labels.header import items, quiet, text
from workbench.labels.seg_header import read_seg_header


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """One item of the Segment Sequence (0062,0002); empty text where an element is absent or empty."""

    #: SegmentNumber (0062,0004).
    number: str
    #: SegmentLabel (0062,0005).
    label: str
    #: SegmentDescription (0062,0006).
    description: str
    #: SegmentAlgorithmType (0062,0008).
    algorithm_type: str
    #: SegmentAlgorithmName (0062,0009).
    algorithm_name: str


def segment_facts(path: str | os.PathLike[str], *, name: str = "") -> tuple[SegmentFacts, ...]:
    """What a SEG states of its segments, in its own order; pixels are not read.

    Parameters
    ----------
    path : path
        The file.
    name : str, optional
        Name for messages, relative to the extract; by default the file's own.

    Returns
    -------
    tuple of SegmentFacts
        Without the background of a LABELMAP, which is the segment numbered as PixelPaddingValue.

    Raises
    ------
    LabelError
        The header cannot be read.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> [(one.number, one.label, one.algorithm_type) for one in segment_facts(get_testdata_file("liver_1frame.dcm"))]
    [('1', 'Liver', 'SEMIAUTOMATIC')]
    """
    name = name or os.path.basename(path)
    with quiet():
        try:
            dataset = read_seg_header(path, name=name).dataset
            padding = text(dataset, "PixelPaddingValue") if text(dataset, "SegmentationType") == "LABELMAP" else ""
            found = [
                SegmentFacts(
                    text(item, "SegmentNumber"), text(item, "SegmentLabel"), text(item, "SegmentDescription"),
                    text(item, "SegmentAlgorithmType"), text(item, "SegmentAlgorithmName"),
                )
                for item in items(dataset, "SegmentSequence")
            ]  # fmt: skip
        except WorkbenchError:
            raise
        except Exception as error:
            # Broken headers fail inside pydicom in many ways; its messages may quote values, so only the kind is kept.
            what = f"header could not be read ({type(error).__name__})"
            raise LabelError(what, file=name, remedy="ask the node for the object again") from None
    return tuple(one for one in found if not padding or one.number != padding)
