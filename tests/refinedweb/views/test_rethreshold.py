"""What-if: the answer is that of a run with the other limits if it can be known; if not, it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import refinedweb as rw
from refinedweb.views.rethreshold import WhatIf
from stages.errors import ConfigError
from tests.refinedweb.engine.inline import ok, removed, run, write_shards
from tests.refinedweb.views.small_run import pages, small_run


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"), "keep_measures=true", "keep_removed=ids")


def ask(out: Path, stage: str, **params: object) -> WhatIf:
    return rw.open(str(out)).rethreshold(stage, **params)


@pytest.mark.parametrize(
    ("setting", "params"),
    [
        ("quality_v1.min_words=1", {"min_words": 1}),
        ("quality_v1.min_words=220", {"min_words": 220}),
        ("quality_v1.max_mean_word_length=5.1", {"max_mean_word_length": 5.1}),
        ("quality_v1.min_words=5", {"min_words": 5, "max_hashes": 0.0}),
    ],
)
def test_the_stage_decides_as_in_a_run_with_those_limits(
    out: Path, tmp_path: Path, setting: str, params: dict[str, float]
) -> None:
    answer = ask(out, "quality_v1", **params)
    again = [f"quality_v1.{name}={value}" for name, value in params.items()]
    ok(run("repetition_v1,quality_v1", write_shards(pages(), tmp_path / "in", 1), tmp_path / "out", setting, *again))
    fates = removed(tmp_path / "out")
    assert answer.removed[1] == sum(drop is not None for drop, *_ in fates.values()) - 6, "6 never reached it"
    assert answer.removed[0] == 8
    assert answer.undecided == 0
    assert answer.reached == 36


def test_its_own_limits_change_nothing(out: Path) -> None:
    answer = ask(out, "quality", min_words=50)
    assert len(answer.table) == 0
    assert (answer.leaving, answer.let_through, answer.earlier) == (0, 0, 0)
    assert answer.removed == (8, 8)
    assert ask(out, "repetition_v1", max_duplicate_lines=0.3).reached == 42


def test_what_lies_beyond_is_said_to_be_unknown(out: Path, tmp_path: Path) -> None:
    files = write_shards(pages()[:3], tmp_path / "in", 1)
    ok(run("quality_v1", files, tmp_path / "out", "keep_measures=true", "quality_v1.min_words=1000"))
    looser = ask(tmp_path / "out", "quality_v1", min_words=50)
    assert looser.let_through == 3
    assert looser.leaving == 0
    assert "unknown beyond this stage" in repr(looser)
    assert "at most that many" in looser._repr_html_()
    tighter = ask(out, "quality_v1", min_words=100_000, max_words=200_000)
    assert tighter.let_through == 0
    assert tighter.leaving == tighter.kept == 24
    assert tighter.earlier == 4, "the near duplicates"
    assert "duplicates of those that leave might stay" in repr(tighter)
    assert {row["becomes"] for row in tighter.table} == {"too_few_words"}


def test_what_cannot_be_known_is_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dialect is not a limit"):
        ask(out, "quality_v1", dialect="datatrove")
    with pytest.raises(ConfigError, match="min_stop_words is not a limit"):
        ask(out, "quality_v1", min_stop_words=1)
    with pytest.raises(ConfigError, match="did you mean 'min_words'"):
        ask(out, "quality_v1", min_word=1)
    with pytest.raises(ConfigError, match="those of this run that do: repetition_v1, quality_v1"):
        ask(out, "minhash_v1", rows=3)
    with pytest.raises(ConfigError, match="no stage 'lines_v1'"):
        ask(out, "lines_v1", max_removed_fraction=0.1)
    ok(run("quality_v1", write_shards(pages()[:3], tmp_path / "in", 1), tmp_path / "out"))
    with pytest.raises(ConfigError, match="keep_measures=true"):
        ask(tmp_path / "out", "quality_v1", min_words=3)


def test_decisions_by_more_than_limits_are_left_alone(tmp_path: Path) -> None:
    swearing = "You fucking stupid bastards can all go to hell with this fucking piece of shit. " * 6
    docs = [{"id": lang, "text": swearing, "language": lang} for lang in ("en", "fr")]
    files = write_shards(docs, tmp_path / "in", 1)
    ok(run("profanity_v1", files, tmp_path / "out", "keep_measures=true"))
    answer = ask(tmp_path / "out", "profanity_v1", threshold=1.0)
    assert answer.removed == (1, 0)
    assert answer.undecided == 1, "French is not judged"
    assert "decided by more than these limits" in repr(answer)
