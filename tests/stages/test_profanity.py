"""`profanity_v1`: what is dropped, what is only tagged, and that its columns suffice for another decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers import predict
from classifiers.normalise.normalise import packed
from classifiers.pages import aggregate
from stages.assets import Asset, pin
from stages.base import build
from stages.errors import ConfigError
from stages.profanity import SCORE, Profanity
from stages.schema import documents
from tests.examples import examples

CLEAN = "The river rose again in the night, and by morning the lower meadow was under water, as it had been before."
PROFANE = "What the fuck is this shit, you stupid fucking asshole, go fuck yourself and shut the fuck up."
PAGES = [
    "\n".join([CLEAN] * 10),
    "\n".join([PROFANE] * 10),
    "\n".join([CLEAN] * 9 + [PROFANE] * 1),
    "\n".join([CLEAN] * 5 + [PROFANE] * 5),
    "", None, " \n\t", "word",
]  # fmt: skip


def judged(texts: list[str | None], params: dict[str, Any] | None = None, **columns: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = build("profanity_v1", params or {})(documents(text=texts, **columns)).to_pylist()
    return found


def drops(texts: list[str | None], params: dict[str, Any] | None = None, **columns: Any) -> list[str | None]:
    return [row["drop"] for row in judged(texts, params, **columns)]


def test_profane_pages_go() -> None:
    assert drops(PAGES) == [None, "profane", None, "profane", None, None, None, None]


def test_the_places_that_speak_against_a_page_are_shown() -> None:
    text = f"{CLEAN}\n{PROFANE} {CLEAN}"
    assert [text[a:b] for a, b in Profanity().places(text)] == [PROFANE]
    nearest = Profanity(line_threshold=1.0).places(text)
    assert [text[a:b] for a, b in nearest] == [PROFANE], "none is profane enough: the nearest one"
    assert Profanity().places(" \n") == []


@settings(max_examples=examples(40))
@given(st.text(alphabet="a. !\n\u4e2dé", max_size=80))
def test_places_lie_within_the_text_in_order_and_apart(text: str) -> None:
    ends = [0, *(at for place in Profanity().places(text) for at in place), len(text)]
    assert ends == sorted(ends)
    assert all(text[a:b].strip() for a, b in Profanity().places(text))


@settings(max_examples=examples(40))
@given(
    st.lists(st.lists(st.sampled_from([CLEAN, PROFANE, "short", "gay", ""]), max_size=8).map("\n".join), max_size=5),
    st.sampled_from(["share", "mean", "max"]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_verdict_follows_from_the_columns(texts: list[str], by: str, threshold: float, line: float) -> None:
    rows = judged(texts, {"aggregate": by, "threshold": threshold, "line_threshold": line})
    wanted = aggregate(predict.load().score_lines(*packed(texts), "profane"), line)
    for n, row in enumerate(rows):
        assert row[SCORE] == row[f"profanity_v1.{by}"] == getattr(wanted, by)[n]
        assert row["profanity_v1.words"] == wanted.words[n]
        assert row["drop"] == ("profane" if np.float32(row[SCORE]) > np.float32(threshold) else None)


def test_tagging_drops_nothing_and_writes_the_same_columns() -> None:
    tagged, dropped = judged(PAGES, {"mode": "tag"}), judged(PAGES)
    assert {row["drop"] for row in tagged} == {None}
    assert [{**row, "drop": None} for row in dropped] == tagged


def test_pages_in_languages_the_model_does_not_know_are_scored_and_kept() -> None:
    codes = ["en", "fr", None, "de"]
    rows = judged([PAGES[1]] * 4, language=codes)
    assert len({row[SCORE] for row in rows}) == 1
    assert [row["drop"] for row in rows] == ["profane", None, "profane", "profane"]
    assert drops([PAGES[1]] * 4, {"languages": ("fr",)}, language=codes) == [None, "profane", "profane", None]
    without = Profanity()(pa.table({"text": [PAGES[1]]}))
    assert without["drop"].to_pylist() == ["profane"], "a table without languages"


def test_an_adult_url_can_make_the_threshold_stricter() -> None:
    urls = ["https://example.org/a", "https://example.org/sex", "https://porn.example.org/", None, "not a url"]
    assert drops([PAGES[2]] * 5, url=urls) == [None] * 5
    assert drops([PAGES[2]] * 5, {"url_threshold": 0.01}, url=urls) == [None, "profane", "profane", None, None]
    assert drops([PAGES[0]] * 5, {"url_threshold": 0.01}, url=urls) == [None] * 5


@pytest.mark.parametrize("text", ["fuck " * 1_000_000, "x" * 5_000_000, "\x00\x07\ufeff" * 1000, "川шит" * 1000])
def test_hostile_texts_come_through(text: str) -> None:
    (row,) = judged([text])
    assert 0 <= row[SCORE] <= 1
    assert (row["drop"] == "profane") == (text.startswith("fuck "))


def test_a_users_own_model_is_one_parameter(tmp_path: Path) -> None:
    copy = tmp_path / "mine.ftz"
    copy.write_bytes(predict.SHIPPED.read_bytes())
    assert drops(PAGES, {"model": pin(str(copy))}) == drops(PAGES)
    with pytest.raises(ConfigError, match="has no label 'profan': did you mean 'profane'"):
        drops(PAGES, {"model": Asset(str(copy)), "label": "profan"})
    plain = tmp_path / "plain.ftz"
    plain.write_bytes(predict.SHIPPED.read_bytes().rpartition(b"\n#form=")[0])
    with pytest.raises(ConfigError, match="only one trained by this package scores lines"):
        drops(PAGES, {"model": Asset(str(plain))})
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="give a supervised fastText model"):
        drops(PAGES, {"model": Asset(str(tmp_path / "other"))})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"mode": "flag"}, 'mode must be "drop" or "tag"'),
        ({"aggregate": "sum"}, 'aggregate must be "share", "mean" or "max"'),
        ({"threshold": 15}, "threshold is 15"),
        ({"line_threshold": -1}, "line_threshold is -1"),
        ({"url_threshold": 2}, "url_threshold is 2"),
        ({"languages": ()}, "nothing would be dropped"),
    ],
)
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("profanity_v1", params)
