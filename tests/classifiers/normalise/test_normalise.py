"""The normaliser of training and prediction: what becomes of letters, disguises, lines, and of anything hostile."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classifiers.normalise.disguise import is_mask, listed
from classifiers.normalise.line import LONGEST
from classifiers.normalise.normalise import Form, cut_lines, disguises, normalised, packed, profane_words, whole

FORMS: list[Form] = ["words_v1", "folded_v1"]
anything = st.text(max_size=60)
odd = st.text(
    st.sampled_from("abcfuk FUCK*@#$!-_%&?+.,:/'\n\t\u0301\u200bсуеß½ﬁＡ日ไ한١5é\U0001d552\U0001f600\0"), max_size=40
)
forms = st.sampled_from(FORMS)


def one(text: str, form: Form = "folded_v1") -> str:
    return normalised([text], form)[0]


@given(st.text(st.sampled_from('abcXYZ ,;()\n\t"='), max_size=80))
def test_plain_ascii_is_its_words_in_lower_case(text: str) -> None:
    assert one(text, "words_v1") == " ".join(re.findall(r"[a-z]+", text.lower()))


@given(anything | odd, forms)
@example("CC\u0421", "folded_v1")
def test_normalising_twice_changes_nothing(text: str, form: Form) -> None:
    assert one(one(text, form), form) == one(text, form)


@given(st.lists(anything | odd, max_size=5), forms)
def test_a_batch_is_its_texts_one_by_one(texts: list[str], form: Form) -> None:
    assert normalised(texts, form) == [one(text, form) for text in texts]


@given(st.lists(st.text(st.characters(categories=["Ll", "Lu"], exclude_characters="\u0345"), min_size=1, max_size=9)))
def test_compatible_and_differently_composed_texts_are_equal(words: list[str]) -> None:
    text = " ".join(words)
    for change in ("NFC", "NFD", "NFKC", "NFKD"):
        hangul_or_marks = any(unicodedata.combining(c) for c in unicodedata.normalize("NFKD", text.casefold()))
        if not hangul_or_marks:
            assert one(unicodedata.normalize(change, text), "words_v1") == one(text, "words_v1")


@given(st.lists(anything | odd, max_size=4), forms, st.integers(0, 6), st.integers(7, 20))
@example(["0:0:0:0:0㊀0&0"], "words_v1", 0, 7)
@example(["a b c d e f ㊀ 0 0"], "words_v1", 0, 7)
def test_cutting_keeps_every_word_and_its_order(texts: list[str], form: Form, least: int, most: int) -> None:
    lines = cut_lines(*packed(texts), form, least, most)
    for row, text in enumerate(texts):
        edges = lines.offsets[lines.rows[row] : lines.rows[row + 1] + 1]
        found = [lines.data[a:b].tobytes().decode() for a, b in pairwise(edges)]
        assert all(line.endswith("\n") and line.count("\n") == 1 for line in found)
        counts = [len(line.split()) for line in found]
        masks = sum(is_mask(ord(c)) for c in unicodedata.normalize("NFKC", text))
        assert all(0 < count <= most + masks for count in counts), "only what may be in disguise is never parted"
        assert all(count >= least for count in counts[:-1])
        if "." not in text:  # spelled disguises do not reach over the end of a line
            assert " ".join(" ".join(found).split()).replace(" ", "") == one(text, form).replace(" ", "")


def test_lines_end_where_lines_and_sentences_do() -> None:
    text = "One two three. Four five!\nSix seven\neight nine ten? Yes 3.5 is no end."
    lines = cut_lines(*packed([text]), "words_v1", 3, 50)
    assert lines.data.tobytes().decode().splitlines() == [
        "one two three", "four five six seven", "eight nine ten", "yes 3 5 is no end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ＦＵＬＬ-width 𝓼𝓬𝓻𝓲𝓹𝓽 ﬁne Straße", "full width script fine strasse"),
        ("Crème brûlée, Å ö Ł don't it’s", "creme brulee a o ł dont its"),
        ("zero\u200bwidth so\u00adft \u202eabc", "zerowidth soft abc"),
        ("see https://example.org/a?b=c d and ftp://x.y, @some_name hi", "see d and hi"),
        ("日本語 テスト ไทย 한국어", "日 本 語 テ ス ト ไ ท ย 한국어"),
        ("हिन्दी में", "हिन्दी में"),
        ("mail me@example.com 3,5 % x²", "mail me example com 3 5 x2"),
        ("", ""), (" \t\r\n\0", ""), ("\ud800", ""), ("!!! *** ...", ""),
    ],
)  # fmt: skip
def test_words(text: str, words: str) -> None:
    assert one(text, "words_v1") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f*ck f**k f*** sh*t s#it b!tch @$$hole a$$ cr*p", "fuck fuck fuck shit shit bitch asshole ass cr p"),
        ("sh1t fu(k 5hit b1tch c0ck a55 p0rn 4ss", "shit fu k shit bitch cock a55 porn 4ss"),
        ("f u c k y o u, F.U.C.K. f-u-c-k", "fuck y o u fuck fuck"),
        ("fuuuuck shiiit nooooo cooool", "fuck shit noo cool"),
        ("fuсk shіt Москва Cаt", "fuck shit москва cat"),
        ("ｆｕｃｋ f\u0336u\u0336c\u0336k\u0336 f\u200buck", "fuck fuck fuck"),
    ],
)
def test_disguises_are_undone(text: str, words: str) -> None:
    assert one(text) == words


INNOCENT = (
    "The A55 and B52s, as* and foo*, grade A*, C++ or C#, mp3, 1st, U.S.A., J. R. R. Tolkien, x_1, 50%, R&D, "
    "well-known co-op, Scunthorpe, $5, 4x4, S01E02, a.m., 2-0, q*bert, **bold** text"
)


def test_what_is_no_disguise_stays() -> None:
    assert one(INNOCENT) == one(INNOCENT, "words_v1")


@given(odd | anything)
def test_folding_brings_only_listed_words_in(text: str) -> None:
    """What folding adds is a listed word, or one without its repeats or with look-alikes as Latin letters."""
    plain, folded = one(text, "words_v1").split(), one(text).split()
    for word in set(folded) - set(plain):
        assert word in profane_words() or any(len(word) <= len(other) for other in plain)


def test_the_list_is_sorted_by_length_and_plain() -> None:
    words = profane_words()
    assert len(words) > 50
    assert all(re.fullmatch(r"[a-z]{3,}", word) for word in words)
    table = disguises()
    for word in words:
        points, first, last = [*map(ord, word)], table[len(word)], table[len(word) + 1]
        assert points in table[first:last].reshape(-1, len(word)).tolist()
        assert listed(np.array(points), 0, len(word), table)
    assert not listed(np.array([*map(ord, "meadow")]), 0, 6, table)


HOSTILE = [
    b"x" * 5_000_000, b"a b " * 300_000, b"*" * 1_000_000, b"f*" * 500_000, b"aaa" * 500_000, b"\xff" * 100_000,
    "ﷺ".encode() * 30_000, "日".encode() * 500_000, b"f u c k" * 300_000, bytes(range(256)) * 4000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_hostile_texts_come_through(text: bytes) -> None:
    for form in FORMS:
        lines = whole(np.array([0, len(text)]), np.frombuffer(text, np.uint8), form)
        words = lines.data.tobytes().decode().split()
        assert all(len(word) <= LONGEST for word in words)
        pieces = cut_lines(np.array([0, len(text)]), np.frombuffer(text, np.uint8), form)
        assert b" ".join(pieces.data.tobytes().split()).decode().split() == words or form == "folded_v1"


@given(st.binary(max_size=200), forms)
def test_any_bytes_give_words_in_utf8(data: bytes, form: Form) -> None:
    lines = whole(np.array([0, len(data)]), np.frombuffer(data, np.uint8), form)
    assert lines.data.tobytes().decode().endswith("\n")
    assert len(lines.offsets) == 2


def test_a_plain_model_has_nothing_to_normalise() -> None:
    with pytest.raises(ValueError, match="the form is plain"):
        normalised(["x"], "plain")
