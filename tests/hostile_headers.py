"""Hostile headers: encodings that lie, structures without end, values out of every range."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tests.hostile import (
    BIG,
    DEFLATED,
    END_ITEM,
    END_SEQUENCE,
    ENHANCED_CT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    PICTURE,
    UNDEFINED,
    by_keyword,
    case,
    dataset,
    element,
    item,
    meta,
    native,
    part10,
    table,
)

#: A private element that stands before the pixels.
PRIVATE = 0x00091010
CREATOR = (0x00090010, element(0x00090010, "LO", b"ACME"))
_SEQUENCE = 0x00081140


def nested(depth: int, tag: int, *, defined: bool) -> bytes:
    """Sequences of one item within each other."""
    if not defined:
        opened = element(tag, "SQ", length=UNDEFINED) + item(length=UNDEFINED)
        return opened * depth + (END_ITEM + END_SEQUENCE) * depth
    value = b""
    for _ in range(depth):
        value = element(tag, "SQ", item(value))
    return value


def deflated(data: bytes, zeros: int = 0, *, after: bytes = b"") -> bytes:
    """File whose data set is deflated: *data*, many zeros, *after*."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = engine.compress(data) + engine.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush nothing refers back: one block of zeros stands for any number of them.
    other = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = other.compress(bytes(1 << 20)) + other.flush(zlib.Z_FULL_FLUSH)
    return meta(DEFLATED) + packed + block * (zeros >> 20) + engine.compress(after) + engine.flush()


def split_at(tag: int) -> tuple[bytes, bytes]:
    """The sound data set before and from an element."""
    data = dataset()
    at = data.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF))
    return data[:at], data[at:]


@case
def deflate_bomb_before_the_pixels() -> bytes:
    before, after = split_at(0x00100010)
    bomb = element(PRIVATE, "OB", length=300 << 20)
    return deflated(before + CREATOR[1] + bomb, 300 << 20, after=after)


@case
def deflate_bomb_in_the_pixels() -> bytes:
    before, _ = split_at(0x7FE00010)
    return deflated(before + element(0x7FE00010, "OW", length=300 << 20), 300 << 20)


@case
def deflate_bomb_behind_the_pixels() -> bytes:
    return deflated(dataset(), 300 << 20)


@case
def deflate_bomb_without_preamble() -> bytes:
    # Nothing before the file meta group says that this is DICOM.
    before, after = split_at(0x00100010)
    bomb = element(PRIVATE, "OB", length=300 << 20)
    return deflated(before + CREATOR[1] + bomb, 300 << 20, after=after)[132:]


@case
def deflate_bomb_in_a_structure_set() -> bytes:
    # What refers to images is read for its references, by a reader of its own.
    bomb = element(0x30060039, "OB", length=300 << 20)
    values = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3", "Rows": None, "Columns": None, "BitsAllocated": None}
    return deflated(dataset(b"", **values) + bomb, 300 << 20)


@case
def deflate_bomb_behind_a_long_file_meta_group() -> bytes:
    # The transfer syntax stands behind 200 kB of private information.
    before, after = split_at(0x00100010)
    bomb = element(PRIVATE, "OB", length=300 << 20)
    data = deflated(before + CREATOR[1] + bomb, 300 << 20, after=after)
    return data[:132] + element(0x00020102, "OB", bytes(200_000)) + data[132:]


@case
def deflate_bomb_behind_an_implicit_file_meta_group() -> bytes:
    before, after = split_at(0x00100010)
    bomb = element(PRIVATE, "OB", length=300 << 20)
    data = deflated(before + CREATOR[1] + bomb, 300 << 20, after=after)
    syntax = element(0x00020010, "UI", DEFLATED.encode())
    place = data.index(syntax)
    return data[:132] + element(0x00020010, "UI", DEFLATED.encode(), syntax=IMPLICIT) + data[place + len(syntax) :]


@case
def deflated_stream_cut() -> bytes:
    return deflated(dataset())[:-40]


@case
def deflated_stream_damaged() -> bytes:
    data = bytearray(deflated(dataset()))
    data[-200:-100] = bytes(100)
    return bytes(data)


def _nesting(depth: int, defined: bool) -> Callable[[], bytes]:
    return lambda: part10(raw=[(_SEQUENCE, nested(depth, _SEQUENCE, defined=defined))])


