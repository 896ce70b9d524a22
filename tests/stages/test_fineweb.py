"""`fineweb_v1`: equal to datatrove's filter in plain Python, and each limit at its edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.fineweb import FineWeb
from stages.kernels.classes import sentence_ends
from stages.kernels.fineweb import COUNTS, measure_fineweb
from stages.schema import documents
from tests.examples import examples
from tests.stages import oracle
from tests.stages.texts import SCRIPTS, texts, word

ENDS = tuple(map(chr, sentence_ends()))
IS_END = np.isin(np.arange(0x110000), sentence_ends())
WIDE = {"min_punctuated_lines": 0.0, "max_short_lines": 1.0, "max_duplicate_characters": 1.0, "max_new_lines": 1e9}
scripts = pytest.mark.parametrize("script", SCRIPTS)


def drop(text: str, **params: Any) -> str | None:
    found: str | None = FineWeb(**{**WIDE, **params})(documents(text=[text])).column("drop")[0].as_py()
    return found


@settings(max_examples=examples(200))
@given(texts, st.integers(0, 9))
def test_counts_are_those_of_datatrove(text: str, short: int) -> None:
    row = measure_fineweb(pa.chunked_array([[text]]), IS_END, short, False)[0]
    assert dict(zip(COUNTS, row.tolist(), strict=True)) == oracle.fineweb(text, ENDS, short)


@scripts
@pytest.mark.parametrize("end", [".", "?", "。", "।", "؟"])
def test_punctuated_lines_at_the_limit(script: str, end: str) -> None:
    lines = [word(script, number) for number in range(25)]
    ended = [line + end for line in lines]
    assert drop("\n".join(ended[:3] + lines[3:]), min_punctuated_lines=0.12) is None
    assert drop("\n".join(ended[:2] + lines[2:]), min_punctuated_lines=0.12) == "too_few_punctuated_lines"


@scripts
def test_short_lines_at_the_limits(script: str) -> None:
    short, long = SCRIPTS[script][0] * 30, SCRIPTS[script][0] * 31
    assert drop("\n".join([short] * 67 + [long] * 33), max_short_lines=0.67) is None
    assert drop("\n".join([short] * 68 + [long] * 32), max_short_lines=0.67) == "too_many_short_lines"
    assert drop("\n".join([long] * 9), max_short_lines=0.67) is None


@scripts
def test_duplicate_characters_at_the_limit(script: str) -> None:
    """One line of four characters that occurs twice, in 100 or in 99 lines of four."""
    lines = [word(script, number) for number in range(99)]
    assert drop("\n".join([*lines, lines[0]]), max_duplicate_characters=0.01) is None
    assert drop("\n".join([*lines[1:], lines[1]]), max_duplicate_characters=0.01) == "duplicate_line_characters"


@scripts
def test_new_lines_at_the_limit(script: str) -> None:
    words = [word(script, number) for number in range(10)]
    three = " ".join(words[:7]) + "\n" + "\n".join(words[7:9]) + " " + words[9] + "\n"
    assert three.count("\n") == 3
    assert drop(three, max_new_lines=0.3) is None
    assert drop(three + "\n", max_new_lines=0.3) == "too_many_new_lines"


@pytest.mark.parametrize("text", ["", None, "\n \n\t\n"])
def test_a_text_without_lines(text: str | None) -> None:
    assert FineWeb()(documents(text=[text])).column("drop").to_pylist() == ["no_lines"]


def test_a_line_ends_as_it_stands_and_with_own_marks() -> None:
    assert drop("An end. \nand more", min_punctuated_lines=0.5) == "too_few_punctuated_lines"
    assert drop("An end.\nand more", min_punctuated_lines=0.5) is None
    assert drop("An end.\nand more;", min_punctuated_lines=0.5, ends=";") is None
    assert drop("An end.\nand more", min_punctuated_lines=0.5, ends=";") == "too_few_punctuated_lines"


def test_letters_of_scripts_without_spaces_are_words_on_request() -> None:
    text = "今日は天気がいい。\n川まで歩いて行きました。\n"
    assert drop(text, max_new_lines=0.3) == "too_many_new_lines"
    assert drop(text, max_new_lines=0.3, unspaced_letters=True) is None


def test_defaults_are_those_of_the_code() -> None:
    limits = [(limit.measure, limit.min, limit.max) for limit in FineWeb().limits()]
    assert limits == [
        ("lines", 1, None),
        ("punctuated_lines", 0.12, None),
        ("short_lines", None, 0.67),
        ("duplicate_characters", None, 0.01),
        ("new_lines", None, 0.3),
    ]
    assert FineWeb().short_line == 30


@pytest.mark.parametrize("params", [{"max_new_lines": -1.0}, {"short_line": -1}])
def test_wrong_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="must be at least 0, not -1"):
        build("fineweb_v1", params)
