from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, multiframe
from tests.labels import objects
from tests.strategies import hollow_masks
from tests.tries import tries
from workbench.arrays import open_series
from workbench.errors import GridMismatch, LabelError, PathNotFound, SeriesNotFound, UsageError
from workbench.labels import describe, masks_on_grid
from workbench.labels.segment_codes import SegmentCodes
from workbench.labels.writing_seg import to_seg

NEOPLASM = "SCT:108369006"
SHAPE = (6, 6, 8)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    factories.stack(folder, orientation=factories.turned(10, 20, 30), order=[3, 1, 5, 0, 2, 4])
    return folder


def grid_of(folder: Path) -> Any:
    from workbench.dicom.scan import scan
    from workbench.dicom.series import iterate_series

    (one,) = iterate_series(scan(folder).table, folder)
    return one.plans[0].grid


def masks(*arrays: np.ndarray, folder: Path | list[Path], names: tuple[str, ...] = ("a", "b", "c")) -> xr.DataArray:
    """Masks (segment, z, y, x) with the coordinates that a Dataset of the series gives them."""
    dataset = open_series(folder)
    coords = {name: dataset[name] for name in ("z", "y", "x", "sop_instance_uid", "frame_of_reference_uid")}
    return xr.DataArray(
        np.stack(arrays), dims=("segment", "z", "y", "x"), coords={**coords, "segment": list(names[: len(arrays)])}
    )


@settings(max_examples=tries(15), deadline=None)
@given(first=hollow_masks(SHAPE), second=hollow_masks(SHAPE), kind=st.sampled_from(["BINARY", "LABELMAP"]))
def test_masks_with_holes_and_parts_come_back_as_they_were(
    series: Path, tmp_path_factory: pytest.TempPathFactory, first: np.ndarray, second: np.ndarray, kind: Any
) -> None:
    apart = second & ~first if kind == "LABELMAP" else second
    path = tmp_path_factory.mktemp("seg") / "mask.dcm"
    to_seg(masks(first, apart, folder=series), path, images=series, codes=NEOPLASM, algorithm="MANUAL", kind=kind)
    read = masks_on_grid(path, grid=grid_of(series))
    np.testing.assert_array_equal(read.data, np.stack([first, apart]))
    assert [s.name for s in read.segments] == ["a", "b"]


@settings(max_examples=tries(10), deadline=None)
@given(steps=st.integers(0, 2**32 - 1), kind=st.sampled_from(["probability", "occupancy"]))
def test_fractions_come_back_in_steps_of_one_255th(
    series: Path, tmp_path_factory: pytest.TempPathFactory, steps: int, kind: Any
) -> None:
    stored = np.random.default_rng(steps).integers(0, 256, SHAPE)
    values = (stored / 255).astype(np.float32)
    path = tmp_path_factory.mktemp("seg") / "mask.dcm"
    to_seg(values, path, images=series, codes=NEOPLASM, algorithm="MANUAL", fraction=kind)
    read = masks_on_grid(path, grid=grid_of(series))
    assert (read.kind, read.fractional_type) == ("fraction", kind)
    np.testing.assert_array_equal(np.rint(read.data[0] * 255), stored)
    np.testing.assert_allclose(read.data[0], values, atol=1e-6)


def drawn(seed: int = 0) -> np.ndarray:
    mask: np.ndarray = np.random.default_rng(seed).random(SHAPE) < 0.5
    return mask


def test_what_the_segments_are_comes_back(series: Path, tmp_path: Path) -> None:
    codes = {
        "a": SegmentCodes(type=NEOPLASM, region="SCT:39607008", algorithm="AUTOMATIC", algorithm_name="net 2"),
        "b": {"type": ("99X", "7", "Odd thing"), "category": "SCT:49755003"},
    }
    path = to_seg(
        masks(drawn(), drawn(1), folder=series), tmp_path / "m.dcm", images=series, codes=codes, algorithm="manual"
    )
    first, second = describe(path).segments
    assert (first.name, first.code, first.category) == ("a", NEOPLASM, "Morphologically Abnormal Structure")
    assert (first.algorithm, first.annotator, first.region) == ("AUTOMATIC", "net 2", "SCT:39607008")
    assert (second.code, second.category) == ("99X:7", "Morphologically Abnormal Structure")
    assert (second.algorithm, second.annotator, second.region) == ("MANUAL", "", "")
    held = describe(path)
    assert held.referenced_series_uids == (factories.SERIES,)
    assert set(held.referenced_instance_uids) == {factories.uid(n) for n in range(1, 7)}
    assert held.frame_of_reference_uids == (factories.FRAME,)
    assert held.findings == ()