def _un(depth: int) -> bytes:
    """Private sequences in elements of unknown VR, whose content is implicit VR (PS3.5 6.2.2)."""
    inner = struct.pack("<HHI", 0x0009, 0x1010, UNDEFINED) + item(length=UNDEFINED)
    ends = (END_ITEM + END_SEQUENCE) * (depth - 1)
    return element(PRIVATE, "UN", item(length=UNDEFINED) + inner * (depth - 1) + ends + END_ITEM + END_SEQUENCE,
                   length=UNDEFINED)  # fmt: skip


table(
    nesting_200=_nesting(200, True),
    nesting_200_of_undefined_length=_nesting(200, False),
    nesting_2000=_nesting(2000, True),
    nesting_2000_of_undefined_length=_nesting(2000, False),
    nesting_100000_of_undefined_length=_nesting(100_000, False),
    private_sequences_in_un_100_deep=lambda: part10(raw=[CREATOR, (PRIVATE, _un(100))]),
    private_sequences_in_un_30000_deep=lambda: part10(raw=[CREATOR, (PRIVATE, _un(30_000))]),
    million_empty_items=lambda: part10(raw=[(_SEQUENCE, element(_SEQUENCE, "SQ", item() * 1_000_000))]),
    million_empty_items_of_undefined_length=lambda: part10(
        raw=[(_SEQUENCE, element(_SEQUENCE, "SQ", item() * 1_000_000 + END_SEQUENCE, length=UNDEFINED))]
    ),
    million_private_elements=lambda: part10(
        raw=[(0x00110000, b"".join(element(0x00111000 + i, "UN") for i in range(1000)) * 1000)]
    ),
    private_element_of_64_mb=lambda: part10(raw=[CREATOR, (PRIVATE, element(PRIVATE, "OB", bytes(64 << 20)))]),
    private_element_that_claims_2_gb=lambda: part10(
        raw=[CREATOR, (PRIVATE, element(PRIVATE, "OB", bytes(100), length=0x7FFFFFFE))]
    ),
    undefined_length_without_delimiter=lambda: part10(
        raw=[(_SEQUENCE, element(_SEQUENCE, "SQ", item(bytes(8)), length=UNDEFINED))]
    ),
    item_longer_than_its_sequence=lambda: part10(
        raw=[(_SEQUENCE, element(_SEQUENCE, "SQ", item(bytes(8), length=4000)))]
    ),
    sequence_that_ends_within_an_item=lambda: part10(
        raw=[(_SEQUENCE, element(_SEQUENCE, "SQ", item(by_keyword("Manufacturer", "ACME")[1]), length=12))]
    ),
    length_fffffffe_in_text=lambda: part10(
        syntax=IMPLICIT, raw=[(0x00080070, element(0x00080070, "LO", b"ACME", length=0xFFFFFFFE, syntax=IMPLICIT))]
    ),
    undefined_length_in_text=lambda: part10(
        syntax=IMPLICIT, raw=[(0x00080070, element(0x00080070, "LO", b"ACME", length=UNDEFINED, syntax=IMPLICIT))]
    ),
    length_fffffffe_in_unknown=lambda: part10(raw=[(PRIVATE, element(PRIVATE, "UN", b"ACME", length=0xFFFFFFFE))]),
    odd_length=lambda: part10(raw=[(0x00080070, element(0x00080070, "LO", b"ACM"))]),
    odd_length_of_pixels=lambda: native(PICTURE.tobytes() + b"\0"),
    length_one_beyond_the_end=lambda: part10(element(0x7FE00010, "OW", PICTURE.tobytes(), length=513)),
    pixels_one_byte_short=lambda: part10(element(0x7FE00010, "OW", PICTURE.tobytes()[:-1], length=512)),
    group_length_that_lies=lambda: part10(
        raw=[(0x00080000, element(0x00080000, "UL", struct.pack("<I", 0x7FFFFFFF)))]
    ),
    elements_out_of_order=lambda: meta(EXPLICIT) + b"".join(reversed(split_at(0x00200013))),
    elements_twice=lambda: part10(raw=[(0x00280010, by_keyword("Rows", 16)[1] + by_keyword("Rows", 60_000)[1])]),
    pixels_twice=lambda: part10(2 * element(0x7FE00010, "OW", PICTURE.tobytes())),
)  # fmt: skip


