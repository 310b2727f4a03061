"""A stack of DICOM frames as a lazy array: nothing is read before it is indexed, and then only what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.dicom.frames import FrameReader, FrameRef, read_frame, read_frames


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
        inner = key[n:]
        whole = all(_is_whole(part, size) for part, size in zip(inner, self.frame_shape, strict=True))
        lists = [
            slice(None) if whole else np.atleast_1d(np.arange(s)[p])
            for s, p in zip(self.frame_shape, inner, strict=True)
        ]
        frame_shape = self.frame_shape if whole else tuple(len(part) for part in lists)  # type: ignore[arg-type]
        result = np.empty((rows.size, *frame_shape), self.dtype)
        refs = [None if row < 0 else self.refs[row] for row in rows.ravel()]

        def cropped(ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
            frame = np.empty(self.frame_shape, self.dtype)
            self.reader(ref, frame, checked=checked)
            out[...] = frame[np.ix_(*lists)]

        read_frames(refs, result, checked=self.checked, reader=self.reader if whole else cropped)
        result = result.reshape(*rows.shape, *frame_shape)
        # A single number drops its axis.
        return result[tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in key)]


def _none_forwards(part: Any, size: int) -> Any:
    return slice(0, 0) if isinstance(part, slice) and not len(range(*part.indices(size))) else part


def _is_whole(part: Any, size: int) -> bool:
    return isinstance(part, slice) and part.indices(size) == (0, size, 1)
