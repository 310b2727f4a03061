"""Colour palettes as files hold them: widths, byte orders, segments, first number, and what is no palette."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_color_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests import factories, multiframe
from tests.tries import tries
from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.palettes import has_palette, palettes, plain_entries, segmented_entries
from workbench.dicom.values.value_map import ValueMap, value_map

COLOURS = ("Red", "Green", "Blue")
QUICK = settings(derandomize=True, deadline=None, max_examples=tries(100))


def palette(
    entries: np.ndarray, *, first: int = 0, bits: int | None = None, n: int | None = None, big: bool = False
) -> dict[str, Any]:
    """Elements of a palette of *entries* (n, 3), 8 or 16 bits wide as they are."""
    wide = entries.dtype.itemsize == 2
    count = (len(entries) if n is None else n) & 0xFFFF
    tags: dict[str, Any] = {}
    for i, name in enumerate(COLOURS):
        column = np.ascontiguousarray(entries[:, i])
        data = factories.padded(column.astype("<u2").tobytes() if wide else column.tobytes())
        if big:
            data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [count, first, bits or (16 if wide else 8)]
        tags[f"{name}PaletteColorLookupTableData"] = data
    return tags


def some(n: int = 6, dtype: str = "u1", seed: int = 1) -> np.ndarray:
    """Random colours, (n, 3), the whole range of the type."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (n, 3), endpoint=True).astype(dtype)


def image(path: Path, entries: dict[str, Any], number: int = 1, *, dtype: str = "<u1", **options: Any) -> Path:
    """A picture of the numbers 0 to 5 with a palette."""
    frames = options.pop("frames", np.arange(6).reshape(2, 3).astype(dtype))
    return factories.image(
        path, number, frames=frames, Modality="US", RescaleSlope=None, RescaleIntercept=None,
        PhotometricInterpretation="PALETTE COLOR", **entries, **options,
    )  # fmt: skip


def opened(folder: Path, **options: Any) -> tuple[ValueMap, np.ndarray]:
    rows = frame_rows(scan(folder).instances.sort_by("InstanceNumber"))
    quantity = value_map(rows, root=folder, **options)
    refs = frame_refs(rows, folder, quantity)
    shape = (refs[0].rows, refs[0].columns) + ((refs[0].samples,) if refs[0].colour else ())
    out = np.empty((len(refs), *shape), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return quantity, out


def pydicoms(path: Path) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    return np.asarray(apply_color_lut(dataset.pixel_array, dataset))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1", DeflatedExplicitVRLittleEndian])
def test_colours_are_the_palettes_entries_as_pydicom_gives_them(syntax: str, dtype: str, tmp_path: Path) -> None:
    path = image(tmp_path / "a", palette(some(dtype=dtype)), syntax=syntax)
    quantity, values = opened(tmp_path)
    assert (quantity.units, quantity.value_kind, quantity.dtype, quantity.findings) == ("1", "colour", dtype, ())
    assert (quantity.constant, quantity.identity) == (False, False)
    assert (values[0] == some(dtype=dtype).reshape(2, 3, 3)).all()
    assert (values[0] == pydicoms(path)).all()


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_words_of_big_endian_files_are_turned(dtype: str, tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some(dtype=dtype), big=True), syntax=ExplicitVRBigEndian, dtype="<u2")
    assert (opened(tmp_path)[1][0] == some(dtype=dtype).reshape(2, 3, 3)).all()


def test_numbers_beyond_the_palette_take_its_ends(tmp_path: Path) -> None:
    path = image(tmp_path / "a", palette(some(4), first=2), frames=np.array([[0, 1, 2], [3, 4, 9]], "u1"))
    _, values = opened(tmp_path)
    assert (values.reshape(-1, 3) == some(4)[[0, 0, 0, 1, 2, 3]]).all()
    assert (values[0] == pydicoms(path)).all()


def test_first_number_of_signed_pixels_may_be_negative(tmp_path: Path) -> None:
    frame = np.arange(-3, 3).reshape(2, 3).astype("<i2")
    path = image(tmp_path / "a", palette(some(4), first=-2), frames=frame)
    _, values = opened(tmp_path)
    assert (values.reshape(-1, 3) == some(4)[[0, 0, 1, 2, 3, 3]]).all()
    assert (values[0] == pydicoms(path)).all()


def test_no_entries_stand_for_65536(tmp_path: Path) -> None:
    entries = some(1 << 16, "u2")
    frame = np.array([[0, 1, 40000], [65535, 32767, 32768]], "<u2")
    path = image(tmp_path / "a", palette(entries), frames=frame)
    _, values = opened(tmp_path)
    assert (values[0] == entries[frame]).all()
    assert (values[0] == pydicoms(path)).all()


