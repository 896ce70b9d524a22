"""`c4_v1`: which lines stay, what a sentence is, and which documents are removed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base import build, drop_where
from stages.c4 import C4, POLICY, count_sentences
from stages.schema import documents

GOOD = 'The river rose again. People came out! Was it the barn? "They have built it." Nobody was surprised.'
lines = st.lists(
    st.sampled_from(
        [
            GOOD,
            "One two three.",
            "One two.",
            "no end here at all",
            "",
            "trailing off now...",
            "Enable JavaScript to go on.",
        ]
    )
)


def clean(text: str, **params: Any) -> tuple[str | None, str]:
    """The reason and the text."""
    out = C4(**params)(documents(text=[text]))
    return out.column("drop")[0].as_py(), out.column("text")[0].as_py()


def kept(line: str, **params: Any) -> str | None:
    """What becomes of a line."""
    _, text = clean(f"{GOOD}\n{line}", **params)
    assert text.startswith(GOOD)
    return text[len(GOOD) + 1 :] or None


@pytest.mark.parametrize(
    "line", ["It ends well.", "Does it end?", "It ends so!", 'He said "it ends"', "„Es endet gut.”", "One two three."]
)
def test_lines_that_end_as_sentences_stay(line: str) -> None:
    assert kept(f"  {line}\t") == line


@pytest.mark.parametrize(
    "line",
    [
        "It does not end",
        "It trails off...",
        "Two words.",
        "Please enable Javascript to go on.",
        *(f"About our {phrase.upper()} we say this." for phrase in POLICY),
        f"A long w{'o' * 1000}rd is here.",
        "中文没有空格。",
    ],
)
def test_lines_that_go(line: str) -> None:
    assert kept(line) is None


def test_limits_of_words_at_their_edges() -> None:
    assert kept("One two three.", min_words_per_line=3) == "One two three."
    assert kept("One two three.", min_words_per_line=4) is None
    assert kept("A " + "w" * 999 + " here.", max_word_length=999) is not None
    assert kept("A " + "w" * 1000 + " here.", max_word_length=999) is None


def test_citation_marks_are_cut_out() -> None:
    line = "It is known.[1][23] As one says[citation needed] so it is. [edit]"
    assert kept(line) is None, "the cut leaves a blank at the end"
    assert kept("It is known.[1][23] As one says[citation needed] so.[]") == "It is known. As one says so."
    assert kept("It is known[1] so.", remove_citations=False) == "It is known[1] so."
    assert kept("It is known so.[1]", remove_citations=False) is None


def test_other_end_marks_and_phrases() -> None:
    assert kept("यह एक वाक्य है।", end_marks=("।", ".")) == "यह एक वाक्य है।"
    assert kept("Our privacy policy is this.", policy=()) == "Our privacy policy is this."


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One.", 1),
        ("One. Two! Three? Four… Five", 4),
        ('He said "Yes." Then he went.', 2),
        ("No end", 1),
        ("It goes on... and on.", 1),
        ("At 3.14 it was e.g. so.", 1),
        ("Really?! Yes.", 2),
        ("Ja. Äpfel. élan.", 2),
        ("你好。再见！真的？", 3),
        ("यह है। वह है।", 2),
        ("(Why?) Because.", 2),
        ('He said "yes". She did (not) "No".', 2),
        ("." * 50_000 + "x " + '."' * 50_000 + "x.", 1),
    ],
)
def test_sentences(line: str, sentences: int) -> None:
    assert count_sentences(line) == sentences


def test_number_of_sentences_at_the_limit() -> None:
    five = "\n".join(["One two three."] * 5)
    assert clean(five) == (None, five)
    assert clean(five[:-15])[0] == "too_few_sentences"
    assert clean(five, min_sentences=6)[0] == "too_few_sentences"


@pytest.mark.parametrize(
    ("found", "reason"),
    [("Lorem Ipsum", "lorem_ipsum"), ("{", "curly_bracket"), ("}", "curly_bracket"), ("", None)],
)
def test_documents_that_go_keep_their_text(found: str, reason: str | None) -> None:
    text = f"{GOOD}\nmenu {found}"
    assert clean(text) == (reason, GOOD if reason is None else text)


@given(lines, st.integers(0, 8))
def test_cleaning_again_changes_nothing(parts: list[str], sentences: int) -> None:
    once = C4(min_sentences=sentences)(documents(text=["\n".join(parts)]))
    again = C4(min_sentences=sentences)(once)
    assert again.column("text") == once.column("text")
    assert again.column("drop") == once.column("drop")


@given(lines)
def test_lines_stay_in_order_and_the_measure_is_of_what_stays(parts: list[str]) -> None:
    stage = C4(min_sentences=0)
    docs = documents(text=["\n".join(parts)])
    left = stage(docs).column("text")[0].as_py().splitlines()
    good = [part for part in parts if part in (GOOD, "One two three.")]
    assert left == good
    assert stage.measure(docs).column("sentences").to_pylist() == [sum(map(count_sentences, good))]


def test_rows_that_are_dropped_already_and_nulls_stay_as_they_are() -> None:
    docs = documents(text=["menu", None, GOOD])
    out = C4()(drop_where(docs, pa.array(["seen_before", None, None])))
    assert out.column("drop").to_pylist() == ["seen_before", "too_few_sentences", None]
    assert out.column("text").to_pylist() == ["menu", None, GOOD]


def test_large_string_stays_large_string() -> None:
    out = C4()(pa.table({"text": pa.array([f"{GOOD}\nmenu"], pa.large_string())}))
    assert out.column("text").type == pa.large_string()
    assert out.column("text").to_pylist() == [GOOD]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_sentences": -1}, "min_sentences must be at least 0, not -1"),
        ({"end_marks": ()}, "end_marks needs at least one mark"),
        ({"end_marks": (".", "")}, "end_marks needs at least one mark"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        build("c4_v1", params)
