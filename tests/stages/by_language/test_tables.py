"""The tables that ship: they never change, fit every stage that they name, and keep clean prose."""

from __future__ import annotations

import hashlib
import tomllib

import pytest

from refinedweb.recipe.load import load_stages
from stages.base import build, registry
from stages.by_language import tables
from stages.by_language.tables import entries_of, family_of, shipped_tables

load_stages()
SUMS = {"prose_v1": "43f37b93c452dae3db866309eaac1d454d9a1907ffe0dd232bd2ae6161550f49"}


def test_a_shipped_table_never_changes() -> None:
    found = {path.stem: path.read_bytes() for path in (tables.FOLDER).glob("*.toml")}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == SUMS


@pytest.mark.parametrize("table", shipped_tables())
def test_every_stage_of_a_table_can_be_built(table: str) -> None:
    families = tomllib.loads((tables.FOLDER / f"{table}.toml").read_text()).keys()
    named = [name for name in registry() if family_of(name) in families]
    assert {family_of(name) for name in named} == families
    for name in named:
        build(name, {"by_language": table})


def test_an_entry_of_the_recipe_extends_that_of_the_table() -> None:
    shipped = entries_of("prose_v1", "quality_v1")
    own = entries_of({"like": "prose_v1", "Thai": {"min_words": 9}, "fr": {"min_words": 8}}, "quality_v1")
    assert own == {**shipped, "Thai": {**shipped["Thai"], "min_words": 9}, "fra": {"min_words": 8}}
