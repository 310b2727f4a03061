"""What must not be stacked becomes parts; nothing is lost and order of files never matters."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests import factories
from workbench.dicom.scan import scan
from workbench.dicom.stacks.split import drop_duplicates, split

LOCALISER = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": list(factories.CORONAL)}


def rows(folder: Path) -> pa.Table:
    return scan(folder).instances


def uids(parts: list[pa.Table]) -> list[list[str]]:
    return [sorted(part["SOPInstanceUID"].to_pylist()) for part in parts]


def test_localiser_inside_a_series_is_a_part_of_its_own(tmp_path: Path) -> None:
    factories.image(tmp_path / "0.dcm", 99, **LOCALISER)
    factories.stack(tmp_path / "s")
    assert uids(split(rows(tmp_path))) == [[factories.uid(i) for i in range(1, 7)], [factories.uid(99)]]


@pytest.mark.parametrize(
    "difference",
    [
        {"ImageOrientationPatient": [1, 0, 0, 0, 0.99, 0.141]},
        {"PixelSpacing": [0.5, 0.9]},
        {"PixelSpacing": None},
        {"ImageType": ["DERIVED", "PRIMARY"]},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"},
        {"PhotometricInterpretation": "MONOCHROME1"},
    ],
)
def test_what_differs_is_not_stacked(difference: dict[str, Any], tmp_path: Path) -> None:
    factories.stack(tmp_path)
    factories.image(tmp_path / "other", 9, **({"ImagePositionPatient": [-10, 20, 42]} | difference))
    assert [part.num_rows for part in split(rows(tmp_path))] == [6, 1]


def test_another_matrix_is_another_part(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    factories.image(tmp_path / "other", 9, frames=factories.pixels(9, (4, 4)))
    assert [part.num_rows for part in split(rows(tmp_path))] == [6, 1]


@pytest.mark.parametrize("noise", [1e-6, 5e-5])
def test_rounding_of_orientation_and_spacing_does_not_split(noise: float, tmp_path: Path) -> None:
    orientations = [[1, noise * i, 0, 0, 1, 0] for i in range(6)]
    spacings = [[0.5 + noise * (i % 2), 0.8] for i in range(6)]
    factories.stack(tmp_path, per_slice={"ImageOrientationPatient": orientations, "PixelSpacing": spacings})
    assert len(split(rows(tmp_path))) == 1


def test_each_multi_frame_object_is_a_part(tmp_path: Path) -> None:
    for number in (1, 2):
        factories.image(tmp_path / str(number), number, frames=factories.pixels(1, (12, 8)).reshape(3, 4, 8))
    assert len(split(rows(tmp_path))) == 2


def test_parts_do_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    for folder, order in (("a", range(6)), ("b", (3, 5, 0, 1, 4, 2))):
        factories.stack(tmp_path / folder, order=order, per_slice={"PixelSpacing": [[1, 1], [2, 2], [1, 1]] * 2})
    assert uids(split(rows(tmp_path / "a"))) == uids(split(rows(tmp_path / "b")))


def test_same_file_twice_is_kept_once_with_a_finding(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a")
    shutil.copy(path, tmp_path / "b")
    kept, findings, conflicting = drop_duplicates(rows(tmp_path), tmp_path)
    assert kept["path"].to_pylist() == ["a"]
    assert [(f.code, f.path, f.message) for f in findings] == [("duplicate-instance", "b", "also stored as a")]
    assert conflicting == set()


def test_same_uid_with_other_bytes_is_a_conflict(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    factories.image(tmp_path / "b", frames=factories.pixels(1) + 1)
    kept, findings, conflicting = drop_duplicates(rows(tmp_path), tmp_path)
    assert kept.num_rows == 1
    assert [f.code for f in findings] == ["conflicting-instance"]
    assert conflicting == {factories.uid(1)}