def test_a_segmentation_that_was_read_is_written_again_with_its_own_codes(series: Path, tmp_path: Path) -> None:
    import xarray as xr

    odd = {
        "type": ("99X", "7", "Odd thing"), "category": ("99X", "8", "Odd kind"), "region": ("SRT", "T-62000", "Liver"),
        "algorithm": "AUTOMATIC", "algorithm_name": "net 2",
    }  # fmt: skip
    mask = masks(drawn(), folder=series)
    ds = xr.open_dataset(series, engine="dicom")
    first = ds.patient.masks(to_seg(mask, tmp_path / "a.dcm", images=series, codes=odd))
    again = ds.patient.masks(to_seg(first["mask"], tmp_path / "b.dcm", images=ds))
    told = {name: coord.item() for name, coord in again.coords.items() if str(name).startswith("segment_")}
    assert (told["segment_code"], told["segment_meaning"]) == ("99X:7", "Odd thing")
    assert (told["segment_category_code"], told["segment_category"]) == ("99X:8", "Odd kind")
    assert (told["segment_region"], told["segment_region_meaning"]) == ("SRT:T-62000", "Liver")
    assert (told["segment_algorithm"], told["segment_annotator"]) == ("AUTOMATIC", "net 2")
    np.testing.assert_array_equal(again["mask"].values, first["mask"].values)
    # What is said anew counts before it.
    renamed = describe(to_seg(first["mask"], tmp_path / "c.dcm", images=ds, codes=NEOPLASM)).segments[0]
    assert (renamed.code, renamed.category) == (NEOPLASM, "Morphologically Abnormal Structure")


def test_coordinates_of_a_mask_say_what_it_is(series: Path, tmp_path: Path) -> None:
    said = {
        "segment_code": ("segment", ["SCT:59441001"]),
        "segment_category": ("segment", ["Tissue"]),
        "segment_region": ("segment", ["SCT:39607008"]),
        "segment_algorithm": ("segment", ["SEMIAUTOMATIC"]),
        "segment_annotator": ("segment", ["grow 1"]),
    }
    mask = masks(drawn(), folder=series).assign_coords(said)
    (segment,) = describe(to_seg(mask, tmp_path / "m.dcm", images=series)).segments
    assert (segment.code, segment.category, segment.region) == ("SCT:59441001", "Tissue", "SCT:39607008")
    assert (segment.algorithm, segment.annotator) == ("SEMIAUTOMATIC", "grow 1")


def test_an_algorithm_says_no_family_that_nobody_stated(series: Path, tmp_path: Path) -> None:
    path = to_seg(
        drawn(), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="AUTOMATIC", algorithm_name="net"
    )
    (segment,) = pydicom.dcmread(path).SegmentSequence
    assert segment.SegmentAlgorithmName == "net"
    assert "SegmentationAlgorithmIdentificationSequence" not in segment


@pytest.fixture
def held(series: Path, tmp_path: Path) -> dict[str, Path]:
    """Files that a user would not miss gladly: what they are, and where."""
    image = sorted(series.iterdir())[0]
    (tmp_path / "table.csv").write_text("patient_id\nP1\n")
    (tmp_path / "linked.dcm").hardlink_to(image)
    (tmp_path / "pointing.dcm").symlink_to(image)
    (tmp_path / "dangling.dcm").symlink_to(tmp_path / "nothing")
    slice_of_another, *_ = factories.stack(tmp_path / "other", SeriesInstanceUID=f"{factories.SERIES}.9")
    region = objects.Region([("CLOSED_PLANAR", np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0]]))])
    return {
        "image": image, "hard link to an image": tmp_path / "linked.dcm", "link to an image": tmp_path / "pointing.dcm",
        "dangling link": tmp_path / "dangling.dcm", "table": tmp_path / "table.csv",
        "image of another series": slice_of_another,
        "structure set": objects.write_rtstruct(tmp_path / "rs.dcm", region), "folder": tmp_path / "other",
    }  # fmt: skip


