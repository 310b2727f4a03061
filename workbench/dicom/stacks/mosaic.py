"""Siemens mosaics: one stored picture that holds the slices of a volume side by side -> its tiles and their places.

Count and slice normal: elements (0019,xx0A) of creator SIEMENS MR HEADER and SliceNormalVector of the CSA header
(0029,xx10) of creator SIEMENS CSA HEADER. Layout of the CSA header and of the tiles, and the position of the first
tile: NiBabel, "Siemens format DICOM with CSA header" and "DICOM mosaic" (nipy.org/nibabel/dicom).
"""

from __future__ import annotations

import math
from contextlib import suppress
from struct import Struct
from typing import Any, Final

import numpy as np

_U32: Final = Struct("<I").unpack_from
_TAG: Final = Struct("<64si4siii").unpack_from
_TAG_SIZE: Final = 84
_ITEM: Final = Struct("<4i").unpack_from


def is_mosaic(dataset: Any) -> bool:
    """Whether a header says that its picture is a mosaic."""
    return "MOSAIC" in (dataset.get("ImageType") or ())


def tiles(dataset: Any) -> dict[str, list[Any]] | None:
    """Facts of each slice in a mosaic: place in the picture and in the patient; None where the header is too poor.

    Stored position is the corner of the whole picture as if it were one plane: the first slice's corner lies half of
    what the picture is larger further in. Slices follow the slice normal of the CSA header at SpacingBetweenSlices;
    where that header was removed, the plane's normal, marked in ``mosaic_normal``.
    """
    count = _private(dataset, 0x0019, "SIEMENS MR HEADER", 0x0A)
    csa = _private(dataset, 0x0029, "SIEMENS CSA HEADER", 0x10)
    header = csa_numbers(bytes(csa), ("NumberOfImagesInMosaic", "SliceNormalVector")) if csa is not None else {}
    if count is None and header.get("NumberOfImagesInMosaic"):
        count = header["NumberOfImagesInMosaic"][0]
    needed = (dataset.get(k) for k in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    position, orientation, spacing = needed
    step = dataset.get("SpacingBetweenSlices") or (dataset.get("SliceThickness") if count == 1 else None)
    if count is None or position is None or orientation is None or spacing is None or step is None:
        return None
    n = int(count)
    across = math.ceil(math.sqrt(n))
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if n < 1 or rows % across or columns % across:
        return None
    height, width = rows // across, columns // across
    cosines = np.array(orientation, float)
    row, column = cosines[:3], cosines[3:]
    normal = np.cross(row, column)
    stated = header.get("SliceNormalVector", [])
    source = "csa" if len(stated) == 3 else "plane"
    if source == "csa":
        vector = np.array(stated)
        # The plane's own normal is exact; the CSA header tells which way the slices go.
        normal = normal * (1.0 if float(vector @ normal) >= 0 else -1.0)
    first = (
        np.array(position, float)
        + row * float(spacing[1]) * (columns - width) / 2
        + column * float(spacing[0]) * (rows - height) / 2
    )
    return {
        "ImagePositionPatient": [(first + normal * float(step) * k).tolist() for k in range(n)],
        "Rows": [height] * n,
        "Columns": [width] * n,
        "tile_row": [k // across * height for k in range(n)],
        "tile_column": [k % across * width for k in range(n)],
        "stored_rows": [rows] * n,
        "stored_columns": [columns] * n,
        "mosaic_normal": [source] * n,
    }


def _private(dataset: Any, group: int, creator: str, element: int) -> Any:
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None


def csa_numbers(data: bytes, names: tuple[str, ...]) -> dict[str, list[float]]:
    """Numbers of the named entries of a CSA header; what does not parse is left out.

    Parameters
    ----------
    data : bytes
        Value of (0029,xx10).
    names : tuple of str
        Entry names.
    """
    found: dict[str, list[float]] = {}
    new = data[:4] == b"SV10"
    pos = 8 if new else 0
    if len(data) < pos + 8:
        return found
    n_tags = _U32(data, pos)[0]
    pos += 8
    first_count = None
    for _ in range(min(n_tags, 512)):
        if pos + _TAG_SIZE > len(data):
            break
        raw_name, _, _, _, n_items, _ = _TAG(data, pos)
        first_count = n_items if first_count is None else first_count
        pos += _TAG_SIZE
        name = raw_name.partition(b"\0")[0].decode("latin-1")
        values: list[float] = []
        for _ in range(min(max(n_items, 0), 4096)):
            if pos + 16 > len(data):
                return found
            lengths = _ITEM(data, pos)
            # The older header adds the first entry's item count to every length.
            length = lengths[1] if new else lengths[0] - first_count
            pos += 16
            if length < 0 or pos + length > len(data):
                return found
            if name in names and length:
                # An entry of the same name that holds no number stays out.
                with suppress(ValueError):
                    values.append(float(data[pos : pos + length].partition(b"\0")[0]))
            pos += -(-length // 4) * 4
        if values:
            found[name] = values
    return found
