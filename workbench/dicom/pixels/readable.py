"""Pixels that no reader here takes, told by the header: at the scan, and not as a surprise at the load."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from workbench.dicom.pixels.colour import ALREADY_RGB, LUMINANCE

#: BitsAllocated that are read: of grey values (64 are real numbers), and of a sample of colour.
GREY_BITS: Final = frozenset({1, 8, 16, 32, 64})
COLOUR_BITS: Final = frozenset({8, 16, 32})


def unread_pixels(images: pa.Table) -> str:
    """What is strange about the pixels of images, in words; empty where they can be read.

    Parameters
    ----------
    images : pyarrow.Table
        Header rows.

    Examples
    --------
    >>> names = ("SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation")
    >>> unread_pixels(pa.table({name: [value] for name, value in zip(names, (4, 8, "CMYK"), strict=True)}))
    'colours are CMYK in 4 samples'
    """
    columns = [images[name].to_pylist() for name in ("SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation")]
    for samples, bits, photometric in sorted(set(zip(*columns, strict=True)), key=str):
        colours = str(photometric or "not stated").strip()
        if (samples or 1) == 1:
            if bits is not None and bits not in GREY_BITS:
                return f"{bits} bits allocated per pixel"
        elif samples != 3 or colours not in ALREADY_RGB | LUMINANCE:
            return f"colours are {colours} in {samples} samples"
        elif bits not in COLOUR_BITS:
            return f"{bits} bits allocated per sample of colour"
    return ""