def _cut(keyword_tag: int, keep: int) -> Callable[[], bytes]:
    return lambda: meta(EXPLICIT) + split_at(keyword_tag)[0] + split_at(keyword_tag)[1][:keep]


table(
    cut_in_a_tag=_cut(0x0020000E, 2),
    cut_in_a_vr=_cut(0x0020000E, 5),
    cut_in_a_length=_cut(0x0020000E, 7),
    cut_in_a_value=_cut(0x0020000E, 20),
    cut_in_the_length_of_the_pixels=_cut(0x7FE00010, 10),
    cut_in_the_pixels=_cut(0x7FE00010, 100),
    one_byte=lambda: b"\x08",
    only_the_preamble=lambda: bytes(128),
    preamble_and_prefix=lambda: bytes(128) + b"DICM",
    only_file_meta=lambda: meta(EXPLICIT),
    only_file_meta_deflated=lambda: meta(DEFLATED),
    two_file_meta_groups=lambda: meta(EXPLICIT) + meta(IMPLICIT)[132:] + dataset(),
    file_meta_length_that_lies=lambda: part10().replace(
        struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta(EXPLICIT)) - 144), struct.pack("<HH2sHI", 2, 0, b"UL", 4, 12)
    ),
    file_meta_of_2_gb=lambda: bytes(128) + b"DICM" + element(0x00020001, "OB", b"\0\1", length=0x7FFFFFFE) + part10(),
    transfer_syntax_missing=lambda: meta(None) + dataset(),
    transfer_syntax_nonsense=lambda: part10(syntax="not.a.uid", coded=EXPLICIT),
    transfer_syntax_unknown=lambda: part10(syntax="1.2.840.10008.1.2.4.999", coded=EXPLICIT),
    transfer_syntax_of_500_bytes=lambda: part10(syntax="1." * 250 + "1", coded=EXPLICIT),
    explicit_under_implicit=lambda: part10(syntax=IMPLICIT, coded=EXPLICIT),
    implicit_under_explicit=lambda: part10(syntax=EXPLICIT, coded=IMPLICIT),
    little_endian_under_big=lambda: part10(syntax=BIG, coded=EXPLICIT),
    big_endian_under_little=lambda: part10(syntax=EXPLICIT, coded=BIG),
    native_under_jpeg=lambda: part10(syntax=JPEG, coded=EXPLICIT),
    undeflated_under_deflated=lambda: part10(syntax=DEFLATED, coded=EXPLICIT),
    executable_of_windows=lambda: meta(EXPLICIT, b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64)) + dataset(),
    executable_of_linux=lambda: meta(EXPLICIT, b"\x7fELF\2\1\1" + bytes(121)) + dataset(),
    archive_in_the_preamble=lambda: meta(EXPLICIT, b"PK\3\4" + bytes(124)) + dataset(),
    patient_id_with_path=lambda: part10(PatientID="../../../../tmp/x"),
    series_uid_with_path=lambda: part10(SeriesInstanceUID="../../../../tmp/x"),
    series_uid_of_60_kb=lambda: part10(SeriesInstanceUID="1." * 30_000),
    character_set_nonsense=lambda: part10(SpecificCharacterSet=r"ISO 2022 IR 87\nonsense\\\GB18030"),
    character_sets_10000=lambda: part10(SpecificCharacterSet="\\".join(["ISO 2022 IR 149"] * 3000)),
    text_that_is_no_text=lambda: part10(
        SpecificCharacterSet="ISO_IR 192", SeriesDescription=b"\xff\xfe\xc0\x80", ImageType=b"\xff\\\0\\MOSAIC"
    ),
)  # fmt: skip

