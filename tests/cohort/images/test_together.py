"""All images of a cohort at once: one array, a store, a function over each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import workbench as wb
from tests import factories
from workbench.errors import AmbiguousSeries, SeriesNotFound, UsageError
from workbench.synthetic import write_federation

ROOT = Path(__file__).resolve().parents[3]
LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    """One small hospital."""
    out = tmp_path_factory.mktemp("few") / "federation"
    write_federation(out, patients=6, faults=["missing-slice", "localizer-in-series"])
    return wb.open_cohort(str(out / "extracts" / "*"), link_roots=[out / "datalake"])


@pytest.fixture(scope="module")
def kept(few: wb.Cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[wb.cohort.ImageStore, Path]:
    """Its images in a store that no test changes."""
    place = tmp_path_factory.mktemp("kept") / "c.zarr"
    return few.cache(place), place


@pytest.fixture
def parted(tmp_path: Path) -> wb.Cohort:
    """One series in two parts."""
    factories.stack(tmp_path / "n" / "axial", [0, 2, 4], PatientID="A")
    factories.stack(tmp_path / "n" / "coronal", [0, 2], orientation=factories.CORONAL, first=11, PatientID="A")
    return wb.open_cohort(tmp_path / "n", layout="plain")


def _middle(ds: xr.Dataset) -> np.ndarray:
    """Middle of an image, LPS mm."""
    ends = [(ds.sizes[axis] - 1) / 2 for axis in "zyx"]
    return (ds["affine"].values @ [*ends, 1.0])[:3]


class TestStack:
    def test_every_image_series_is_a_case_and_lesions_lie_in_the_middle(self, few: wb.Cohort) -> None:
        marked = few.where("n_labels > 0")
        found = marked.stack(spacing=2.0)
        assert found.sizes["case"] == marked.series.query("kind == 'image'")["n_parts"].sum()
        good = found["reason"] == ""
        assert found["mask"].any(["z", "y", "x"]).equals(good.drop_vars("reason")) or bool(
            (found["mask"].any(["z", "y", "x"]) == good).all()
        )
        for case in np.flatnonzero(good.values):
            places = np.argwhere(found["mask"].values[case])
            middle = (places.min(axis=0) + places.max(axis=0)) / 2
            assert np.abs(middle - (np.array(found["mask"].shape[1:]) - 1) / 2).max() <= 1.0
        np.testing.assert_allclose(found["mask_inside"].values[good.values], 1.0)

    def test_a_case_equals_resampling_it_alone(self, few: wb.Cohort) -> None:
        one = few.where("n_labels > 0 and modality = 'MR'")
        found = one.stack(spacing=(2.0, 1.5, 1.5), size_mm=(20, 30, 30))
        case = int(np.flatnonzero(found["reason"].values == "")[0])
        ds = few.load(found["series_uid"].values[case], node=found["node"].values[case], part=1)
        centre = found["centre_mm"].values[case]
        image = ds["image"].load()
        for z, y, x in ((0, 0, 0), (3, 7, 11), (9, 19, 19)):
            place = dict(zip("zyx", (found[a].values[i] for a, i in zip("zyx", (z, y, x), strict=True)), strict=True))
            world = {"x": centre[0] + place["x"], "y": centre[1] + place["y"], "z": centre[2] + place["z"]}
            value = found["image"].values[case, z, y, x]
            # Upright axial series: the coordinates are the patient's own.
            inside = all(image[a].min() <= world[a] <= image[a].max() for a in "zyx")
            expected = float(image.interp(world, method="linear")) if inside else np.nan
            if np.isfinite(expected):
                assert value == pytest.approx(expected, rel=1e-4, abs=0.05)

    def test_what_cannot_be_stacked_is_a_case_with_its_reason(self, few: wb.Cohort) -> None:
        found = few.stack(spacing=4.0, around="image", size_mm=40)
        reasons = [text for text in found["reason"].values if text]
        assert any("slices-missing" in text for text in reasons)
        assert np.isnan(found["image"].values[found["reason"].values != ""]).all()

    def test_each_part_of_a_series_is_a_case_of_its_own(self, parted: wb.Cohort) -> None:
        # Three axial and two coronal images in one series.
        with pytest.raises(AmbiguousSeries):
            parted.load(factories.SERIES)
        found = parted.stack(spacing=1.0, around="image", size_mm=4)
        assert found["part"].values.tolist() == [1, 2] == parted.map(lambda ds: 1)["part"].tolist()
        assert found["part"].dtype == np.int64
        for case in (0, 1):
            ds = parted.load(factories.SERIES, part=case + 1)
            np.testing.assert_allclose(found["centre_mm"][case], _middle(ds), atol=1e-6)
            alone = parted.stack(spacing=1.0, around={factories.SERIES: _middle(ds)}, size_mm=4)
            np.testing.assert_array_equal(found["image"][case], alone["image"][case])
        assert not np.array_equal(found["image"][0], found["image"][1])

    def test_places_can_be_given(self, few: wb.Cohort) -> None:
        one = few.where("modality = 'CT'")
        even = one.series.query("kind == 'image' and n_parts == 1 and geometry == 'regular'")
        uid = even["SeriesInstanceUID"].iloc[0]
        centre = [float(v) for v in one.load(uid)["position"].values.mean(axis=0) + np.array([10, 10, 0])]
        found = one.stack(spacing=2.0, around={uid: centre}, size_mm=10)
        case = found["series_uid"].values.tolist().index(uid)
        assert found["reason"].values[case] == ""
        assert (found["reason"].values != "").sum() == found.sizes["case"] - 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"spacing": 0}, {"around": "nose"}, {"method": "magic"}, {"size_mm": -1}, {"workers": 0},
            {"around": {"1.2": (0, 0, 0)}},
        ],
    )  # fmt: skip
    def test_wrong_arguments_meet_our_errors(self, few: wb.Cohort, wrong: dict[str, object]) -> None:
        with pytest.raises(UsageError):
            few.stack(**{"spacing": 4.0, **wrong})  # type: ignore[arg-type]

    @pytest.mark.parametrize("wrong", [{"masks": "newst"}, {"masks": 5}, {"resample": "cubic"}, {"prepare": 3}])
    def test_what_no_case_could_be_made_with_is_told_before_the_first(
        self, few: wb.Cohort, wrong: dict[str, object], tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError):
            few.stack(spacing=4.0, **wrong)  # type: ignore[arg-type]
        if "masks" in wrong:
            with pytest.raises(UsageError):
                few.cache(tmp_path / "c.zarr", **wrong)  # type: ignore[arg-type]
            with pytest.raises(UsageError):
                few.map(len, **wrong)  # type: ignore[arg-type]
            assert not (tmp_path / "c.zarr").exists()

    def test_what_prepare_raises_is_the_reason_of_its_case(self, few: wb.Cohort) -> None:
        bad = few.series.query("kind == 'image'")["SeriesInstanceUID"].iloc[0]

        def prepare(ds: xr.Dataset) -> xr.Dataset:
            if ds["series_instance_uid"].item() == bad:
                raise ValueError("odd")
            return ds

        found = few.stack(spacing=4.0, around="image", size_mm=20, prepare=prepare)
        reasons = dict(zip(found["series_uid"].values, found["reason"].values, strict=True))
        assert reasons[bad] == "prepare failed: ValueError: odd"
        assert (found["reason"].values == "").any()
        nothing = few.stack(spacing=4.0, around="image", size_mm=20, prepare=lambda ds: None)  # type: ignore[arg-type,return-value]
        assert all("prepare gave no Dataset" in text for text in nothing["reason"].values)

    def test_nothing_to_stack_is_told(self, few: wb.Cohort) -> None:
        with pytest.raises(UsageError, match="no image"):
            few.where("false").stack(spacing=4.0)


class TestStore:
    def test_what_is_read_back_is_identical(self, few: wb.Cohort, tmp_path: Path) -> None:
        store = few.cache(tmp_path / "c.zarr", masks=True)
        assert store.entries
        again = wb.cohort.open_store(tmp_path / "c.zarr")
        for entry in again.entries:
            ours = again.load(entry["series_uid"], node=entry["node"], part=entry["part"])
            theirs = few.load(entry["series_uid"], node=entry["node"], part=entry["part"], masks=True)
            xr.testing.assert_identical(ours.load(), theirs.load())

    def test_any_reader_of_zarr_understands_it(self, kept: tuple[wb.cohort.ImageStore, Path]) -> None:
        store, place = kept
        tree = xr.open_datatree(place, engine="zarr", consolidated=False, chunks=None)
        assert {f"/{entry['group']}" for entry in store.entries} == {leaf.path for leaf in tree.leaves}

    def test_images_are_sharded_a_file_per_volume(self, kept: tuple[wb.cohort.ImageStore, Path]) -> None:
        store, place = kept
        for entry in store.entries:
            files = [p for p in (place / entry["group"] / "image").rglob("*") if p.is_file()]
            assert len(files) == 2

    def test_what_is_there_is_not_written_again_and_what_changed_is(self, tmp_path: Path) -> None:
        out = tmp_path / "federation"
        write_federation(out, patients=3, faults=[])
        extract = out / "extracts" / "cedro"
        cohort = wb.open_cohort(extract)
        cohort.cache(tmp_path / "c.zarr")
        groups = [p for p in (tmp_path / "c.zarr").rglob("zarr.json") if p.parent.name != "c.zarr"]
        times = {p: p.stat().st_mtime_ns for p in groups}
        wb.open_cohort(extract).cache(tmp_path / "c.zarr")
        assert {p: p.stat().st_mtime_ns for p in groups} == times
        uid = cohort.series.query("kind == 'image'")["SeriesInstanceUID"].iloc[0]
        file = extract / cohort.sql(f"select path from instances where SeriesInstanceUID = '{uid}'")["path"].iloc[0]
        data = file.read_bytes()
        file.write_bytes(data[:-2] + b"\x01\x02")
        changed = wb.open_cohort(extract)
        store = changed.cache(tmp_path / "c.zarr")
        new = {p for p in groups if times[p] != p.stat().st_mtime_ns}
        assert len({p for p in new if p.parent.name == "image"}) == 1
        for entry in store.entries:
            ours, theirs = (s.load(entry["series_uid"], part=entry["part"]).load() for s in (store, changed))
            xr.testing.assert_identical(ours, theirs)

    def test_the_store_is_a_lazy_tree(self, few: wb.Cohort, kept: tuple[wb.cohort.ImageStore, Path]) -> None:
        store, place = kept
        tree = wb.cohort.open_store(place).tree()
        assert {leaf.path for leaf in tree.leaves} == {leaf.path for leaf in few.to_datatree().leaves}
        assert len(store) == len(list(tree.leaves))

    def test_a_folder_of_something_else_is_never_touched(self, few: wb.Cohort, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("x")
        with pytest.raises(UsageError, match="no Zarr store"):
            few.cache(tmp_path / "mine")
        with pytest.raises(UsageError, match="no finished store"):
            wb.cohort.open_store(tmp_path / "mine")
        with pytest.raises(UsageError, match="no Zarr store"):
            few.cache(tmp_path / "mine" / "notes.txt")
        with pytest.raises(UsageError):
            few.cache(3)  # type: ignore[arg-type]

    def test_what_is_not_in_the_store_is_told(self, kept: tuple[wb.cohort.ImageStore, Path]) -> None:
        with pytest.raises(SeriesNotFound):
            kept[0].load("1.2.3")

    @pytest.mark.slow
    def test_a_killed_run_goes_on_and_nothing_half_written_is_read(self, tmp_path: Path) -> None:
        out = tmp_path / "federation"
        write_federation(out, patients=9, faults=[])
        extract, store = out / "extracts" / "cedro", tmp_path / "c.zarr"
        code = f"import workbench as wb; wb.open_cohort({str(extract)!r}).cache({str(store)!r}, workers=1)"
        writing = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
        while len(list(store.rglob("image/zarr.json"))) < 2:
            assert writing.poll() is None
            time.sleep(0.01)
        os.kill(writing.pid, signal.SIGKILL)
        writing.wait(30)
        with pytest.raises(UsageError, match="no finished store"):
            wb.cohort.open_store(store)
        cohort = wb.open_cohort(extract)
        found = cohort.cache(store)
        assert not list(store.rglob(".*.tmp"))
        for entry in found.entries:
            xr.testing.assert_identical(found.load(entry["series_uid"]).load(), cohort.load(entry["series_uid"]).load())

    def test_series_and_parts_are_counted_apart(self, parted: wb.Cohort, tmp_path: Path) -> None:
        store = parted.cache(tmp_path / "c.zarr")
        assert repr(store) == "images of 1 series in 2 parts of 1 patients in c.zarr"
        assert len(store) == 2


def test_progress_counts_what_it_says(
    few: wb.Cohort, parted: wb.Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[int | None, str]] = []

    @contextmanager
    def task(label: str, total: int | None, *, unit: str = "files") -> Iterator[Callable[..., None]]:
        said.append((total, unit))
        yield lambda n=1: None

    monkeypatch.setattr("workbench.progress.task", task)
    monkeypatch.setattr("workbench.cohort.images.mapping.task", task)
    parted.map(lambda ds: 1)
    parted.cache(tmp_path / "c.zarr")
    parted.stack(spacing=1.0, around="image", size_mm=4)
    assert said == [(2, "parts of series")] * 3
    said.clear()
    whole = few.where("n_parts = 1 and modality = 'CT'")
    whole.map(lambda ds: 1)
    assert said == [((whole.series["kind"] == "image").sum(), "series")]


class TestMap:
    def test_each_series_stands_there_once_in_order(self, few: wb.Cohort) -> None:
        found = few.map(lambda ds: {"n": ds.sizes["z"], "mean": float(ds["image"].mean())})
        parts = few.sql("select p.node, p.SeriesInstanceUID, p.part, p.n_slices from parts p")
        assert len(found) == len(parts)
        joined = found.merge(
            parts, left_on=["node", "series_uid", "part"], right_on=["node", "SeriesInstanceUID", "part"]
        )
        assert (joined["n"] == joined["n_slices"]).all()
        assert (found["reason"] == "").all()

    def test_a_failing_one_is_tried_again_and_costs_no_other(self, few: wb.Cohort) -> None:
        tries: dict[str, int] = {}
        bad = few.series.query("kind == 'image' and n_parts == 1")["SeriesInstanceUID"].iloc[0]

        def sometimes(ds: xr.Dataset) -> int:
            uid = str(ds["series_instance_uid"].item())
            tries[uid] = tries.get(uid, 0) + 1
            if uid == bad:
                raise ValueError("never this one")
            return 1

        found = few.map(sometimes, retries=2)
        assert tries[bad] == 3
        assert found.set_index("series_uid").loc[bad, "reason"] == "ValueError: never this one"
        assert (found["reason"] != "").sum() == 1

    def test_patients_and_cases_are_trees(self, few: wb.Cohort) -> None:
        by_patient = few.map(lambda tree: len(list(tree.leaves)), on="patient")
        assert int(by_patient["result"].sum()) == len(few.sql("select * from parts"))
        by_case = few.map(lambda tree: len(list(tree.leaves)), on="case")
        assert len(by_case) == len(
            few.series.query("kind == 'image'")[["node", "patient_id", "timepoint"]].drop_duplicates()
        )

    def test_results_of_any_kind_are_kept(self, few: wb.Cohort) -> None:
        found = few.where("modality = 'CT'").map(lambda ds: [1, 2])
        assert found["result"].tolist() == [[1, 2]] * len(found)

    def test_who_a_row_is_about_is_not_the_functions_to_say(self, few: wb.Cohort) -> None:
        found = few.map(lambda ds: {"patient_id": "x", "reason": "low"})
        assert "x" not in set(found["patient_id"])
        assert set(found["result_patient_id"]) == {"x"}
        assert set(found["result_reason"]) == {"low"}
        assert set(found["reason"]) == {""}

    @pytest.mark.parametrize("wrong", [{"on": "voxel"}, {"retries": -1}, {"workers": 0}, {"client": object()}])
    def test_wrong_arguments_meet_our_errors(self, few: wb.Cohort, wrong: dict[str, object]) -> None:
        with pytest.raises(UsageError):
            few.map(len, **wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            few.map(3)  # type: ignore[arg-type]


@pytest.mark.slow
class TestCluster:
    """A real scheduler and two workers, each a process of its own."""

    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]]]]:
        file = tmp_path / "scheduler.json"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
        started = []

        def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
            log = (tmp_path / f"{module}-{len(started)}.log").open("wb")
            started.append(subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(file), "--host", LOOPBACK,
                 "--no-dashboard", *arguments],
                stdout=log, stderr=log, env=environment, cwd=tmp_path,
            ))  # fmt: skip
            log.close()
            return started[-1]

        try:
            start("dask_scheduler", "--port", "0")
            workers = [
                start(
                    "dask_worker", "--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path), "--name", name
                )
                for name in ("one", "two")
            ]
            yield file, workers
        finally:
            for process in reversed(started):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in started:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)

    def test_a_worker_that_dies_costs_nothing_and_nothing_is_doubled(
        self, few: wb.Cohort, cluster: tuple[Path, list[subprocess.Popen[bytes]]], tmp_path: Path
    ) -> None:
        from distributed import Client

        file, workers = cluster
        ran = tmp_path / "ran"
        ran.mkdir()

        def work(ds: xr.Dataset, folder: str = str(ran)) -> dict[str, object]:
            import os
            import time

            uid = f"{ds['series_instance_uid'].item()}-{ds.attrs.get('part', 1)}"
            with open(os.path.join(folder, f"{uid}-{os.getpid()}"), "w"):
                pass
            time.sleep(0.3)
            return {"sum": float(ds["image"].sum()), "pid": os.getpid()}

        with Client(scheduler_file=str(file), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            import threading

            def kill_when_busy() -> None:
                for _ in range(600):
                    if any(name.name.endswith(f"-{workers[0].pid}") for name in ran.iterdir()):
                        os.kill(workers[0].pid, signal.SIGKILL)
                        return
                    time.sleep(0.05)

            killer = threading.Thread(target=kill_when_busy)
            killer.start()
            found = few.map(work, client=client)
            killer.join()
        assert workers[0].wait(10) == -signal.SIGKILL
        assert (found["reason"] == "").all()
        alone = few.map(lambda ds: {"sum": float(ds["image"].sum())})
        assert found[["series_uid", "part"]].equals(alone[["series_uid", "part"]])
        np.testing.assert_allclose(found["sum"].to_numpy(float), alone["sum"].to_numpy(float))
        assert workers[1].pid in set(found["pid"])

    def test_an_error_on_the_cluster_is_a_row(
        self, few: wb.Cohort, cluster: tuple[Path, list[subprocess.Popen[bytes]]]
    ) -> None:
        from distributed import Client

        file, _ = cluster

        def work(ds: xr.Dataset) -> int:
            raise RuntimeError("no")

        with Client(scheduler_file=str(file), timeout=60) as client:
            found = few.where("modality = 'CT'").map(work, client=client, retries=1)
        assert (found["reason"] == "RuntimeError: no").all()


def test_a_store_names_no_place_of_this_machine(kept: tuple[wb.cohort.ImageStore, Path]) -> None:
    files = list(kept[1].rglob("zarr.json"))
    assert files
    for file in files:
        assert str(kept[1].parent.parent) not in file.read_text()


def test_images_that_are_nifti_are_images_like_any(tmp_path: Path) -> None:
    import nibabel

    for subject in ("S1", "S2"):
        (tmp_path / "fed" / subject / "T1").mkdir(parents=True)
        values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
        nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 3.0, 1.0])).to_filename(
            tmp_path / "fed" / subject / "T1" / f"{subject}.nii.gz"
        )
    cohort = wb.open_cohort(tmp_path / "fed", layout="medical-folder")
    tree, store = cohort.to_datatree(), cohort.cache(tmp_path / "c.zarr")
    assert len(list(tree.leaves)) == len(store) == 2
    for entry, leaf in zip(store.entries, tree.leaves, strict=True):
        xr.testing.assert_identical(store.load(entry["series_uid"]).load(), leaf.to_dataset().load())
    assert cohort.map(lambda ds: int(ds["image"].sum()))["result"].tolist() == [1770, 1770]
    stacked = cohort.stack(spacing=2.0, around="image", size_mm=6)
    assert (stacked["reason"] == "").all()
