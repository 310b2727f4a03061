"""Which series masks are of, also where they do not say so; and masks that are of none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

import workbench as wb
from tests import factories
from tests.labels import objects

SQUARE = objects.to_world(objects.stack(), 1, objects.box(0.5, 0.5, 3.5, 3.5))


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    """One series of four slices."""
    grid = objects.stack()
    for index, place in enumerate(grid.positions):
        factories.image(
            tmp_path / "site" / "ct" / f"{index}.dcm", index + 1, frames=factories.pixels(index, grid.shape[1:]),
            SOPInstanceUID=objects.uid(index), SeriesInstanceUID=objects.SERIES, FrameOfReferenceUID=objects.FRAME,
            ImagePositionPatient=list(place), PixelSpacing=list(grid.pixel_spacing),
        )  # fmt: skip
    return tmp_path / "site"


@pytest.fixture
def changed(extract: Path) -> Callable[..., Path]:
    """Write a structure set of one square that refers to the series as *change* leaves it."""

    def write(name: str = "rt.dcm", change: Callable[[pydicom.Dataset], None] = lambda _: None) -> Path:
        path = objects.write_rtstruct(extract / name, objects.Region([("CLOSED_PLANAR", SQUARE)]))
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
        return path

    return write


def nothing(dataset: pydicom.Dataset) -> None:
    del dataset.ReferencedFrameOfReferenceSequence


def an_image(dataset: pydicom.Dataset) -> None:
    nothing(dataset)
    image = pydicom.Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", objects.uid(1)
    dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [image]


def told(cohort: wb.Cohort, code: str) -> list[tuple[str, str]]:
    found = cohort.sql(f"select path, message from findings where code = '{code}'")
    return list(found.itertuples(index=False, name=None))


def test_a_mask_that_names_images_alone_is_of_their_series(extract: Path, changed: Callable[..., Path]) -> None:
    changed(change=an_image)
    cohort = wb.open_cohort(extract, layout="plain")
    assert told(cohort, "label-source-missing") == []
    assert cohort.series.query("kind == 'image'")["n_labels"].item() == 1
    loaded = cohort.load(objects.SERIES, masks=True)
    assert (loaded.sizes["segment"], int(loaded["mask"].sum())) == (1, 9)
    # What is measured is what is loaded.
    assert wb.measure.volumes(cohort, workers=1).set_index("feature")["value"]["n_voxels"] == 9


def test_a_mask_that_refers_to_nothing_is_a_finding_and_hides_no_other(
    extract: Path, changed: Callable[..., Path]
) -> None:
    def other(dataset: pydicom.Dataset) -> None:
        nothing(dataset)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = objects.uid(1001)
        dataset.SeriesInstanceUID = f"{objects.SERIES}.8"

    changed()
    changed("nothing.dcm", other)
    cohort = wb.open_cohort(extract, layout="plain")
    assert told(cohort, "label-source-missing") == [(".", "RTSTRUCT names no image that is here")]
    assert cohort.load(objects.SERIES, masks=True).sizes["segment"] == 1


def test_a_mask_of_another_series_says_that_it_is_not_here(extract: Path, changed: Callable[..., Path]) -> None:
    def elsewhere(dataset: pydicom.Dataset) -> None:
        study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        study.RTReferencedSeriesSequence[0].SeriesInstanceUID = "2.25.99"

    changed(change=elsewhere)
    cohort = wb.open_cohort(extract, layout="plain")
    ((_, message),) = told(cohort, "label-source-missing")
    assert message == "RTSTRUCT refers to series that are not in this extract"


def test_a_label_object_that_cannot_be_read_is_a_finding(extract: Path, changed: Callable[..., Path]) -> None:
    path = changed(change=nothing)
    dataset = pydicom.dcmread(path)
    dataset.StructureSetROISequence[0].ROINumber = None
    dataset.save_as(path)
    content = path.read_bytes()
    # A region number that is none: only reading what the regions are can tell.
    dataset.StructureSetROISequence[0].ROINumber = 7
    dataset.save_as(path)
    assert path.read_bytes() != content
    path.write_bytes(path.read_bytes().replace(b"\x22\x00IS\x02\x007 ", b"\x22\x00IS\x02\x00x "))
    cohort = wb.open_cohort(extract, layout="plain")
    assert told(cohort, "label-unreadable") == [("rt.dcm", "header could not be read (ValueError)")]


def test_a_series_without_masks_says_so(extract: Path) -> None:
    loaded = wb.open_cohort(extract, layout="plain").load(objects.SERIES, masks=True)
    assert "mask" not in loaded
    assert loaded.attrs["mask_findings"].startswith("label-absent: ")


def test_two_objects_of_one_uid_are_told_where_the_mask_is_loaded(extract: Path, changed: Callable[..., Path]) -> None:
    changed("a.dcm")
    changed("same.dcm")
    same = wb.open_cohort(extract, layout="plain").load(objects.SERIES, masks=True)
    assert (same.sizes["segment"], same.attrs["mask_findings"]) == (1, "")

    def renamed(dataset: pydicom.Dataset) -> None:
        dataset.StructureSetROISequence[0].ROIName = "another region"

    changed("z.dcm", renamed)
    loaded = wb.open_cohort(extract, layout="plain").load(objects.SERIES, masks=True)
    np.testing.assert_array_equal(loaded["segment"].values, ["GTV"])
    assert "conflicting-instance: another file carries the same SOPInstanceUID; a.dcm is drawn [z.dcm]" in (
        loaded.attrs["mask_findings"].splitlines()
    )


def test_names_that_no_table_holds_are_listed(extract: Path, changed: Callable[..., Path]) -> None:
    def renamed(dataset: pydicom.Dataset) -> None:
        dataset.StructureSetROISequence[0].ROIName = "Lesion B"

    changed(change=renamed)
    cohort = wb.open_cohort(extract, layout="plain", node="north")
    assert cohort.load(objects.SERIES, masks=True).attrs["unmapped_names"] == "Lesion B"
    assert wb.measure.volumes(cohort, workers=1).attrs["unmapped_names"] == {"north": ["Lesion B"]}
    own = {"lesion *": "GTV"}
    assert "unmapped_names" not in cohort.load(objects.SERIES, masks=True, names=own).attrs
    assert wb.measure.volumes(cohort, workers=1, names=own).attrs["unmapped_names"] == {}