def test_nothing_but_a_segmentation_is_ever_replaced(series: Path, held: dict[str, Path]) -> None:
    before = {path: path.read_bytes() for path in held.values() if path.is_file()}
    for overwrite in (False, True):
        for path in held.values():
            with pytest.raises(UsageError):
                to_seg(drawn(), path, images=series, codes=NEOPLASM, algorithm="MANUAL", overwrite=overwrite)
    assert {path: path.read_bytes() for path in before} == before


def test_a_segmentation_is_replaced_where_the_caller_says_so(series: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"images": series, "codes": NEOPLASM, "algorithm": "MANUAL"}
    path = to_seg(drawn(), tmp_path / "m.dcm", **how)
    first = path.read_bytes()
    with pytest.raises(UsageError, match=r"already \[m.dcm\].*overwrite=True"):
        to_seg(drawn(1), path, **how)
    assert path.read_bytes() == first
    to_seg(drawn(1), path, overwrite=True, **how)
    np.testing.assert_array_equal(masks_on_grid(path, grid=grid_of(series)).data[0], drawn(1))
    # But not while the mask is read from it.
    mask = xr.open_dataset(series, engine="dicom").patient.masks(path)["mask"]
    with pytest.raises(UsageError, match="came from that file"):
        to_seg(mask, path, images=series, overwrite=True)


