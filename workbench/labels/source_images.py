"""The images that a mask was made on: which series, which of its files, and which frame each slice is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series, named
from workbench.dicom.stacks.stack import Plan
from workbench.errors import LabelError, PathNotFound, SeriesNotFound, UsageError
from workbench.options import options

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: What a SEG takes over from its images: of type 2 in PS3.3 C.7.1.1 and C.7.2.1, so empty where an image lacks it.
#: highdicom wants each of them there, and one character set: texts are written in UTF-8.
_COPIED: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class SourceImages:
    """The images a mask was made on."""

    #: SeriesInstanceUID.
    series_uid: str
    #: Where their frames are.
    plan: Plan
    #: Row of the plan of each slice.
    rows: list[int]
    #: Folder the paths are relative to.
    root: Path

    @property
    def uids(self) -> list[str]:
        """SOPInstanceUID of each slice."""
        uids = self.plan.rows["SOPInstanceUID"].to_pylist()
        return [uids[row] or "" for row in self.rows]

    @property
    def multi_frame(self) -> bool:
        """Whether the slices are frames of one file."""
        return int(self.plan.rows["NumberOfFrames"][self.rows[0]].as_py() or 1) > 1

    @property
    def mosaic(self) -> bool:
        """Whether the slices are tiles of one picture."""
        return "mosaic_normal" in self.plan.rows.column_names and any(self.plan.rows["mosaic_normal"].to_pylist())

    def holds(self, file: Path) -> bool:
        """Whether a file is one of the images, under whatever name."""
        here = os.stat(file)
        stats = (os.stat(self.root / path) for path in dict.fromkeys(self.plan.rows["path"].to_pylist()))
        return any(os.path.samestat(here, each) for each in stats)

    def headers(self) -> list[Dataset]:
        """Headers of the files, in the order of the slices."""
        import pydicom

        paths = self.plan.rows["path"].to_pylist()
        several = dict.fromkeys(paths[row] for row in self.rows)
        if self.multi_frame and len(several) > 1:
            raise UsageError("the slices lie in several multi-frame files", remedy="write one SEG for each file")
        read = [pydicom.dcmread(self.root / path, stop_before_pixels=True) for path in several]
        # The first is the one that patient and study are taken from.
        read[0].decode()
        for header in read:
            for keyword in _COPIED:
                setattr(header, keyword, str(header.get(keyword) or ""))
            header.SpecificCharacterSet = "ISO_IR 192"
        return read

    def in_stored_order(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels (z, y, x[, segment]) as a multi-frame file has its frames; unchanged for single frames."""
        if not self.multi_frame:
            return pixels
        count = int(self.plan.rows["NumberOfFrames"][self.rows[0]].as_py())
        frames = np.array([self.plan.rows["frame"][row].as_py() for row in self.rows])
        stored = np.zeros((count, *pixels.shape[1:]), dtype=pixels.dtype)
        stored[frames] = pixels
        return stored


def source_images(mask: Any, images: Any) -> SourceImages:
    """The series, and its volume, that a mask was made on.

    Parameters
    ----------
    mask : array or xarray.DataArray
        It names its images in the coordinate ``sop_instance_uid``, or none; then *images* must be one volume.
    images : path, sequence of paths, or xarray.Dataset
        Where they are; a Dataset knows the files it was opened from.

    Raises
    ------
    SeriesNotFound
        They are not among *images*, or several series are and nothing says which is meant.
    UsageError, PathNotFound
        *images* names no files.
    LabelError
        Slices of the volume are missing.
    """
    wanted = _instances(mask) or _instances(images)
    root, places = _places(images)
    table = named(scan(root, places=places, allowed_roots=options.link_roots).table)
    plans = [(series.uid, plan) for series in iterate_series(table, root) for plan in series.plans if not plan.refused]
    if wanted:
        for uid, plan in plans:
            row_of = {uid: row for row, uid in enumerate(plan.rows["SOPInstanceUID"].to_pylist())}
            for volume in plan.cells.reshape(-1, plan.cells.shape[-1]):
                here = {plan.rows["SOPInstanceUID"][int(row)].as_py() for row in volume if row >= 0}
                if set(wanted) <= row_of.keys() and set(wanted) <= here:
                    return SourceImages(uid, plan, _complete(volume), root)
        raise SeriesNotFound("the images of the mask are not there", remedy="name the folder of the series it is of")
    if len(plans) != 1:
        raise SeriesNotFound(
            f"{len(plans)} series or parts that the mask could be of",
            remedy="give a mask with sop_instance_uid, or the images of one",
        )
    if plans[0][1].extras:
        dims = ", ".join(extra.name for extra in plans[0][1].extras)
        raise SeriesNotFound(
            f"several images at each place ({dims}), and the mask does not say which it was made on",
            remedy="pass images= as the files of one volume, or a mask with sop_instance_uid",
        )
    (uid, plan) = plans[0]
    return SourceImages(uid, plan, _complete(plan.cells), root)


def _complete(volume: NDArray[np.int64]) -> list[int]:
    if (volume < 0).any():
        raise LabelError("slices of this volume are missing", remedy="write on a volume that has all its slices")
    return [int(row) for row in volume]


def _instances(array: Any) -> list[str]:
    """SOPInstanceUIDs of the slices of an array or Dataset; none where it has them not, or several at a slice."""
    uids = getattr(array, "coords", {}).get("sop_instance_uid")
    return [str(uid) for uid in np.ravel(uids.values) if uid] if uids is not None and uids.ndim < 2 else []


def _places(images: Any) -> tuple[Path, list[Place]]:
    """Folder and places of the images; a Dataset knows its files, or where it was opened from."""
    given = images
    if hasattr(images, "encoding"):
        files = images.encoding.get("files")
        # Where links lead: they were followed when the Dataset was opened, by what was allowed then.
        given = images.encoding.get("source") if files is None else [os.path.realpath(file) for file in files.each()]
    if given is None:
        raise UsageError("this Dataset does not know its files", remedy="pass images= as a folder or files")
    paths = [Path(os.path.abspath(each)) for each in _several(given)]
    for path in paths:
        if not path.exists():
            raise PathNotFound("no such file or folder", file=path.name, remedy="pass images= as a folder or files")
    if not paths:
        raise UsageError("no images given", remedy="pass images= as a folder or files")
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], [Place()]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return root, [Place(path.relative_to(root).as_posix()) for path in paths]


def _several(given: Any) -> Iterator[str | os.PathLike[str]]:
    """The paths that are given."""
    for each in (
        [given] if isinstance(given, (str, os.PathLike)) else given if isinstance(given, (list, tuple)) else [0]
    ):
        if not isinstance(each, (str, os.PathLike)) or "\0" in os.fspath(each):
            raise UsageError("images is no path", remedy="pass images= as a folder, files, or the opened Dataset")
        yield each