def test_narrow_entries_in_a_word_each_are_narrow(tmp_path: Path) -> None:
    path = image(tmp_path / "a", palette(some().astype("u2"), bits=8))
    quantity, values = opened(tmp_path)
    assert quantity.dtype == np.uint8
    assert (values[0] == pydicoms(path)).all()


def test_stored_gives_the_indices_and_opens_no_palette(tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some()))
    quantity, values = opened(tmp_path, values="stored")
    assert (quantity.value_kind, values.shape, values.ravel().tolist()) == ("stored", (1, 2, 3), [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    "entries",
    [
        {},
        palette(some(), n=9),
        palette(some(), bits=12),
        palette(some()) | {"BluePaletteColorLookupTableData": None},
        palette(some()) | {"BluePaletteColorLookupTableDescriptor": [6, 1, 8]},
        palette(some()) | {"RedPaletteColorLookupTableDescriptor": [6]},
    ],
    ids=["absent", "short", "bits", "no blue", "blue elsewhere", "descriptor"],
)
def test_palette_that_cannot_be_used_leaves_indices_with_a_finding(entries: dict[str, Any], tmp_path: Path) -> None:
    image(tmp_path / "a", entries)
    quantity, values = opened(tmp_path)
    assert [(f.code, f.message) for f in quantity.findings] == [("palette-unusable", "1 of 1 images")]
    assert (quantity.value_kind, values.ravel().tolist()) == ("stored", [0, 1, 2, 3, 4, 5])


def test_one_unusable_palette_of_several_leaves_all_as_indices(tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some()))
    image(tmp_path / "b", {}, 2)
    quantity, values = opened(tmp_path)
    assert [(f.message, f.count) for f in quantity.findings] == [("1 of 2 images", 1)]
    assert values.shape == (2, 2, 3)


def test_palettes_of_two_widths_do_not_stand_in_one_array(tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some()))
    image(tmp_path / "b", palette(some(dtype="u2")), 2)
    (finding,) = opened(tmp_path)[0].findings
    assert (finding.code, finding.message) == (
        "palette-unusable", "entries of 8 bits in some images and of 16 in others",
    )  # fmt: skip


def test_each_file_has_its_own_palette_and_equal_ones_are_one_object(tmp_path: Path) -> None:
    for number, seed in ((1, 1), (2, 2), (3, 1)):
        image(tmp_path / str(number), palette(some(seed=seed)), number)
    quantity, values = opened(tmp_path)
    assert quantity.luts is not None
    assert quantity.luts[0] is quantity.luts[2]
    assert all((values[i] == some(seed=seed).reshape(2, 3, 3)).all() for i, seed in enumerate((1, 2, 1)))


def test_file_that_changed_is_read_again(tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some()))
    opened(tmp_path)
    image(tmp_path / "a", palette(some(7, seed=5)))
    assert (opened(tmp_path)[1].reshape(-1, 3) == some(7, seed=5)[:6]).all()


