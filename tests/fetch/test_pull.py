"""A pull from a server that behaves, and from servers that do not."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests import factories
from tests.pacs import Archive, serve
from tests.running import run
from workbench.errors import FetchError, UsageError
from workbench.fetch import arrivals, dicomweb, selection, server

SECRET = "Muster4711"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two series of one study: CT of three images, MR of two."""
    archive = Archive()
    for number in range(1, 6):
        series, modality = (("1", "CT"), ("2", "MR"))[number > 3]
        path = tmp_path / "archive" / f"{number}.dcm"
        factories.image(path, number, SeriesInstanceUID=f"{factories.SERIES}.9{series}", Modality=modality,
                        PatientID=SECRET, ImagePositionPatient=[0, 0, 2.0 * number])  # fmt: skip
        archive.add(path)
    return archive


@pytest.fixture
def url(archive: Archive) -> Iterator[str]:
    with serve(archive) as address:
        yield address


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RETRIES", 0)
    for name in ("TOKEN", "USER", "PASSWORD", "CA"):
        monkeypatch.delenv(f"WORKBENCH_DICOMWEB_{name}", raising=False)


def test_a_pull_is_an_extract_with_the_bytes_of_the_server(archive: Archive, url: str, tmp_path: Path) -> None:
    done = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert (done.n_studies, done.n_series, done.n_instances, done.n_received) == (1, 1, 3, 3)
    files = {path.stem: path for path in done.path.rglob("*.dcm")}
    assert set(files) == {factories.uid(n) for n in (1, 2, 3)}
    assert all(path.read_bytes() == archive.objects[uid][1] for uid, path in files.items())
    assert wb.open_cohort(done.path).series["n_instances"].tolist() == [3]


def test_the_manifest_is_what_sha256sum_checks(url: str, tmp_path: Path) -> None:
    done = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    lines = (done.path / arrivals.MANIFEST).read_text().splitlines()
    for line in lines:
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((done.path / name).read_bytes()).hexdigest() == digest
    assert len(lines) == 3


def test_a_finished_pull_is_told_and_not_repeated(archive: Archive, url: str, tmp_path: Path) -> None:
    dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    before = len(archive.asked)
    again = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert (again.n_instances, again.n_received) == (3, 0)
    assert not any(path.count("/") > 7 and "instances/" in path for path in archive.asked[before:])


