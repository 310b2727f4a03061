"""Facts of an uptake value that stand in the files and not in the header table, read when SUV is asked for."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa

from workbench.dicom.values.file_elements import file_elements
from workbench.dicom.values.stated import distinct, values

#: Enhanced PET Image Storage (PS3.4 B.5).
ENHANCED_PET: Final = "1.2.840.10008.5.1.4.1.1.130"
#: Column of the number of items in RadiopharmaceuticalInformationSequence.
ITEMS: Final = "radiopharmaceuticals"
#: Elements of the Enhanced PET Corrections Module (PS3.3 C.8.22.6), by keyword.
CORRECTIONS: Final = ("AttenuationCorrected", "DecayCorrected", "DecayCorrectionDateTime")
_SEQUENCE: Final = "RadiopharmaceuticalInformationSequence"


def is_enhanced(part: pa.Table) -> bool:
    """Whether *part* is an enhanced PET, whose units, corrections and dose stand elsewhere than in a plain one.

    Examples
    --------
    >>> is_enhanced(pa.table({"SOPClassUID": ["1.2.840.10008.5.1.4.1.1.130"]}))
    True
    """
    return distinct(part, "SOPClassUID") == [ENHANCED_PET]


def with_file_facts(part: pa.Table, root: str | os.PathLike[str]) -> pa.Table:
    """Rows of *part* with further columns: how many radiopharmaceuticals, and the corrections of an enhanced PET.

    Of plain PET one file is opened for all: what differs between files stands in the header table already.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows of one PET part, with ``path``, ``size`` and ``identity``.
    root : path
        Folder that the paths are relative to.
    """
    names = ("path", "size", "identity")
    if any(part.schema.get_field_index(name) < 0 for name in names):
        return part
    files = list(zip(*(values(part, name) for name in names), strict=True))
    if not is_enhanced(part):
        files = files[:1] * part.num_rows
    found = {one: _read(os.path.join(os.fspath(root), *one[0].split("/")), *one[1:]) for one in dict.fromkeys(files)}
    kinds = {ITEMS: pa.int64(), **dict.fromkeys(CORRECTIONS, pa.string())}
    for at, (name, kind) in enumerate(kinds.items()):
        part = part.append_column(name, pa.array([found[one][at] for one in files], kind))
    return part


@lru_cache(256)
def _read(path: str, size: int, identity: int) -> tuple[int | None, str | None, str | None, str | None]:
    """Items of the sequence and the corrections of a file of that size and identity; None for what it does not say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = file_elements(path, (_SEQUENCE, *CORRECTIONS))
            attenuation, decay, instant = (_text(dataset.get(name)) for name in CORRECTIONS)
            return len(dataset.get(_SEQUENCE) or ()), attenuation, decay, instant
        except Exception:
            # What cannot be read is missing, and the caller says what.
            return None, None, None, None


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None
