"""Names of NIfTI files, and of the JSON that may lie beside one."""

from __future__ import annotations

from typing import Final

#: What NIfTI images are named.
SUFFIXES: Final = (".nii", ".nii.gz")


def is_nifti(name: str) -> bool:
    """Whether a file is named as NIfTI images are.

    Examples
    --------
    >>> is_nifti("t1.NII.gz"), is_nifti("t1.nii.json")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES)


def sidecar(name: str) -> str:
    """Name of the JSON that belongs to a NIfTI file.

    Examples
    --------
    >>> sidecar("a/t2.nii.gz"), sidecar("a/t2.nii")
    ('a/t2.json', 'a/t2.json')
    """
    stem = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    return stem[: -len(".nii")] + ".json"