def test_palette_beside_grey_values_is_for_display_alone(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", PixelPresentation="COLOR", **palette(some()))
    assert not has_palette(scan(tmp_path).instances)
    assert value_map(scan(tmp_path).instances, root=tmp_path).value_kind == "hounsfield"


def test_without_a_root_no_file_is_opened(tmp_path: Path) -> None:
    image(tmp_path / "a", palette(some()))
    rows = scan(tmp_path).instances
    (tmp_path / "a").unlink()
    assert value_map(rows).value_kind == "stored"
    assert palettes(rows.append_column("x", pa.array([1])), tmp_path / "elsewhere").unusable == 1


def test_real_palette_equals_pydicoms() -> None:
    path = Path(pydicom.examples.get_path("palette_color"))
    table = scan(path.parent).table
    rows = frame_rows(table.filter(pa.compute.equal(table["path"], path.name)))
    quantity = value_map(rows, root=path.parent)
    refs = frame_refs(rows, path.parent, quantity)
    out = np.empty((1, refs[0].rows, refs[0].columns, 3), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    assert (out[0] == pydicoms(path)).all()


@pytest.mark.parametrize("name", ["hotiron", "pet", "hotmetalblue", "pet20step", "spring", "summer", "fall", "winter"])
def test_palettes_of_the_standard_are_read_as_pydicom_reads_them(name: str, tmp_path: Path) -> None:
    source = pydicom.dcmread(pydicom.data.get_palette_files(f"{name}.dcm")[0])
    tags = {element.keyword: element.value for element in source if "PaletteColorLookupTable" in element.keyword}
    tags.pop("PaletteColorLookupTableUID", None)
    frame = np.arange(256).reshape(16, 16).astype("u1")
    image(tmp_path / "a", tags, frames=frame)
    assert (opened(tmp_path)[1][0] == apply_color_lut(frame, palette=str(source.SOPInstanceUID))).all()


def test_frames_of_one_file_share_its_palette(tmp_path: Path) -> None:
    frames = np.arange(24).reshape(4, 2, 3).astype("u1")
    multiframe.multi_frame(
        tmp_path / "a", frames, Modality="US", SOPClassUID=multiframe.ULTRASOUND,
        PhotometricInterpretation="PALETTE COLOR", **palette(some(24)),
    )  # fmt: skip
    quantity, values = opened(tmp_path)
    assert quantity.luts is not None
    assert len({id(lut) for lut in quantity.luts}) == 1
    assert (values == some(24)[frames]).all()


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}H", *numbers)


@pytest.mark.parametrize(
    ("data", "bits", "expected"),
    [
        (bytes([0, 3, 9, 8, 7, 0]), 8, [9, 8, 7]),
        (words(0, 2, 100, 40000, 1, 4, 20000), 16, [100, 40000, 35000, 30000, 25000, 20000]),
        (bytes([0, 1, 10, 1, 2, 10]), 8, [10, 10, 10]),
        # A copy of one segment from the beginning, the place in bytes: a line goes on from where it is copied to.
        (bytes([0, 2, 1, 5, 2, 1, 0, 0, 0, 0]), 8, [1, 5, 1, 5]),
        (bytes([0, 1, 1, 1, 2, 3, 0, 1, 9, 2, 1, 3, 0, 0, 0]), 8, [1, 2, 3, 9, 6, 3]),
        (words(0, 1, 1, 0, 2, 500, 600, 2, 1, 6, 0), 16, [1, 500, 600, 500, 600]),
    ],
    ids=["discrete", "linear down", "linear flat", "copy", "copied line", "copy in words"],
)
def test_segments_are_expanded(data: bytes, bits: int, expected: list[int]) -> None:
    found = segmented_entries(data, len(expected), bits)
    assert found is not None
    assert (found.tolist(), found.dtype.itemsize * 8) == (expected, bits)


@pytest.mark.parametrize(
    "data",
    [
        b"", bytes([0]), bytes([0, 9, 1, 2]), bytes([1, 4, 9]), bytes([2, 1, 0, 0, 0, 0]), bytes([0, 5, 1, 2, 3, 4, 5]),
        bytes([3, 1, 1, 1]), bytes([0, 1, 1, 2, 1, 200, 0, 0, 0]), bytes([0, 1, 1, 2, 1, 3, 0, 0, 0]),
        bytes([0, 1, 1, 2, 255, 0, 0, 0, 0]), bytes([0, 0, 0, 0] * 99), bytes([0, 1, 7, 2, 0, 0, 0, 0, 0] * 3),
    ],
)  # fmt: skip
def test_segments_that_do_not_make_the_entries_are_no_palette(data: bytes) -> None:
    assert segmented_entries(data, 4, 8) is None


def test_segmented_palette_of_a_file_equals_pydicoms(tmp_path: Path) -> None:
    plain = palette(some(6, "u2"))
    entries = {name: value for name, value in plain.items() if name.endswith("Descriptor")}
    for i, name in enumerate(COLOURS):
        entries[f"Segmented{name}PaletteColorLookupTableData"] = words(0, 2, 1000 * i, 50, 1, 4, 60000)
    path = image(tmp_path / "a", entries)
    assert (opened(tmp_path)[1][0] == pydicoms(path)).all()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just(0), st.lists(st.integers(0, 65535), min_size=1, max_size=9)),
            st.tuples(st.just(1), st.tuples(st.integers(1, 40), st.integers(0, 65535))),
        ),
        min_size=1,
        max_size=8,
    )
)
@QUICK
def test_any_segments_expand_as_pydicom_expands_them(segments: list[tuple[int, Any]]) -> None:
    from pydicom.pixels.processing import _expand_segmented_lut

    numbers = [0, 1, 77]
    for kind, content in segments:
        numbers += [0, len(content), *content] if kind == 0 else [1, *content]
    expected = _expand_segmented_lut(tuple(numbers), "<H")
    found = segmented_entries(words(*numbers), len(expected), 16)
    assert found is not None
    assert found.tolist() == expected


@given(st.binary(max_size=60), st.sampled_from([8, 16]), st.integers(1, 65536))
@QUICK
def test_any_bytes_make_exactly_the_entries_or_none(data: bytes, bits: int, n: int) -> None:
    data = data[: len(data) // 2 * 2]
    for found in (segmented_entries(data, n, bits), plain_entries(data, n, bits)):
        assert found is None or len(found) == n