def test_a_finished_pull_stays_what_it_is(archive: Archive, url: str, tmp_path: Path) -> None:
    dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    with pytest.raises(UsageError, match="another selection"):
        dicomweb(url, query=["Modality=MR"], out=tmp_path / "pacs")
    path = tmp_path / "archive" / "9.dcm"
    factories.image(path, 9, SeriesInstanceUID=f"{factories.SERIES}.91", ImagePositionPatient=[0, 0, 18.0])
    archive.add(path)
    with pytest.raises(UsageError, match="does not"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert len(list((tmp_path / "pacs").rglob("*.dcm"))) == 3


def breaking_after(n: int) -> Callable[[str, Any], tuple[int, bytes] | None]:
    """A server that sends half of an object after *n* whole ones, and nothing from then on."""
    count = 0
    lock = threading.Lock()

    def interfere(path: str, handler: Any) -> tuple[int, bytes] | None:
        nonlocal count
        if "/instances/" not in path:
            return None
        with lock:
            count += 1
            if count <= n:
                return None
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/related; boundary=b")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"--b\r\n\r\n" + bytes(1000))
        handler.close_connection = True
        return 599, b""

    return interfere


def test_a_broken_pull_is_no_extract_and_goes_on_where_it_was(archive: Archive, url: str, tmp_path: Path) -> None:
    wb.options.workers = 1
    archive.interfere = breaking_after(2)
    with pytest.raises(FetchError, match="connection broke"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert not (tmp_path / "pacs").exists()
    kept = list((tmp_path / ".pacs.part").rglob("*.dcm"))
    assert kept
    assert not list((tmp_path / ".pacs.part").rglob("*.tmp"))
    archive.interfere = lambda path, handler: None
    done = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert (done.n_instances, done.n_received) == (3, 3 - len(kept))
    assert not (tmp_path / ".pacs.part").exists()


def test_files_without_a_journal_line_count_and_a_torn_line_does_not(
    archive: Archive, url: str, tmp_path: Path
) -> None:
    wb.options.workers = 1
    archive.interfere = breaking_after(2)
    with pytest.raises(FetchError):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    journal = tmp_path / ".pacs.part" / arrivals.JOURNAL
    journal.write_text(journal.read_text()[:-30])
    archive.interfere = lambda path, handler: None
    done = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    for line in (done.path / arrivals.MANIFEST).read_text().splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((done.path / name).read_bytes()).hexdigest() == digest


def test_an_object_that_is_another_is_refused_after_a_second_try(archive: Archive, url: str, tmp_path: Path) -> None:
    facts, _ = archive.objects[factories.uid(1)]
    archive.objects[factories.uid(1)] = (facts, archive.objects[factories.uid(2)][1])
    with pytest.raises(FetchError, match="names another object"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert sum(factories.uid(1) in path for path in archive.asked) == 2
    assert not (tmp_path / "pacs").exists()


def test_an_object_cut_off_at_the_server_is_refused(archive: Archive, url: str, tmp_path: Path) -> None:
    facts, data = archive.objects[factories.uid(1)]
    archive.objects[factories.uid(1)] = (facts, data[:-40])
    with pytest.raises(FetchError, match="truncated"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")


def test_small_pages_give_everything_and_a_server_without_pages_ends(
    archive: Archive, url: str, tmp_path: Path
) -> None:
    archive.page = 1
    assert sum(one.n_instances or 0 for one in selection(url, query=["PatientID=" + SECRET])) == 5
    archive.page, archive.heeds_offset = 1000, False
    assert len(selection(url, query=["PatientID=" + SECRET])) == 2


def test_what_a_server_gives_beyond_the_query_is_left(archive: Archive, url: str) -> None:
    archive.heeds_conditions = False
    assert [one.modality for one in selection(url, query=["Modality=MR"])] == ["MR"]


def test_fewer_objects_than_announced_are_told(archive: Archive, url: str, tmp_path: Path) -> None:
    def fewer(path: str, handler: Any) -> tuple[int, bytes] | None:
        if "/series?" not in path:
            return None
        item = archive.search(["studies", factories.STUDY, "series"], {"Modality": ["CT"]})
        if "offset=0" not in path:
            return 204, b""
        item[0]["00201209"]["Value"] = [4]
        return 200, json.dumps(item).encode()

    archive.interfere = fewer
    done = dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert len(done.remarks) == 1
    assert "4 objects announced, 3 listed" in done.remarks[0]


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/3", "", "1..2", "9" * 65])
def test_an_object_is_never_named_by_what_is_no_uid(archive: Archive, url: str, tmp_path: Path, uid: str) -> None:
    item = {"0020000D": {"Value": [uid]}}
    archive.interfere = lambda path, handler: (200, json.dumps([item]).encode())
    with pytest.raises(FetchError, match="no UID"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")
    assert not list(tmp_path.rglob("*.dcm.*"))


ODD = [5, "1.2.3", [], [5], {"Value": 5}, {"Value": {"a": 1}}, {"Value": "1.2.3"}, {"Value": [{"a": []}]}, None]


@pytest.mark.parametrize("held", ODD, ids=repr)
def test_an_attribute_of_another_form_is_no_uid(archive: Archive, url: str, tmp_path: Path, held: object) -> None:
    item = {"0020000D": held, "00080061": held}
    archive.interfere = lambda path, handler: (200, json.dumps([item]).encode())
    with pytest.raises(FetchError, match="no UID"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")


def test_one_result_without_a_list_around_it_is_taken(archive: Archive, url: str) -> None:
    def lone(path: str, handler: Any) -> tuple[int, bytes] | None:
        if "/studies?" not in path or "offset=0" not in path:
            return None
        return 200, json.dumps(archive.search(["studies"], {})[0]).encode()

    archive.interfere = lone
    assert [one.modality for one in selection(url, query=["Modality=CT"])] == ["CT"]


def test_a_machine_that_nobody_knows_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*given: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(FetchError, match="no machine of that name is known") as caught:
        selection("https://pacs.invalid/dicom-web", query=["Modality=CT"])
    assert "address" in str(caught.value.remedy)
    assert "goes on" not in str(caught.value)


def test_everything_and_a_query_are_two_things(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not select everything"):
        dicomweb(url, query=["Modality=CT"], everything=True, out=tmp_path / "pacs")
    for more in (["--dry-run"], ["--out", str(tmp_path / "pacs")]):
        done = run("fetch", "dicomweb", url, "--query", "Modality=CT", "--everything", *more)
        assert done.returncode == 2
        assert "--everything" in done.stderr
    assert not (tmp_path / "pacs").exists()


@pytest.mark.parametrize("status", [301, 401, 403, 404, 413, 500, 503])
def test_a_refusal_says_what_to_do_and_nothing_of_the_question(archive: Archive, url: str, status: int) -> None:
    archive.interfere = lambda path, handler: (status, SECRET.encode())
    with pytest.raises(FetchError) as caught:
        selection(url, query=["PatientID=" + SECRET])
    assert caught.value.remedy
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"3", b"[1]", b"\xff", b"[" * 100_000, b'{"error": "x"}'])
def test_an_answer_that_is_no_dicom_json_is_refused(archive: Archive, url: str, body: bytes) -> None:
    archive.interfere = lambda path, handler: (200, body)
    with pytest.raises(FetchError, match="not DICOM JSON"):
        selection(url, query=["Modality=CT"])


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("pacs.example", "not the address"),
        ("ftp://pacs.example/x", "not the address"),
        ("https://user:word@pacs.example/x", "credentials"),
        ("http://pacs.example/x", "plain http"),
        ("https://pacs.example/x?y=1", "query"),
    ],
)
def test_addresses_that_would_not_be_safe_are_refused(address: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        selection(address, query=["Modality=CT"])


def test_credentials_come_from_the_environment(archive: Archive, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DICOMWEB_TOKEN", "t0ken")
    selection(url, query=["Modality=CT"])
    assert {header["Authorization"] for header in archive.headers} == {"Bearer t0ken"}
    archive.headers.clear()
    monkeypatch.delenv("WORKBENCH_DICOMWEB_TOKEN")
    monkeypatch.setenv("WORKBENCH_DICOMWEB_USER", "u")
    with pytest.raises(UsageError, match="only one"):
        selection(url, query=["Modality=CT"])
    monkeypatch.setenv("WORKBENCH_DICOMWEB_PASSWORD", "p")
    selection(url, query=["Modality=CT"])
    assert {header["Authorization"] for header in archive.headers} == {"Basic dTpw"}


def test_no_file_of_passwords_is_consulted(
    archive: Archive, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    selection(url, query=["Modality=CT"])
    assert all("Authorization" not in header for header in archive.headers)


def test_a_certificate_nobody_vouches_for_is_refused(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serve(archive, lambda plain: context.wrap_socket(plain, server_side=True)) as address:
        with pytest.raises(FetchError, match="certificate cannot be verified"):
            selection(address, query=["Modality=CT"])
        monkeypatch.setenv("WORKBENCH_DICOMWEB_CA", str(tmp_path / "ca.pem"))
        assert len(selection(address, query=["Modality=CT"])) == 1


def test_nothing_personal_is_logged_kept_or_named(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    done = dicomweb(url, query=["PatientID=" + SECRET], out=tmp_path / "pacs")
    kept = "".join(path.read_text() for path in done.path.iterdir() if path.is_file())
    names = " ".join(str(path.relative_to(tmp_path)) for path in done.path.rglob("*"))
    assert SECRET not in caplog.text + kept + names + "".join(capfd.readouterr())


def test_other_peoples_requests_are_still_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    import requests

    caplog.set_level(logging.DEBUG)
    selection(url, query=["Modality=CT"])
    requests.get(f"{url}/studies", timeout=10)
    assert "GET /dicom-web/studies" in caplog.text


def test_a_folder_that_is_something_else_is_never_touched(url: str, tmp_path: Path) -> None:
    (tmp_path / "pacs").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")


def test_two_pulls_into_one_folder_do_not_meet(url: str, tmp_path: Path) -> None:
    with arrivals.Arrivals(tmp_path / "pacs"), pytest.raises(UsageError, match="another process"):
        dicomweb(url, query=["Modality=CT"], out=tmp_path / "pacs")


def test_an_empty_query_and_an_empty_result_are_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="all the server holds"):
        dicomweb(url, query=[], out=tmp_path / "pacs")
    with pytest.raises(FetchError, match="nothing on the server"):
        dicomweb(url, query=["Modality=PT"], out=tmp_path / "pacs")
    assert dicomweb(url, query=[], everything=True, out=tmp_path / "pacs").n_instances == 5
