"""The second versions of the stages with a dialect of datatrove: tokens, and texts with Windows line ends."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from refinedweb.recipe.load import load, load_stages
from stages.base import build
from stages.english_tokens import tokens
from stages.schema import documents
from tests.stages import oracle
from tests.stages.test_quality import ENGLISH, PUNCTUATION

load_stages()
TEXTS = [
    "The river rose, and they didn't see it; the barn (on the hill) is to be built.\nIt is... so! #1 – and “that”.",
    "- one, two\n- three, four\n\n- one, two\n- three, four\n\n- one, two",
    "",
    "word",
    "a-b a-b a-b, c.d! c.d! a-b a-b, 12 34",
]


def spaced(text: str) -> str:
    return " ".join(tokens(text))


def measured(name: str, text: str, **params: Any) -> dict[str, float]:
    row = build(name, params)(documents(text=[text])).to_pylist()[0]
    return {column.partition(".")[2]: value for column, value in row.items() if column.startswith(f"{name}.")}


@pytest.mark.parametrize("text", TEXTS)
def test_quality_counts_tokens(text: str) -> None:
    found = measured("quality_v2", text, dialect="datatrove")
    lines = oracle.datatrove_quality(text, frozenset(ENGLISH), PUNCTUATION)
    words = oracle.datatrove_quality(spaced(text), frozenset(ENGLISH), PUNCTUATION)
    whole = max(words["all_words"], 1)
    assert found["words"] == words["words"]
    assert found["alphabetic_words"] == words["alphabetic_words"] / whole
    assert found["hashes"] == lines["hashes"] / whole
    assert found["ellipses"] == lines["ellipses"] / whole
    assert found["bullet_lines"] == lines["bullet_lines"] / max(lines["lines"], 1)
    assert found["stop_words"] == words["stop_words"]


@pytest.mark.parametrize("text", TEXTS)
def test_repetition_counts_tokens_in_the_characters_of_the_text(text: str) -> None:
    found = measured("repetition_v2", text, dialect="datatrove")
    lines, words = oracle.datatrove_repetition(text), oracle.datatrove_repetition(spaced(text))
    for name, value in found.items():
        expected = lines[name]
        if name.endswith(("gram", "grams")):
            expected = words[name] * words["characters"] / max(lines["characters"], 1)
        assert value == pytest.approx(expected), name


@pytest.mark.parametrize("name", ["quality", "repetition"])
def test_the_papers_dialect_is_that_of_the_first_version(name: str) -> None:
    for text in TEXTS:
        assert measured(f"{name}_v2", text) == measured(f"{name}_v1", text)


PROSE = "\n".join(f"The river rose again in night number {n}, and the meadow was under water." for n in range(10))
MANY_SIGNS = "a , b ; c : d - " * 20


def test_signs_make_a_text_less_alphabetic() -> None:
    verdicts = [
        build(name, {"dialect": "datatrove", "min_stop_words": 0, "min_mean_word_length": 0})(
            documents(text=[MANY_SIGNS.replace(" ,", ",").replace(" ;", ";").replace(" :", ":").replace(" -", "")])
        ).column("drop")[0].as_py()
        for name in ("quality_v1", "quality_v2")
    ]  # fmt: skip
    assert verdicts == [None, "too_few_alphabetic_words"]


def test_line_ends_of_windows_make_no_difference() -> None:
    docs = documents(text=[PROSE, PROSE.replace("\n", "\r\n")])
    assert build("fineweb_v1")(docs).column("drop").to_pylist() == [None, "too_few_punctuated_lines"]
    out = build("fineweb_v2")(docs)
    assert out.column("drop").to_pylist() == [None, None]
    assert out.column("text").equals(docs.column("text"))
    one, other = (dict(row, text="") for row in out.to_pylist())
    assert one == other


def test_new_lines_are_counted_per_token() -> None:
    text = "One, two.\nThree, four."
    assert measured("fineweb_v2", text)["new_lines"] == 1 / 8
    assert measured("fineweb_v1", text)["new_lines"] == 1 / 4


def test_large_strings() -> None:
    docs = pa.table({"text": pa.array([PROSE, None], pa.large_string())})
    for name in ("quality_v2", "repetition_v2"):
        assert build(name, {"dialect": "datatrove"})(docs).column("text").type == pa.large_string()


def test_the_recipe_is_that_of_the_peer() -> None:
    stages = dict(load("fineweb").stages)
    assert stages["c4_v2"]["require_end_mark"] is False
    assert [name for name in stages if name.startswith(("quality", "repetition", "fineweb"))] == [
        "repetition_v2", "quality_v2", "fineweb_v2",
    ]  # fmt: skip
    assert stages["quality_v2"]["dialect"] == stages["repetition_v2"]["dialect"] == "datatrove"
