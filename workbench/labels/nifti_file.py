"""A NIfTI file: where its voxels are, and its numbers as they are stored.

World coordinates of a file are RAS millimetres of voxel centres (NIfTI-1 standard, sections on methods 1 to 3); an
image is LPS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import LabelError

Floats = NDArray[np.float64]

#: RAS mm -> LPS mm.
TO_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
#: sform and qform disagree when they put a corner further apart than this share of the smallest voxel side. Below it
#: lies the rounding of a quaternion stored as three float32, near half a turn some 1e-4 rad.
AGREE_SHARE: Final = 0.1
#: Bytes that the mask of a compressed file may be unpacked to.
MOST_UNPACKED: Final = 1 << 31
_MM: Final = {"meter": 1000.0, "micron": 0.001}


def world_affine(image: Any, *, name: str) -> Floats | None:
    """Affine (i, j, k, 1) -> LPS mm of a NIfTI image; None where neither sform nor qform is set.

    Raises
    ------
    LabelError
        Both are set and put voxels in different places.
    """
    sform, qform = image.header.get_sform(coded=True)[0], image.header.get_qform(coded=True)[0]
    to_mm = np.diag([*[_MM.get(image.header.get_xyzt_units()[0], 1.0)] * 3, 1.0])
    if sform is not None and qform is not None:
        ends = np.array([max(n - 1, 1) for n in (*image.shape[:3], 1, 1)[:3]])
        corners = np.array([[*(ends * at), 1] for at in np.ndindex(2, 2, 2)])
        apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
        if not apart <= AGREE_SHARE * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
            raise LabelError(
                f"sform and qform disagree by up to {apart:.2f} {image.header.get_xyzt_units()[0]}: sform begins at "
                f"{_place(sform)} (RAS), qform at {_place(qform)}",
                file=name,
                remedy="find out which is right, and clear the code of the other",
            )
    affine = sform if sform is not None else qform
    return None if affine is None else TO_LPS @ to_mm @ np.asarray(affine, dtype=np.float64)


def _place(affine: Floats) -> str:
    steps = " / ".join(" ".join(f"{value:.4g}" for value in affine[:3, axis]) for axis in range(3))
    return f"({' '.join(f'{value:.4g}' for value in affine[:3, 3])}), steps {steps}"


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Numbers of a file as they are stored, and what they mean."""

    #: (i, j, k, volume); mapped where the file is not compressed.
    array: NDArray[Any]
    slope: float
    inter: float

    @classmethod
    def of(cls, image: Any) -> Stored:
        """Stored numbers of an image, two to five dimensions."""
        proxy = image.dataobj
        array = proxy.get_unscaled()
        # What is beyond the third dimension (time, or components in the fifth) is one volume each.
        return cls(array.reshape(*lengths(array.shape), -1, order="F"), float(proxy.slope), float(proxy.inter))

    @property
    def mapped(self) -> bool:
        """Whether the numbers are still in the file."""
        base: Any = self.array
        while base is not None and not isinstance(base, np.memmap):
            base = getattr(base, "base", None)
        return base is not None

    @property
    def zero(self) -> float:
        """The stored number that means 0."""
        return -self.inter / self.slope

    def values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """What stored numbers mean."""
        return stored if (self.slope, self.inter) == (1.0, 0.0) else stored * self.slope + self.inter


def load(path: Path) -> Any:
    """The header of a NIfTI file; its numbers stay in the file.

    Raises
    ------
    LabelError
        Another format, or values that are no numbers.
    """
    import nibabel
    from nibabel.nifti1 import Nifti1Pair

    image = nibabel.load(path)
    # Every NIfTI class of nibabel, also of version 2, is one of these.
    if not isinstance(image, Nifti1Pair):
        raise LabelError("not a NIfTI file", file=path.name, remedy="convert it to .nii.gz")
    if image.get_data_dtype().kind not in "uif":
        raise LabelError("values are neither whole nor real numbers", file=path.name, remedy="convert it to integers")
    return image


def lengths(shape: Sequence[int]) -> tuple[int, int, int]:
    """Voxels along the first three axes."""
    i, j, k = [*shape, 1, 1][:3]
    return i, j, k


def require_room(image: Any, path: Path, *, name: str) -> None:
    """Nothing where what a compressed file becomes may be kept in memory; a small one can declare anything.

    Raises
    ------
    LabelError
        More than :data:`MOST_UNPACKED` bytes.
    """
    size = math.prod(image.shape) * image.get_data_dtype().itemsize
    if size > MOST_UNPACKED and path.suffix.lower() not in (".nii", ".hdr", ".img"):
        raise LabelError(
            f"{size / 2**30:.1f} GiB when unpacked", file=name, remedy="unpack it to .nii: that is read slice by slice"
        )


def facts(path: Path) -> tuple[int, int]:
    """Bytes and time of change: what tells that a file is still the one that was opened."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