def test_no_folder_is_made_on_the_way(series: Path, tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match=r"no such folder \[absent\]"):
        to_seg(drawn(), tmp_path / "absent" / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL")
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_says_which_series_is_meant(series: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    factories.stack(folder / "other", first=20, SeriesInstanceUID=f"{factories.SERIES}.9")
    for path in series.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    opened = xr.open_dataset(folder, engine="dicom", series=factories.SERIES)
    path = to_seg(drawn(), tmp_path / "m.dcm", images=opened, codes=NEOPLASM, algorithm="MANUAL")
    assert describe(path).referenced_series_uids == (factories.SERIES,)
    files = xr.open_dataset(sorted(series.iterdir()), engine="dicom")
    to_seg(drawn(), tmp_path / "n.dcm", images=files, codes=NEOPLASM, algorithm="MANUAL")


def test_tiles_of_a_mosaic_have_no_segmentation(tmp_path: Path) -> None:
    image = multiframe.mosaic(tmp_path / "image" / "m.dcm", multiframe.numbered(4))
    opened = xr.open_dataset(image, engine="dicom")
    mask = opened["image"] > 0
    with pytest.raises(LabelError, match=r"tiles of a mosaic.*to_nifti"):
        to_seg(mask, tmp_path / "m.dcm", images=opened, codes=NEOPLASM, algorithm="MANUAL", names=["all"])


def test_missing_codes_are_named_with_how_to_search(series: Path, tmp_path: Path) -> None:
    mask = masks(drawn(), drawn(1), folder=series)
    with pytest.raises(UsageError, match=r"algorithm of a, b; type of b\..*search_codes.*algorithm='MANUAL'"):
        to_seg(mask, tmp_path / "m.dcm", images=series, codes={"a": NEOPLASM})
    with pytest.raises(UsageError, match=r"category \(SCT:85756007 or SCT:91723000\) of a, b"):
        to_seg(mask, tmp_path / "m.dcm", images=series, codes="SCT:59441001", algorithm="MANUAL")
    with pytest.raises(UsageError, match="algorithm_name of a, b"):
        to_seg(mask, tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="AUTOMATIC")
    # The way out is told for what is missing, and for nothing else.
    with pytest.raises(UsageError, match=r"this is missing: algorithm_name of a\. Pass for example algorithm_name="):
        to_seg(masks(drawn(), folder=series), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="AUTOMATIC")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ({"z": NEOPLASM}, "segments that are not there: z"), ("SCT:1", "SCT:1 is not in the table of codes as a type"),
        ({"a": {"type": NEOPLASM, "colour": "red"}}, "no such thing to say of a segment: colour"),
        ({"a": {"type": NEOPLASM, "region": NEOPLASM}}, "not in the table of codes as a region"),
        ({"a": ("SCT", "1", "")}, r"not \(scheme, value, meaning\)"),
        ({"a": {"type": NEOPLASM, "algorithm": "BY HAND"}}, "no kind of algorithm 'BY HAND'"),
    ],
)  # fmt: skip
def test_codes_that_mean_nothing_are_refused(series: Path, tmp_path: Path, codes: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        to_seg(masks(drawn(), folder=series), tmp_path / "m.dcm", images=series, codes=codes, algorithm="MANUAL")


@pytest.mark.parametrize("name", ["x" * 65, "a\\b"])
def test_a_name_that_dicom_cannot_hold_is_refused_and_not_cut(series: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a DICOM segment"):
        to_seg(drawn(), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL", names=[name])


def test_a_cropped_and_turned_mask_is_written_where_it_belongs(series: Path, tmp_path: Path) -> None:
    part = masks(drawn(), folder=series).isel(z=slice(1, 4), y=slice(None, None, -1), x=slice(2, 6))
    path = to_seg(part, tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL")
    expected = np.zeros(SHAPE, dtype=bool)
    expected[1:4, :, 2:6] = drawn()[1:4, :, 2:6]
    np.testing.assert_array_equal(masks_on_grid(path, grid=grid_of(series)).data[0], expected)


def test_labels_are_written_as_segments_of_their_names(series: Path, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).choice([0, 3, 700], SHAPE)
    path = to_seg(labels, tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL", names={700: "big"})
    read = masks_on_grid(path, grid=grid_of(series))
    assert [(s.number, s.name) for s in read.segments] == [(1, "label 3"), (2, "big")]
    np.testing.assert_array_equal(read.data, np.stack([labels == 3, labels == 700]))


def test_a_dataset_knows_the_files_it_was_opened_from(series: Path, tmp_path: Path) -> None:
    dataset = xr.open_dataset(series, engine="dicom")
    mask = dataset["image"] > 3000
    path = to_seg(mask, tmp_path / "m.dcm", images=dataset, codes=NEOPLASM, algorithm="MANUAL", names=["bright"])
    read = masks_on_grid(path, grid=grid_of(series))
    np.testing.assert_array_equal(read.data[0], mask.values)
    assert read.segments[0].name == "bright"
    with pytest.raises(UsageError, match="does not know its files"):
        to_seg(mask, path, images=dataset.drop_encoding(), codes=NEOPLASM, algorithm="MANUAL")


def test_the_series_of_the_mask_is_found_among_others(series: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    factories.stack(folder / "other", first=20, SeriesInstanceUID=f"{factories.SERIES}.9")
    for path in series.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    path = to_seg(masks(drawn(), folder=series), tmp_path / "m.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL")
    assert describe(path).referenced_series_uids == (factories.SERIES,)
    with pytest.raises(SeriesNotFound, match="2 series or parts"):
        to_seg(drawn(), path, images=folder, codes=NEOPLASM, algorithm="MANUAL")
    with pytest.raises(SeriesNotFound, match="the images of the mask are not there"):
        to_seg(masks(drawn(), folder=series), path, images=folder / "other", codes=NEOPLASM, algorithm="MANUAL")


def test_what_is_not_on_the_images_is_refused_and_nothing_is_written(series: Path, tmp_path: Path) -> None:
    with pytest.raises(GridMismatch):
        to_seg(drawn()[1:], tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL")
    mask = masks(drawn(), drawn(1), folder=series)
    with pytest.raises(LabelError, match="a and b overlap"):
        to_seg(mask, tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL", kind="LABELMAP")
    with pytest.raises(UsageError, match="nothing says what they are"):
        to_seg(drawn().astype(float), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL")
    with pytest.raises(UsageError, match="no segment to write"):
        to_seg(np.zeros(SHAPE, int), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_segment_is_written_and_read_as_empty(series: Path, tmp_path: Path) -> None:
    empty = np.zeros(SHAPE, dtype=bool)
    for arrays in ((drawn(), empty), (empty, drawn()), (empty,)):
        path = to_seg(
            masks(*arrays, folder=series), tmp_path / "m.dcm", images=series, codes=NEOPLASM, algorithm="MANUAL",
            overwrite=True,
        )  # fmt: skip
        np.testing.assert_array_equal(masks_on_grid(path, grid=grid_of(series)).data, np.stack(arrays))


def test_names_keep_their_letters_whatever_the_images_character_set(tmp_path: Path) -> None:
    for name, charset in {"Łódź^Á": "ISO_IR 192", "Ärmel^Ö": "ISO_IR 100", "X": None}.items():
        folder = tmp_path / "series"
        factories.stack(folder, SpecificCharacterSet=charset, PatientName=name, StudyDescription=name)
        path = to_seg(drawn(), tmp_path / f"{charset}.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL")
        assert str(pydicom.dcmread(path).PatientName) == name


def test_images_without_what_a_segmentation_must_say_are_an_error(tmp_path: Path) -> None:
    factories.stack(tmp_path / "series", StudyInstanceUID=None)
    with pytest.raises(LabelError, match="StudyInstanceUID") as caught:
        to_seg(drawn(), tmp_path / "m.dcm", images=tmp_path / "series", codes=NEOPLASM, algorithm="MANUAL")
    assert caught.value.tag == "StudyInstanceUID"
    assert not (tmp_path / "m.dcm").exists()


def test_a_tilted_series_and_one_with_a_gap_are_written_slice_by_slice(tmp_path: Path) -> None:
    for name, how in {"tilt": {"lean": (0.0, 0.2, 0.0)}, "gap": {"depths": (0, 2, 4, 8, 10, 12)}}.items():
        folder = tmp_path / name
        factories.stack(folder, **how)
        path = to_seg(drawn(), tmp_path / f"{name}.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL")
        np.testing.assert_array_equal(masks_on_grid(path, grid=grid_of(folder)).data[0], drawn())


@pytest.mark.data
def test_a_mask_on_a_real_series_comes_back(data_dir: Path, tmp_path: Path) -> None:
    from workbench.labels.nifti import masks_of

    folder = data_dir / "sts" / "dicom" / "STS_025" / "MR_T1" / "image"
    grid = grid_of(folder)
    mask = masks_of(data_dir / "sts" / "nifti" / "STS_025" / "MR_T1_mask.nii.gz", grid=grid).data
    path = to_seg(mask, tmp_path / "m.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL", names=["GTV"])
    np.testing.assert_array_equal(masks_on_grid(path, grid=grid).data, mask)


@pytest.mark.data
def test_highdicom_reads_what_is_written(data_dir: Path, tmp_path: Path) -> None:
    import highdicom as hd

    folder = data_dir / "dcmqi" / "segmentations" / "ct-3slice"
    grid = grid_of(folder)
    mask = np.random.default_rng(0).random(grid.shape) < 0.5
    path = to_seg(mask, tmp_path / "m.dcm", images=folder, codes="SCT:10200004", algorithm="MANUAL", names=["liver"])
    read = hd.seg.segread(path)
    volume = read.get_volume(combine_segments=True)
    ours = masks_on_grid(path, grid=grid).data[0]
    np.testing.assert_array_equal(ours, mask)
    assert int(volume.array.sum()) == int(mask.sum())
    (described,) = (read.get_segment_description(number) for number in read.segment_numbers)
    assert described.segmented_property_type.meaning == "Liver"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)], ids=["ascending", "shuffled"])
def test_frames_of_a_multi_frame_image_keep_their_places(tmp_path: Path, order: tuple[int, ...]) -> None:
    places = [(-10.0, 20.0, 2.0 * k) for k in order]
    image = multiframe.enhanced(tmp_path / "image" / "e.dcm", places)
    mask = drawn()[:4]
    path = to_seg(mask, tmp_path / "m.dcm", images=image, codes=NEOPLASM, algorithm="MANUAL")
    np.testing.assert_array_equal(masks_on_grid(path, grid=grid_of(image.parent)).data[0], mask)


def test_of_several_images_at_a_place_one_is_not_guessed(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    echoes = [10] * 6 + [20] * 6
    factories.stack(folder, [0, 2, 4, 6, 8, 10] * 2, per_slice={"EchoTime": echoes}, Modality="MR")
    with pytest.raises(SeriesNotFound, match=r"several images at each place \(echo_time\)"):
        to_seg(drawn(), tmp_path / "m.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL")
    second = masks(drawn(), folder=[folder / f"{k:04d}.dcm" for k in range(6, 12)])
    path = to_seg(second, tmp_path / "m.dcm", images=folder, codes=NEOPLASM, algorithm="MANUAL")
    assert set(describe(path).referenced_instance_uids) == {factories.uid(n) for n in range(7, 13)}
