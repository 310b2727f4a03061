"""Plain values of many files are decoded as single ones are; the others are left to that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tries import tries
from workbench.dicom.headers.decode_many import decimals, plain_texts, whole_numbers

PIECES = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers().map(str),
    st.text("0123456789+-.eE _\0", max_size=8),
    st.sampled_from([" 1.5 ", "+2", "1.", ".5", "1e5", "1e400", "-", "nan", "inf", "1_0", "0x1", "1 2"]),
)


def laid_out(values: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    length = np.array([len(value) for value in values])
    return np.frombuffer(b"".join(values) + b"\0", np.uint8), np.cumsum(length) - length, length


def one_by_one(value: bytes) -> list[float] | None:
    try:
        numbers = [float(part.strip(b" \0")) for part in value.split(b"\\")]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


@given(st.lists(st.lists(PIECES, min_size=2, max_size=2).map("\\".join), min_size=1, max_size=4))
@settings(max_examples=tries(400), derandomize=True, deadline=None)
def test_numbers_are_what_python_reads(values: list[str]) -> None:
    raws = [value.encode() for value in values]
    found = decimals(*laid_out(raws), 2)
    if found is not None:
        assert found.tolist() == [one_by_one(raw) for raw in raws]


@given(st.lists(st.text(" !AZaz09.\\é\0", max_size=8), min_size=1, max_size=4))
@settings(max_examples=tries(300), derandomize=True, deadline=None)
def test_texts_are_what_python_strips(values: list[str]) -> None:
    found = plain_texts(*laid_out([value.encode() for value in values]))
    if found is not None:
        assert found.to_pylist() == [value.strip(" \0") for value in values]


def test_plain_values_are_not_left_over() -> None:
    assert decimals(*laid_out([b"-1.5\\2 ", b"3e2\\4.25"]), 2).tolist() == [[-1.5, 2.0], [300.0, 4.25]]
    assert whole_numbers(*laid_out([b"12", b" 7 "])).tolist() == [12, 7]
    assert plain_texts(*laid_out([b"1.2.3\0", b"A B "])).to_pylist() == ["1.2.3", "A B"]


@pytest.mark.parametrize("odd", [b"1", b"1\\2\\3", b"\\1", b"a\\1", b"1 2\\3"])
def test_one_odd_value_leaves_all_to_the_decoder_of_single_ones(odd: bytes) -> None:
    assert decimals(*laid_out([b"1\\2", odd]), 2) is None


def test_a_part_too_many_here_and_one_too_few_there_do_not_make_up_for_each_other() -> None:
    assert decimals(*laid_out([b"1\\2\\3", b"4"]), 2) is None


@pytest.mark.parametrize("odd", [b"1.5", b"1e30", b""])
def test_numbers_that_are_not_whole_are_left(odd: bytes) -> None:
    assert whole_numbers(*laid_out([b"1", odd])) is None


@pytest.mark.parametrize("odd", ["é".encode(), b"a\\b", b"", b"  ", b"a\0b"])
def test_texts_that_are_not_plain_are_left(odd: bytes) -> None:
    assert plain_texts(*laid_out([b"a", odd])) is None
