"""What a multi-frame object says of each of its frames, as a small table: place, value map, key values.

Read once while scanning and kept in the header table, so that opening parses nothing. Sources are named at each
reader; a Siemens mosaic is read in ``mosaic``, real-world value maps in this file.
"""

from __future__ import annotations

import functools
import json
import math
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.headers.deflated import header_source

#: More frames than this are not described one by one.
MAX_FRAMES: Final = 200_000

Facts = dict[str, list[Any]]


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

_FORMS: Final = {
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


def frame_facts(path: str | os.PathLike[str]) -> bytes | None:
    """Frame table of one file as Arrow IPC bytes: a row per frame, columns that vary or are ruled by frame.

    None where the file says nothing of single frames, or what it says contradicts itself; never raises.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> table = unpack(frame_facts(get_testdata_file("rtdose.dcm")))
    >>> table.num_rows, table["ImagePositionPatient"][1].as_py()
    (15, [189.43125, 199.43125, -756.87])
    """
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as file:
                dataset = pydicom.dcmread(header_source(file), stop_before_pixels=True, force=True)
            facts = _facts(dataset)
        except Exception:
            # What cannot be read places no frame; the plan says so by a finding.
            return None
    return None if facts is None else pack(as_table(facts))


def pack(table: pa.Table) -> bytes:
    """Arrow IPC bytes of a table."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack(data: bytes) -> pa.Table:
    """Table of Arrow IPC bytes."""
    return pa.ipc.open_stream(data).read_all()


def as_table(facts: Facts) -> pa.Table:
    """Typed columns; ``numbers:N`` are fixed-size lists with NaN where missing."""
    columns = {}
    for name, values in facts.items():
        form = _FORMS[name]
        if form.startswith("numbers:"):
            width = int(form.partition(":")[2])
            flat = np.array([v if v is not None and len(v) == width else [np.nan] * width for v in values], np.float64)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), width)
        else:
            kind = {"number": pa.float64(), "integer": pa.int64(), "text": pa.string()}[form]
            columns[name] = pa.array(values, kind)
    return pa.table(columns)


def _facts(dataset: Any) -> Facts | None:
    from workbench.dicom.stacks.mosaic import is_mosaic, tiles

    n = int(dataset.get("NumberOfFrames") or 1)
    if not 1 <= n <= MAX_FRAMES:
        return None
    if is_mosaic(dataset):
        return tiles(dataset)
    readers: tuple[tuple[str, Callable[[Any, int], Facts | None]], ...] = (
        ("PerFrameFunctionalGroupsSequence", _functional_groups),
        ("SharedFunctionalGroupsSequence", _functional_groups),
        ("GridFrameOffsetVector", _dose),
        *((keyword, _nuclear) for keyword in ("DetectorInformationSequence", *VECTORS)),
        ("FrameTimeVector", _cine),
        ("FrameTime", _cine),
    )
    facts: Facts | None = None
    for keyword, read in readers:
        if keyword in dataset:
            facts = read(dataset, n)
            break
    if "RealWorldValueMappingSequence" in dataset and (facts is None or "real_world_values" not in facts):
        facts = {**(facts or {}), "real_world_values": [real_world_values(dataset)] * n}
    return facts


@functools.cache
def _tag(keyword: str) -> Any:
    from pydicom.tag import Tag

    return Tag(keyword)


def _first(dataset: Any, keyword: str) -> Any:
    # By tag: most groups are absent, and asking by keyword costs as much for them as reading one.
    tag = _tag(keyword)
    items = dataset[tag].value if tag in dataset else None
    return items[0] if items else None


def _value(item: Any, keyword: str, form: str) -> Any:
    raw = item.get(keyword)
    if raw is None or (hasattr(raw, "__len__") and len(raw) == 0):
        return None
    if form == "text":
        many = isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue"
        return "\\".join(str(part) for part in raw) if many else str(raw)
    if form.startswith("numbers:"):
        numbers = [float(part) for part in raw]
        return numbers if np.isfinite(numbers).all() else None
    number = float(raw[0] if isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue" else raw)
    if not math.isfinite(number):
        return None
    return int(number) if form == "integer" else number


def _functional_groups(dataset: Any, n: int) -> Facts | None:
    """Shared, then per-frame functional groups (PS3.3 C.7.6.16). Dimension indices are not trusted."""
    shared = _group_values(_first(dataset, "SharedFunctionalGroupsSequence"))
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if per_frame and len(per_frame) != n:
        return None
    frames = [_group_values(item) for item in per_frame] or [{} for _ in range(n)]
    # Multi-frame secondary captures keep their rescale at the top level (PS3.3 C.8.6.3).
    captured = str(dataset.get("SOPClassUID", "")).startswith("1.2.840.10008.5.1.4.1.1.7.")
    ruled = RULED[:3] if captured else RULED
    names = dict.fromkeys((*ruled, *shared, *(name for frame in frames for name in frame)))
    facts: Facts = {name: [frame.get(name, shared.get(name)) for frame in frames] for name in names}
    _clock_from_datetime(facts)
    return facts


def _group_values(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if item is None:
        return found
    for macro in MACROS:
        group = _first(item, macro.group)
        if group is not None and (value := _value(group, macro.attribute, macro.form)) is not None:
            found[macro.column] = value
    diffusion = _first(item, "MRDiffusionSequence")
    gradient = _first(diffusion, "DiffusionGradientDirectionSequence") if diffusion is not None else None
    if gradient is not None and (direction := _value(gradient, "DiffusionGradientOrientation", "numbers:3")):
        found["DiffusionGradientOrientation"] = direction
    if "RealWorldValueMappingSequence" in item and (text := real_world_values(item)):
        found["real_world_values"] = text
    for keyword in ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence"):
        loose = _first(item, keyword)
        for column in UNASSIGNED if loose is not None else ():
            if column not in found and (value := _value(loose, column, _FORMS[column])) is not None:
                found[column] = value
    return found


def _clock_from_datetime(facts: Facts) -> None:
    """Date and time columns from the frames' DT values, where the object has no better."""
    stamps = facts.get("AcquisitionDateTime")
    if stamps and all(stamp and len(stamp) >= 14 for stamp in stamps):
        facts.setdefault("AcquisitionDate", [stamp[:8] for stamp in stamps])
        facts.setdefault("AcquisitionTime", [stamp[8:].partition("+")[0].partition("-")[0] for stamp in stamps])


def _stacked(dataset: Any, offsets: Iterable[float]) -> list[list[float]] | None:
    """Places of planes at *offsets* mm along the normal of a first plane."""
    position, orientation = dataset.get("ImagePositionPatient"), dataset.get("ImageOrientationPatient")
    if position is None or orientation is None or len(position) != 3 or len(orientation) != 6:
        return None
    origin, cosines = np.array(position, float), np.array(orientation, float)
    normal = np.cross(cosines[:3], cosines[3:])
    return [(origin + offset * normal).tolist() for offset in offsets]


def _dose(dataset: Any, n: int) -> Facts | None:
    """Dose planes: offsets from the first plane, or patient z where the first is not 0 (PS3.3 C.8.8.3.2)."""
    offsets = [float(value) for value in dataset.GridFrameOffsetVector]
    if len(offsets) != n:
        return None
    if offsets[0] != 0:
        offsets = [offset - offsets[0] for offset in offsets]
        cosines = np.array(dataset.ImageOrientationPatient, float)
        # Given as patient z; the normal of an axial plane may point down.
        sign = np.sign(np.cross(cosines[:3], cosines[3:])[2]) or 1.0
        offsets = [offset * float(sign) for offset in offsets]
    positions = _stacked(dataset, offsets)
    return None if positions is None else {"ImagePositionPatient": positions}


#: Nuclear medicine: vector that names a frame's group -> column (PS3.3 C.8.4.8).
VECTORS: Final = {
    "EnergyWindowVector": "energy_window",
    "DetectorVector": "detector",
    "PhaseVector": "phase",
    "RotationVector": "rotation",
    "RRIntervalVector": "rr_interval",
    "TimeSlotVector": "time_slot",
    "AngularViewVector": "angular_view",
    "TimeSliceVector": "time_slice",
}


def _nuclear(dataset: Any, n: int) -> Facts | None:
    """Nuclear medicine: vectors by frame; slices of a reconstruction along the normal (PS3.3 C.8.4.15).

    A positive spacing stacks behind the first slice, along the normal.
    """
    facts: Facts = {}
    for keyword, column in VECTORS.items():
        vector = dataset.get(keyword)
        if vector is not None:
            values = [int(v) for v in (vector if hasattr(vector, "__len__") else [vector])]
            if len(values) != n:
                return None
            facts[column] = values
    detector = _first(dataset, "DetectorInformationSequence")
    slices = dataset.get("SliceVector")
    step = dataset.get("SpacingBetweenSlices")
    numbers = [int(v) for v in (slices if hasattr(slices, "__len__") else [slices])] if slices is not None else []
    if detector is not None and len(numbers) == n and step is not None:
        positions = _stacked(detector, [(number - 1) * float(step) for number in numbers])
        if positions is not None:
            facts["ImagePositionPatient"] = positions
            facts["ImageOrientationPatient"] = [[float(v) for v in detector.ImageOrientationPatient]] * n
    return facts or None


def _cine(dataset: Any, n: int) -> Facts | None:
    """Times of a cine run, ms since its first frame (PS3.3 C.7.6.5)."""
    if n == 1:
        return None
    vector = dataset.get("FrameTimeVector")
    if vector is not None and hasattr(vector, "__len__") and len(vector) == n:
        times = np.cumsum([float(value) for value in vector])
        return {"frame_time_ms": (times - times[0]).tolist()}
    step = dataset.get("FrameTime")
    if step is None or float(step) <= 0:
        return None
    return {"frame_time_ms": [index * float(step) for index in range(n)]}


def real_world_values(item: Any) -> str | None:
    """Real-world value maps of one item as JSON text (PS3.3 C.7.6.16.2.11); None where there is none."""
    maps = []
    for entry in item.get("RealWorldValueMappingSequence") or ():
        code = _first(entry, "MeasurementUnitsCodeSequence")
        first = entry.get("RealWorldValueFirstValueMapped", entry.get("DoubleFloatRealWorldValueFirstValueMapped"))
        last = entry.get("RealWorldValueLastValueMapped", entry.get("DoubleFloatRealWorldValueLastValueMapped"))
        table = entry.get("RealWorldValueLUTData")
        maps.append(
            {
                "first": _number(first),
                "last": _number(last),
                "slope": _number(entry.get("RealWorldValueSlope")),
                "intercept": _number(entry.get("RealWorldValueIntercept")),
                "lut": None if table is None else [float(v) for v in np.atleast_1d(table)],
                "units": str(code.get("CodeValue", "")) if code is not None else "",
                "label": str(entry.get("LUTLabel", "") or ""),
            }
        )
    return json.dumps(maps) if maps else None


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
