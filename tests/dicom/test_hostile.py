"""Hostile files and folders: a finding or an error of ours, little memory, little time, nothing written.

Each case of ``tests/hostile*.py`` is read in a fresh child of a process that has imported everything: header table,
series, first frame of each part, and once more as a user opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import hostile_folders, hostile_headers, hostile_pixels  # noqa: F401  fill CASES
from tests.forked import Reader, contents, written_whole
from tests.hostile import CASES

#: The issue's bounds: seconds of reading, twice what it asks, for a busy machine; MB of the whole child with all it has
#: imported.
MOST_SECONDS = 2 * 2
MOST_MB = 512

#: What must come out: finding codes, names of error classes; ``picture`` where the frame that the file holds was
#: loaded, ``other-values`` where another one was (that of a code stream changed beyond notice, or of another size).
EXPECTED = {
    "picture": """
        jpeg-2000-under-htj2k
        sound name-with-a-newline name-of-255-bytes name-with-backslashes pipe-and-socket
        folder-named-like-a-file nesting-200 nesting-2000 private-sequences-in-un-100-deep
        million-empty-items million-empty-items-of-undefined-length million-private-elements
        private-element-of-64-mb item-longer-than-its-sequence odd-length odd-length-of-pixels
        group-length-that-lies pixels-twice two-file-meta-groups file-meta-length-that-lies
        transfer-syntax-missing explicit-under-implicit implicit-under-explicit executable-of-windows
        executable-of-linux archive-in-the-preamble patient-id-with-path series-uid-with-path
        series-uid-of-60-kb character-set-nonsense character-sets-10000 frames-minus-5 frames-1a frames-nan
        rows-of-two-values bits-stored-0 pixel-representation-77
        samples-0 photometric-nonsense instance-number-of-70-digits
        window-of-10000-numbers number-of-60-kb sound-jpeg-ls
        sound-jpeg-xl sound-deflated-frame plain-frame-in-pieces
        million-fragments-before-the-picture picture-in-100000-fragments offset-table-of-a-million-for-one
        j2k-layers-65535
    """,
    "DicomError": """
        jpeg-xl-of-another-size jpeg-xl-cut jpeg-xl-cut-in-the-header jpeg-xl-of-zeros jpeg-xl-boxes-without-end
        jpeg-2000-under-jpeg-xl deflated-frame-bomb deflated-frame-of-noise
        jpeg-lossless-of-an-unknown-huffman-table
        jpeg-lossless-without-huffman-tables
        jpeg-lossless-of-65535-lines-in-both
        slope-1e308
        deflate-bomb-in-the-pixels deflate-bomb-behind-the-pixels
        fragments-under-a-native-syntax million-fragments-of-length-0
        rle-40000-x-40000 rle-16000-x-16000 rle-of-15-segments-far-away rle-of-0-segments
        rle-of-4294967295-segments rle-segments-backwards rle-segments-in-the-header
        rle-runs-beyond-the-picture rle-literals-beyond-the-end rle-of-noops rle-of-10-bytes
        rle-of-3-planes-for-one jpeg-lossless-of-65535-lines
        jpeg-lossless-predictor-77 jpeg-lossless-huffman-table-too-full jpeg-lossless-of-0-bits
        jpeg-lossless-of-500-scans jpeg-ls-of-wrong-bits jpeg-ls-of-255-bits jpeg-ls-of-65535-lines-in-both
        jpeg-under-jpeg-ls j2k-of-2147483647-columns j2k-of-2147483647-x-2147483647
        j2k-of-16384-components j2k-tiles-of-0 j2k-origin-beyond-its-end j2k-of-38-bits j2k-sampling-0
        j2k-sampling-255 j2k-levels-33 j2k-code-blocks-1024 j2k-cut-in-the-header j2k-of-no-bytes
        code-stream-of-zeros
    """,
    "DicomError syntax-not-decodable": """
        samples-3-in-monochrome
    """,
    "EmptyExtract file-truncated": """
        private-element-that-claims-2-gb length-fffffffe-in-text length-fffffffe-in-unknown
        length-one-beyond-the-end pixels-one-byte-short elements-twice cut-in-a-tag cut-in-a-vr
        cut-in-a-length cut-in-a-value cut-in-the-length-of-the-pixels cut-in-the-pixels preamble-and-prefix
        only-file-meta only-file-meta-deflated file-meta-of-2-gb big-endian-under-little frames-2147483647
        frames-1e9 frames-of-70-digits frames-100000-of-one size-that-lies size-65535
        rows-65535-with-100-bytes bits-allocated-65535 samples-65535 float-pixels-of-wrong-size
        fragments-without-an-end fragment-longer-than-the-file fragment-of-undefined-length
        no-item-where-one-must-be no-fragments no-items-at-all encapsulated-pixels-of-defined-length
        fragments-fewer-than-frames frames-1000000-in-one-fragment
    """,
    "DicomError lossy-compression": """
        jpeg-colour-quantisation-table-unknown
        jpeg-colour-quantisation-tables-gone
        jpeg-colour-huffman-table-zeroed
        jpeg-of-65535-lines-in-both
        native-under-jpeg jpeg-of-65535-lines jpeg-of-65535-x-65535-in-both
        jpeg-with-its-lines-behind-the-scan jpeg-of-255-components jpeg-of-sampling-15-x-15
        jpeg-of-sampling-0 jpeg-of-12-bit-in-8 jpeg-progressive jpeg-huffman-table-too-full
        jpeg-quantisation-table-77 jpeg-segment-of-length-0 jpeg-ls-under-jpeg
    """,
    "picture unplaced": """
        position-not-finite position-1e308 position-of-two-numbers position-of-text orientation-zero
        orientation-of-one-axis orientation-1e308 spacing-zero spacing-negative spacing-nan spacing-1e308
    """,
    "EmptyExtract header-unreadable": """
        deflated-stream-cut nesting-200-of-undefined-length nesting-2000-of-undefined-length
        nesting-100000-of-undefined-length private-sequences-in-un-30000-deep
        undefined-length-without-delimiter undefined-length-in-text undeflated-under-deflated rows-0
        rows-missing bits-allocated-0
    """,
    "mosaic picture unplaced": """
        text-that-is-no-text mosaic-of-0 mosaic-of-65535 mosaic-with-endless-header
        mosaic-with-negative-lengths mosaic-with-lengths-beyond-the-end mosaic-with-an-empty-header
    """,
    "DicomError multi-frame-unplaced": """
        offset-table-beyond-the-end offset-table-before-the-first offset-table-between-items
        offset-table-of-one-place offset-table-of-odd-length offset-table-of-a-million
    """,
    "other-values": """
        jpeg-xl-of-8-bits-in-16
        deflated-stream-damaged j2k-of-65535-lines-in-both j2k-of-million-tiles j2k-of-8-bits-in-16
    """,
    "multi-frame-unplaced picture": """
        dose-offsets-too-few dose-offsets-too-many dose-offsets-of-text frame-times-too-few
    """,
    "TruncatedFile": """
        deflated-frame-cut deflated-frame-too-short plain-frame-too-short
        jpeg-lossless-cut jpeg-lossless-cut-in-the-header jpeg-ls-cut j2k-cut
    """,
    "EmptyExtract file-not-dicom": """
        empty-files-5000 one-byte only-the-preamble
    """,
    "UnsupportedSyntax syntax-not-decodable": """
        transfer-syntax-nonsense transfer-syntax-unknown transfer-syntax-of-500-bytes
        bits-allocated-128
    """,
    "UnsupportedSyntax bits-contradictory syntax-not-decodable": """
        bits-allocated-3 bits-allocated-12
    """,
    "bits-contradictory picture": """
        bits-stored-above-allocated high-bit-200
    """,
    "multi-frame-unplaced other-values": """
        frames-100000 frames-100000-unplaced groups-fewer-than-frames groups-of-100000-layouts
        groups-20000-with-character-sets groups-20000-of-text-for-places groups-of-a-million-private-elements
    """,
    "picture units-unknown": """
        intercept-inf
    """,
    "modality-lut-unread picture": """
        lut-descriptor-that-lies lut-of-70-bits lut-without-data
    """,
    "picture real-world-unusable units-unknown": """
        real-world-lut-of-2147483648 real-world-map-of-nan real-world-map-backwards
    """,
    "EmptyExtract file-unreadable": """
        name-of-raw-bytes folders-700-deep
    """,
    "EmptyExtract identity-missing": """
        deflate-bomb-before-the-pixels deflate-bomb-without-preamble
        deflate-bomb-behind-a-long-file-meta-group deflate-bomb-behind-an-implicit-file-meta-group
        sequence-that-ends-within-an-item little-endian-under-big
    """,
    "other-values unplaced": """
        mosaic-of-no-spacing groups-100000-for-one-frame
    """,
    "other-values units-unknown": """
        groups-20000 groups-100000 groups-shared-twice
    """,
    "lossy-compression other-values": """
        jpeg-arithmetic
    """,
    "AmbiguousSeries multi-frame-unplaced parts-too-many several-parts units-unknown": """
        frames-of-20000-kinds
    """,
    "EmptyExtract": """
        dicomdir-with-traversal
    """,
    "SeriesNotFound": """
        deflate-bomb-in-a-structure-set
    """,
    "link-dangling picture": """
        links-in-circles
    """,
    "link-outside picture": """
        links-to-devices
    """,
    "file-not-dicom file-truncated picture": """
        one-broken-among-sound
    """,
    "identity-missing picture": """
        elements-out-of-order
    """,
    "picture rescale-impossible": """
        slope-0 slope-nan
    """,
    "palette-unusable picture": """
        palette-without-a-palette
    """,
    "frames-undeclared picture": """
        pixels-for-five-frames-of-one
    """,
    "mosaic-order-assumed other-values": """
        mosaic-of-256
    """,
    "multi-frame-unplaced other-values units-unknown": """
        groups-with-places-not-finite groups-20000-of-undefined-length groups-of-20000-layouts
        groups-1000-with-character-sets
    """,
    "AmbiguousSeries multi-frame-unplaced several-parts": """
        dose-offsets-not-finite
    """,
    "TruncatedFile lossy-compression": """
        jpeg-cut
    """,
}
OUTCOME = {name: set(words.split()) for words, names in EXPECTED.items() for name in names.split()}

#: What is noticed of every lone image.
ORDINARY = {"single-slice"}

#: Cases of more than some tenths of a second.
SLOW = {
    "deflate-bomb-before-the-pixels",
    "deflate-bomb-behind-a-long-file-meta-group",
    "deflate-bomb-in-the-pixels",
    "deflate-bomb-behind-the-pixels",
    "million-empty-items-of-undefined-length",
    "million-private-elements",
    "frames-100000",
    "frames-of-20000-kinds",
    "frames-100000-unplaced",
    "groups-100000-for-one-frame",
    "groups-20000",
    "groups-20000-of-text-for-places",
    "groups-20000-of-undefined-length",
    "groups-20000-with-character-sets",
    "groups-100000",
    "groups-1000-with-character-sets",
    "groups-of-20000-layouts",
    "groups-of-100000-layouts",
    "groups-of-a-million-private-elements",
    "million-fragments-of-length-0",
    "million-fragments-before-the-picture",
    "private-element-of-64-mb",
    "empty-files-5000",
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("home"))
    yield reader
    reader.close()


def parameters() -> Iterator[object]:
    for name in CASES:
        yield pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])


def test_every_case_is_in_the_table() -> None:
    assert set(OUTCOME) == set(CASES)
    assert len(OUTCOME) == sum(len(names.split()) for names in EXPECTED.values())


@pytest.mark.parametrize("name", parameters())
def test_a_hostile_file_ends_in_findings_or_our_errors(name: str, reader: Reader, tmp_path: Path) -> None:
    CASES[name](tmp_path)
    outcome = reader.read(tmp_path)
    assert not outcome.faults
    assert set(outcome.words) - ORDINARY == OUTCOME[name]
    # Not benchmarks: bounds against hangs and bombs, a hundred times what a sound file of this size takes.
    assert outcome.seconds < MOST_SECONDS
    assert outcome.peak_mb < MOST_MB


def test_a_change_in_a_folder_is_noticed(tmp_path: Path) -> None:
    CASES["links-in-circles"](tmp_path)
    before = contents(tmp_path)
    assert contents(tmp_path) == before
    (tmp_path / "sub" / "left behind").touch()
    assert contents(tmp_path) != before


def test_a_frame_that_is_not_written_whole_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.zeros((4, 4), np.int16)
    monkeypatch.setattr("workbench.dicom.pixels.frames.read_frame", lambda ref, out, *, checked: out[:3].fill(7))
    with pytest.raises(AssertionError, match="8 of 32 bytes"):
        written_whole(None, frame, checked=False)
    monkeypatch.setattr("workbench.dicom.pixels.frames.read_frame", lambda ref, out, *, checked: out.fill(7))
    written_whole(None, frame, checked=False)
