"""`repetition_v1`: equal to the paper and to datatrove in plain Python; each limit at its edge in six scripts."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.kernels.repetition import MEASURES
from stages.repetition import Repetition
from stages.schema import documents
from tests.examples import examples
from tests.stages import oracle
from tests.stages.texts import SCRIPTS, texts, word

DIALECTS = ("gopher", "datatrove")
RULES = MEASURES[1:]
ORACLES = {"gopher": oracle.gopher_repetition, "datatrove": oracle.datatrove_repetition}


def measured(text: str, **params: Any) -> dict[str, float]:
    table = Repetition(**params).measure(documents(text=[text]))
    return {name: table.column(name)[0].as_py() for name in table.column_names}


def reason(text: str, rule: str, dialect: str = "gopher") -> str | None:
    """The verdict with every other limit disabled."""
    others = {f"max_{name}": float("inf") for name in RULES if name != rule}
    drop: str | None = Repetition(dialect=dialect, **others)(documents(text=[text])).column("drop")[0].as_py()  # type: ignore[arg-type]
    return drop


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=examples(200))
@given(text=texts, unspaced=st.booleans())
def test_measures_are_those_of_the_plain_reading(dialect: str, text: str, unspaced: bool) -> None:
    assert measured(text, dialect=dialect, unspaced_letters=unspaced) == ORACLES[dialect](text, unspaced)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_measures_of_real_pages_are_those_of_the_plain_reading(dialect: str, shared_data: Path) -> None:
    column = pq.read_table(shared_data / "crawl" / "truth.parquet", columns=["expected_text"]).column(0)
    pages = [text[:8000] for text in column.drop_null().to_pylist()[::4]]
    table = Repetition(dialect=dialect).measure(documents(text=pages))  # type: ignore[arg-type]
    assert table.to_pylist() == [ORACLES[dialect](text) for text in pages]


@given(texts)
def test_gophers_fractions_are_fractions(text: str) -> None:
    values = measured(text)
    assert all(0 <= values[name] <= 1 for name in RULES)
    assert values["duplicate_5grams"] >= values["duplicate_10grams"]


@given(texts.filter(lambda text: text.split()))
def test_a_text_said_twice_is_all_duplicate(text: str) -> None:
    values = measured(f"{text}\n\n{text}")
    assert values["duplicate_lines"] == 1
    assert values["duplicate_line_characters"] == 1
    assert values["duplicate_5grams"] == 1 or len(text.split()) < 5


def lines(script: str, copies: int, of: int, end: str) -> str:
    """`of` lines of one word, of which `copies` are the same."""
    return end.join(word(script, 0 if line < copies else line) for line in range(of))


def phrase_twice(script: str, n: int, words: int) -> str:
    """`words` words in one line, all different except that the first n occur again at the end."""
    numbers = [*range(words - n), *range(n)]
    return " ".join(word(script, number) for number in numbers)


scripts = pytest.mark.parametrize("script", SCRIPTS)


@scripts
@pytest.mark.parametrize("end", ["\n", "\n\n"])
@pytest.mark.parametrize(
    ("dialect", "measure", "inside", "outside"),
    [
        ("gopher", "s", 3, 4),  # 3 of 10 lines are copies: 0.30
        ("gopher", "_characters", 2, 3),  # 2 of 10 lines of equal length: 0.20
        ("datatrove", "s", 4, 5),  # the first copy does not count: 3 of 10
    ],
)
def test_duplicate_segments_at_the_limit(
    script: str, end: str, dialect: str, measure: str, inside: int, outside: int
) -> None:
    rule = f"duplicate_{'line' if end == chr(10) else 'paragraph'}{measure}"
    assert reason(lines(script, inside, 10, end), rule, dialect) is None
    assert reason(lines(script, outside, 10, end), rule, dialect) == rule


@scripts
@pytest.mark.parametrize("n", range(2, 11))
def test_ngrams_at_the_limit(script: str, n: int) -> None:
    rule = f"top_{n}gram" if n <= 4 else f"duplicate_{n}grams"
    limit = Fraction(str(getattr(Repetition(), f"max_{rule}")))
    words = ceil(2 * n / limit)  # both copies count, so 2n of this many words are just inside
    assert reason(phrase_twice(script, n, words), rule) is None
    assert reason(phrase_twice(script, n, words - 1), rule) == rule


@scripts
@pytest.mark.parametrize("n", range(2, 11))
def test_ngrams_at_the_limit_of_datatrove(script: str, n: int) -> None:
    rule = f"top_{n}gram" if n <= 4 else f"duplicate_{n}grams"
    limit = Fraction(str(getattr(Repetition(), f"max_{rule}")))
    part = 2 * (5 * n - 1) if n <= 4 else 4 * n  # both copies with spaces; or the second without them
    words = ceil((part / limit + 1) / 5)  # a text of w words has 5 w - 1 characters
    assert reason(phrase_twice(script, n, words), rule, "datatrove") is None
    assert reason(phrase_twice(script, n, words - 1), rule, "datatrove") == rule


REFRAIN = "row row row your boat\ngently down the stream\n\nrow row row your boat\nmerrily merrily life is but a dream"
GOLDEN = {
    "gopher": {
        "characters": 82,
        "duplicate_lines": 2 / 4,
        "duplicate_paragraphs": 0,
        "duplicate_line_characters": 34 / 82,
        "duplicate_paragraph_characters": 0,
        "top_2gram": 18 / 82,  # "row row" four times covers six words of three characters, not eight
        "top_3gram": 22 / 82,  # of three 3-grams that occur twice, "row your boat" is the longest
        "top_4gram": 28 / 82,
        "duplicate_5grams": 34 / 82,
        **{f"duplicate_{n}grams": 0 for n in range(6, 11)},
    },
    "datatrove": {
        "characters": 103,
        "duplicate_lines": 1 / 4,
        "duplicate_paragraphs": 0,
        "duplicate_line_characters": 21 / 103,
        "duplicate_paragraph_characters": 0,
        "top_2gram": 4 * 7 / 103,
        "top_3gram": 2 * 11 / 103,  # the first of the three
        "top_4gram": 2 * 16 / 103,
        "duplicate_5grams": 17 / 103,
        **{f"duplicate_{n}grams": 0 for n in range(6, 11)},
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_golden_measures(dialect: str) -> None:
    assert measured(REFRAIN, dialect=dialect) == pytest.approx(GOLDEN[dialect], abs=0)


@pytest.mark.parametrize(
    ("text", "name", "gopher", "datatrove"),
    [
        ("ha ha ha ha", "top_2gram", 1.0, 3 * 5 / 11),  # an n-gram that overlaps itself
        ("one two", "top_2gram", 0.0, 1.0),  # an n-gram that occurs once
        (" a \n a", "duplicate_lines", 1.0, 0.0),  # outer white space
        ("\na\n", "duplicate_lines", 0.0, 1 / 3),  # empty lines at both ends
        ("a b c d e ab c d e", "duplicate_5grams", 0.0, 0.0),
        ("a b c d ef ab c d e f", "duplicate_5grams", 0.0, 6 / 21),  # one string, split into other words
    ],
)
def test_dialects_differ(text: str, name: str, gopher: float, datatrove: float) -> None:
    assert measured(text)[name] == gopher
    assert measured(text, dialect="datatrove")[name] == datatrove


def test_scripts_without_spaces_have_words_on_request() -> None:
    text = "今日は天気がいい。" * 4
    assert measured(text)["duplicate_5grams"] == 0
    assert measured(text, unspaced_letters=True)["duplicate_5grams"] == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_text_is_dropped_as_such(dialect: str) -> None:
    drops = Repetition(dialect=dialect)(documents(text=["", None, "word"])).column("drop")  # type: ignore[arg-type]
    assert drops.to_pylist()[:2] == ["empty_text", "empty_text"]


def test_the_first_limit_that_fails_is_the_reason() -> None:
    out = Repetition()(documents(text=["buy now\n" * 50]))
    assert out.column("drop").to_pylist() == ["duplicate_lines"]
    assert out.column("repetition_v1.duplicate_lines").type == pa.float64()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dialect": "english"}, 'dialect must be "gopher" or "datatrove"'),
        ({"max_top_2gram": -0.1}, "max_top_2gram must be a fraction"),
        ({"max_top_2gram": float("nan")}, "max_top_2gram must be a fraction"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        build("repetition_v1", params)
