"""A stack of DICOM frames as a lazy array: nothing is read before it is indexed, and then only what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.arrays.memory import beyond_memory
from workbench.dicom.pixels.frames import FrameReader, FrameRef, read_frame, read_frames
from workbench.errors import DicomError


class LazyImage(BackendArray):
    """Frames of a plan as an array (extra ..., z, y, x[, channel]).

    Reading slice *k* opens the one file that holds it. Holds paths and a plan, no open handles, so it pickles.

    Parameters
    ----------
    refs : sequence of FrameRef
        Frames by row of the plan.
    cells : array of int
        Row of each cell, dims before y; -1 where there is no frame.
    dtype : dtype
        dtype of the values.
    checked : bool
        Look on every read whether the values fit the dtype.
    reader : FrameReader
        Reads one frame; another one in tests.
    """

    def __init__(
        self,
        refs: Sequence[FrameRef],
        cells: NDArray[np.int64],
        dtype: np.dtype[Any],
        *,
        checked: bool = False,
        reader: FrameReader = read_frame,
    ) -> None:
        self.refs = tuple(refs)
        self.cells = cells
        self.dtype = dtype
        self.checked = checked
        self.reader = reader
        first = self.refs[0]
        self.frame_shape = (first.rows, first.columns) + ((first.samples,) if first.colour else ())
        self.shape = (*cells.shape, *self.frame_shape)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        # xarray stumbles over a backward slice that selects nothing.
        parts = tuple(_none_forwards(part, size) for part, size in zip(key.tuple, self.shape, strict=True))
        return indexing.explicit_indexing_adapter(
            type(key)(parts), self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        n = self.cells.ndim
        outer = [np.atleast_1d(np.arange(size)[part]) for size, part in zip(self.cells.shape, key[:n], strict=True)]
        rows = self.cells[np.ix_(*outer)]
        refs = [None if row < 0 else self.refs[row] for row in rows.ravel().tolist()]
        inner = key[n:]
        if all(_is_whole(part, size) for part, size in zip(inner, self.frame_shape, strict=True)):
            result = _empty((rows.size, *self.frame_shape), self.dtype)
            read_frames(refs, result, checked=self.checked, reader=self.reader)
        else:
            result = self._read_parts(refs, inner)
        result = result.reshape(*rows.shape, *result.shape[1:])
        # A single number drops its axis.
        return result[tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in key)]

    def _read_parts(self, refs: Sequence[FrameRef | None], inner: tuple[Any, ...]) -> NDArray[Any]:
        """Parts of frames; of an uncompressed file only the rows between the first and the last wanted are read."""
        lists = [np.atleast_1d(np.arange(s)[p]) for s, p in zip(self.frame_shape, inner, strict=True)]
        result = _empty((len(refs), *(len(part) for part in lists)), self.dtype)
        if not result.size:
            return result
        top, stop = int(lists[0].min()), int(lists[0].max()) + 1
        band = (stop - top, *self.frame_shape[1:])
        wanted = np.ix_(lists[0] - top, *lists[1:])

        def cropped(ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
            frame = np.empty(band, self.dtype)
            self.reader(ref, frame, checked=checked)
            out[...] = frame[wanted]

        some = [None if ref is None else _rows_of(ref, top, stop) for ref in refs]
        read_frames(some, result, checked=self.checked, reader=cropped)
        return result


def _rows_of(ref: FrameRef, top: int, stop: int) -> FrameRef:
    """The rows *top* to *stop* of a frame."""
    if stop - top == ref.rows:
        return ref
    first, left, rows, columns = ref.crop or (0, 0, ref.rows, ref.columns)
    return ref._replace(rows=stop - top, crop=(first + top, left, rows, columns))


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Array to read into.

    Raises
    ------
    DicomError
        It is larger than the memory of this machine.
    """
    if (short := beyond_memory(shape, dtype.itemsize)) is not None:
        raise DicomError(f"array of {short}", remedy="take a part with isel(...), or open with chunks={}")
    return np.empty(shape, dtype)


def _none_forwards(part: Any, size: int) -> Any:
    return slice(0, 0) if isinstance(part, slice) and not len(range(*part.indices(size))) else part


def _is_whole(part: Any, size: int) -> bool:
    return isinstance(part, slice) and part.indices(size) == (0, size, 1)
