"""The header columns that are kept, as data: one row per tag.

Names and VRs: DICOM PS3.6. A column's form says how its bytes become a value:
``text`` one string (several values stay joined by a backslash), ``uid``, ``integer``, ``number``,
``numbers:N`` exactly N floats (NaN where missing), ``numbers`` and ``integers`` a list of any length,
``present`` whether the element is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tag:
    """One header column."""

    #: Name of the column: the DICOM keyword, or a name of ours where the tag is private.
    keyword: str
    #: Group and element as one number; of a private tag with block 00.
    number: int
    #: Value representation of PS3.6, needed for implicit VR.
    vr: str
    #: How bytes become a value.
    form: str
    #: Sequence at top level whose first item holds the tag; 0 where the tag is at top level itself.
    sequence: int = 0
    #: Private creator that owns the tag, whatever block it reserved in a file; empty where public.
    creator: str = ""


def _table(text: str, sequence: int = 0) -> tuple[Tag, ...]:
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Tag(keyword, int(number, 16), vr, form, sequence) for number, vr, form, keyword in rows)


def _private(text: str) -> tuple[Tag, ...]:
    """Rows of creator, group, element, VR, form, column and source, between bars."""
    rows = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    return tuple(
        Tag(column, int(group, 16) << 16 | int(element, 16), vr, form, creator=creator)
        for creator, group, element, vr, form, column, _ in rows
    )


#: VR of an element whose sign PixelRepresentation tells (PS3.6).
EITHER_SIGN: Final = "US|SS"

_PUBLIC: Final = _table(
    """
00080005 CS    text      SpecificCharacterSet
00080008 CS    text      ImageType
00080016 UI    uid       SOPClassUID
00080018 UI    uid       SOPInstanceUID
00080020 DA    text      StudyDate
00080021 DA    text      SeriesDate
00080022 DA    text      AcquisitionDate
0008002A DT    text      AcquisitionDateTime
00080030 TM    text      StudyTime
00080031 TM    text      SeriesTime
00080032 TM    text      AcquisitionTime
00080060 CS    text      Modality
00080068 CS    text      PresentationIntentType
00080070 LO    text      Manufacturer
00080201 SH    text      TimezoneOffsetFromUTC
00081030 LO    text      StudyDescription
0008103E LO    text      SeriesDescription
00081090 LO    text      ManufacturerModelName
00100020 LO    text      PatientID
00100040 CS    text      PatientSex
00101010 AS    text      PatientAge
00101020 DS    number    PatientSize
00101030 DS    number    PatientWeight
00180015 CS    text      BodyPartExamined
00180050 DS    number    SliceThickness
00180060 DS    number    KVP
00180080 DS    number    RepetitionTime
00180081 DS    number    EchoTime
00180082 DS    number    InversionTime
00180086 IS    integer   EchoNumbers
00180087 DS    number    MagneticFieldStrength
00180088 DS    number    SpacingBetweenSlices
00181060 DS    number    TriggerTime
00181063 DS    number    FrameTime
00181120 DS    number    GantryDetectorTilt
00181164 DS    numbers:2 ImagerPixelSpacing
00181210 SH    text      ConvolutionKernel
00181242 IS    integer   ActualFrameDuration
00181314 DS    number    FlipAngle
00185100 CS    text      PatientPosition
00185101 CS    text      ViewPosition
00189087 FD    number    DiffusionBValue
00189089 FD    numbers:3 DiffusionGradientOrientation
0020000D UI    uid       StudyInstanceUID
0020000E UI    uid       SeriesInstanceUID
00200011 IS    integer   SeriesNumber
00200012 IS    integer   AcquisitionNumber
00200013 IS    integer   InstanceNumber
00200020 CS    text      PatientOrientation
00200032 DS    numbers:3 ImagePositionPatient
00200037 DS    numbers:6 ImageOrientationPatient
00200052 UI    uid       FrameOfReferenceUID
00200060 CS    text      Laterality
00200062 CS    text      ImageLaterality
00200100 IS    integer   TemporalPositionIdentifier
00280002 US    integer   SamplesPerPixel
00280004 CS    text      PhotometricInterpretation
00280006 US    integer   PlanarConfiguration
00280008 IS    integer   NumberOfFrames
00280010 US    integer   Rows
00280011 US    integer   Columns
00280030 DS    numbers:2 PixelSpacing
00280051 CS    text      CorrectedImage
00280100 US    integer   BitsAllocated
00280101 US    integer   BitsStored
00280102 US    integer   HighBit
00280103 US    integer   PixelRepresentation
00280120 US|SS integer   PixelPaddingValue
00280A02 CS    text      PixelSpacingCalibrationType
00281050 DS    text      WindowCenter
00281051 DS    text      WindowWidth
00281052 DS    number    RescaleIntercept
00281053 DS    number    RescaleSlope
00281054 LO    text      RescaleType
00282110 CS    text      LossyImageCompression
00282112 DS    text      LossyImageCompressionRatio
00282114 CS    text      LossyImageCompressionMethod
00283000 SQ    present   ModalityLUTSequence
00409096 SQ    present   RealWorldValueMappingSequence
00540081 US    integer   NumberOfSlices
00540101 US    integer   NumberOfTimeSlices
00541000 CS    text      SeriesType
00541001 CS    text      Units
00541006 CS    text      SUVType
00541102 CS    text      DecayCorrection
00541300 DS    number    FrameReferenceTime
00541321 DS    number    DecayFactor
00541330 US    integer   ImageIndex
30040002 CS    text      DoseUnits
30040004 CS    text      DoseType
3004000E DS    number    DoseGridScaling
52009229 SQ    present   SharedFunctionalGroupsSequence
52009230 SQ    present   PerFrameFunctionalGroupsSequence
"""
)

#: Radiopharmaceutical Information Sequence (PS3.3 C.8.9.2), first item.
_RADIOPHARMACEUTICAL: Final = _table(
    """