_INFINITE = b"inf\\nan\\1e308 "
table(
    frames_2147483647=lambda: part10(NumberOfFrames="2147483647"),
    frames_minus_5=lambda: part10(NumberOfFrames="-5"),
    frames_1a=lambda: part10(NumberOfFrames="1A"),
    frames_1e9=lambda: part10(NumberOfFrames="1e9"),
    frames_nan=lambda: part10(NumberOfFrames="nan"),
    frames_of_70_digits=lambda: part10(NumberOfFrames="9" * 70),
    frames_100000_of_one=lambda: part10(NumberOfFrames="100000"),
    frames_100000=lambda: native(bytes(200_000), NumberOfFrames="100000", Rows=1, Columns=1),
    frames_100000_unplaced=lambda: native(
        bytes(200_000), NumberOfFrames="100000", Rows=1, Columns=1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3"
    ),
    size_that_lies=lambda: part10(Rows=4000, Columns=4000),
    size_65535=lambda: part10(Rows=65535, Columns=65535),
    rows_0=lambda: part10(Rows=0),
    rows_65535_with_100_bytes=lambda: native(bytes(100), Rows=65535, Columns=1),
    rows_missing=lambda: part10(Rows=None),
    rows_of_two_values=lambda: part10(Rows=[16, 60_000]),
    bits_allocated_0=lambda: part10(BitsAllocated=0),
    bits_allocated_3=lambda: part10(BitsAllocated=3),
    bits_allocated_12=lambda: part10(BitsAllocated=12),
    bits_allocated_128=lambda: native(PICTURE.tobytes() * 8, BitsAllocated=128),
    bits_allocated_65535=lambda: part10(BitsAllocated=65535),
    bits_stored_above_allocated=lambda: part10(BitsStored=60000),
    bits_stored_0=lambda: part10(BitsStored=0),
    high_bit_200=lambda: part10(HighBit=200),
    pixel_representation_77=lambda: part10(PixelRepresentation=77),
    samples_65535=lambda: part10(SamplesPerPixel=65535),
    samples_0=lambda: part10(SamplesPerPixel=0),
    samples_3_in_monochrome=lambda: native(PICTURE.tobytes() * 3, SamplesPerPixel=3),
    photometric_nonsense=lambda: part10(PhotometricInterpretation="NONSENSE"),
    palette_without_a_palette=lambda: part10(PhotometricInterpretation="PALETTE COLOR"),
    float_pixels_of_wrong_size=lambda: part10(
        element(0x7FE00008, "OF", bytes(100)), BitsAllocated=32, BitsStored=32, HighBit=31
    ),
    position_not_finite=lambda: part10(ImagePositionPatient=_INFINITE),
    position_1e308=lambda: part10(ImagePositionPatient=r"1e308\-1e308\1e308"),
    position_of_two_numbers=lambda: part10(ImagePositionPatient=r"0\0"),
    position_of_text=lambda: part10(ImagePositionPatient=r"here\there\everywhere"),
    orientation_zero=lambda: part10(ImageOrientationPatient=r"0\0\0\0\0\0"),
    orientation_of_one_axis=lambda: part10(ImageOrientationPatient=r"1\0\0\1\0\0"),
    orientation_1e308=lambda: part10(ImageOrientationPatient=r"1e308\0\0\0\1e308\0"),
    spacing_zero=lambda: part10(PixelSpacing=r"0\0"),
    spacing_negative=lambda: part10(PixelSpacing=r"-1\-1"),
    spacing_nan=lambda: part10(PixelSpacing=r"nan\inf"),
    spacing_1e308=lambda: part10(PixelSpacing=r"1e308\1e308"),
    slope_nan=lambda: part10(RescaleSlope="nan"),
    slope_1e308=lambda: part10(RescaleSlope="1e308", RescaleIntercept="1e308"),
    slope_0=lambda: part10(RescaleSlope="0"),
    intercept_inf=lambda: part10(RescaleIntercept="-inf"),
    instance_number_of_70_digits=lambda: part10(InstanceNumber="9" * 70),
    window_of_10000_numbers=lambda: part10(WindowCenter="\\".join(["40"] * 10_000)[:65534]),
    pixels_for_five_frames_of_one=lambda: native(PICTURE.tobytes() * 5),
    number_of_60_kb=lambda: part10(SliceThickness="1" * 60_000),
)  # fmt: skip


def _modality_lut(first: int, count: int, bits: int, data: bytes) -> Callable[[], bytes]:
    def write() -> bytes:
        content = (
            element(0x00283002, "US", struct.pack("<HHH", count, first, bits))
            + by_keyword("ModalityLUTType", "HU")[1]
            + element(0x00283006, "OW", data)
        )
        lut = element(0x00283000, "SQ", item(content))
        return part10(raw=[(0x00283000, lut)], RescaleSlope=None, RescaleIntercept=None)

    return write


