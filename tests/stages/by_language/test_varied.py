"""Parameters by language: each row comes out as if the stage had run on its language alone."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.recipe.load import load_stages
from stages.base import build, of_language, verdicts_of
from stages.by_language.varied import VariedMeasures, VariedStage
from stages.errors import ConfigError
from stages.schema import documents
from tests.examples import examples

load_stages()

WORD = {"en": "river ", "de": "Flüsse ", "ja": "川", "th": "น้ำ", "sr": "река ", "xx_Thai": "น้ำ"}
LANGUAGES = [*WORD, None]
TABLE: dict[str, Any] = {
    "Thai": {"unspaced_letters": True, "min_mean_word_length": 1.0, "min_words": 8},
    "Japonic": {"unspaced_letters": True, "min_mean_word_length": 1.0, "min_stop_words": 0},
    "ja": {"min_words": 3},
    "de": {"min_words": 12, "min_stop_words": 0},
    "Indo-European": {"min_stop_words": 1},
}
ROWS = st.lists(st.tuples(st.sampled_from(LANGUAGES), st.integers(0, 14)), max_size=12)
USUAL = {"min_words": 5, "min_stop_words": 0}


def corpus(rows: list[tuple[str | None, int]]) -> pa.Table:
    return documents(
        id=[str(number) for number in range(len(rows))],
        text=[WORD[language or "en"] * count for language, count in rows],
        language=[language for language, _ in rows],
    )


@settings(max_examples=examples(100))
@given(ROWS, st.integers(0, 12))
def test_each_row_comes_out_as_if_its_language_were_alone(rows: list[tuple[str | None, int]], cut: int) -> None:
    varied = build("quality_v1", {**USUAL, "by_language": TABLE})
    docs = corpus(rows)
    out = varied(docs)
    for number, (language, _) in enumerate(rows):
        alone = of_language(varied, language)
        assert not isinstance(alone, VariedStage)
        assert out.slice(number, 1).equals(alone(docs.slice(number, 1)).cast(out.schema))
    assert pa.concat_tables([varied(docs.slice(0, cut)), varied(docs.slice(cut))]).equals(out)


def test_the_parameters_of_family_script_and_language_add_up() -> None:
    varied = build("quality_v1", {**USUAL, "by_language": TABLE})
    of = {code: of_language(varied, code) for code in ("ja", "jpn_Jpan", "th", "lao_Laoo", "fr", "de", None)}
    found = {code: (s.min_words, s.unspaced_letters, s.min_stop_words) for code, s in of.items()}  # type: ignore[attr-defined]
    assert found == {
        "ja": (3, True, 0), "jpn_Jpan": (3, True, 0), "th": (8, True, 0), "lao_Laoo": (5, False, 0),
        "fr": (5, False, 1), "de": (12, False, 0), None: (5, False, 0),
    }  # fmt: skip


def test_without_entries_that_apply_nothing_changes() -> None:
    plain, varied = build("quality_v1", USUAL), build("quality_v1", {**USUAL, "by_language": {"ja": {"min_words": 3}}})
    docs = corpus([("en", 5), ("de", 4), (None, 6)])
    assert varied(docs).equals(plain(docs))
    assert varied(docs.drop_columns(["language"])).equals(plain(docs.drop_columns(["language"])))
    assert varied(docs.slice(0, 0)).schema == plain(docs).schema


def test_measures_and_their_verdicts_are_those_of_the_language() -> None:
    varied = build("quality_v1", {**USUAL, "by_language": TABLE})
    assert isinstance(varied, VariedMeasures)
    docs = corpus([("ja", 4), ("en", 4), ("th", 3), ("de", 12), ("ja", 2)])
    measures = varied.measure(docs)
    assert measures.column("words").to_pylist() == [4, 4, 6, 12, 2]
    verdicts = verdicts_of(varied, measures.append_column("language", docs.column("language")))
    assert verdicts.to_pylist() == varied(docs).column("drop").to_pylist()
    assert verdicts.to_pylist() == [None, "too_few_words", "too_few_words", None, "too_few_words"]


def test_a_language_chooses_the_score_that_it_needs(shared_texts: dict[str, str]) -> None:
    docs = documents(text=list(shared_texts.values()))
    scores = build("language_v1", {"keep": ["all"]})(docs).column("language_score").to_pylist()
    strict = {"keep": ["all"], "min_score": 1.1 - 0.1, "by_language": {"de": {"min_score": 0.2}}}
    out = build("language_v1", strict)(docs)
    assert out.column("language").to_pylist() == list(shared_texts)
    assert all(0.2 < score < 1 for score in scores)
    assert out.column("drop").to_pylist() == [None if code == "de" else "low_language_score" for code in shared_texts]
    assert out.column("language_score").to_pylist() == scores


@pytest.fixture
def shared_texts() -> dict[str, str]:
    return {
        "en": "The river rose again in the night, and the lower meadow was under water.",
        "de": "Der Fluss ist in der Nacht wieder gestiegen, und die Wiese stand unter Wasser.",
        "ru": "Река снова поднялась ночью, и к утру нижний луг был под водой.",
    }


def test_a_pickled_stage_is_the_same() -> None:
    varied = build("quality_v1", {"by_language": TABLE})
    docs = corpus([("ja", 4), ("en", 4)])
    varied(docs)
    assert pickle.loads(pickle.dumps(varied)) == varied == build("quality_v1", {"by_language": TABLE})
    assert varied != build("quality_v1", {"by_language": {"ja": {"min_words": 3}}})


def test_rows_of_large_strings_and_chunks_stay_in_order() -> None:
    varied = build("quality_v1", {**USUAL, "by_language": TABLE})
    rows = [(LANGUAGES[number % 7], number % 13) for number in np.random.default_rng(1).permutation(60).tolist()]
    docs = corpus(rows)
    chunked = pa.concat_tables([docs.slice(0, 7), docs.slice(7, 1), docs.slice(8)])
    assert varied(chunked).combine_chunks().equals(varied(docs).combine_chunks())
    assert varied(chunked).column("id").to_pylist() == docs.column("id").to_pylist()


@pytest.mark.parametrize(
    ("name", "table", "message"),
    [
        ("quality_v1", {"japanese": {}}, "'japanese' is not a language"),
        ("quality_v1", {"ja": {"min_word": 3}}, "quality_v1.by_language.jpn has no parameter 'min_word'"),
        ("quality_v1", {"ja": {"min_words": -1}}, "by_language, jpn: min_words must be at least 0"),
        ("quality_v1", {"ja": 3}, "quality_v1.by_language.ja must be a table of parameters, not 3"),
        ("quality_v1", {"ja": {}, "jpn": {}}, "'ja' and 'jpn', which are the same language"),
        ("quality_v1", {"like": 3}, "by_language.like is the name of a table"),
        ("quality_v1", "prose_v0", "no table of limits by language is called 'prose_v0'"),
        ("quality_v1", 3, "the name of a table, or a table of parameters"),
        ("url_v1", "prose_v1", "has no limits for url"),
        ("minhash_v2", {"ja": {}}, "compares documents of the whole corpus"),
        ("language_v1", {"ja": {"keep": ["ja"]}}, "only min_score can differ by language"),
    ],
)
def test_wrong_tables_are_refused(name: str, table: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, {"by_language": table})


def test_two_entries_that_fit_alone_may_not_fit_together() -> None:
    table = {"Jpan": {"min_mean_word_length": 8.0}, "ja": {"max_mean_word_length": 4.0}}
    with pytest.raises(ConfigError, match="Jpan and jpn: a minimum"):
        build("quality_v1", {"by_language": table})
