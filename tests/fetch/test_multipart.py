"""One object out of an answer, whatever the pieces it comes in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.fetch.multipart import MAX_HEAD, Malformed, boundary_of, only_part

HEAD = b"--xyz\r\nContent-Type: application/dicom\r\nContent-Length: 3\r\n\r\n"


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


@given(
    body=st.lists(st.sampled_from([b"\r", b"\n", b"-", b"xyz", b"\r\n--xy", b"\r\n\r\n", b"ab", b"\0"])).map(b"".join),
    cuts=st.lists(st.integers(0, 300)),
    preamble=st.sampled_from([b"", b"\r\n", b"a preamble\r\n"]),
)
def test_content_comes_out_byte_for_byte_wherever_it_is_cut(body: bytes, cuts: list[int], preamble: bytes) -> None:
    data = preamble + HEAD + body + b"\r\n--xyz--\r\nepilogue"
    assert b"".join(only_part(in_pieces(data, cuts), b"xyz")) == body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"--xyz",
        HEAD,
        HEAD + b"abc",
        HEAD + b"abc\r\n--xyz",
        HEAD + b"abc\r\n--xyz\r\n\r\nsecond\r\n--xyz--",
        b"--other\r\n\r\nabc\r\n--other--",
        b"x" * (MAX_HEAD + 10),
    ],
)
def test_what_is_not_one_whole_object_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(only_part([data], b"xyz"))


def test_an_object_without_multipart_is_passed_on() -> None:
    assert boundary_of("application/dicom") is None
    assert list(only_part([b"a", b"b"], None)) == [b"a", b"b"]


def test_multipart_without_a_boundary_is_malformed() -> None:
    with pytest.raises(Malformed):
        boundary_of("multipart/related")