def _real_world(first: float, last: float, *, lut: bytes = b"", slope: float | None = 1.0) -> Callable[[], bytes]:
    def write() -> bytes:
        units = item(by_keyword("CodeValue", "Bq/mL ")[1] + by_keyword("CodingSchemeDesignator", "UCUM")[1])
        content = element(0x004008EA, "SQ", units)
        if lut:
            content += element(0x00409212, "FD", lut)
        numbers = {0x00409213: last, 0x00409214: first}
        if slope is not None:
            numbers |= {0x00409224: 0.0, 0x00409225: slope}
        content += b"".join(element(tag, "FD", struct.pack("<d", number)) for tag, number in numbers.items())
        sequence = element(0x00409096, "SQ", item(content))
        return part10(raw=[(0x00409096, sequence)], RescaleSlope=None, RescaleIntercept=None)

    return write


table(
    lut_descriptor_that_lies=_modality_lut(0, 0, 16, bytes(20)),
    lut_of_70_bits=_modality_lut(0, 16, 70, bytes(32)),
    lut_without_data=_modality_lut(0, 256, 16, b""),
    real_world_lut_of_2147483648=_real_world(0, 2**31, lut=bytes(80), slope=None),
    real_world_map_of_nan=_real_world(float("nan"), float("inf"), slope=float("nan")),
    real_world_map_backwards=_real_world(60_000, 0),
)


def _mosaic(count: int | None, csa: bytes | None = None, **values: object) -> Callable[[], bytes]:
    raw = []
    if count is not None:
        raw += [(0x00190010, element(0x00190010, "LO", b"SIEMENS MR HEADER ")),
                (0x0019100A, element(0x0019100A, "US", struct.pack("<H", count)))]  # fmt: skip
    if csa is not None:
        raw += [(0x00290010, element(0x00290010, "LO", b"SIEMENS CSA HEADER")),
                (0x00291010, element(0x00291010, "OB", csa))]  # fmt: skip
    mosaic = {"ImageType": r"ORIGINAL\PRIMARY\M\ND\MOSAIC", "Modality": "MR", "SpacingBetweenSlices": "3"}
    return lambda: part10(raw=raw, **mosaic | values)


def _csa(n_tags: int, n_items: int, length: int) -> bytes:
    entry = struct.pack("<64si4siii", b"NumberOfImagesInMosaic", 1, b"US\0\0", 6, n_items, 77)
    return b"SV10\4\3\2\1" + struct.pack("<II", n_tags, 77) + entry + struct.pack("<4i", 4, length, 77, 4) + b"16\0\0"


table(
    mosaic_of_0=_mosaic(0),
    mosaic_of_65535=_mosaic(65535),
    mosaic_of_256=_mosaic(256),
    mosaic_of_no_spacing=_mosaic(4, SpacingBetweenSlices="nan"),
    mosaic_with_endless_header=_mosaic(None, _csa(0x7FFFFFFF, 0x7FFFFFFF, 4)),
    mosaic_with_negative_lengths=_mosaic(None, _csa(1, 1, -4)),
    mosaic_with_lengths_beyond_the_end=_mosaic(None, _csa(1, 1, 0x7FFFFFF0)),
    mosaic_with_an_empty_header=_mosaic(None, b""),
)


def _frames(n_items: int, frames: int, *, place: str = "", shared: int = 1) -> Callable[[], bytes]:
    """Enhanced object of *frames* frames of 1 x 1 with *n_items* per-frame items."""

    def write() -> bytes:
        places = [place] * n_items if place else [f"0\\0\\{number}" for number in range(n_items)]
        positions = [item(element(0x00209113, "SQ", item(by_keyword("ImagePositionPatient", p)[1]))) for p in places]
        per_frame = element(0x52009230, "SQ", b"".join(positions))
        orientation = element(0x00209116, "SQ", item(by_keyword("ImageOrientationPatient", r"1\0\0\0\1\0")[1]))
        measures = element(0x00289110, "SQ", item(by_keyword("PixelSpacing", r"0.5\0.8")[1]))
        common = element(0x52009229, "SQ", item(orientation + measures) * shared)
        return native(
            bytes(2 * frames), raw=[(0x52009229, common), (0x52009230, per_frame)], NumberOfFrames=str(frames), Rows=1,
            Columns=1, SOPClassUID=ENHANCED_CT, ImagePositionPatient=None, ImageOrientationPatient=None,
            PixelSpacing=None,
        )  # fmt: skip

    return write


