"""How the arrays of a Dataset are laid out in a Zarr store: chunks of some slices, a shard per volume."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import xarray as xr

#: Bytes of a chunk, about: what is read and unpacked to look at one slice.
CHUNK_BYTES: Final = 1 << 20
#: Bytes of a shard at most: one file.
SHARD_BYTES: Final = 1 << 30
#: How values are written as others, which a variable itself says; an encoding that is given replaces its own.
_KEPT: Final = ("dtype", "_FillValue", "units", "calendar", "scale_factor", "add_offset")


def encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Encoding by variable for ``Dataset.to_zarr`` (Zarr 3): zstd after bit shuffling, sharded; each chunk a checksum.

    Examples
    --------
    >>> ds = xr.Dataset({"image": (("z", "y", "x"), np.zeros((10, 512, 512), "int16"))})
    >>> encoding(ds)["image"]["chunks"], encoding(ds)["image"]["shards"]
    ((2, 512, 512), (10, 512, 512))
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    # The checksum comes last, over what lies on the disk: neither Blosc nor zstd looks whether its input is sound.
    small, large = (
        (ZstdCodec(), Crc32cCodec()),
        (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()),
    )
    found: dict[str, dict[str, Any]] = {}
    for name, array in dataset.variables.items():
        kept = {key: array.encoding[key] for key in _KEPT if key in array.encoding}
        found[str(name)] = kept | {"compressors": small}
        if name in dataset.coords or array.ndim < 2 or not array.size or array.dtype.kind not in "biuf":
            continue
        chunks, shards = _blocks(array.shape, np.dtype(array.dtype).itemsize)
        found[str(name)] = kept | {"chunks": chunks, "shards": shards, "compressors": large}
    return found


def _blocks(shape: tuple[int, ...], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunk and shard of an array whose last two axes are a picture; a shard is whole chunks."""
    picture = math.prod(shape[-2:]) * itemsize
    chunk = [1] * (len(shape) - 2) + list(shape[-2:])
    shard = list(chunk)
    if len(shape) > 2:
        chunk[-3] = max(1, min(shape[-3], CHUNK_BYTES // max(picture, 1)))
        shard = list(chunk)
        left = max(1, SHARD_BYTES // (picture * chunk[-3]))
        # From the slices outwards, as many chunks as fit into one file.
        for axis in range(len(shape) - 3, -1, -1):
            n = min(left, math.ceil(shape[axis] / chunk[axis]))
            shard[axis] = n * chunk[axis]
            left //= n
            if left <= 1 or n * chunk[axis] < shape[axis]:
                break
    return tuple(chunk), tuple(shard)
