"""What is read of functional groups: which attribute of which group fills which column of the frame table.

Functional group macros: DICOM PS3.3 C.7.6.16.2, C.8.13.5, C.8.15.3, C.8.22.5.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from workbench.dicom.headers.elements import key
from workbench.dicom.headers.groups_layouts import Wanted


@dataclass(frozen=True, slots=True)
class Macro:
    """One attribute of a functional group and the column it fills."""

    #: Keyword of the functional group's sequence.
    group: str
    #: Keyword of the attribute in its first item.
    attribute: str
    #: Column of the frame table: a header column's keyword, or a name of ours.
    column: str
    #: ``number``, ``text``, ``integer`` or ``numbers:N``.
    form: str


def _macros(text: str) -> tuple[Macro, ...]:
    return tuple(Macro(*line.split()) for line in text.strip().splitlines())


#: Functional group macros that are read (PS3.3 C.7.6.16.2, C.8.13.5, C.8.15.3, C.8.22.5).
MACROS: Final = _macros(
    """
PlanePositionSequence                ImagePositionPatient             ImagePositionPatient         numbers:3
PlaneOrientationSequence             ImageOrientationPatient          ImageOrientationPatient      numbers:6
PixelMeasuresSequence                PixelSpacing                     PixelSpacing                 numbers:2
PixelMeasuresSequence                SliceThickness                   SliceThickness               number
PixelValueTransformationSequence     RescaleSlope                     RescaleSlope                 number
PixelValueTransformationSequence     RescaleIntercept                 RescaleIntercept             number
PixelValueTransformationSequence     RescaleType                      RescaleType                  text
FrameVOILUTSequence                  WindowCenter                     WindowCenter                 text
FrameVOILUTSequence                  WindowWidth                      WindowWidth                  text
CTImageFrameTypeSequence             FrameType                        ImageType                    text
MRImageFrameTypeSequence             FrameType                        ImageType                    text
PETFrameTypeSequence                 FrameType                        ImageType                    text
XRay3DFrameTypeSequence              FrameType                        ImageType                    text
ParametricMapFrameTypeSequence       FrameType                        ImageType                    text
MRImageFrameTypeSequence             ComplexImageComponent            complex_component            text
MRSpectroscopyFrameTypeSequence      FrameType                        ImageType                    text
MREchoSequence                       EffectiveEchoTime                EchoTime                     number
MRTimingAndRelatedParametersSequence RepetitionTime                   RepetitionTime               number
MRTimingAndRelatedParametersSequence FlipAngle                        FlipAngle                    number
MRModifierSequence                   InversionTimes                   InversionTime                number
MRDiffusionSequence                  DiffusionBValue                  DiffusionBValue              number
CTXRayDetailsSequence                KVP                              KVP                          number
CTExposureSequence                   ExposureTimeInms                 exposure_time_ms             number
CardiacSynchronizationSequence       NominalCardiacTriggerDelayTime   TriggerTime                  number
CardiacSynchronizationSequence       NominalPercentageOfCardiacPhase  cardiac_phase_percent        number
RespiratorySynchronizationSequence   NominalPercentageOfRespiratoryPhase respiratory_phase_percent number
TemporalPositionSequence             TemporalPositionTimeOffset       temporal_offset_s            number
FrameContentSequence                 TemporalPositionIndex            TemporalPositionIdentifier   integer
FrameContentSequence                 FrameAcquisitionNumber           AcquisitionNumber            integer
FrameContentSequence                 FrameAcquisitionDateTime         AcquisitionDateTime          text
FrameContentSequence                 StackID                          stack_id                     text
FrameAnatomySequence                 FrameLaterality                  ImageLaterality              text
"""
)
#: Header columns a legacy-converted object keeps outside the macros (PS3.3 C.7.6.16.2.25).
UNASSIGNED: Final = (
    "InstanceNumber", "AcquisitionTime", "AcquisitionDate", "EchoTime", "FlipAngle", "InversionTime", "RepetitionTime",
    "TriggerTime", "TemporalPositionIdentifier", "DiffusionBValue", "FrameReferenceTime", "ImageType",
)  # fmt: skip
#: Columns that functional groups rule alone: what they do not say is unknown, whatever stands at the top level.
RULED: Final = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "RescaleSlope", "RescaleIntercept", "RescaleType",
)  # fmt: skip

#: Form of each column that an object may have by frame, as in :class:`Macro`.
FORMS: Final[dict[str, str]] = {
    **{macro.column: macro.form for macro in MACROS},
    "AcquisitionTime": "text", "AcquisitionDate": "text", "InstanceNumber": "integer", "FrameReferenceTime": "number",
    "DiffusionGradientOrientation": "numbers:3", "SpacingBetweenSlices": "number", "real_world_values": "text",
    "frame_time_ms": "number", "Rows": "integer", "Columns": "integer", "mosaic_normal": "text",
    **dict.fromkeys(("tile_row", "tile_column", "stored_rows", "stored_columns"), "integer"),
    **dict.fromkeys(
        ("energy_window", "detector", "phase", "rotation", "rr_interval", "time_slot", "angular_view", "time_slice"),
        "integer",
    ),
}  # fmt: skip

#: Sequences that keep attributes of a legacy-converted object outside the macros, the first before the second.
LOOSE: Final = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
REAL_WORLD: Final = "RealWorldValueMappingSequence"
_GRADIENT: Final = ("MRDiffusionSequence", "DiffusionGradientDirectionSequence")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One element of a functional group's item that is read."""

    #: Keywords of the sequences that lead to it, each time by their first item.
    path: tuple[str, ...]
    #: Its keyword.
    attribute: str
    #: Column it fills.
    column: str
    form: str
    #: Only where nothing else filled the column; else it wins over what is listed before it.
    last_resort: bool = False


#: Every element that is read, in the order in which columns are filled.
LEAVES: Final = (
    *(Leaf((macro.group,), macro.attribute, macro.column, macro.form) for macro in MACROS),
    Leaf(_GRADIENT, "DiffusionGradientOrientation", "DiffusionGradientOrientation", "numbers:3"),
    Leaf((), REAL_WORLD, "real_world_values", "maps"),
    *(Leaf((group,), column, column, FORMS[column], True) for group in LOOSE for column in UNASSIGNED),
)


@functools.cache
def number_of(keyword: str) -> int:
    """Tag of a standard element.

    Examples
    --------
    >>> hex(number_of("PixelSpacing"))
    '0x280030'
    """
    from pydicom.datadict import tag_for_keyword

    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return int(number)


@functools.cache
def vr_of(keyword: str) -> bytes:
    """VR of a standard element, which one in implicit VR does not say itself."""
    from pydicom.datadict import dictionary_VR

    return str(dictionary_VR(number_of(keyword))).encode("ascii")


@functools.cache
def wanted_leaves() -> Wanted:
    """Every leaf under its tags, by its place in ``LEAVES``."""
    tree: Wanted = {}
    for number, leaf in enumerate(LEAVES):
        branch = tree
        for keyword in leaf.path:
            below = branch.setdefault(key(number_of(keyword)), {})
            assert isinstance(below, dict)
            branch = below
        branch[key(number_of(leaf.attribute))] = number
    return tree
