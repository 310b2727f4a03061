"""What a multi-frame object says of each of its frames, as a small table: place, value map, key values.

Read once while scanning and kept in the header table, so that opening parses nothing. Sources are named at each
reader; a Siemens mosaic is read in ``mosaic``, real-world value maps in this file. Functional groups are taken from
the header's bytes (``headers.groups``), without an object for each; what that walk declines, pydicom reads, within
bounds.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.headers.deflated import header_source
from workbench.dicom.headers.elements import ITEM, Declined, NeedMore
from workbench.dicom.headers.groups import GroupedHeader, grouped_header
from workbench.dicom.headers.groups_columns import Decoder, columns_of
from workbench.dicom.headers.groups_macros import FORMS, REAL_WORLD, RULED, wanted_leaves
from workbench.dicom.headers.groups_pydicom import first_of, group_values, real_world_values

#: More frames than this are not described one by one.
MAX_FRAMES: Final = 200_000
#: Bytes read of a file whose header's length is not known; then, for the few headers that go on, more.
FIRST_READ: Final = 256 * 1024
LARGER_READS: Final = (8 * 1024**2, 192 * 1024**2)
#: Items of sequences, and bytes, of the largest header that is left to pydicom: it takes up to 300 us for an item and
#: some 1 us for any other element.
MOST_ITEMS: Final = 5_000
MOST_BYTES: Final = 8 * 1024**2
_ITEM_BIG_ENDIAN: Final = b"\xff\xfe\xe0\x00"

Facts = dict[str, list[Any]]


def frame_facts(path: str | os.PathLike[str], *, header_length: int = 0) -> bytes | None:
    """Frame table of one file as Arrow IPC bytes: a row per frame, columns that vary or are ruled by frame.

    None where the file says nothing of single frames, or what it says contradicts itself, or is more than can be read
    within bounds; never raises.

    Parameters
    ----------
    path : path
        A file.
    header_length : int, default 0
        Bytes of it that are header, where known.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> table = unpack(frame_facts(get_testdata_file("rtdose.dcm")))
    >>> table.num_rows, table["ImagePositionPatient"][1].as_py()
    (15, [189.43125, 199.43125, -756.87])
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as file:
                facts = _facts(*_header(header_source(file), header_length))
        except Exception:
            # What cannot be read places no frame; the plan says so by a finding.
            return None
    return None if facts is None else pack(as_table(facts))


def _header(source: BinaryIO, header_length: int) -> tuple[Any, GroupedHeader | None]:
    """The header as pydicom reads it; without functional groups, and they beside it, where our own walk reads them."""
    import pydicom

    head = b""
    for size in (header_length or FIRST_READ, *LARGER_READS):
        source.seek(0)
        head = source.read(size)
        try:
            found = grouped_header(head, wanted_leaves(), whole=len(head) < size)
            _require_few(found.rest)
            return pydicom.dcmread(BytesIO(found.rest), force=True), found
        except NeedMore:
            continue
        except (Declined, EOFError):
            break
    head = head[:header_length] if header_length else head
    _require_few(head)
    if len(head) > MOST_BYTES:
        raise Declined("header too large to be read element by element")
    source.seek(0)
    return pydicom.dcmread(source, stop_before_pixels=True, force=True), None


def _require_few(header: bytes) -> None:
    if header.count(ITEM) > MOST_ITEMS or header.count(_ITEM_BIG_ENDIAN) > MOST_ITEMS:
        raise Declined("more items than can be read one by one")


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
        form = FORMS[name]
        if form.startswith("numbers:"):
            width = int(form.partition(":")[2])
            flat = np.array([v if v is not None and len(v) == width else [np.nan] * width for v in values], np.float64)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), width)
        else:
            kind = {"number": pa.float64(), "integer": pa.int64(), "text": pa.string()}[form]
            columns[name] = pa.array(values, kind)
    return pa.table(columns)


def _facts(dataset: Any, header: GroupedHeader | None) -> Facts | None:
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
    if header is not None and (header.per_frame is not None or header.shared is not None):
        facts = _walked_groups(dataset, header, n)
    else:
        for keyword, read in readers:
            if keyword in dataset:
                facts = read(dataset, n)
                break
    if REAL_WORLD in dataset and (facts is None or "real_world_values" not in facts):
        facts = {**(facts or {}), "real_world_values": [real_world_values(dataset, _sign(dataset))] * n}
    return facts


def _functional_groups(dataset: Any, n: int) -> Facts | None:
    """Shared, then per-frame functional groups (PS3.3 C.7.6.16), read by pydicom."""
    sign = _sign(dataset)
    shared = group_values(first_of(dataset, "SharedFunctionalGroupsSequence"), sign)
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if per_frame and len(per_frame) != n:
        return None
    frames = [group_values(item, sign) for item in per_frame]
    columns: Facts = {name: [frame.get(name) for frame in frames] for frame in frames for name in frame}
    return _merged(dataset, shared, columns, n)


def _sign(dataset: Any) -> int | None:
    sign = dataset.get("PixelRepresentation")
    return sign if isinstance(sign, int) else None


def _walked_groups(dataset: Any, header: GroupedHeader, n: int) -> Facts | None:
    """The same, read by our own walk."""
    decode = Decoder(dataset.original_character_set, _sign(dataset), explicit=header.explicit)
    shared = {name: values[0] for name, values in columns_of(header.shared, decode).items() if values[0] is not None}
    if header.per_frame is not None and header.per_frame.count not in (0, n):
        return None
    return _merged(dataset, shared, columns_of(header.per_frame, decode), n)


def _merged(dataset: Any, shared: dict[str, Any], columns: Facts, n: int) -> Facts:
    """Columns by frame: a frame's own value, else the shared one. Dimension indices are not trusted."""
    # Multi-frame secondary captures keep their rescale at the top level (PS3.3 C.8.6.3).
    captured = str(dataset.get("SOPClassUID", "")).startswith("1.2.840.10008.5.1.4.1.1.7.")
    ruled = RULED[:3] if captured else RULED
    facts: Facts = {}
    for name in (*ruled, *(name for name in FORMS if name not in ruled)):
        common, own = shared.get(name), columns.get(name)
        if own is not None:
            facts[name] = [common if value is None else value for value in own] if common is not None else own
        elif common is not None or name in ruled:
            facts[name] = [common] * n
    _clock_from_datetime(facts)
    return facts


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
    detector = first_of(dataset, "DetectorInformationSequence")
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
