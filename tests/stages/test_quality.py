"""`quality_v1`: equal to the paper and to datatrove in plain Python, each limit at its edge, and stop words."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.kernels.classes import DATATROVE_PUNCTUATION, tables
from stages.kernels.quality import measure_quality, stop_slots
from stages.kernels.quality_counts import COUNTS
from stages.quality import Quality
from stages.schema import documents
from stages.stopwords import key, stop_words
from tests.examples import examples
from tests.stages import oracle
from tests.stages.texts import SCRIPTS, texts, word

ENGLISH = ("the", "be", "to", "of", "and", "that", "have", "with")
MIXED = (*ENGLISH, "дом", "λόγοσ", "a")
ZERO = ("min_words", "min_mean_word_length", "min_alphabetic_words", "min_stop_words")
VAST = ("max_words", "max_mean_word_length", "max_hashes", "max_ellipses", "max_bullet_lines", "max_ellipsis_lines")
WIDE = {**dict.fromkeys(ZERO, 0), **dict.fromkeys(VAST, 10**9)}


def _punctuation() -> frozenset[str]:
    points = np.array([point for point in range(0x110000) if not 0xD800 <= point < 0xE000])
    table = tables()
    inside = table.flags[table.page[points >> 8], points & 255] & DATATROVE_PUNCTUATION != 0
    return frozenset(map(chr, points[inside]))


PUNCTUATION = _punctuation()


def counts(text: str, datatrove: bool, unspaced: bool) -> dict[str, int]:
    column, slots = pa.chunked_array([[text]]), np.stack([stop_slots(MIXED)])
    row = measure_quality(column, slots, np.zeros(1, np.int64), datatrove, unspaced)[0]
    return dict(zip(COUNTS, row.tolist(), strict=True))


def drop(text: str, code: str | None = None, **params: Any) -> str | None:
    found: str | None = Quality(**params)(documents(text=[text], language=[code])).column("drop")[0].as_py()
    return found


@settings(max_examples=examples(200))
@given(texts, st.booleans())
def test_counts_are_those_of_the_plain_reading(text: str, unspaced: bool) -> None:
    assert counts(text, False, unspaced) == oracle.gopher_quality(text, frozenset(MIXED), unspaced)


@settings(max_examples=examples(200))
@given(texts, st.booleans())
def test_counts_are_those_of_datatrove(text: str, unspaced: bool) -> None:
    assert counts(text, True, unspaced) == oracle.datatrove_quality(text, frozenset(MIXED), PUNCTUATION, unspaced)


def test_counts_of_real_pages_are_those_of_the_plain_reading(shared_data: Path) -> None:
    column = pq.read_table(shared_data / "crawl" / "truth.parquet", columns=["expected_text"]).column(0)
    for text in [text[:8000] for text in column.drop_null().to_pylist()[::5]]:
        assert counts(text, False, False) == oracle.gopher_quality(text, frozenset(MIXED))
        assert counts(text, True, False) == oracle.datatrove_quality(text, frozenset(MIXED), PUNCTUATION)


def test_datatroves_punctuation() -> None:
    assert set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…。！？१।") - PUNCTUATION == {"१"}
    assert not PUNCTUATION & set("a1 \t\né•●€©😀")


def words(script: str, number: int) -> str:
    return " ".join(word(script, n) for n in range(number))


scripts = pytest.mark.parametrize("script", [script for script in SCRIPTS if script != "emoji"])
dialects = pytest.mark.parametrize("dialect", ["gopher", "datatrove"])


@scripts
@dialects
def test_number_of_words_at_the_limits(script: str, dialect: str) -> None:
    params: dict[str, Any] = {**WIDE, "min_words": 50, "max_words": 60, "dialect": dialect}
    verdicts = {number: drop(words(script, number) + " -- ! ?", **params) for number in (49, 50, 60, 61)}
    assert verdicts == {49: "too_few_words", 50: None, 60: None, 61: "too_many_words"}


@scripts
@dialects
def test_mean_word_length_at_the_limits(script: str, dialect: str) -> None:
    letter = SCRIPTS[script][0]
    params: dict[str, Any] = {**WIDE, "min_mean_word_length": 3.0, "max_mean_word_length": 10.0, "dialect": dialect}
    lengths = {(3, 3): None, (3, 2): "words_too_short", (10, 10): None, (10, 11): "words_too_long"}
    for (a, b), verdict in lengths.items():
        assert drop(f"{letter * a} {letter * b}", **params) == verdict


@scripts
@pytest.mark.parametrize(
    ("rule", "mark", "reason"),
    [
        ("max_hashes", "#", "too_many_hashes"),
        ("max_ellipses", "…", "too_many_ellipses"),
        ("max_ellipses", "...", "too_many_ellipses"),
    ],
)
@dialects
def test_symbols_per_word_at_the_limit(script: str, rule: str, mark: str, reason: str, dialect: str) -> None:
    params: dict[str, Any] = {**WIDE, rule: 0.1, "dialect": dialect}
    text = words(script, 20)
    assert drop(f"{mark}{text}{mark}", **params) is None  # 2 in 20 words
    assert drop(f"{mark}{text}{mark}".replace(" ", f"{mark} ", 1), **params) == reason


@scripts
@dialects
def test_bullets_and_ellipses_of_lines_at_the_limits(script: str, dialect: str) -> None:
    bullets: dict[str, Any] = {**WIDE, "max_bullet_lines": 0.9, "dialect": dialect}
    ends: dict[str, Any] = {**WIDE, "max_ellipsis_lines": 0.3, "dialect": dialect}
    plain = [word(script, number) for number in range(10)]
    marked = [f" • {line}" for line in plain]
    trailing = [f"{line}… " for line in plain]
    assert drop("\n".join(marked[:9] + plain[9:]), **bullets) is None
    assert drop("\n".join(marked), **bullets) == "too_many_bullet_lines"
    assert drop("\n".join(trailing[:3] + plain[3:]), **ends) is None
    assert drop("\n".join(trailing[:4] + plain[4:]), **ends) == "too_many_ellipsis_lines"


@scripts
@dialects
def test_alphabetic_words_at_the_limit(script: str, dialect: str) -> None:
    params: dict[str, Any] = {**WIDE, "min_alphabetic_words": 0.8, "dialect": dialect}
    assert drop(f"{words(script, 8)} 12 34", **params) is None
    assert drop(f"{words(script, 8)} 12 34 ٥٦", **params) == "too_few_alphabetic_words"


PROSE = " ".join(["river meadow barn hill water night"] * 10)
GOLDEN = {  # dialect: verdicts on a text with this ending
    "gopher": {" the be": None, " The Be": None, " (the, be)": None, " the the": "too_few_stop_words"},
    "datatrove": {
        " the be": None,
        " The Be": "too_few_stop_words",
        " (the, be)": "too_few_stop_words",
        " the the": "too_few_stop_words",
    },
}


@dialects
def test_two_different_stop_words_are_wanted(dialect: str) -> None:
    verdicts = {end: drop(PROSE + end, dialect=dialect) for end in GOLDEN[dialect]}
    assert verdicts == GOLDEN[dialect]


def test_dialects_differ() -> None:
    text = "- - … . . . word\n\n\n* b\r\n● ©\u2028c"
    gopher, datatrove = counts(text, False, False), counts(text, True, False)
    assert gopher == {
        "all_words": 12, "words": 3, "all_characters": 15, "characters": 6, "alphabetic_words": 3, "stop_words": 0,
        "hashes": 0, "ellipses": 2, "lines": 3, "bullet_lines": 3, "ellipsis_lines": 0,
    }  # fmt: skip
    assert datatrove == {
        "all_words": 12, "words": 5, "all_characters": 15, "characters": 8, "alphabetic_words": 3, "stop_words": 0,
        "hashes": 0, "ellipses": 1, "lines": 6, "bullet_lines": 1, "ellipsis_lines": 0,
    }  # fmt: skip


def test_english_has_the_papers_eight_words_and_no_other_language_has_them() -> None:
    assert stop_words()["en"] == ENGLISH
    assert all(len(set(ENGLISH) & set(listed)) < 3 for code, listed in stop_words().items() if code != "en")


@pytest.mark.parametrize("code", list(stop_words()))
def test_stop_words_are_words_as_they_are_compared(code: str) -> None:
    listed = stop_words()[code]
    assert 8 <= len(listed) <= 64
    assert [key(word) for word in listed] == [word.replace("ς", "σ") for word in listed]
    assert all(unicodedata.is_normalized("NFC", word) for word in listed)
    text = " ".join(listed[:2]) + f" {PROSE}"
    assert drop(text, code, min_mean_word_length=0.0) is None
    assert drop(PROSE, code) == "too_few_stop_words"


def test_the_languages_of_europe_have_stop_words() -> None:
    latin = "ca cs cy da de en es et eu fi fr ga gl hr hu is it lt lv mt nl nn no pl pt ro sk sl sq sv tr"
    other = "ru uk be bg mk sr el"
    assert set(f"{latin} {other}".split()) <= set(stop_words())
    assert not {"zh", "ja", "th"} & set(stop_words())


def test_the_language_decides_which_stop_words_count() -> None:
    german = f"{PROSE} und der"
    assert drop(german, "de") is None
    assert drop(german, "en") == drop(german, None) == "too_few_stop_words"
    assert drop(german, None, language="de") is None
    assert drop(german, "zh") is drop(german, "xx") is None, "no list, no rule"
    assert drop(PROSE, None, language="xx") is None


def test_the_language_column_may_be_missing() -> None:
    out = Quality(language="de")(pa.table({"text": [f"{PROSE} und der", f"{PROSE} the be"]}))
    assert out.column("drop").to_pylist() == [None, "too_few_stop_words"]


def test_an_own_folder_of_stop_words(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("# mine\nRiver\nmeadow,\n", encoding="utf-8")
    assert drop(PROSE, "en", stop_words=str(tmp_path)) is None
    assert drop(f"{PROSE} the be to of and", "de", stop_words=str(tmp_path)) is None, "no list of German in it"
    assert drop(PROSE.replace("meadow", "lawn"), "en", stop_words=str(tmp_path)) == "too_few_stop_words"


def test_a_folder_that_cannot_be_stop_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"no stop words in .*; it should hold a file"):
        drop(PROSE, "en", stop_words=str(tmp_path))
    (tmp_path / "en.txt").write_text("\n".join(map(str, range(65))), encoding="utf-8")
    with pytest.raises(Exception, match=r"en\.txt has 65 stop words; keep the 64"):
        drop(PROSE, "de", stop_words=f"{tmp_path}/")


def test_a_list_shorter_than_the_minimum_wants_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("river\n", encoding="utf-8")
    assert drop(PROSE, "en", stop_words=str(tmp_path)) is None
    assert drop(PROSE.replace("river", "brook"), "en", stop_words=str(tmp_path)) == "too_few_stop_words"


def test_nothing_to_count_is_zero() -> None:
    table = Quality().measure(documents(text=["", None, " \n"]))
    assert all(set(column.to_pylist()) <= {0, 2} for column in table.columns)
    assert set(Quality()(documents(text=["", None])).column("drop").to_pylist()) == {"too_few_words"}


def test_scripts_without_spaces_have_words_on_request() -> None:
    text = "今日は天気がいいので、近くの川まで歩いて行きました。" * 4
    assert drop(text, "ja") == "too_few_words"
    assert drop(text, "ja", unspaced_letters=True, min_mean_word_length=1.0) is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dialect": "english"}, 'dialect must be "gopher" or "datatrove"'),
        ({"max_hashes": -1.0}, "max_hashes must be at least 0, not -1.0"),
        ({"min_words": 10, "max_words": 9}, "a minimum .* is above its maximum"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        build("quality_v1", params)
