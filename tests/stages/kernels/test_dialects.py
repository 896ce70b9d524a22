"""The dialects of normalisation: which texts each takes for one, and the laws that hold for any text."""

from __future__ import annotations

import unicodedata
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.kernels.dialects import CONTEXTS, is_accent, is_unseen
from stages.kernels.normalise import normalised
from tests.examples import examples
from tests.stages.texts import texts

INVISIBLE = "\u00ad\u200b\u2060\ufeff\u200e\u202a\ufe0f"


def normal(text: str, dialect: Any = "text") -> str:
    found: str = normalised(pa.array([text]), dialect)[0].as_py()
    return found


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3.14", "314"),
        ("$1.50", "$150"),
        ("-5", "5"),
        (".5", "5"),
        ("C#", "C"),
        ("C++", "C"),
        ("1,000", "1.000"),
        ("12:30", "1230"),
        ("5%", "5"),
        ("#1", "1"),
        ("a ≠ b", "a = b"),
        ("か", "が"),
        ("は", "ぱ"),
        ("กา", "กี"),
        ("ไม่", "ไม้"),
        ("कि", "की"),
        ("क", "क्"),
        ("กำ", "ก"),
        ("أ", "ا"),
        ("می\u200cخواهم", "می خواهم"),
        ("می\u200cخواهم", "میخواهم"),
        ("क्\u200dष", "क्ष"),
        ("well-known", "wellknown"),
        ("٣٫١٤", "٣١٤"),
    ],
)
def test_different_texts_stay_different(a: str, b: str) -> None:
    assert normal(a) != normal(b)
    assert normal(f"x {a} y") != normal(f"x {b} y")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Été — d'OR,\n\tfin!", "ete d or fin"),
        ("Ёлка й ΌΔΟΣ", "елка и οδοσ"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("so\u00adft ze\u200bro\ufeff a\u200cb 👩\u200d🚀 ❤\ufe0f", "soft zero ab 👩🚀 ❤"),
        (
            "Pi is 3.14; -5 °C. It fell 5%. (-7) a-5, 2020-21, v1.2.3.",
            "pi is 3.14 -5 °c it fell 5% -7 a 5 2020 21 v1.2.3",
        ),
        ("C# and F#, #tag #1; page#a", "c# and f# tag #1 page a"),
        ("...5 and 5... 1..2 .5.", ".5 and 5 1 .2 .5"),
        ("中文，3.5元。", "中文 3.5元"),
        ("don't don’t", "don t don t"),
        ("3\u00ad.\u200b1\u200c4", "3.14"),
        ("हिन्दी ไม่ が", "हिन्दी ไม่ か\u3099"),
    ],
)
def test_what_is_left_of_a_text(text: str, form: str) -> None:
    assert normal(text) == form


@settings(max_examples=examples(200))
@given(texts, st.lists(st.tuples(st.integers(0, 80), st.sampled_from(INVISIBLE)), max_size=5))
def test_invisible_characters_change_nothing(text: str, added: list[tuple[int, str]]) -> None:
    """Wherever they stand, inside numbers and words as well."""
    changed = text
    for at, character in added:
        changed = changed[:at] + character + changed[at:]
    assert normal(changed) == normal(text)


numbers = st.from_regex(r"[-#]?[0-9]{1,3}([.,:/][0-9]{1,3}){0,2}%?", fullmatch=True)


@given(numbers, numbers)
def test_a_number_stays_what_it_is(a: str, b: str) -> None:
    assert (normal(a), normal(b)) == (a, b)
    assert normal(f"(They said: {a}!)") == f"they said {a}"


@pytest.mark.parametrize("dialect", ["text", "unicode"])
@settings(max_examples=examples(200))
@given(text=st.one_of(texts, st.text("aeE\u0301\u0323がか\u3099각ครู่\u0e48\u0e39का\u093c्3.", max_size=20)))
def test_canonically_equivalent_texts_are_one(dialect: str, text: str) -> None:
    forms = {normal(unicodedata.normalize(form, text), dialect) for form in ("NFC", "NFD")}
    assert forms == {normal(text, dialect)}


def test_accents_are_marks_of_alphabets_that_are_read_without_them() -> None:
    """By the names of Unicode: none is of India, Thailand or Japan, and the points of Arabic letters stay."""
    accents = [unicodedata.name(chr(point)) for point in range(0x110000) if is_accent(chr(point))]
    first = {name.split()[0] for name in accents}
    assert first == {"COMBINING", "HEBREW", "ARABIC", "VARIATION"}
    assert not [name for name in accents if name[7:] == "HAMZA ABOVE" or name[7:] == "MADDAH ABOVE"]
    assert len([name for name in accents if name.startswith("HEBREW POINT")]) > 15


def test_what_nobody_sees() -> None:
    unseen = [chr(point) for point in range(0x110000) if is_unseen(chr(point))]
    assert set("\u00ad\u200b\u200e\u2060\ufeff\U000e0041") <= set(unseen)
    assert not set(unseen) & set("\u200c\u200d\u0600\u06dd\u070f"), "joiners change words, and signs are seen"


def test_every_sign_has_one_kind() -> None:
    signs = "".join(CONTEXTS.values())
    assert len(signs) == len(set(signs))


@pytest.mark.parametrize("mark", ["\u0e39\u0e48", "\u0e48\u0e39"])
def test_long_runs_of_marks_are_ordered_in_one_pass(mark: str) -> None:
    """A million marks: sorting them by insertion would take hours."""
    found = normal("ก" + mark * 500_000)
    assert found == "ก" + "\u0e39" * 500_000 + "\u0e48" * 500_000
