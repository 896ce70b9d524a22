"""`characters_v1`: what becomes of characters that look alike, and what stays as its author wrote it."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.characters import Characters
from stages.schema import documents

load_stages()
CHANGED = {
    "line_ends": ("a\r\nb\rc\n", "a\nb\nc\n"),
    "spaces": ("1\u00a0000\u202f! a\u2003b", "1 000 ! a b"),
    "unseen": ("\ufeffco\u00adop a\u200bb w\u2060x", "coop ab wx"),
    "forms": ("\ufeb3\ufefc\ufee1 ｶﾞｲﾄﾞ｡ ︽甲︾", "سلام ガイド。 《甲》"),
    "compose": ("e\u0301te\u0301 \uac00\u11a8", "été 각"),
}


@pytest.mark.parametrize("part", CHANGED)
def test_each_part_has_its_characters(part: str) -> None:
    before, after = CHANGED[part]
    assert Characters().rewritten(before) == after
    others = {name: name == part for name in CHANGED}
    assert Characters(**others).rewritten(before) == after
    kept = Characters(**dict.fromkeys(CHANGED, False)).rewritten(before)
    assert kept == before


@pytest.mark.parametrize(
    "text",
    [
        "！？「全角ＡＢＣ」　字下げ。", "می\u200cخواهم", "👩\u200d🚀", "ភាសា\u200bខ្មែរ", "ภาษา\u200bไทย", "ﷺ",
        "ﬁn ² ½ Ⅳ ™", "plain\ttext\n",
        "«Это»… — «да»",
    ],
)  # fmt: skip
def test_what_an_author_chose_stays(text: str) -> None:
    assert Characters().rewritten(text) == text


@given(st.text(max_size=60))
def test_a_second_time_changes_nothing(text: str) -> None:
    once = Characters().rewritten(text)
    assert Characters().rewritten(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\r" not in once


def test_rows_nulls_and_types_stay() -> None:
    docs = pa.table({"text": pa.array(["a\r\nb", None, "ok"], pa.large_string())})
    out = build("characters_v1")(docs)
    assert out.column("text").to_pylist() == ["a\nb", None, "ok"]
    assert out.column("text").type == pa.large_string()
    assert out.column("drop").to_pylist() == [None, None, None]


def test_later_rules_see_the_lines() -> None:
    lines = [f"The river rose again in night number {n}, and the meadow was under water." for n in range(20)]
    docs = documents(text=["\r\n".join(lines)])
    assert build("fineweb_v1")(docs).column("drop").to_pylist() == ["too_few_punctuated_lines"]
    assert build("fineweb_v1")(build("characters_v1")(docs)).column("drop").to_pylist() == [None]
