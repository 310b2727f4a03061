"""A store of images never gives other values than were written into it, and is mended by writing again."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests import factories
from workbench.cohort.images.seal import read_seal
from workbench.errors import DamagedStore, UsageError
from workbench.synthetic import write_federation


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    """Two patients with a series each."""
    site = tmp_path_factory.mktemp("sites") / "n"
    for first, patient in ((1, "A"), (11, "B")):
        uid = f"2.25.{ord(patient)}"
        factories.stack(
            site / patient, first=first, PatientID=patient, SeriesInstanceUID=uid, StudyInstanceUID=f"{uid}.1"
        )
    return wb.open_cohort(site, layout="plain")


@pytest.fixture(scope="module")
def written(cohort: wb.Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their store, which no test changes."""
    place = tmp_path_factory.mktemp("written") / "c.zarr"
    cohort.cache(place)
    return place


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "c.zarr"))


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    """A small hospital with segmentations."""
    out = tmp_path_factory.mktemp("few") / "federation"
    write_federation(out, patients=3, faults=[])
    return wb.open_cohort(out / "extracts" / "cedro")


def _read_all(place: Path, cohort: wb.Cohort) -> None:
    """Read a store whole; it is what the cohort is."""
    store = wb.cohort.open_store(place)
    assert len(store) == len(cohort.series)
    for entry in store.entries:
        ours = store.load(entry["series_uid"]).load()
        xr.testing.assert_identical(ours, cohort.load(entry["series_uid"]).load())


def _shard(place: Path) -> Path:
    return next(file for file in sorted(place.rglob("image/c/**/*")) if file.is_file())


def _flip(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position] ^= 0x10
    file.write_bytes(data)


def _array_of(file: Path, name: str) -> Path:
    return next(place for place in sorted(file.rglob(f"{name}/zarr.json")))


#: What may happen to a store, by name.
DAMAGES: dict[str, Callable[[Path], object]] = {
    "a chunk of the image is gone": lambda store: _shard(store).unlink(),
    "all chunks of the image are gone": lambda store: shutil.rmtree(next(iter(store.rglob("image/c")))),
    "a chunk is cut": lambda store: _shard(store).write_bytes(_shard(store).read_bytes()[:-7]),
    "a chunk is empty": lambda store: _shard(store).write_bytes(b""),
    "a byte of a chunk": lambda store: _flip(_shard(store), 20),
    "a byte of a shard's table": lambda store: _flip(_shard(store), -9),
    "a coordinate is gone": lambda store: shutil.rmtree(_array_of(store, "position").parent),
    "a coordinate's chunk is gone": lambda store: shutil.rmtree(_array_of(store, "position").parent / "c"),
    "an array's metadata are no JSON": lambda store: _array_of(store, "image").write_text("{"),
    "an array's metadata are other ones": lambda store: _array_of(store, "z").write_text(
        _array_of(store, "z").read_text().replace("float64", "float32")
    ),
    "a group's metadata are gone": lambda store: (_array_of(store, "image").parent.parent / "zarr.json").unlink(),
    "a group's metadata are no JSON": lambda store: (
        (_array_of(store, "image").parent.parent / "zarr.json").write_bytes(b"\xff\x00")
    ),
    "a group's metadata say another": lambda store: _change(_array_of(store, "image").parent.parent / "zarr.json"),
    "a series is gone": lambda store: shutil.rmtree(_array_of(store, "image").parent.parent),
    "the list is no JSON": lambda store: (store / "zarr.json").write_text("[1"),
    "the list is other JSON": lambda store: (store / "zarr.json").write_text("[1]"),
    "the list says another": lambda store: (store / "zarr.json").write_text(
        (store / "zarr.json").read_text().replace("2.25.65", "2.25.64")
    ),
}  # fmt: skip


