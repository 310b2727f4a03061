"""Hostile folders: what stands where files are looked for."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset

from tests.hostile import folder_case, part10


@folder_case
def dicomdir_with_traversal(folder: Path) -> None:
    """A directory of files that points out of its folder; it is never followed (PS3.10 8.6)."""
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord, record.RecordInUseFlag = 0, 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity, record.DirectoryRecordType = 0, "IMAGE"
    with warnings.catch_warnings():
        # Not a name that the standard allows.
        warnings.simplefilter("ignore")
        record.ReferencedFileID = ["..", "..", "..", "ETC", "PASSWD"]
    directory = Dataset()
    directory.FileSetID, directory.DirectoryRecordSequence = "X", [record]
    directory.file_meta = FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    directory.save_as(folder / "DICOMDIR", enforce_file_format=True)


@folder_case
def empty_files_5000(folder: Path) -> None:
    for number in range(5000):
        (folder / f"{number:04d}.dcm").touch()


@folder_case
def name_with_a_newline(folder: Path) -> None:
    (folder / "a\nb\r\x1b[31m.dcm").write_bytes(part10())


@folder_case
def name_of_255_bytes(folder: Path) -> None:
    (folder / ("n" * 251 + ".dcm")).write_bytes(part10())


@folder_case
def name_of_raw_bytes(folder: Path) -> None:
    with open(os.fsencode(folder) + b"/\xff\xfe\xe9.dcm", "wb") as file:
        file.write(part10())


@folder_case
def name_with_backslashes(folder: Path) -> None:
    (folder / "..\\..\\a.dcm").write_bytes(part10())


@folder_case
def pipe_and_socket(folder: Path) -> None:
    """Reading either would wait for ever."""
    os.mkfifo(folder / "pipe.dcm")
    # A socket's path is short by its protocol: made under a short name, then moved.
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.dcm")
    finally:
        os.chdir(here)
    (folder / "a.dcm").write_bytes(part10())


@folder_case
def links_in_circles(folder: Path) -> None:
    (folder / "a.dcm").write_bytes(part10())
    (folder / "self.dcm").symlink_to("self.dcm")
    (folder / "round").symlink_to(".")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("..")


@folder_case
def links_to_devices(folder: Path) -> None:
    (folder / "a.dcm").write_bytes(part10())
    (folder / "zero.dcm").symlink_to("/dev/zero")
    (folder / "passwd.dcm").symlink_to("/etc/passwd")


@folder_case
def folder_named_like_a_file(folder: Path) -> None:
    (folder / "b.dcm").mkdir()
    (folder / "a.dcm").write_bytes(part10())


@folder_case
def folders_700_deep(folder: Path) -> None:
    """Deeper than a path may be long."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(700):
            os.mkdir("deeper")
            os.chdir("deeper")
        Path("a.dcm").write_bytes(part10())
    finally:
        os.chdir(here)


@folder_case
def one_broken_among_sound(folder: Path) -> None:
    """A broken file costs only itself."""
    (folder / "a.dcm").write_bytes(part10())
    (folder / "b.dcm").write_bytes(part10(SOPInstanceUID="1.2.3.4")[:700])
    (folder / "c.dcm").write_bytes(b"MZ" + bytes(1000))
