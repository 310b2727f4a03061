"""Archives to pull from: a small DICOMweb server in this process, and a real Orthanc on the loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
BOUNDARY = "f2a9-archive"


@dataclass
class Archive:
    """Objects by UID, and how the server behaves."""

    objects: dict[str, tuple[dict[str, str], bytes]] = field(default_factory=dict)
    #: Called with the path before an answer is given; may return a status and a body to send instead.
    interfere: Callable[[str, Any], tuple[int, bytes] | None] = lambda path, handler: None
    #: Results of a search at most, whatever the client asks for.
    page: int = 1000
    #: Whether it heeds offset, and conditions.
    heeds_offset: bool = True
    heeds_conditions: bool = True
    #: Paths asked for, in order.
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Store a file."""
        header = pydicom.dcmread(path, stop_before_pixels=True)
        facts = {
            "0020000D": header.StudyInstanceUID, "0020000E": header.SeriesInstanceUID,
            "00080018": header.SOPInstanceUID, "00080060": header.Modality,
            "00100020": header.get("PatientID", ""), "00080020": header.get("StudyDate", ""),
            "00080061": header.Modality,
        }  # fmt: skip
        self.objects[header.SOPInstanceUID] = ({k: str(v) for k, v in facts.items()}, path.read_bytes())

    def search(self, parts: list[str], query: dict[str, list[str]]) -> list[dict[str, Any]]:
        level = "instances" if parts[-1] == "instances" else "series" if parts[-1] == "series" else "studies"
        key = {"instances": "00080018", "series": "0020000E", "studies": "0020000D"}[level]
        fixed = {"0020000D": parts[1]} if len(parts) > 1 else {}
        fixed |= {"0020000E": parts[3]} if len(parts) > 3 else {}
        wanted = {"StudyInstanceUID": "0020000D", "Modality": "00080060", "PatientID": "00100020",
                  "ModalitiesInStudy": "00080061", "SeriesInstanceUID": "0020000E"}  # fmt: skip
        found: dict[str, dict[str, Any]] = {}
        for facts, _ in self.objects.values():
            if any(facts[tag] != value for tag, value in fixed.items()):
                continue
            conditions = {wanted[k]: v[0] for k, v in query.items() if k in wanted}
            if self.heeds_conditions and any(facts[tag] != value for tag, value in conditions.items()):
                continue
            item = found.setdefault(facts[key], {tag: {"vr": "UI", "Value": [value]} for tag, value in facts.items()})
            if facts["00080060"] not in item["00080061"]["Value"]:
                item["00080061"]["Value"].append(facts["00080060"])
            item["00201209"] = {"vr": "IS", "Value": [item.get("00201209", {"Value": [0]})["Value"][0] + 1]}
        results = [found[uid] for uid in sorted(found)]
        offset = int(query.get("offset", ["0"])[0]) if self.heeds_offset else 0
        return results[offset : offset + min(self.page, int(query.get("limit", ["1000"])[0]))]


@contextmanager
def serve(archive: Archive, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[str]:
    """Address of a running server of *archive*, for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None: ...

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            names = [name for name in parts.path.split("/") if name][1:]
            archive.asked.append(self.path)
            archive.headers.append(dict(self.headers))
            instead = archive.interfere(self.path, self)
            if instead is not None:
                return self.answer(*instead)
            if len(names) == 6:
                stored = archive.objects.get(names[5])
                if stored is None:
                    return self.answer(404, b"")
                body = (f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + stored[1]
                        + f"\r\n--{BOUNDARY}--".encode())  # fmt: skip
                return self.answer(200, body, f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')
            found = archive.search(names, parse_qs(parts.query))
            return self.answer(200, json.dumps(found).encode(), "application/dicom+json") if found else self.answer(204)

        def answer(self, status: int, body: bytes = b"", kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if wrap is not None:
        server.socket, scheme = wrap(server.socket), "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}/dicom-web"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class Orthanc:
    """A real Orthanc with its DICOMweb plug-in, storing below a folder; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.base}/dicom-web"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({
            "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "HttpServerEnabled": True,
            "HttpPort": self.port, "DicomServerEnabled": False, "SslEnabled": False, "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False, "Ssl": False},
        }))  # fmt: skip

    def start(self) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [shutil.which("Orthanc") or "Orthanc", str(self.folder / "config.json")], stdout=log, stderr=log
            )
        for _ in range(300):
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            try:
                urllib.request.urlopen(f"{self.base}/system", timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("Orthanc did not start")

    def store(self, path: Path) -> None:
        request = urllib.request.Request(f"{self.base}/instances", path.read_bytes(), method="POST")
        urllib.request.urlopen(request, timeout=60).close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, how)
            self.process.wait(30)