def _change(file: Path) -> None:
    metadata = json.loads(file.read_text())
    metadata["attributes"]["Modality"] = "XX"
    file.write_text(json.dumps(metadata))


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES, ids=[name.replace(" ", "-") for name in DAMAGES])
    def test_every_damage_is_one_error_of_ours_and_writing_again_mends_it(
        self, cohort: wb.Cohort, store: Path, damage: str
    ) -> None:
        DAMAGES[damage](store)
        with pytest.raises(DamagedStore, match=r"\[c\.zarr\].*run cache again"):
            _read_all(store, cohort)
        cohort.cache(store)
        _read_all(store, cohort)

    def test_a_chunk_lost_after_opening_is_no_zero(self, store: Path) -> None:
        opened = wb.cohort.open_store(store).load("2.25.65")
        for file in store.rglob("image/c/**/*"):
            if file.is_file():
                file.unlink()
        with pytest.raises(DamagedStore, match="run cache again"):
            opened["image"].max()

    def test_it_shows_in_the_tree_too(self, store: Path) -> None:
        _flip(_shard(store), 20)
        tree = wb.cohort.open_store(store).tree()
        with pytest.raises(DamagedStore, match="run cache again"):
            tree.load()

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_any_flipped_byte_is_noticed_or_changes_nothing(
        self, cohort: wb.Cohort, written: Path, data: st.DataObject
    ) -> None:
        files = sorted(file for file in written.rglob("*") if file.is_file() and file.stat().st_size)
        file = data.draw(st.sampled_from(files))
        before = file.read_bytes()
        try:
            _flip(file, data.draw(st.integers(0, len(before) - 1)))
            # A flip may also lie where nobody looks, or make the list one that is not finished.
            with suppress(DamagedStore, UsageError):
                _read_all(written, cohort)
        finally:
            file.write_bytes(before)

    def test_only_what_is_damaged_is_written_again(self, cohort: wb.Cohort, store: Path) -> None:
        damaged = _shard(store)
        _flip(damaged, 20)
        times = {file: file.stat().st_mtime_ns for file in store.rglob("image/c/**/*") if file.is_file()}
        cohort.cache(store)
        assert {file for file, time in times.items() if file.stat().st_mtime_ns != time} == {damaged}

    def test_a_lost_list_is_made_again_from_what_is_there(self, cohort: wb.Cohort, store: Path) -> None:
        (store / "zarr.json").unlink()
        with pytest.raises(UsageError, match="no finished store"):
            wb.cohort.open_store(store)
        # A cohort of one: the other's series stay listed.
        assert len(cohort.where("patient_id = 'A'").cache(store)) == 2
        _read_all(store, cohort)

    def test_what_another_cohort_wrote_and_is_lost_is_told(self, cohort: wb.Cohort, store: Path) -> None:
        shutil.rmtree(store / "n" / "B")
        again = cohort.where("patient_id = 'A'").cache(store)
        with pytest.raises(DamagedStore):
            again.load("2.25.66")

    def test_the_message_names_no_patient(self, store: Path) -> None:
        _shard(store).unlink()
        with pytest.raises(DamagedStore) as caught:
            wb.cohort.open_store(store).load("2.25.65")
        assert "/" not in str(caught.value)
        assert caught.value.series == "2.25.65"


def test_every_array_has_a_checksum_that_other_readers_look_at(store: Path) -> None:
    arrays = [json.loads(file.read_text()) for file in store.rglob("zarr.json")]
    arrays = [array for array in arrays if array["node_type"] == "array"]
    assert arrays
    for array in arrays:
        assert "crc32c" in json.dumps(array["codecs"])
    _flip(_shard(store), 20)
    with pytest.raises(ValueError, match="checksum"):
        xr.open_datatree(store, engine="zarr", consolidated=False, chunks=None).load()


def test_an_image_of_nothing_but_zeros_is_whole(tmp_path: Path) -> None:
    for file in factories.stack(tmp_path / "n" / "A", [0, 2, 4], PatientID="A", RescaleIntercept=0):
        image = pydicom.dcmread(file)
        image.PixelData = bytes(len(image.PixelData))
        image.save_as(file)
    cohort = wb.open_cohort(tmp_path / "n", layout="plain")
    store = cohort.cache(tmp_path / "c.zarr")
    assert not store.load(factories.SERIES)["image"].any()
    _read_all(tmp_path / "c.zarr", cohort)


