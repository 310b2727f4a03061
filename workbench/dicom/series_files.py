"""The files that a series was built from, for whoever needs their headers again."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class SeriesFiles:
    """Files of one part of a series; cheap, for names are joined when they are asked for."""

    #: Folder that the paths are relative to.
    root: str
    #: A path for each frame.
    paths: pa.ChunkedArray

    def each(self) -> list[str]:
        """Every file once, in the order of the frames.

        Examples
        --------
        >>> SeriesFiles("ct", pa.chunked_array([["a/1.dcm", "a/1.dcm"]])).each() == [os.path.join("ct", "a", "1.dcm")]
        True
        """
        return [os.path.join(self.root, *path.split("/")) for path in dict.fromkeys(self.paths.to_pylist())]

    def folder(self) -> str:
        """The folder that holds them all."""
        return os.path.commonpath([os.path.dirname(file) for file in self.each()])
