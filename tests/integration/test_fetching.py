"""The seven sarcoma patients in a real PACS: queried, pulled, killed in mid-pull, pulled to the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

import workbench as wb
from tests.conftest import absent
from tests.pacs import PLUGIN, Orthanc
from workbench import fetch
from workbench.errors import FetchError

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.data]


@pytest.fixture(scope="module")
def stored(data_dir: Path) -> dict[str, Path]:
    """SOPInstanceUID -> file of every sarcoma object."""
    files = sorted((data_dir / "sts" / "dicom").rglob("*.dcm"))
    return {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID: file for file in files}


@pytest.fixture(scope="module")
def orthanc(stored: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if shutil.which("Orthanc") is None or not PLUGIN.is_file():
        absent("Orthanc with its DICOMweb plug-in", "orthanc")
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    try:
        for path in stored.values():
            server.store(path)
        yield server
    finally:
        server.stop()


def same_object(pulled: Path, original: Path) -> bool:
    """Equal to the last byte."""
    return pulled.read_bytes() == original.read_bytes()


def test_all_seven_patients_come_back_with_equal_bytes_of_pixels(
    orthanc: Orthanc, stored: dict[str, Path], tmp_path: Path
) -> None:
    done = fetch.dicomweb(orthanc.url, query=[], everything=True, out=tmp_path / "pacs")
    pulled = {path.stem: path for path in done.path.rglob("*.dcm")}
    assert set(pulled) == set(stored)
    assert all(same_object(path, stored[uid]) for uid, path in pulled.items())
    assert done.remarks == ()
    cohort = wb.open_cohort(done.path)
    assert len(cohort.patients) == 7
    assert cohort.series["Modality"].value_counts().to_dict() == {"RTSTRUCT": 21, "CT": 7, "MR": 7, "PT": 7}


def test_a_query_selects_as_the_headers_say(orthanc: Orthanc, stored: dict[str, Path], tmp_path: Path) -> None:
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in stored.values()]
    patient = headers[0].PatientID
    wanted = {h.SOPInstanceUID for h in headers if h.PatientID == patient and h.Modality == "PT"}
    done = fetch.dicomweb(orthanc.url, query={"PatientID": patient, "Modality": "PT"}, out=tmp_path / "one")
    assert {path.stem for path in done.path.rglob("*.dcm")} == wanted
    assert patient not in (done.path / "fetch.json").read_text()


@pytest.mark.parametrize(("value", "n_series"), [("M*", 7), ("C?", 7), ("RTSTRUCT", 21), ("XA", 0)])
def test_the_server_heeds_wildcards(orthanc: Orthanc, value: str, n_series: int) -> None:
    assert len(fetch.selection(orthanc.url, query={"Modality": value})) == n_series


def test_the_server_killed_in_mid_pull_costs_nothing(
    orthanc: Orthanc, stored: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.fetch.server.RETRIES", 1)
    out, part = tmp_path / "pacs", tmp_path / ".pacs.part"
    code = f"from workbench import fetch; fetch.dicomweb({orthanc.url!r}, query=['Modality=CT'], out={str(out)!r})"
    pulling = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while len(list(part.rglob("*.dcm"))) < 20:
        assert pulling.poll() is None, pulling.communicate()[1]
        time.sleep(0.01)
    orthanc.stop(signal.SIGKILL)
    _, told = pulling.communicate(timeout=120)
    assert "FetchError" in told
    assert not out.exists()
    kept = {path.stem for path in part.rglob("*.dcm")}
    assert 20 <= len(kept) < len(stored)
    with pytest.raises(FetchError, match="does not answer"):
        fetch.dicomweb(orthanc.url, query=["Modality=CT"], out=out)

    orthanc.start()
    done = fetch.dicomweb(orthanc.url, query=["Modality=CT"], out=out)
    pulled = {path.stem: path for path in out.rglob("*.dcm")}
    assert kept < set(pulled)
    assert done.n_received == len(pulled) - len(kept)
    assert all(same_object(path, stored[uid]) for uid, path in pulled.items())


def test_the_pull_killed_costs_nothing(orthanc: Orthanc, stored: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench", "fetch", "dicomweb", orthanc.url, "--query", "Modality=MR",
               "--out", str(tmp_path / "pacs"), "--json"]  # fmt: skip
    pulling = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    part = tmp_path / ".pacs.part"
    while len(list(part.rglob("*.dcm"))) < 20:
        assert pulling.poll() is None
        time.sleep(0.01)
    os.kill(pulling.pid, signal.SIGKILL)
    pulling.wait(30)
    assert not (tmp_path / "pacs").exists()
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    pulled = {path.stem: path for path in (tmp_path / "pacs").rglob("*.dcm")}
    assert told["objects"] == len(pulled) > told["received_now"] > 0
    assert all(same_object(path, stored[uid]) for uid, path in pulled.items())
    assert {path.name for path in tmp_path.iterdir()} == {"pacs"}


def test_what_was_pulled_loads_as_what_was_stored(orthanc: Orthanc, stored: dict[str, Path], tmp_path: Path) -> None:
    done = fetch.dicomweb(orthanc.url, query=["Modality=PT"], out=tmp_path / "pacs")
    cohort = wb.open_cohort(done.path)
    uid = cohort.series["SeriesInstanceUID"].iloc[0]
    ours = cohort.load(uid)["image"].values
    theirs = [pydicom.dcmread(path) for path in stored.values()]
    theirs = sorted((h for h in theirs if h.SeriesInstanceUID == uid), key=lambda h: h.ImagePositionPatient[2])
    scaled = [h.pixel_array * float(h.RescaleSlope) + float(h.RescaleIntercept) for h in theirs]
    np.testing.assert_allclose(ours, np.stack(scaled), rtol=1e-6)