def test_reading_a_store_warns_of_nothing(written: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xr.open_datatree(written, engine="zarr", consolidated=False, chunks=None).load()


def test_a_store_of_an_older_format_is_written_anew(cohort: wb.Cohort, store: Path) -> None:
    root = json.loads((store / "zarr.json").read_text())
    record = json.loads(root["attributes"]["workbench_images"])
    del record["sum"]
    root["attributes"]["workbench_images"] = json.dumps(record | {"format": 1})
    (store / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(UsageError, match=r"no finished store.*cohort\.cache"):
        wb.cohort.open_store(store)
    cohort.cache(store)
    _read_all(store, cohort)


def test_masks_are_never_removed_unasked(marked: wb.Cohort, tmp_path: Path) -> None:
    uid = marked.series.query("kind == 'image' and n_labels > 0")["SeriesInstanceUID"].iloc[0]
    store = marked.cache(tmp_path / "c.zarr", masks=True)
    mask = store.load(uid)["mask"].load()
    with pytest.raises(UsageError, match=r"\[c\.zarr\].*masks="):
        marked.cache(tmp_path / "c.zarr")
    xr.testing.assert_identical(wb.cohort.open_store(tmp_path / "c.zarr").load(uid)["mask"].load(), mask)
    shutil.rmtree(next(iter((tmp_path / "c.zarr").rglob("mask/c"))))
    with pytest.raises(DamagedStore):
        wb.cohort.open_store(tmp_path / "c.zarr").tree().load()
    marked.cache(tmp_path / "c.zarr", masks=True)
    xr.testing.assert_identical(wb.cohort.open_store(tmp_path / "c.zarr").load(uid)["mask"].load(), mask)


def test_a_series_that_came_into_parts_and_back_stands_in_the_store_as_it_is(tmp_path: Path) -> None:
    site, place = tmp_path / "n", tmp_path / "c.zarr"
    factories.stack(site / "axial", [0, 2, 4], PatientID="A")
    wb.open_cohort(site, layout="plain").cache(place)
    further = factories.stack(site / "coronal", [0, 2], orientation=factories.CORONAL, first=11, PatientID="A")
    parted = wb.open_cohort(site, layout="plain")
    store = parted.cache(place)
    assert [entry["part"] for entry in store.entries] == [1, 2]
    for part in (1, 2):
        ours, theirs = (source.load(factories.SERIES, part=part).load() for source in (store, parted))
        xr.testing.assert_identical(ours, theirs)
    assert len(xr.open_datatree(place, engine="zarr", consolidated=False, chunks=None).leaves) == 2
    for file in further:
        file.unlink()
    whole = wb.open_cohort(site, layout="plain")
    assert [entry["part"] for entry in whole.cache(place).entries] == [1]
    _read_all(place, whole)
    assert len(xr.open_datatree(place, engine="zarr", consolidated=False, chunks=None).leaves) == 1


def test_a_seal_knows_every_file(written: Path) -> None:
    groups = [file.parent for file in written.rglob("zarr.json") if read_seal(file.parent) is not None]
    assert len(groups) == 2
    for group in groups:
        seal = read_seal(group)
        assert seal is not None
        files = {file.relative_to(group).as_posix() for file in group.rglob("*") if file.is_file()}
        assert set(seal.files) == files - {"zarr.json"}
        assert seal.is_whole(group, thorough=True)


def test_a_series_of_a_store_travels_to_another_process(cohort: wb.Cohort, written: Path) -> None:
    lazy = pickle.loads(pickle.dumps(wb.cohort.open_store(written).load("2.25.65")))
    xr.testing.assert_identical(lazy.load(), cohort.load("2.25.65").load())


def test_parts_of_an_image_are_read_alike(cohort: wb.Cohort, written: Path) -> None:
    ours, theirs = (source.load("2.25.65")["image"] for source in (wb.cohort.open_store(written), cohort))
    for key in (0, -1, slice(None, None, -1), [2, 0], slice(4, 1), np.array([True, False, True, False, False, True])):
        xr.testing.assert_identical(ours[key, 1:3].compute(), theirs[key, 1:3].compute())
    with pytest.raises(IndexError):
        ours[99].compute()


def test_what_is_no_path_meets_our_error() -> None:
    with pytest.raises(UsageError):
        wb.cohort.open_store(4)  # type: ignore[arg-type]