def _odd_frames(n: int, group: Callable[[int], bytes], *, defined: bool = True) -> Callable[[], bytes]:
    """Enhanced object of *n* frames of 1 x 1 with the functional groups of each frame as given."""

    def write() -> bytes:
        tag = 0x52009230
        if defined:
            per_frame = element(tag, "SQ", b"".join(item(group(i)) for i in range(n)))
        else:
            items = b"".join(item(group(i), length=UNDEFINED) + END_ITEM for i in range(n))
            per_frame = element(tag, "SQ", items + END_SEQUENCE, length=UNDEFINED)
        return native(
            bytes(2 * n), raw=[(tag, per_frame)], NumberOfFrames=str(n), Rows=1, Columns=1, SOPClassUID=ENHANCED_CT,
            ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None,
        )  # fmt: skip

    return write


def _place(number: int) -> bytes:
    return by_keyword("ImagePositionPatient", f"0\\0\\{number}")[1]


def _place_group(number: int) -> bytes:
    """A place in sequence and item of undefined length."""
    inner = item(_place(number), length=UNDEFINED) + END_ITEM + END_SEQUENCE
    return element(0x00209113, "SQ", inner, length=UNDEFINED)


def _of_another_kind(number: int) -> bytes:
    """A place, and a FrameType that no other frame has."""
    kind = element(0x00189329, "SQ", item(element(0x00089007, "CS", f"DERIVED\\KIND{number:06}".encode())))
    return kind + element(0x00209113, "SQ", item(_place(number)))


def _of_another_layout(number: int) -> bytes:
    """Empty private elements, as many and such as no other frame has."""
    chosen = [0x00091000 + bit for bit in range(17) if number >> bit & 1]
    return b"".join(element(tag, "UN") for tag in chosen) + element(0x00209113, "SQ", item(_place(number)))


def _with_a_character_set(number: int) -> bytes:
    """Text of its own character set: for pydicom to read."""
    return by_keyword("SpecificCharacterSet", "ISO_IR 192")[1] + element(0x00209113, "SQ", item(_place(number)))


def _dose(offsets: str, frames: int = 4) -> Callable[[], bytes]:
    return lambda: native(
        PICTURE.tobytes() * frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2", Modality="RTDOSE",
        NumberOfFrames=str(frames), GridFrameOffsetVector=offsets, DoseGridScaling="1", DoseUnits="GY",
    )  # fmt: skip


table(
    groups_100000_for_one_frame=_frames(100_000, 1),
    groups_20000=_frames(20_000, 20_000),
    groups_100000=_frames(100_000, 100_000),
    groups_20000_of_undefined_length=_odd_frames(20_000, _place_group, defined=False),
    frames_of_20000_kinds=_odd_frames(20_000, _of_another_kind),
    groups_of_20000_layouts=_odd_frames(20_000, _of_another_layout),
    groups_of_100000_layouts=_odd_frames(100_000, _of_another_layout),
    groups_20000_with_character_sets=_odd_frames(20_000, _with_a_character_set),
    groups_1000_with_character_sets=_odd_frames(1_000, _with_a_character_set),
    groups_20000_of_text_for_places=_odd_frames(
        20_000, lambda i: element(0x00209113, "SQ", item(by_keyword("ImagePositionPatient", f"a{i}\\0\\0")[1]))
    ),
    groups_of_a_million_private_elements=_odd_frames(
        2, lambda i: b"".join(element(0x00110000 + j, "UN") for j in range(500_000))
    ),
    groups_fewer_than_frames=_frames(3, 10),
    groups_with_places_not_finite=_frames(10, 10, place=r"nan\inf\1e308"),
    groups_shared_twice=_frames(4, 4, shared=2),
    dose_offsets_too_few=_dose(r"0\3"),
    dose_offsets_too_many=_dose("\\".join(map(str, range(5000)))),
    dose_offsets_not_finite=_dose(r"0\nan\inf\1e308"),
    dose_offsets_of_text=_dose(r"0\a\b\c"),
    frame_times_too_few=lambda: native(
        PICTURE.tobytes() * 4, SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US", NumberOfFrames="4",
        FrameTimeVector=r"0\nan",
    ),
)  # fmt: skip
