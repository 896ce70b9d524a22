"""`substring_v2`: cuts leave whole words and a clean seam; short spans and small gaps."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.schema import documents
from stages.spans import cut_spans, decisions_of, of_whole_words, spans_column, with_rows
from stages.substring.phases import duplicate_spans
from stages.substring.stage import SubstringV2
from tests.examples import examples
from tests.stages import oracle
from tests.stages.texts import SPACES, texts

PIECES = (
    *(
        "a",
        "word",
        "don't",
        "it’s",
        "1,000",
        "3.14",
        "-5%",
        "$1.50",
        "(b)",
        "x.",
        "дом",
        "слово,",
        "كتاب",
        "می\u200cخواهم",
    ),
    *(
        "हिन्दी",
        "你好",
        "世界。",
        "「あ」",
        "カギ",
        "が",
        "ไม่",
        "กำ",
        "ភាសា",
        "—",
        "...",
        "犬-猫",
        "1犬2",
        "😀",
        "e\u0301",
    ),
)
passages = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from((*SPACES, " ", " "))), max_size=12)
scripts = st.one_of(passages.map(lambda parts: "".join(word + space for word, space in parts)), texts)


def words_at(text: str) -> list[tuple[int, int]]:
    """The bytes of each word: what stands between white space, or a letter of a script without spaces."""
    found, at = [], 0
    for word in oracle.words_of(text, unspaced=True):
        at = text.index(word, at)
        start = len(text[:at].encode())
        found.append((start, start + len(word.encode())))
        at += len(word)
    return found


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text, and ascending spans of its characters as bytes that do not touch."""
    text = draw(scripts)
    edges = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    at = [len(text[:edge].encode()) for edge in edges]
    return text, list(zip(at[::2], at[1::2], strict=False))


def cut(text: str, spans: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], str]:
    """The spans of whole words, and the text without them."""
    column = pa.chunked_array([[text]], pa.string())
    fitted = of_whole_words(column, spans_column(1, *np_columns(spans)))
    pairs = [(span["start"], span["end"]) for span in fitted[0].as_py()]
    left: str = cut_spans(column, fitted, clean=True).to_pylist()[0]
    return pairs, left


def np_columns(spans: list[tuple[int, int]]) -> Any:
    return np.zeros(len(spans), np.int64), *np.array(spans, np.int64).reshape(-1, 2).T


@settings(max_examples=examples(500))
@given(cut_texts())
def test_a_span_is_the_whole_words_in_it(case: tuple[str, list[tuple[int, int]]]) -> None:
    text, spans = case
    inside = [[word for word in words_at(text) if start <= word[0] and word[1] <= end] for start, end in spans]
    assert cut(text, spans)[0] == [(words[0][0], words[-1][1]) for words in inside if words]


@settings(max_examples=examples(500))
@given(cut_texts())
def test_what_remains_are_whole_words_in_their_order(case: tuple[str, list[tuple[int, int]]]) -> None:
    text, spans = case
    fitted, left = cut(text, spans)
    kept = [
        text.encode()[start:end].decode()
        for start, end in words_at(text)
        if not any(first <= start < last for first, last in fitted)
    ]
    assert apart(oracle.words_of(left, unspaced=True)) == apart(kept)
    assert left == text or fitted


def apart(words: list[str]) -> list[str]:
    """East Asian punctuation apart from the words that it stands at: no space comes between the two at a seam."""
    split = (part for word in words for part in re.split(r"([\u3001-\u303d\uff01-\uff0f\uff1a-\uff20])", word))
    return [part for part in split if part]


@settings(max_examples=examples(300))
@given(cut_texts())
def test_the_seam_is_clean(case: tuple[str, list[tuple[int, int]]]) -> None:
    """Where a text had no doubled white space, none is left; and never more than one blank line."""
    text, spans = case
    single = re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*\n\s*", "\n\n", re.sub(r"[^\S\n]*\n[^\S\n]*", "\n", text)))
    if single.encode() == text.encode():
        fitted, left = cut(text, spans)
        inner = left.strip() if fitted else ""
        assert not re.search(r"[^\S\n]\s|\s[^\S\n]|\n\n\n", inner)


@pytest.mark.parametrize(
    ("text", "span", "left"),
    [
        ("costs 1,000 dollars now", "costs 1", "1,000 dollars now"),
        ("I know. I don't know", "know. I don", "I don't know"),
        ("one  a b\n\n\n\nc  two", "a b\n\n\n\nc", "one two"),
        ("one\n \n\n a b\n\n two", "a b", "one\n\ntwo"),
        ("one\r\na b\r\ntwo", "a b", "one\ntwo"),
        ("one\u3000a\u3000two", "a", "one\u3000two"),
        ("你好世界", "好世", "你界"),
        ("3.犬5", "犬", "3. 5"),
        ("abc犬def", "犬", "abc def"),
        ("你好。世界「犬」", "世界", "你好。「犬」"),
        ("กำลัง", "ลั", "กำง"),
        ("(a b c)", "a b c", "(a c)"),
        ("Mr. X, aged 5", "r. X, aged", "Mr. 5"),
    ],
)
def test_cuts(text: str, span: str, left: str) -> None:
    start = len(text[: text.index(span)].encode())
    assert cut(text, [(start, start + len(span.encode()))])[1] == left


def applied(column: list[str | None], **params: Any) -> list[str | None]:
    stage, docs = SubstringV2(min_left=0, **params), documents(text=column)
    found = duplicate_spans(stage, docs)
    left: list[str | None] = (
        stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found)).column("text").to_pylist()
    )
    return left


def test_spans_of_tokens_are_cut_at_words() -> None:
    column: list[str | None] = ["He has paid us 1,000 dollars", "She has paid us 1.50 then", None, "other"]
    assert applied(column, length=4) == ["He 1,000 dollars", "She 1.50 then", None, "other"]
    assert applied(column, length=4, ends="tokens") == ["He ,000 dollars", "She .50 then", None, "other"]


def test_spans_with_a_small_gap_are_one() -> None:
    column: list[str | None] = ["x a b c 1 2 d e f y", "a b c", "d e f"]
    for gap, left in ((0, "x 1 2 y"), (2, "x 1 2 y"), (3, "x y")):
        assert applied(column, length=3, merge_gap=gap)[0] == left
    assert applied(["x a b c 1\n", "2 d e f y", "a b c", "d e f"], length=3, merge_gap=9)[:2] == ["x 1\n", "2 y"]


def test_spans_of_few_bytes_are_none() -> None:
    column: list[str | None] = ["x aaaa bbbb cccc y", "z aaaa bbbb cccc", "ддд ее к x", "ддд ее к y"]
    left = applied(column, length=2, min_bytes=14)
    assert left == ["x y", "z", "x", "y"], "bytes, not characters"
    assert applied(column, length=2, min_bytes=15) == ["x aaaa bbbb cccc y", "z aaaa bbbb cccc", *column[2:]]


def test_short_spans_are_left_out_before_gaps_are_closed() -> None:
    column: list[str | None] = ["aaa bbb 1 c d y", "aaa bbb", "c d"]
    assert applied(column, length=2, min_bytes=4, merge_gap=2)[0] == "1 c d y"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ends": "bytes"}, 'ends must be "words" or "tokens"'),
        ({"merge_gap": -1}, "min_bytes and merge_gap must be at least 0, not 0 and -1"),
        ({"length": 0}, "length must be 1 to 65535"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        build("substring_v2", params)
