"""`exact_v1` and `exact_v2`: a 128-bit key per text; keys are equal exactly if the (normalised) texts are."""

from __future__ import annotations

import unicodedata
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from stages.dedup import Clustered
from stages.exact import Exact, ExactV2
from stages.kernels.normalise import normalised
from stages.schema import documents
from tests.stages.normal import PLAIN
from tests.stages.texts import texts

Key = tuple[int, int]
values = st.lists(st.one_of(st.none(), texts), max_size=6)
either = pytest.mark.parametrize("normalise", [True, False])


def keys(rows: list[str | None] | pa.Table, normalise: bool = True) -> list[Key | None]:
    """(key, check) of each text, None if it has none; a key never occurs without its check."""
    docs = rows if isinstance(rows, pa.Table) else documents(text=rows)
    out = Exact(normalise=normalise)(docs)
    pairs = zip(out.column("exact_v1.keys").to_pylist(), out.column("exact_v1.checks").to_pylist(), strict=True)
    return [(key[0], check[0]) if len(key) == len(check) == 1 else no_key(key, check) for key, check in pairs]


def no_key(key: list[int], check: list[int]) -> None:
    assert key == check == []


def plain(text: str | None, normalise: bool) -> Key | None:
    """The XXH3 of the bytes, as upper and lower half."""
    raw = (normalised(pa.array([text]), "paper")[0].as_py() if normalise else text or "").encode()
    return divmod(xxhash.xxh3_128_intdigest(raw), 2**64) if raw else None


@either
@given(rows=values, cut=st.integers(0, 6))
def test_keys_are_the_hash_of_the_text(normalise: bool, rows: list[str | None], cut: int) -> None:
    assert keys(rows, normalise) == [plain(text, normalise) for text in rows]
    docs = documents(text=rows)
    assert keys(docs[:cut], normalise) + keys(docs[cut:], normalise) == keys(rows, normalise)
    assert keys(pa.concat_tables([docs[:cut], docs[cut:]]), normalise) == keys(rows, normalise)


def test_columns_are_lists_of_one_integer() -> None:
    out = Exact()(documents(text=["a", None, "b"]))
    for name in ("exact_v1.keys", "exact_v1.checks"):
        assert out.column(name).type == pa.list_(pa.uint64())
        assert [len(row) for row in out.column(name).to_pylist()] == [1, 0, 1]
    assert isinstance(Exact(), Clustered)
    assert Exact().keys_each() == 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A dog, a cat.", "a dog a cat"),
        ("a\n\nb  c ", "a b c"),
        ("déjà vu", "De\u0301ja\u0300 — VU!"),
        ("我们 今天。", "我们\u3000今天"),
    ],
)
def test_form_does_not_count_when_normalised(a: str, b: str) -> None:
    one, other = keys([a, b])
    assert one == other is not None
    one, other = keys([a, b], normalise=False)
    assert one is not None is not other
    assert one != other


@pytest.mark.parametrize(("a", "b"), [("a b", "ab"), ("a b", "b a"), ("$1", "€1"), ("1", "2"), ("我们", "我门")])
def test_other_texts_have_other_keys(a: str, b: str) -> None:
    one, other = keys([a, b])
    assert one != other
    assert one is not None is not other


@pytest.mark.parametrize("text", [None, "", " \n\u3000", "…!?", "\u0301"])
def test_a_text_without_a_character_has_no_key(text: str | None) -> None:
    assert keys([text, "a"])[0] is None
    assert (keys([text, "a"], normalise=False)[0] is None) == (not text)


def test_keys_stay_what_they_are() -> None:
    """They are stored in the indexes of earlier runs."""
    assert keys(["The river rose again in the night."]) == [(9784522195333473415, 15031530829223888048)]


# exact_v2


def v2_keys(rows: list[str | None], same: Any = "unicode") -> list[Key | None]:
    out = ExactV2(same=same)(documents(text=rows))
    pairs = zip(out.column("exact_v2.keys").to_pylist(), out.column("exact_v2.checks").to_pylist(), strict=True)
    return [(key[0], check[0]) if len(key) == len(check) == 1 else no_key(key, check) for key, check in pairs]


@pytest.mark.parametrize("same", ["unicode", "text", "paper", "bytes"])
@given(rows=values)
def test_v2_keys_are_the_hash_of_what_counts(same: Any, rows: list[str | None]) -> None:
    form = PLAIN.get(same, str)
    raw = [form(text or "").encode() for text in rows]
    assert v2_keys(rows, same) == [divmod(xxhash.xxh3_128_intdigest(one), 2**64) if one else None for one in raw]


composing = st.text("aeAE\u0301\u0308\u0323\u0327é\u212bÅがか\u3099각\u1100\u1161\u11a8ế \n\u3000", max_size=12)


@given(a=composing, b=composing, form=st.sampled_from(["NFC", "NFD"]))
def test_the_same_text_is_what_nfc_and_white_space_make_equal(a: str, b: str, form: Any) -> None:
    one, other, again = v2_keys([a, b, unicodedata.normalize(form, a).replace(" ", "\n ")])
    same = [" ".join(unicodedata.normalize("NFC", text).split()) for text in (a, b)]
    assert (one == other) == (same[0] == same[1])
    assert one == again


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A dog", "a dog"),
        ("a dog.", "a dog"),
        ("déjà", "deja"),
        ("3.14", "314"),
        ("か", "が"),
        ("ﬁ", "fi"),
        ("½", "1/2"),
    ],
)
def test_v2_takes_only_one_text_for_another_if_asked_to(a: str, b: str) -> None:
    one, other = v2_keys([a, b])
    assert one != other


def test_v2_keys_stay_what_they_are() -> None:
    text: list[str | None] = ["The river rose\nagain: 3.5 m."]
    golden = {
        same: f"{key[0]:016x} {key[1]:016x}"
        for same in ("unicode", "text", "paper", "bytes")
        for key in v2_keys(text, same)
        if key
    }
    assert golden == {
        "unicode": "bfe8351cbfc7e755 0a9acd64b52a6463",
        "text": "f5b6613d6de3f5ff 57a7b21d83c9cf65",
        "paper": "cdf900b0c327316f cd353e1d8cd189bd",
        "bytes": "24cd2275b4be86fc 37c9d2d05273c569",
    }
    assert ExactV2().key_parameters() == {"same": "unicode"}
    with pytest.raises(ValueError, match='same must be "unicode", "text", "paper" or "bytes", not'):
        ExactV2(same="nfc")  # type: ignore[arg-type]
