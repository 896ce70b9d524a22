"""Tokens of English: those of spaCy's blank model, written out here, and a time that grows with the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.english_tokens import is_address, sentences, tokens
from tests.security.growth import FACTORS, superlinear

SPACY = {  # spaCy 3.8.18, blank("en")
    "The river rose.": "The river rose .",
    "Don't, can't; they'll've WON'T": "Do n't , ca n't ; they 'll 've WON'T",
    "I cannot well-known e.g. U.S. 3.14 1,000": "I can not well - known e.g. U.S. 3.14 1,000",
    "(see https://a.org/x?y=z) me@a.org.": "( see https://a.org/x?y=z ) me@a.org .",
    "end.The next...and more… “quoted”": "end . The next ... and more … “ quoted ”",
    "5km US$5 10% $5 5pm 9a.m.": "5 km US$ 5 10 % $ 5 5 pm 9 a.m.",
    "and/or yes/no a:b x=y": "and/or yes / no a : b x = y",
    "dogs' dog's “it’s”": "dogs ' dog 's “ it ’s ”",
    "--- -- - * # ©2020": "--- -- - * # © 2020",
    "Mr. Smith, Ph.D. NASA. it. A.": "Mr. Smith , Ph.D. NASA . it . A.",
    "C++ 3+ +3 + 2-3 a-3 3-a": "C++ 3 + +3 + 2 - 3 a-3 3 - a",
    "": "",
}


@pytest.mark.parametrize("text", SPACY)
def test_tokens_are_those_of_the_published_rules(text: str) -> None:
    assert " ".join(tokens(text)) == SPACY[text]


@given(st.text(st.sampled_from(" \nab.,'\"-()$5kmS’…/:@"), max_size=40))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    assert "".join(tokens(text)) == "".join(text.split())
    assert all(token and not token.isspace() for token in tokens(text))


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("One. Two! Three? Four", 4), ("No end", 1), ("", 0), ("Mr. Smith is e.g. here.", 1),
        ("(One.) “Two.” Three", 3),
        ("It is 3.14. so it is", 2), ("你好。再见！", 1), ("one... two", 1), ("?!", 1),
    ],
)  # fmt: skip
def test_sentences_end_at_tokens_that_are_marks(line: str, count: int) -> None:
    assert sentences(tokens(line)) == count


def test_addresses() -> None:
    assert all(map(is_address, ["a.org", "https://a.org:80/x.y?z", "me@a.org", "1.2.3.4", "www.a-b.co.uk/X"]))
    assert not any(map(is_address, ["end.The", "3.14", "a", "a..b", ".org", "x.1y"]))


@pytest.mark.parametrize("unit", ["(", ".", "-", "a-", "a.b", "'s", "…", "$", "5km", "x", "://a.", "@", "a.A", "\"'"])
def test_the_work_grows_with_the_text(unit: str) -> None:
    assert not superlinear(tokens, [unit * (1_000 * factor) for factor in FACTORS])
