"""Colours as stored -> RGB. DICOM PS3.3 C.7.6.3.1.2."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UnsupportedSyntax

#: Photometric interpretations whose samples are RGB once decoded; the two of JPEG 2000 are undone by its decoder.
ALREADY_RGB: Final = frozenset({"RGB", "YBR_RCT", "YBR_ICT"})
#: Those that are luminance and colour differences.
LUMINANCE: Final = frozenset({"YBR_FULL", "YBR_FULL_422"})


def as_rgb(picture: NDArray[Any], photometric: str) -> NDArray[Any]:
    """RGB of a picture (rows, columns, 3), same dtype.

    Raises
    ------
    UnsupportedSyntax
        Colours that are not RGB or YBR_FULL.
    """
    if photometric in ALREADY_RGB:
        return picture
    if photometric not in LUMINANCE or picture.shape[-1] != 3:
        raise UnsupportedSyntax(
            f"colours are {photometric or 'not stated'}, which are not read here",
            remedy="leave the series out, or ask the node for RGB",
        )
    from pydicom.pixels.processing import convert_color_space

    converted: NDArray[Any] = convert_color_space(np.ascontiguousarray(picture), "YBR_FULL", "RGB")
    return converted
