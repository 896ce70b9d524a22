"""The tables that ship: they never change, fit every stage that they name, and keep clean prose."""

from __future__ import annotations

import hashlib

import pytest

from refinedweb.recipe.load import load_stages
from stages.base import build, registry
from stages.by_language.tables import FOLDER, entries_of, family_of, shipped_tables, stages_of
from stages.errors import ConfigError
from stages.schema import documents
from stages.stopwords import MOST, published_words

load_stages()
SUMS = {
    "fineweb2_v1": "6ac4325d45ff31542035496b20608fa8e4f7bdf2bd44f2fd9362003615f7eece",
    "prose_v1": "43f37b93c452dae3db866309eaac1d454d9a1907ffe0dd232bd2ae6161550f49",
}


def test_a_shipped_table_never_changes() -> None:
    found = {path.stem: path.read_bytes() for path in FOLDER.glob("*.t*")}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == SUMS


@pytest.mark.parametrize("table", shipped_tables())
def test_every_stage_of_a_table_can_be_built(table: str) -> None:
    families = set(stages_of(table))
    named = [name for name in registry() if family_of(name) in families]
    assert {family_of(name) for name in named} == families
    for name in named:
        build(name, {"by_language": table})


def test_an_entry_of_the_recipe_extends_that_of_the_table() -> None:
    shipped = entries_of("prose_v1", "quality_v1")
    own = entries_of({"like": "prose_v1", "Thai": {"min_words": 9}, "fr": {"min_words": 8}}, "quality_v1")
    assert own == {**shipped, "Thai": {**shipped["Thai"], "min_words": 9}, "fra": {"min_words": 8}}


def test_published_limits_are_those_of_the_config() -> None:
    """Of `configs/deu_Latn.yml`, by hand."""
    german = entries_of("fineweb2_v1", "quality_v1")["deu_Latn"]
    assert german == {
        "min_mean_word_length": 0.0, "max_mean_word_length": 15.0, "min_alphabetic_words": 0.774,
        "stop_word_lists": "fineweb2",
    }  # fmt: skip
    again = entries_of("fineweb2_v1", "repetition_v1")["deu_Latn"]
    assert (again["max_duplicate_lines"], again["max_top_2gram"], again["max_duplicate_10grams"]) == (
        0.263,
        0.169,
        0.098,
    )
    assert again["max_duplicate_paragraphs"] == 1.0, "off in the published pipeline"
    lines = entries_of("fineweb2_v1", "fineweb_v1")["deu_Latn"]
    assert (lines["min_punctuated_lines"], lines["max_new_lines"], lines["max_duplicate_characters"]) == (0, 0.152, 0.1)
    assert len(entries_of("fineweb2_v1", "language_v1")) == 1_903


def test_published_stop_words_are_found_by_any_label() -> None:
    text = "und die Stadt am Fluss"
    for label in ("de", "deu_Latn", "deu", "de-AT"):
        found = build("quality_v1", {"stop_word_lists": "fineweb2"})(documents(text=[text], language=[label]))
        assert found.column("quality_v1.stop_words").to_pylist() == [2]
    assert all(0 <= len(words) <= MOST for words in published_words().values())
    with pytest.raises(ConfigError, match="stop_words replaces the lists that ship"):
        build("quality_v1", {"stop_word_lists": "fineweb2", "stop_words": "folder"})
