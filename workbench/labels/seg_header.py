"""The header of a SEG without an object for each of its frames: what describes it, its frames' groups, its pixels.

A segmentation has a functional group for every frame, tens of thousands of them. They are walked as bytes, column by
column; only a header that the walk does not vouch for is read by pydicom as a whole. Functional groups: DICOM PS3.3
C.7.6.16; encoding: PS3.5 chapter 7.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.dicom.headers.deflated import header_source
from workbench.dicom.headers.elements import Declined, NeedMore, key, read_explicit, short, u16, u32
from workbench.dicom.headers.groups import after_meta
from workbench.dicom.headers.groups_layouts import Items, Run, Wanted, values_of
from workbench.dicom.headers.nested import skip_sequence
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.headers.tags import PIXEL_DATA
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from workbench.errors import LabelError
from workbench.labels.header import cut_off, first, items, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

POSITION, ORIENTATION, SPACING, SEGMENT, SOURCE = range(5)
#: What is read of a frame's groups: a number above -> sequences on the way, attribute (PS3.3 C.7.6.16.2, C.8.20.3).
_PATHS: Final = {
    POSITION: ("PlanePositionSequence", "ImagePositionPatient"),
    ORIENTATION: ("PlaneOrientationSequence", "ImageOrientationPatient"),
    SPACING: ("PixelMeasuresSequence", "PixelSpacing"),
    SEGMENT: ("SegmentIdentificationSequence", "ReferencedSegmentNumber"),
    SOURCE: ("DerivationImageSequence", "SourceImageSequence", "ReferencedSOPInstanceUID"),
}
#: The same as a file writes the tags.
_WANTED: Final[Wanted] = {
    key(0x00209113): {key(0x00200032): POSITION},
    key(0x00209116): {key(0x00200037): ORIENTATION},
    key(0x00289110): {key(0x00280030): SPACING},
    key(0x0062000A): {key(0x0062000B): SEGMENT},
    key(0x00089124): {key(0x00082112): {key(0x00081155): SOURCE}},
}
_PER_FRAME: Final = key(0x52009230)
_PIXELS: Final = key(PIXEL_DATA)
_UNDEFINED: Final = 0xFFFFFFFF
#: First read of a header, and how much more is read when it goes on.
_FIRST_READ: Final = 1 << 18
_GROWTH: Final = 8
_AGAIN: Final = "ask the node for the file again"


@dataclass(frozen=True, slots=True, eq=False)
class SegHeader:
    """A SEG up to its pixels."""

    #: All elements but pixels; where ``walked``, also without the groups of single frames.
    dataset: Dataset
    #: Transfer syntax UID.
    syntax: str
    #: Where the pixel data value starts; -1 where there is none, 0 in deflated files.
    pixel_offset: int
    #: Its bytes; -1 where encapsulated or deflated.
    pixel_length: int
    #: Bytes of the file, and what tells that it is the one it was.
    facts: tuple[int, int]
    #: The header's bytes and the items of its per-frame groups; None where pydicom read them.
    walked: tuple[bytes, list[Run]] | None = None

    @property
    def n_groups(self) -> int:
        """Number of per-frame functional groups."""
        if self.walked is not None:
            return sum(run.count for run in self.walked[1])
        return len(items(self.dataset, "PerFrameFunctionalGroupsSequence"))

    def column(self, number: int) -> Sequence[bytes | None]:
        """One value of every per-frame group, as text; None where a frame does not say it itself."""
        if self.walked is None:
            groups = items(self.dataset, "PerFrameFunctionalGroupsSequence")
            return [value_of(group, number) for group in groups]
        data, runs = self.walked
        return [_decoded(element, binary=number == SEGMENT) for element in values_of(data, runs, number)]

    def shared(self, number: int) -> bytes | None:
        """The value that holds for every frame which does not say it itself."""
        group = first(self.dataset, "SharedFunctionalGroupsSequence")
        return None if group is None else value_of(group, number)


def value_of(group: Dataset, number: int) -> bytes | None:
    """A value of one functional group that pydicom read, as text; None where it is absent."""
    *sequences, attribute = _PATHS[number]
    place: Dataset | None = group
    for keyword in sequences:
        place = first(place, keyword) if place is not None else None
    value: Any = None if place is None else place.get(attribute)
    if value is None:
        return None
    parts = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return "\\".join(str(part) for part in parts).encode()


def _decoded(element: bytes | None, *, binary: bool) -> bytes | None:
    if element is None:
        return None
    # Tag, then VR and length or a longer length: eight bytes in both encodings for the VRs asked for.
    value = element[8:]
    if binary:
        return str(u16(value, 0)[0]).encode() if len(value) == 2 else None
    return value.strip(b" \0") or None


def read_seg_header(path: str | os.PathLike[str], *, name: str) -> SegHeader:
    """Header of a SEG, its pixels not touched.

    Parameters
    ----------
    path : path
        The file.
    name : str
        Name for messages.

    Raises
    ------
    LabelError
        The file ends within its header.
    """
    with open(path, "rb") as file:
        facts = os.fstat(file.fileno())
        stamp = (facts.st_size, identity_of(facts))
        size, amount = facts.st_size, _FIRST_READ
        while True:
            data = os.pread(file.fileno(), min(amount, size), 0)
            try:
                return _walked(data, stamp, whole=len(data) >= size)
            except NeedMore:
                amount *= _GROWTH
            except EOFError:
                raise LabelError("the file is cut off", file=name, remedy=_AGAIN) from None
            except Declined:
                break
    return _with_pydicom(path, stamp, name)


def _walked(data: bytes, stamp: tuple[int, int], *, whole: bool) -> SegHeader:
    """The header by the walk.

    Raises
    ------
    Declined
        The walk does not vouch for it.
    NeedMore, EOFError
        It goes on beyond *data*.
    """
    import pydicom

    pos, syntax = after_meta(data, whole)
    if syntax in (EXPLICIT_BE, DEFLATED_LE, "") or (syntax == IMPLICIT_LE and data[pos + 4 : pos + 6].isalpha()):
        raise Declined(syntax or "no transfer syntax")
    explicit = syntax != IMPLICIT_LE
    runs: list[Run] = []
    before, cut = b"", (0, 0)
    pixel_offset, pixel_length, found = -1, 0, b""
    while pos < len(data):
        if pos + 8 > len(data):
            raise short(whole)
        start, element = pos, data[pos : pos + 4]
        order = element[1::-1] + element[3:1:-1]
        if order <= before:
            raise Declined("elements out of order")
        before = order
        if explicit:
            vr, length, value = read_explicit(data, pos, whole)
        else:
            vr, length, value = b"", u32(data, pos + 4)[0], pos + 8
        if element == _PIXELS:
            pixel_offset, pixel_length, found = value, -1 if length == _UNDEFINED else length, data[:start]
            break
        if element == _PER_FRAME:
            if vr not in (b"", b"SQ"):
                raise Declined("no sequence of functional groups")
            runs, pos = Items(data, _WANTED, explicit=explicit, whole=whole).runs(value, length)
            cut = (start, pos)
        elif length == _UNDEFINED:
            if vr not in (b"", b"SQ", b"UN"):
                raise Declined("undefined length where a value must be")
            # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
            pos = skip_sequence(data, value, explicit=explicit and vr != b"UN", whole=whole)
        else:
            pos = value + length
    if not found:
        if pos > len(data) or not whole:
            raise short(whole)
        found = data
    rest = found[: cut[0]] + found[cut[1] :]
    dataset = pydicom.dcmread(BytesIO(rest), force=True)
    if explicit:
        _require_expected_vrs(data, runs)
    return SegHeader(dataset, syntax, pixel_offset, pixel_length, stamp, (data, runs))


def _require_expected_vrs(data: bytes, runs: list[Run]) -> None:
    for run in runs:
        for start, _ in run.layout.found.values():
            if data[run.start + start + 4 : run.start + start + 6] not in (b"DS", b"UI", b"US"):
                raise Declined("a VR of another kind than expected")


def _with_pydicom(path: str | os.PathLike[str], stamp: tuple[int, int], name: str) -> SegHeader:
    from pydicom.filereader import read_partial

    def at_pixels(tag: Any, vr: Any, length: Any) -> bool:
        return bool(tag == PIXEL_DATA)

    with open(path, "rb") as file:
        source = header_source(file)
        deflated = source is not file
        dataset = read_partial(source, stop_when=at_pixels, force=True)
        if cut_off(dataset):
            raise LabelError("the file is cut off", file=name, remedy=_AGAIN)
        meta = getattr(dataset, "file_meta", None)
        implicit, little = dataset.original_encoding
        syntax = text(meta, "TransferSyntaxUID") if meta is not None else ""
        if deflated:
            return SegHeader(dataset, DEFLATED_LE, 0, -1, stamp)
        # A file without its meta header is of the default syntax (PS3.5 10.1), or of what it shows.
        syntax = syntax or (IMPLICIT_LE if implicit else EXPLICIT_LE if little else EXPLICIT_BE)
        source.seek(after := source.tell())
        head = source.read(12)
    order: Any = "little" if little else "big"
    if len(head) < 8 or int.from_bytes(head[:2], order) != PIXEL_DATA >> 16:
        return SegHeader(dataset, syntax, -1, 0, stamp)
    if implicit:
        offset, length = after + 8, int.from_bytes(head[4:8], order)
    else:
        offset, length = after + 12, int.from_bytes(head[8:12], order)
    return SegHeader(dataset, syntax, offset, -1 if length == _UNDEFINED else length, stamp)


def sop_class_of(path: str | Path) -> str:
    """SOPClassUID of a file, of which no more than the beginning is read; empty where there is none."""
    from pydicom.filereader import read_partial

    def behind(tag: Any, vr: Any, length: Any) -> bool:
        return bool(tag > 0x00080016)

    with open(path, "rb") as file:
        return text(read_partial(header_source(file), stop_when=behind, force=True), "SOPClassUID")
