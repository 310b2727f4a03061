"""Modality look-up tables as files hold them: signs, sizes, widths, byte orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests import factories, multiframe
from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.luts import modality_luts, table_entries
from workbench.dicom.values.value_map import ValueMap, value_map


def lut(first: int, entries: list[int] | bytes, *, bits: int = 16, kind: str = "OD", n: int | None = None) -> Dataset:
    """One item of a Modality LUT Sequence; bytes go in as OW, numbers as US."""
    item = Dataset()
    words = isinstance(entries, bytes)
    count = len(entries) if n is None else n
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count & 0xFFFF if first >= 0 else count, first, bits])
    item.ModalityLUTType = kind
    item.add_new("LUTData", "OW" if words else "US", entries)
    return item


def image(path: Path, item: Dataset, number: int = 1, *, dtype: str = "<u2", **options: Any) -> Path:
    """A CR image of the numbers 0 to 5 with a look-up table and no rescale."""
    frame = np.arange(6).reshape(2, 3).astype(dtype)
    return factories.image(
        path, number, frames=frame, Modality="CR", RescaleSlope=None, RescaleIntercept=None,
        ModalityLUTSequence=Sequence([item]), **options,
    )  # fmt: skip


def opened(folder: Path, **options: Any) -> tuple[ValueMap, np.ndarray]:
    rows = scan(folder).instances.sort_by("InstanceNumber")
    quantity = value_map(rows, root=folder, **options)
    rows = rows.append_column("frame", [[0] * rows.num_rows])
    refs = frame_refs(rows, folder, quantity)
    out = np.empty((len(refs), 2, 3), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return quantity, out


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1", ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_values_are_the_tables_entries_in_every_encoding(syntax: str, tmp_path: Path) -> None:
    image(tmp_path / "a", lut(1, [100, 200, 300]), syntax=syntax)
    quantity, values = opened(tmp_path)
    # Numbers below the first and above the last mapped take the ends.
    assert values.ravel().tolist() == [100, 100, 200, 300, 300, 300]
    assert (quantity.units, quantity.value_kind, quantity.dtype.name) == ("10*-3.{OD}", "signal", "int16")
    assert (quantity.constant, quantity.identity, quantity.findings) == (False, False, ())


def test_pydicom_agrees(tmp_path: Path) -> None:
    path = image(tmp_path / "a", lut(2, [7, 40000, 9]))
    _, values = opened(tmp_path)
    dataset = pydicom.dcmread(path)
    expected = pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset)
    assert (values[0] == expected).all()


@pytest.mark.parametrize("data", [np.array([5, 6, 7], "<u2").tobytes(), bytes([5, 6, 7, 0])])
def test_bytes_of_the_table_may_be_wide_or_narrow(data: bytes, tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0, data, bits=8, n=3))
    assert opened(tmp_path)[1].ravel().tolist() == [5, 6, 7, 7, 7, 7]


def test_big_endian_words_are_swapped(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0, np.array([500, 600], ">u2").tobytes(), n=2), syntax=ExplicitVRBigEndian)
    assert opened(tmp_path)[1].ravel().tolist() == [500, 600, 600, 600, 600, 600]


def test_first_mapped_number_has_the_sign_of_the_pixels(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(-2, [1, 2, 3, 4]), dtype="<i2")
    assert opened(tmp_path)[1].ravel().tolist() == [3, 4, 4, 4, 4, 4]


def test_sign_counts_also_where_the_descriptor_is_written_unsigned(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0x10000 - 2, [1, 2, 3, 4]), dtype="<i2")
    rows = scan(tmp_path).instances
    found = modality_luts(rows, tmp_path).luts[0]
    assert found is not None
    assert found.first == -2


def test_zero_entries_are_65536(tmp_path: Path) -> None:
    table = np.arange(65536)[::-1].astype("<u2")
    image(tmp_path / "a", lut(0, table.tobytes(), n=0))
    quantity, values = opened(tmp_path)
    assert values.ravel().tolist() == [65535, 65534, 65533, 65532, 65531, 65530]
    assert quantity.dtype.name == "uint16"


def test_each_file_has_its_own_table_and_equal_tables_are_one(tmp_path: Path) -> None:
    for number, start in ((1, 10), (2, 20), (3, 10)):
        image(tmp_path / str(number), lut(0, [start, start + 1]), number)
    quantity, values = opened(tmp_path)
    assert values[:, 0, 0].tolist() == [10, 20, 10]
    assert quantity.luts is not None
    assert quantity.luts[0] is quantity.luts[2]


def test_types_that_differ_leave_the_unit_unknown(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0, [1, 2], kind="OD"))
    image(tmp_path / "b", lut(0, [1, 2], kind="US"), 2)
    quantity, _ = opened(tmp_path)
    assert (quantity.units, [f.code for f in quantity.findings]) == ("", ["units-unknown"])


def test_hounsfield_table_gives_hounsfield(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0, [1, 2], kind="HU"))
    assert opened(tmp_path)[0].value_kind == "hounsfield"


@pytest.mark.parametrize(
    "item", [lut(0, [1, 2, 3], n=5), lut(0, [1, 2], bits=32), Dataset()], ids=["length", "bits", "empty"]
)
def test_table_that_contradicts_itself_is_told_and_numbers_stay_stored(item: Dataset, tmp_path: Path) -> None:
    image(tmp_path / "a", item)
    quantity, values = opened(tmp_path)
    assert values.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert (quantity.units, quantity.value_kind) == ("", "stored")
    assert [finding.code for finding in quantity.findings] == ["modality-lut-unread"]


def test_files_are_opened_only_where_the_root_is_known(tmp_path: Path) -> None:
    image(tmp_path / "a", lut(0, [1, 2]))
    rows = scan(tmp_path).instances
    (tmp_path / "a").unlink()
    assert [finding.code for finding in value_map(rows).findings] == ["units-unknown"]
    assert [finding.code for finding in value_map(rows, root=tmp_path).findings] == ["modality-lut-unread"]


@pytest.mark.parametrize("n", [1, 2, 3, 255, 256])
def test_narrow_entries_lie_two_in_a_word(n: int) -> None:
    entries = np.arange(n) % 251
    data = factories.padded(entries.astype(np.uint8).tobytes())
    found = table_entries(data, [n, 0, 8])
    assert found is not None
    assert found.tolist() == entries.tolist()


def grouped(
    path: Path,
    own: list[Dataset | None] | None = None,
    shared: Dataset | None = None,
    *,
    holder: str | None = "PixelValueTransformationSequence",
    syntax: str = "1.2.840.10008.1.2.1",
    **tags: Any,
) -> Path:
    """Enhanced object of two frames of the numbers 0 to 5 with tables in its functional groups."""
    frames = np.stack([np.arange(6).reshape(2, 3)] * 2).astype("<u2")
    multiframe.enhanced(path, [(0, 0, 0), (0, 0, 2)], frames=frames, rescale=None, **({"Modality": "DX"} | tags))
    dataset = pydicom.dcmread(path)

    def put(group: Dataset, item: Dataset | None) -> None:
        if item is None:
            return
        table = Dataset()
        table.ModalityLUTSequence = Sequence([item])
        if holder is None:
            group.ModalityLUTSequence = table.ModalityLUTSequence
        else:
            setattr(group, holder, Sequence([table]))

    put(dataset.SharedFunctionalGroupsSequence[0], shared)
    for group, item in zip(dataset.PerFrameFunctionalGroupsSequence, own or (), strict=False):
        put(group, item)
    frames = dataset.pixel_array
    del dataset.PixelData
    return factories.write(path, dataset, frames, syntax=syntax)


def frame_values(folder: Path) -> tuple[ValueMap, np.ndarray]:
    rows = frame_rows(scan(folder).instances)
    quantity = value_map(rows, root=folder)
    out = np.empty((2, 2, 3), quantity.dtype)
    read_frames(frame_refs(rows, folder, quantity), out, checked=quantity.checked)
    return quantity, out.reshape(2, 6)


@pytest.mark.parametrize("holder", [None, "PixelValueTransformationSequence"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1", DeflatedExplicitVRLittleEndian])
def test_tables_in_functional_groups_hold_for_their_frames(syntax: str, holder: str | None, tmp_path: Path) -> None:
    grouped(tmp_path / "a", [lut(0, [10, 20, 30]), lut(0, [7, 8, 9])], holder=holder, syntax=syntax)
    quantity, values = frame_values(tmp_path)
    assert values.tolist() == [[10, 20, 30, 30, 30, 30], [7, 8, 9, 9, 9, 9]]
    assert (quantity.units, quantity.findings) == ("10*-3.{OD}", ())


def test_shared_table_holds_for_all_frames_but_those_with_their_own(tmp_path: Path) -> None:
    grouped(tmp_path / "a", [None, lut(0, [7, 8])], shared=lut(0, [1, 2]))
    assert frame_values(tmp_path)[1][:, 0].tolist() == [1, 7]
    grouped(tmp_path / "a", shared=lut(0, [1, 2]))
    assert frame_values(tmp_path)[1][:, 0].tolist() == [1, 1]


def test_table_in_a_group_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    grouped(tmp_path / "a", [lut(0, [1, 2]), lut(0, [1, 2], n=9)])
    quantity, values = frame_values(tmp_path)
    assert [(f.code, f.message) for f in quantity.findings] == [("modality-lut-unread", "1 of 2 images")]
    assert values.tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_groups_without_a_table_are_left_as_they_are(tmp_path: Path) -> None:
    grouped(tmp_path / "a")
    quantity, values = frame_values(tmp_path)
    assert (quantity.luts, quantity.value_kind, values[0].tolist()) == (None, "signal", [0, 1, 2, 3, 4, 5])


def test_groups_that_give_a_rescale_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    multiframe.enhanced(tmp_path / "a", [(0, 0, 0), (0, 0, 2)])
    rows = frame_rows(scan(tmp_path).instances)
    monkeypatch.setattr("workbench.dicom.values.luts._in_groups", None)
    assert value_map(rows, root=tmp_path).value_kind == "hounsfield"
