"""Normalisation, words and shingles: equal to a plain reading for any text, safe on any bytes."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.kernels.classes import fold
from stages.kernels.normalise import GROWTH, normalised
from stages.kernels.shingles import Shingles, shared_shingles, text_shingles, token_shingles
from tests.stages import oracle
from tests.stages.texts import texts

# All that Unicode assigns, part of the blocks with uniform characters, and a sample of the unassigned planes.
ALIKE = (range(0x3500, 0x9F00), range(0xAD00, 0xD700), range(0x20100, 0x2F700), range(0x30000, 0x110000))
EVERY_CHARACTER = [
    chr(point)
    for point in range(0x110000)
    if not 0xD800 <= point < 0xE000 and (point % 61 == 0 or not any(point in block for block in ALIKE))
]
ODD = [
    "각",
    "が",
    "ｶﾞ",
    "你好",
    "กำ",
    "ไม่",
    "\u0b4b",
    "ǖ",
    "İ",
    "ß",
    "ﬁ",
    "é",
    "e\u0301",
    "—",
    "'",
    " ",
    "\u3000",
    "\x00",
]
odd_texts = st.lists(st.sampled_from([*ODD, "a", "b", "中", "の", "\u1b06"]), max_size=30).map("".join)
any_text = st.one_of(texts, odd_texts, st.text(max_size=40))


def plain(text: str) -> str:
    """Lower case one for one, NFD of each code point, no Mn, no P, single spaces, and none at the ends."""
    kept = [
        part
        for character in fold(text)
        for part in unicodedata.normalize("NFD", character)
        if unicodedata.category(part) != "Mn" and unicodedata.category(part)[0] != "P"
    ]
    return " ".join("".join(kept).split())


def plain_shingles(text: str, ngram: int) -> list[tuple[str, ...]]:
    words = oracle.words_of(plain(text), unspaced=True)
    n = min(ngram, len(words))
    return [tuple(words[k : k + n]) for k in range(len(words) - n + 1)] if words else []


def rows_of(shingles: Shingles) -> list[list[int]]:
    return [shingles.hashes[a:b].tolist() for a, b in pairwise(shingles.offsets)]


@settings(max_examples=300)
@given(st.lists(any_text, max_size=4))
def test_normalised_is_the_plain_reading(values: list[str]) -> None:
    found = normalised(pa.array(values, pa.string()))
    assert found.type == pa.large_string()
    assert found.to_pylist() == list(map(plain, values))


def test_every_character_of_unicode() -> None:
    """The text and the words of each: between letters, between letters that stand alone, and by itself."""
    values = [f"a{c}b 中{c}の{c} {c} 中{c}x" for c in EVERY_CHARACTER]
    found, counts = normalised(pa.array(values)).to_pylist(), np.diff(text_shingles(pa.array(values), 1).offsets)
    assert found == list(map(plain, values))
    assert counts.tolist() == [len(oracle.words_of(text, unspaced=True)) for text in found]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Été — d'OR,\n\tfin!  ", "ete dor fin"),
        ("Crème brûlée", "creme brulee"),
        ("ΌΔΟΣ όδος", "οδοσ οδοσ"),
        ("Ёлка й", "елка и"),
        ("がぎ", "かき"),
        ("각", "\u1100\u1161\u11a8"),
        ("…¡!—", ""),
        ("\xa0\u2003\u3000", ""),
        ("$5 + 3€ = 😀", "$5 + 3€ = 😀"),  # symbols are not punctuation
    ],
)
def test_normalised_texts(text: str, normal: str) -> None:
    assert normalised(pa.array([text])).to_pylist() == [normal]


@given(any_text)
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalised(pa.array([text]))
    assert normalised(once).equals(once)


@settings(max_examples=200)
@given(st.lists(any_text, min_size=1, max_size=4), st.integers(1, 6))
def test_shingles_are_those_of_the_plain_reading(values: list[str], ngram: int) -> None:
    """As many of them, in the same order; hashes are equal exactly if the n-grams are."""
    found, expected = rows_of(text_shingles(pa.array(values), ngram)), [plain_shingles(v, ngram) for v in values]
    assert list(map(len, found)) == list(map(len, expected))
    pairs = {(h, gram) for row, grams in zip(found, expected, strict=True) for h, gram in zip(row, grams, strict=True)}
    assert len(pairs) == len({h for h, _ in pairs}) == len({gram for _, gram in pairs})


def test_words_of_every_length_and_ending() -> None:
    """Words are hashed eight bytes at a time: they differ in one byte, at any place, or only in their length."""
    words = ["a" * size for size in range(1, 40)] + ["a" * k + "b" + "a" * (20 - k) for k in range(21)] + ["a\0", "\0a"]
    hashes = text_shingles(pa.array([" ".join(words)]), 1).hashes
    assert len(set(hashes.tolist())) == len(words)
    again = text_shingles(pa.array([" ".join(reversed(words))]), 1).hashes
    assert again[::-1].tolist() == hashes.tolist()


def test_the_order_of_words_counts() -> None:
    values = ["a b c d e", "b a c d e", "a b c d e e", "a b c d"]
    assert len({h for row in rows_of(text_shingles(pa.array(values), 5)) for h in row}) == 4


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=9), max_size=5), st.integers(1, 5))
def test_tokens_make_shingles_as_words_do(rows: list[list[int]], ngram: int) -> None:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    found = rows_of(token_shingles(offsets, np.array([token for row in rows for token in row], np.uint64), ngram))
    words = [" ".join(f"w{token}" for token in row) for row in rows]
    expected = [plain_shingles(text, ngram) for text in words]
    assert list(map(len, found)) == list(map(len, expected))
    pairs = {(h, gram) for row, grams in zip(found, expected, strict=True) for h, gram in zip(row, grams, strict=True)}
    assert len(pairs) == len({h for h, _ in pairs}) == len({gram for _, gram in pairs})


@given(st.lists(st.one_of(st.none(), any_text), max_size=6), st.integers(0, 6))
def test_batches_do_not_matter(values: list[str | None], cut: int) -> None:
    whole = pa.array(values, pa.string())
    parts = [whole[:cut], whole[cut:]]
    assert pa.concat_arrays([normalised(part) for part in parts]).equals(normalised(whole))
    found = [row for part in parts for row in rows_of(text_shingles(part, 3))]
    assert found == rows_of(text_shingles(pa.chunked_array(parts), 3)) == rows_of(text_shingles(whole, 3))


@settings(max_examples=200)
@given(any_text, any_text, st.integers(1, 4))
def test_jaccard_is_that_of_the_plain_sets(a: str, b: str, ngram: int) -> None:
    one, other = text_shingles(pa.array([a, b, a]), ngram), text_shingles(pa.array([b, b, ""]), ngram)
    sets = [set(plain_shingles(text, ngram)) for text in (a, b)]
    union = len(sets[0] | sets[1])
    expected = len(sets[0] & sets[1]) / union if union else 0.0
    assert shared_shingles(one, other).tolist() == [expected, float(bool(sets[1])), 0.0]


def test_pairs_need_as_many_rows() -> None:
    with pytest.raises(ValueError, match="2 rows and 1"):
        shared_shingles(text_shingles(pa.array(["a", "b"]), 5), text_shingles(pa.array(["a"]), 5))


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=40), max_size=4))
def test_random_bytes_become_text(documents: list[bytes]) -> None:
    column = pa.array(documents, pa.binary())
    found = normalised(column)
    found.validate(full=True)
    for text, raw in zip(found.to_pylist(), documents, strict=True):
        assert len(text.encode()) <= GROWTH * len(raw)
        assert text == plain(text)
    assert rows_of(text_shingles(column, 2)) == rows_of(text_shingles(found, 2))


@pytest.mark.parametrize("wrong", [b"\xff", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xc3"])
def test_what_is_not_utf8_is_replaced(wrong: bytes) -> None:
    (text,) = normalised(pa.array([b"a " + wrong + b" b"], pa.binary())).to_pylist()
    assert set(text[2:-2]) == {"\ufffd"}
    assert (text[:2], text[-2:]) == ("a ", " b")


def test_most_words_that_bytes_can_make_fit() -> None:
    """Lone letters next to single letters: two words in four bytes, the densest possible; and the worst growth."""
    for text in ("a " * 50, "中a" * 50, "a", "中", "각" * 50, "a中" * 50, " a" * 50):
        assert np.diff(text_shingles(pa.array([text] * 3), 1).offsets).tolist() == [len(plain_shingles(text, 1))] * 3
    assert rows_of(text_shingles(pa.array([b"\xff" * 99, b"\xff\xe4\xb8\xad" * 25], pa.binary()), 1))[1]
