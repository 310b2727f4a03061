"""The header columns that are kept, as data: one row per tag.

Names and VRs: DICOM PS3.6. A column's form says how its bytes become a value:
``text`` one string (several values stay joined by a backslash), ``uid``, ``integer``, ``number``,
``numbers:N`` exactly N floats (NaN where missing), ``present`` whether the element is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tag:
    """One header column."""

    #: DICOM keyword, the column's name.
    keyword: str
    #: Group and element as one number.
    number: int
    #: Value representation of PS3.6, needed for implicit VR.
    vr: str
    #: How bytes become a value.
    form: str


def _table(text: str) -> tuple[Tag, ...]:
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Tag(keyword, int(number, 16), vr, form) for number, vr, form, keyword in rows)


TAGS: Final[tuple[Tag, ...]] = _table(
    """
00080005 CS text      SpecificCharacterSet
00080008 CS text      ImageType
00080016 UI uid       SOPClassUID
00080018 UI uid       SOPInstanceUID
00080020 DA text      StudyDate
00080021 DA text      SeriesDate
00080022 DA text      AcquisitionDate
00080030 TM text      StudyTime
00080031 TM text      SeriesTime
00080032 TM text      AcquisitionTime
00080060 CS text      Modality
00080070 LO text      Manufacturer
00081030 LO text      StudyDescription
0008103E LO text      SeriesDescription
00081090 LO text      ManufacturerModelName
00100020 LO text      PatientID
00100040 CS text      PatientSex
00101010 AS text      PatientAge
00180015 CS text      BodyPartExamined
00180050 DS number    SliceThickness
00180060 DS number    KVP
00180080 DS number    RepetitionTime
00180081 DS number    EchoTime
00180087 DS number    MagneticFieldStrength
00181060 DS number    TriggerTime
00181120 DS number    GantryDetectorTilt
00181164 DS numbers:2 ImagerPixelSpacing
00181210 SH text      ConvolutionKernel
00181314 DS number    FlipAngle
00185101 CS text      ViewPosition
00189087 FD number    DiffusionBValue
0020000D UI uid       StudyInstanceUID
0020000E UI uid       SeriesInstanceUID
00200011 IS integer   SeriesNumber
00200012 IS integer   AcquisitionNumber
00200013 IS integer   InstanceNumber
00200032 DS numbers:3 ImagePositionPatient
00200037 DS numbers:6 ImageOrientationPatient
00200052 UI uid       FrameOfReferenceUID
00200060 CS text      Laterality
00200062 CS text      ImageLaterality
00200100 IS integer   TemporalPositionIdentifier
00280002 US integer   SamplesPerPixel
00280004 CS text      PhotometricInterpretation
00280006 US integer   PlanarConfiguration
00280008 IS integer   NumberOfFrames
00280010 US integer   Rows
00280011 US integer   Columns
00280030 DS numbers:2 PixelSpacing
00280100 US integer   BitsAllocated
00280101 US integer   BitsStored
00280102 US integer   HighBit
00280103 US integer   PixelRepresentation
00281050 DS text      WindowCenter
00281051 DS text      WindowWidth
00281052 DS number    RescaleIntercept
00281053 DS number    RescaleSlope
00281054 LO text      RescaleType
00282110 CS text      LossyImageCompression
00283000 SQ present   ModalityLUTSequence
00540081 US integer   NumberOfSlices
00541001 CS text      Units
00541006 CS text      SUVType
"""
)

BY_KEYWORD: Final = {tag.keyword: tag for tag in TAGS}

PIXEL_DATA: Final = 0x7FE00010
#: Float and Double Float Pixel Data end a header just as Pixel Data does.
PIXEL_ELEMENTS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)

#: Storage classes that are not images, and what they are (DICOM PS3.4 B.5).
NOT_IMAGES: Final = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",
    "1.2.840.10008.5.1.4.1.1.481.3": "structure-set",
    "1.2.840.10008.5.1.4.1.1.88.11": "report",
    "1.2.840.10008.5.1.4.1.1.88.22": "report",
    "1.2.840.10008.5.1.4.1.1.88.33": "report",
    "1.2.840.10008.5.1.4.1.1.88.34": "report",
    "1.2.840.10008.5.1.4.1.1.88.35": "report",
    "1.2.840.10008.5.1.4.1.1.88.50": "report",
    "1.2.840.10008.5.1.4.1.1.88.59": "report",
    "1.2.840.10008.5.1.4.1.1.88.65": "report",
    "1.2.840.10008.5.1.4.1.1.88.67": "report",
    "1.2.840.10008.5.1.4.1.1.11.1": "other",
    "1.2.840.10008.5.1.4.1.1.66": "other",
    "1.2.840.10008.5.1.4.1.1.66.1": "other",
    "1.2.840.10008.5.1.4.1.1.66.3": "other",
    "1.2.840.10008.5.1.4.1.1.66.5": "other",
    "1.2.840.10008.5.1.4.1.1.481.5": "other",
    "1.2.840.10008.5.1.4.1.1.481.4": "other",
    "1.2.840.10008.5.1.4.1.1.91.1": "other",
    "1.2.840.10008.5.1.4.1.1.104.1": "other",
}
DICOMDIR_CLASS: Final = "1.2.840.10008.1.3.10"
