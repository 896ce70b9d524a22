"""Limits by language in a recipe: from a file, a shipped table, or --set; all of it in the fingerprint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from refinedweb.engine.needs import needs_of
from refinedweb.recipe.load import load, of_content
from refinedweb.recipe.recipe import differences
from refinedweb.recipe.trust import Trust
from refinedweb.shard.stage_cache import built
from refinedweb.views.explanation import explain_row
from stages.base import build, of_language
from stages.errors import ConfigError
from stages.schema import documents

RECIPE = """
[[stage]]
name = "quality_v1"
min_words = 20
[stage.by_language.th]
unspaced_letters = true
min_words = 90
"""


def stage_of(*settings: str, spec: str = "quality_v1") -> Any:
    return load(spec, settings).stages[-1][1].get("by_language")


def test_a_recipe_file_has_a_table_per_stage(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    recipe = load(str(path))
    (stage,) = recipe.build()
    words = {code: of_language(stage, code).min_words for code in ("en", "th", "tha_Thai", None)}  # type: ignore[attr-defined]
    assert words == {"en": 20, "th": 90, "tha_Thai": 90, None: 20}
    changed = load(str(path), ["quality_v1.by_language.th.min_words=80"])
    assert changed.fingerprint() != recipe.fingerprint()
    assert differences(recipe.content(), changed.content()) == ["quality_v1.by_language.th.min_words: 90 → 80"]


def test_without_a_table_the_fingerprint_is_that_of_earlier_versions() -> None:
    assert "by_language" not in json.dumps(load("quality_v1").content())
    assert load("quality_v1", ["quality_v1.by_language=none"]).fingerprint() == load("quality_v1").fingerprint()


def test_settings_name_a_table_and_extend_it() -> None:
    assert stage_of("quality_v1.by_language=prose_v1") == {"like": "prose_v1"}
    both = ("quality_v1.by_language=prose_v1", "quality_v1.by_language.fr.min_words=9")
    assert stage_of(*both) == {"like": "prose_v1", "fr": {"min_words": 9}}
    assert stage_of("quality_v1.by_language.like=prose_v1") == {"like": "prose_v1"}


def test_a_table_of_a_user_is_written_into_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[quality.ja]\nmin_words = 7\n[repetition.Thai]\nunspaced_letters = true\n")
    mine = str(tmp_path / "mine.toml")
    assert stage_of(f"quality_v1.by_language={mine}") == {"ja": {"min_words": 7}}
    with pytest.raises(ConfigError, match="has no limits for url"):
        load("url_v1", [f"url_v1.by_language={mine}"])
    with pytest.raises(ConfigError, match="cannot read the limits by language"):
        load("quality_v1", ["quality_v1.by_language=gone.toml"])


def test_values_have_the_types_of_the_parameters() -> None:
    assert stage_of("quality_v1.by_language.th.min_mean_word_length=1") == {"th": {"min_mean_word_length": 1.0}}
    with pytest.raises(ConfigError, match=r"quality_v1.by_language.th.min_words takes a whole number, not 'many'"):
        load("quality_v1", ["quality_v1.by_language.th.min_words=many"])
    with pytest.raises(ConfigError, match=r"quality_v1.by_language takes the name of a table"):
        load("quality_v1", ["quality_v1.by_language=3"])


def test_lists_of_single_languages_are_pinned_and_need_trust(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "th.txt").write_text("ที่\nและ\n")
    recipe = load("quality_v1", [f"quality_v1.by_language.th.stop_words={tmp_path / 'words'}"])
    pinned = recipe.stages[0][1]["by_language"]["th"]["stop_words"]
    assert "#sha256=" in pinned
    assert built(recipe.stages, ())[0] == recipe.build()[0]
    with pytest.raises(ConfigError, match=r"quality_v1.by_language.th.stop_words"):
        of_content(recipe.content(), "r", ["quality_v1"], Trust("s3://elsewhere"))


def test_a_run_needs_the_language_of_its_documents() -> None:
    assert needs_of(build("quality_v1", {"by_language": "prose_v1"})) == ("language",)
    assert needs_of(build("language_v1", {"by_language": "prose_v1"})) == ()


def test_an_explanation_shows_the_limits_of_the_language() -> None:
    recipe = load("quality_v1", ["quality_v1.by_language=prose_v1"])
    for language, least in (("th", 150), ("en", 50)):
        explained = explain_row(documents(id=["a"], text=["น้ำ"], language=[language]), recipe.build())
        assert explained.steps[0].readings[0].min == least