00180031 LO    text      Radiopharmaceutical
00181072 TM    text      RadiopharmaceuticalStartTime
00181074 DS    number    RadionuclideTotalDose
00181075 DS    number    RadionuclideHalfLife
00181078 DT    text      RadiopharmaceuticalStartDateTime
""",
    sequence=0x00540016,
)

#: Private elements, by creator and element within its block (PS3.5 7.8). Sources: "dictionary" is pydicom's private
#: dictionary; issues are those of dcm2niix and mrtrix3 on GitHub; UIH's creator is in GDCM's EquipmentManufacturer.
_PRIVATE: Final = _private(
    """
GEMS_PETD_01             | 0009 | 0D | DT | text    | ge_scan_datetime        | dictionary
SIEMENS MR HEADER        | 0019 | 0A | US | integer | siemens_mosaic_count    | dictionary
SIEMENS MR HEADER        | 0019 | 0C | IS | number  | siemens_b_value         | dictionary
GEMS_PARM_01             | 0043 | 39 | IS | number  | ge_b_value              | dictionary; dcm2niix 602, first of four
Image Private Header     | 0065 | 09 | FD | number  | uih_b_value             | dcm2niix 225; not seen in a file here
Philips Imaging DD 001   | 2001 | 03 | FL | number  | philips_b_value         | dictionary
Philips MR Imaging DD 001| 2005 | 0E | FL | number  | philips_scale_slope     | dictionary; mrtrix3 2499 (meaning)
Philips PET Private Group| 7053 | 00 | DS | number  | philips_suv_factor      | dictionary
Philips PET Private Group| 7053 | 09 | DS | number  | philips_activity_factor | dictionary
"""
)

#: Number that a vendor may add to a value, to be taken off where the value reaches it (GE: dcm2niix issue 602).
BIAS: Final = {"ge_b_value": 1e9}

#: Every kept column, in the order of the header table.
TAGS: Final[tuple[Tag, ...]] = _PUBLIC + _RADIOPHARMACEUTICAL + _PRIVATE

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
