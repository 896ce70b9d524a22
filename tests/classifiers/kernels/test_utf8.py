"""The decoders against Python's: the same for UTF-8, each by its own policy for other bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.kernels.utf8 import decode, decode_trusted, put
from tests.examples import examples

POINTS = [0, 0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF]
FAULTY = [
    b"\x80", b"\xc0\x80", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2(\xac", b"\xf0\x9f\x98", b"\xf5\x80\x80\x80", b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_a_code_point_goes_to_bytes_and_back(point: int) -> None:
    encoded, buffer = chr(point).encode(), np.zeros(8, np.uint8)
    assert put(buffer, 2, point) == 2 + len(encoded)
    assert buffer[2 : 2 + len(encoded)].tobytes() == encoded
    for decoder in (decode, decode_trusted):
        assert decoder(buffer, 2) == (point, len(encoded))
        assert decoder(buffer[2 : 2 + len(encoded)], 0) == (point, len(encoded))


@pytest.mark.parametrize("wrong", FAULTY)
def test_a_byte_that_starts_no_character_is_replaced(wrong: bytes) -> None:
    assert decode(np.frombuffer(wrong, np.uint8), 0) == (0xFFFD, 1)


def test_the_trusting_decoder_takes_the_bits_it_finds() -> None:
    assert decode_trusted(np.frombuffer(b"\xc3(", np.uint8), 0) == (0xE8, 2)
    assert decode_trusted(np.frombuffer(b"\x80\xa9", np.uint8), 0) == (0x29, 2)
    assert decode_trusted(np.frombuffer(b"\xc3", np.uint8), 0) == (0x43, 1)
    assert decode_trusted(np.frombuffer(b"\xe2\x82", np.uint8), 0) == (0, 1)
    assert decode_trusted(np.frombuffer(b"\xf0\x9f\x98", np.uint8), 0) == (0, 1)


@given(st.binary(min_size=1, max_size=12))
@settings(max_examples=examples(300), deadline=None)
def test_neither_decoder_leaves_the_text(data: bytes) -> None:
    text = np.frombuffer(data, np.uint8)
    for decoder in (decode, decode_trusted):
        at = 0
        while at < len(text):
            point, size = decoder(text, at)
            assert 0 <= point < 0x200000
            assert 1 <= size <= len(text) - at
            at += size
