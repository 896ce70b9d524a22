"""Tokens: words as plain Python finds them, vocabularies of `tokenizer.json`, and hashes of prefixes."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.assets import Asset
from stages.errors import ConfigError
from stages.kernels.classes import UNSPACED, flags_of, tables
from stages.kernels.modular import BASE_A, BASE_B, INNER_A, INNER_B, PRIME
from stages.kernels.tokens import Tokens
from stages.substring.phases import duplicate_spans
from stages.substring.stage import Substring
from stages.tokens import open_tokenizer, token_blocks
from tests.examples import examples
from tests.stages.texts import texts


def plain_tokens(text: str) -> list[str]:
    found: list[str] = []
    kind = ""  # of the current token
    for character in text:
        category = unicodedata.category(character)[0]
        if character.isspace():
            kind = ""
        elif category == "M" and kind:
            found[-1] += character
        elif category in "LMN" and not flags_of(tables(), ord(character)) & UNSPACED:
            found[len(found) - (kind == "word") :] = [(found[-1] if kind == "word" else "") + character]
            kind = "word"
        else:
            found, kind = [*found, character], "alone"
    return found


def blocks(column: list[str | None], tokenizer: Asset | None = None) -> list[tuple[int, Tokens]]:
    return list(token_blocks(pa.array(column, pa.string()), tokenizer))


def tokens_of(column: list[str | None], tokenizer: Asset | None = None) -> list[list[str]]:
    return [
        [(column[first + row] or "").encode()[tokens.start[t] : tokens.end[t]].decode() for t in range(*edges)]
        for first, tokens in blocks(column, tokenizer)
        for row, edges in enumerate(zip(tokens.first[:-1], tokens.first[1:], strict=True))
    ]


@settings(max_examples=examples(200))
@given(st.lists(st.one_of(st.none(), texts), max_size=4))
def test_words_are_those_of_the_plain_reading(column: list[str | None]) -> None:
    assert tokens_of(column) == [plain_tokens(text or "") for text in column]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't panic, it's 1,000 m²!", "Don ' t panic , it ' s 1 , 000 m² !"),
        ("e\u0301te\u0301 नमस्ते", "e\u0301te\u0301 नमस्ते"),
        ("漢字かなok", "漢 字 か な ok"),
        ("กำลัง", "ก ำ ลั ง"),  # SARA AM is a letter, MAI HAN-AKAT a mark
        ("❤\ufe0fab", "❤\ufe0f ab"),
        ("a\u200bb...", "a \u200b b . . ."),
    ],
)
def test_words_of_some_scripts(text: str, tokens: str) -> None:
    assert tokens_of([text]) == [tokens.split(" ")]


def polynomial(values: list[int], base: np.uint64) -> int:
    hashed = 0
    for value in values:
        hashed = (hashed * int(base) + value) % int(PRIME)
    return hashed


def value(token: bytes, inner: np.uint64) -> int:
    """Pieces of seven bytes, with their number (8: more follow) above them."""
    pieces = [token[at : at + 7] for at in range(0, len(token), 7)]
    sizes = [8] * (len(pieces) - 1) + [len(pieces[-1])]
    return polynomial([size << 56 | int.from_bytes(piece) for piece, size in zip(pieces, sizes, strict=True)], inner)


@settings(max_examples=examples(100))
@given(st.lists(st.one_of(texts, st.text("ab", max_size=40)), max_size=3))
def test_prefixes_are_hashed_as_polynomials(column: list[str]) -> None:
    for first, tokens in blocks([*column]):
        for row in range(len(tokens.first) - 1):
            content = [token.encode() for token in plain_tokens(column[first + row])]
            at = tokens.first[row] + row
            for hashes, base, inner in ((tokens.a, BASE_A, INNER_A), (tokens.b, BASE_B, INNER_B)):
                values = [value(token, inner) for token in content]
                want = [polynomial(values[:size], base) for size in range(len(values) + 1)]
                assert hashes[at : at + len(want)].tolist() == want


def test_blocks_are_of_bounded_size_and_hold_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.tokens.BLOCK_BYTES", 10)
    column: list[str | None] = ["a" * 4, "b" * 4, None, "c" * 30, "", "d", "e" * 10]
    assert [first for first, _ in blocks(column)] == [0, 3, 4, 6]
    assert tokens_of(column) == [[text] if text else [] for text in column]


class Fake:
    """The part of `tokenizers.Tokenizer` that is used: tokens are pairs of letters, after one without bytes."""

    def no_truncation(self) -> None: ...
    def no_padding(self) -> None: ...
    def encode_batch(self, batch: list[str], add_special_tokens: bool) -> list[Any]:
        assert not add_special_tokens
        return [self.encoded(text) for text in batch]

    def encoded(self, text: str) -> Any:
        offsets = [(at, min(at + 2, len(text))) for at in range(0, len(text), 2)]
        return SimpleNamespace(ids=[0, *(len(text[a:b]) for a, b in offsets)], offsets=[(0, 0), *offsets])


@pytest.fixture
def vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    library = SimpleNamespace(Tokenizer=SimpleNamespace(from_file=lambda _: Fake()))
    monkeypatch.setitem(sys.modules, "tokenizers", library)
    open_tokenizer.cache_clear()
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    return Asset(str(path))


def test_a_vocabulary_counts_in_characters_and_we_in_bytes(vocabulary: Asset) -> None:
    assert tokens_of(["aé漢字b", None, ""], vocabulary) == [["aé", "漢字", "b"], [], []]


def test_duplicates_by_tokens_of_a_vocabulary(vocabulary: Asset) -> None:
    docs = pa.table({"text": ["xéabcd", "yyabcd!", "zabcd"]})  # in the third, pairs are at other places
    found = duplicate_spans(Substring(length=2, tokens=vocabulary), docs).to_pylist()
    assert found == [[{"start": 3, "end": 7}], [{"start": 2, "end": 6}], []]


def test_tokens_of_a_vocabulary_are_the_same_with_their_bytes_and_number(vocabulary: Asset) -> None:
    ((_, tokens),) = blocks(["ab", "ab", "ac", "a"], vocabulary)
    hashes = [int(tokens.a[tokens.first[row] + row + 1]) for row in range(4)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    ((_, words),) = blocks(["ab"])
    assert hashes[0] not in words.a.tolist()


def test_without_the_library_the_error_says_what_to_do(vocabulary: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match="pip install tokenizers"):
        blocks(["text"], vocabulary)


def test_a_real_vocabulary(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    open_tokenizer.cache_clear()
    model = {"type": "WordLevel", "vocab": {"one": 0, "two": 1, "?": 2}, "unk_token": "?"}
    content = {"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}}
    (path := tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert tokens_of(["one é two!", ""], Asset(str(path))) == [["one", "é", "two", "!"], []]
    path.write_text("{}")
    open_tokenizer.cache_clear()
    with pytest.raises(ConfigError, match=r"not a tokenizer\.json"):
        blocks(["text"], Asset(str(path)))
