"""Transfer syntax -> how its frames are decoded; a table, never try-all.

imagecodecs decodes grayscale, and colour where the code stream holds the samples as they are; everything else that
pydicom can decode goes through pydicom. No GPL codec is needed or suggested.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.walk import DEFLATED_LE, NATIVE


@dataclass(frozen=True, slots=True)
class Codec:
    """How frames of one encapsulated transfer syntax are decoded."""

    #: Name of the function in imagecodecs.
    function: str
    #: Family of the code stream, which tells where its size is written: ``jpeg``, ``j2k``, ``jxl`` or ``rle``.
    family: str
    #: The syntax itself implies loss.
    lossy: bool
    #: Library behind the function, by its name in ``imagecodecs.version()``.
    library: str
    #: Colour is decoded by the same function: the samples come out as stored, without another library's rules.
    colour: bool = False
    #: Keyword arguments of the function.
    options: tuple[tuple[str, Any], ...] = ()
    #: Marker of the frame header that the code stream must have; a decoder may make a picture of another process too.
    process: int | None = None


#: Frames are decoded side by side, so each with one thread.
_ONE_THREAD: Final = (("numthreads", 1),)
#: And as stored: DICOM states the orientation elsewhere.
_JPEG_XL: Final = (*_ONE_THREAD, ("keeporientation", True))
CODECS: Final[dict[str, Codec]] = {
    "1.2.840.10008.1.2.4.50": Codec("jpeg8_decode", "jpeg", True, "libjpeg_turbo"),
    "1.2.840.10008.1.2.4.51": Codec("jpeg8_decode", "jpeg", True, "libjpeg_turbo"),
    # Retired processes 6 and 8, 10 and 12 (progressive), which pydicom refuses.
    "1.2.840.10008.1.2.4.53": Codec("jpeg8_decode", "jpeg", True, "libjpeg_turbo"),
    "1.2.840.10008.1.2.4.55": Codec("jpeg8_decode", "jpeg", True, "libjpeg_turbo"),
    # Not liblj92, nor openjph below: a damaged code stream can end the interpreter in them.
    "1.2.840.10008.1.2.4.57": Codec("jpeg8_decode", "jpeg", False, "libjpeg_turbo", True, process=0xC3),
    "1.2.840.10008.1.2.4.70": Codec("jpeg8_decode", "jpeg", False, "libjpeg_turbo", True, process=0xC3),
    "1.2.840.10008.1.2.4.80": Codec("jpegls_decode", "jpeg", False, "charls", True, process=0xF7),
    "1.2.840.10008.1.2.4.81": Codec("jpegls_decode", "jpeg", True, "charls", True, process=0xF7),
    "1.2.840.10008.1.2.4.90": Codec("jpeg2k_decode", "j2k", False, "openjpeg", True, _ONE_THREAD),
    "1.2.840.10008.1.2.4.91": Codec("jpeg2k_decode", "j2k", True, "openjpeg", True, _ONE_THREAD),
    "1.2.840.10008.1.2.4.201": Codec("jpeg2k_decode", "j2k", False, "openjpeg", True, _ONE_THREAD),
    "1.2.840.10008.1.2.4.202": Codec("jpeg2k_decode", "j2k", False, "openjpeg", True, _ONE_THREAD),
    "1.2.840.10008.1.2.4.203": Codec("jpeg2k_decode", "j2k", True, "openjpeg", options=_ONE_THREAD),
    # JPEG XL: lossless, a JPEG coded anew, and any.
    "1.2.840.10008.1.2.4.110": Codec("jpegxl_decode", "jxl", False, "libjxl", True, _JPEG_XL),
    "1.2.840.10008.1.2.4.111": Codec("jpegxl_decode", "jxl", True, "libjxl", True, _JPEG_XL),
    "1.2.840.10008.1.2.4.112": Codec("jpegxl_decode", "jxl", True, "libjxl", True, _JPEG_XL),
    "1.2.840.10008.1.2.5": Codec("dicomrle_decode", "rle", False, "imcd"),
}
#: Fragments that hold the bytes of an uncompressed frame: deflated (PS3.5 A.4.13), and as they are (A.4.11).
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
PLAIN_FRAMES: Final = "1.2.840.10008.1.2.1.98"


def _ours(syntax: str, colour: bool) -> bool:
    return syntax in CODECS and (not colour or CODECS[syntax].colour)


def decodable(syntax: str, *, colour: bool = False) -> bool:
    """Whether frames in this transfer syntax can be decoded here, by our table or by pydicom.

    Examples
    --------
    >>> decodable("1.2.840.10008.1.2.1"), decodable("1.2.840.10008.1.2.4.102")
    (True, False)
    """
    ours = syntax in NATIVE or syntax in (DEFLATED_FRAMES, PLAIN_FRAMES) or _ours(syntax, colour)
    return ours or bool(plugins(syntax))


def plugins(syntax: str) -> tuple[str, ...]:
    """Decoders of pydicom at hand for a syntax; GDCM last, in which a damaged code stream can end the interpreter."""
    from pydicom.pixels import get_decoder

    with warnings.catch_warnings():
        # A syntax that is no UID at all is told by the answer.
        warnings.simplefilter("ignore")
        try:
            return tuple(sorted(get_decoder(syntax).available_plugins, key="gdcm".__eq__))
        except (NotImplementedError, ValueError):
            return ()


@cache
def decoder_name(syntax: str, *, colour: bool = False) -> str:
    """Name and version of what decodes frames in this transfer syntax; empty where nothing does.

    For the provenance of values: decoders of lossy code streams differ by a level.

    Examples
    --------
    >>> decoder_name("1.2.840.10008.1.2.4.80")
    'imagecodecs ... (charls ...)'
    >>> decoder_name("1.2.840.10008.1.2.4.102")
    ''
    """
    if syntax in NATIVE or syntax in (DEFLATED_FRAMES, PLAIN_FRAMES):
        name = f"numpy {version('numpy')}"
        return f"zlib, {name}" if syntax in (DEFLATED_LE, DEFLATED_FRAMES) else name
    if _ours(syntax, colour):
        import imagecodecs

        codec = CODECS[syntax]
        libraries = dict(part.strip().rpartition("-")[::2] for part in imagecodecs.version().split(","))
        own = libraries.get(codec.library, "")
        return f"imagecodecs {version('imagecodecs')} ({codec.library} {own})".replace(" )", ")")
    first = plugins(syntax)[:1]
    return f"pydicom {version('pydicom')} ({first[0]})" if first else ""


#: Samples are not converted, whatever colours the decoder would guess them to be.
_AS_STORED: Final = {"jpeg8_decode": {"colorspace": "RGB", "outcolorspace": "RGB"}}


def decode(syntax: str, data: bytes | memoryview, out: NDArray[Any]) -> None:
    """Decode one frame into *out*, whose shape and dtype are those of the code stream.

    The decoder refuses a code stream of another size than *out*.
    """
    import imagecodecs

    codec = CODECS[syntax]
    function = getattr(imagecodecs, codec.function)
    if codec.family == "rle":
        # The function gives bytes in little-endian order, whatever the machine's own is.
        target = out.reshape(-1).view(np.uint8)
        # Segments that end early are no error to the function: what they leave out would be whatever memory held.
        if function(data, out.dtype.newbyteorder("<"), out=target).size != target.size:
            raise ValueError("segments hold fewer bytes than the picture")
        if not np.little_endian:
            out.byteswap(inplace=True)
        return
    options = dict(codec.options) | (_AS_STORED.get(codec.function, {}) if out.ndim == 3 else {})
    result = function(data, out=out, **options)
    if result is not out and result.ctypes.data != out.ctypes.data:
        raise ValueError("decoder did not write into its target")
