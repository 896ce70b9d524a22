"""`refinedweb stages NAME --language`: what applies, and the entry that says so."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from refinedweb.cli.stages import stages


def shown(*arguments: str) -> str:
    outcome = CliRunner().invoke(stages, arguments, catch_exceptions=False)
    return outcome.output


def test_it_says_what_applies_and_why() -> None:
    page = shown("quality_v1", "--language", "th")
    assert "th is Thai (tha), script Thai, family Kra-Dai" in page
    (line,) = (line for line in page.splitlines() if line.startswith("min_words"))
    assert line.split() == ["min_words", "50", "as", "usual", "150", "(Thai)"]
    (line,) = (line for line in shown("quality_v1", "--language", "de").splitlines() if "max_mean_word" in line)
    assert line.split() == ["max_mean_word_length", "10.0", "15.0", "(deu_Latn)", "as", "usual"]


def test_languages_and_stages_without_entries_have_the_usual_parameters() -> None:
    assert "No entry fits this language" in shown("quality_v1", "--language", "en")
    assert "No table that ships has limits by language for this stage" in shown("url_v1", "--language", "th")
    assert "a language without a name here (xyz), script unknown" in shown("quality_v1", "--language", "xyz")


def test_the_answer_as_json() -> None:
    found = json.loads(shown("quality_v1", "--language", "lo", "--json"))
    assert found["usual"]["min_words"] == 50
    assert {each["table"]: each["changed"].get("min_words") for each in found["tables"]} == {
        "fineweb2_v1": None,
        "prose_v1": [150, "Laoo"],
    }


def test_a_language_without_a_stage_is_refused() -> None:
    with pytest.raises(Exception, match="--language needs the NAME of a stage"):
        shown("--language", "th")
    for wrong, meant in (("japanese", "'ja'"), ("Germn", "'de'"), ("klingon", "give a code"), ("", "give a code")):
        with pytest.raises(Exception, match=f"not the code of a language: .*{meant}"):
            shown("quality_v1", "--language", wrong)
