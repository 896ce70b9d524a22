"""What labels mean: codes of three kinds lead to one language, and unknown ones to their script or to nothing."""

from __future__ import annotations

import pytest

from classifiers import lid
from stages.by_language.labels import chain, key_of, known_languages, meaning
from stages.errors import ConfigError


@pytest.mark.parametrize(
    ("label", "keys"),
    [
        ("ja", ("jpn_Jpan", "jpn", "Jpan", "Japonic")),
        ("jpn_Jpan", ("jpn_Jpan", "jpn", "Jpan", "Japonic")),
        ("zh-Hant-TW", ("cmn_Hani", "cmn", "Hani", "Sino-Tibetan")),
        ("pt-br", ("por_Latn", "por", "Latn", "Indo-European")),
        ("EN", ("eng_Latn", "eng", "Latn", "Indo-European")),
        ("sr_Latn", ("srp_Latn", "srp", "Latn", "Indo-European")),
        ("sr", ("srp_Cyrl", "srp", "Cyrl", "Indo-European")),
        ("als", ("gsw_Latn", "gsw", "Latn", "Indo-European")),  # lid.176's Alemannic
        ("als_Latn", ("als_Latn", "als", "Latn", "Indo-European")),  # ISO's Tosk Albanian
        ("no", ("nob_Latn", "nob", "Latn", "Indo-European")),
        ("ku", ("kmr_Latn", "kmr", "Latn", "Indo-European")),
        ("xyz_Thai", ("xyz_Thai", "xyz", "Thai")),
        ("xyz", ("xyz",)),
        ("", ()),
    ],
)
def test_a_label_leads_to_keys_from_its_own_to_its_family(label: str, keys: tuple[str, ...]) -> None:
    assert chain(label) == keys


def test_every_language_of_the_model_has_a_script() -> None:
    assert [code for code in lid.LANGUAGES if not meaning(code).script] == []


def test_a_short_code_means_one_language() -> None:
    known = known_languages()
    assert len(known.by_code) > 1_800
    assert all(meaning(code) == row for code, row in known.short.items())
    assert {row.language for row in known.short.values()} <= known.by_code.keys()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ja", "jpn"), ("jpn", "jpn"), ("jpn_Jpan", "jpn_Jpan"), ("zh-Hant", "cmn_Hani"), ("als", "gsw"),
        ("Thai", "Thai"), ("Sino-Tibetan", "Sino-Tibetan"), ("xyz", "xyz"),
    ],
)  # fmt: skip
def test_names_in_tables(name: str, key: str) -> None:
    assert key_of(name) == key


@pytest.mark.parametrize("name", ["japanese", "thai", "Dravidic", "", "j", "ja_", "JA"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a language"):
        key_of(name)
