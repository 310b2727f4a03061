"""Frames: bytes -> stored numbers -> values, straight into the target array.

Each read opens its file, reads what it needs and closes it; nothing is held open, so tables of frames pickle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.walk import NATIVE
from workbench.dicom.pixels.compressed import read_compressed
from workbench.dicom.pixels.frame_refs import FrameRef, frame_refs
from workbench.dicom.pixels.native import read_native
from workbench.dicom.pixels.opened import OpenFile
from workbench.dicom.pixels.plain import plain_frames, read_plain
from workbench.errors import DicomError
from workbench.options import options

__all__ = ["MAX_FRAME_BYTES", "FrameReader", "FrameRef", "frame_refs", "read_frame", "read_frames"]

#: Frames below which threads cost more than they gain.
THREADED_FRAMES: Final = 8
#: A frame larger than this is refused before anything is allocated, bytes.
MAX_FRAME_BYTES: Final = 1 << 30
#: Bytes of uncompressed frames that a thread takes at a time: few hand-overs, and no thread waits long at the end.
_RUN_BYTES: Final = 1 << 23


class FrameReader(Protocol):
    """What a lazy array needs: read one frame into *out*, (rows, columns[, channel])."""

    def __call__(self, ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None: ...


def read_frames(
    refs: Sequence[FrameRef | None], out: NDArray[Any], *, checked: bool, reader: FrameReader | None = None
) -> None:
    """Fill ``out[i]`` with the values of ``refs[i]``; where there is no frame, with NaN (or 0 in integers).

    Decoding runs in threads: the decoders and reads release the interpreter lock. A file is opened once for frames
    that follow each other. The first error by order of frames is raised.

    Parameters
    ----------
    refs : sequence of FrameRef or None
        Frames, (n,).
    out : array
        Where the values go, (n, rows, columns[, channel]).
    checked : bool
        Look whether every value fits the dtype of *out*.
    reader : FrameReader, optional
        Reads one frame; another one in tests.

    Raises
    ------
    DicomError
        As :func:`read_frame`.
    """
    present = [i for i, ref in enumerate(refs) if ref is not None]
    if len(present) < len(refs):
        for i, ref in enumerate(refs):
            if ref is None:
                out[i] = np.nan if out.dtype.kind == "f" else 0
    if not present:
        return

    if reader is not None and reader is not read_frame:
        call = reader

        def work(run: Sequence[int]) -> None:
            for i in run:
                ref = refs[i]
                assert ref is not None
                call(ref, out[i], checked=checked)
    else:

        def work(run: Sequence[int]) -> None:
            _read_run(refs, out, run, checked)

    n_workers = min(options.workers, len(present))
    if len(present) < THREADED_FRAMES or n_workers < 2:
        work(present)
    else:
        _shared(_runs(refs, present, n_workers), work, n_workers)


def _runs(refs: Sequence[FrameRef | None], present: Sequence[int], n_workers: int) -> list[Sequence[int]]:
    """What a thread takes at a time."""
    first = refs[present[0]]
    assert first is not None
    if first.crop is not None:
        # Tiles of one picture stay together, so that it is read or decoded once.
        pictures: dict[tuple[str, int], list[int]] = {}
        for i in present:
            ref = refs[i]
            assert ref is not None
            pictures.setdefault((ref.path, ref.frame), []).append(i)
        return list(pictures.values())
    size = 1
    if first.syntax in NATIVE:
        # Decoding takes long enough that one frame at a time keeps all threads busy to the end; reading does not.
        size = max(1, min(_RUN_BYTES // max(1, first.frame_bytes), len(present) // (2 * n_workers)))
    return [present[i : i + size] for i in range(0, len(present), size)]


def _shared(runs: Sequence[Sequence[int]], work: Callable[[Sequence[int]], None], n_workers: int) -> None:
    """Do *work* on every run, this thread and others taking the next as each is done."""
    waiting = iter(enumerate(runs))
    errors: dict[int, BaseException] = {}

    def go_on() -> None:
        # Taking from the iterator is one step of the interpreter. Runs taken before a failure are finished, so that
        # the error raised is always the first by order.
        for number, run in waiting:
            if errors:
                return
            try:
                work(run)
            except BaseException as error:
                errors[number] = error
                return

    helpers = [threading.Thread(target=go_on, name="frames", daemon=True) for _ in range(n_workers - 1)]
    for helper in helpers:
        helper.start()
    try:
        go_on()
        for helper in helpers:
            helper.join()
    except BaseException as error:
        # An interrupt while waiting: the others stop after what they are at, and nothing writes to the array after.
        errors[-1] = error
        for helper in helpers:
            helper.join()
        raise
    if errors:
        raise errors[min(errors)]


def read_frame(ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
    """Read one frame's values into *out*, (rows, columns[, channel]).

    Raises
    ------
    ChangedFile
        The file is not the one that was indexed.
    TruncatedFile
        Fewer bytes than the header declares.
    UnsupportedSyntax
        No decoder for its transfer syntax.
    DicomError
        The code stream does not fit the header, or a value does not fit the dtype.
    """
    _read_run([ref], out[None], [0], checked)


def _read_run(refs: Sequence[FrameRef | None], out: NDArray[Any], run: Sequence[int], checked: bool) -> None:
    """Read frames one after the other; a file stays open while they come from it."""
    file: OpenFile | None = None
    done = 0
    try:
        while done < len(run):
            i = run[done]
            left = len(run) - done
            # A run with gaps (absent frames, tiles of one picture) is read frame by frame as far as the last of them.
            together = plain_frames(refs, out, i, i + (left if run[-1] - i == left - 1 else 1))
            if together:
                read_plain(refs[i : i + together], out[i : i + together], checked=checked)  # type: ignore[arg-type]
                done += together
                continue
            ref = refs[i]
            assert ref is not None
            if file is None or file.path != ref.path:
                if file is not None:
                    file.close()
                    file = None
                file = OpenFile(ref)
            _read(file, ref, out[i], checked)
            done += 1
    finally:
        if file is not None:
            file.close()


def _read(file: OpenFile, ref: FrameRef, out: NDArray[Any], checked: bool) -> None:
    try:
        if ref.frame_bytes > MAX_FRAME_BYTES:
            rows, columns = ref.stored_shape
            raise DicomError(f"frame of {rows}x{columns} is larger than the limit")
        shape = (ref.rows, ref.columns, ref.samples) if ref.samples > 1 else (ref.rows, ref.columns)
        if out.shape != shape:
            raise DicomError(f"frame of {'x'.join(map(str, shape))} where {'x'.join(map(str, out.shape))} is expected")
        if ref.syntax in NATIVE:
            read_native(file, ref, out, checked=checked)
        else:
            read_compressed(file, ref, out, checked=checked)
    except DicomError as error:
        if error.file is None:
            raise type(error)(error.what, file=ref.name, tag=error.tag, remedy=error.remedy) from error
        raise
