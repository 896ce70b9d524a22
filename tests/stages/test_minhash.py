"""MinHash: kernels equal to plain Python, digests, the S-curve on sets of known similarity, and the stage."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from datasketch import MinHash as Reference
from hypothesis import given
from hypothesis import strategies as st

from stages.base import build
from stages.dedup import Clustered
from stages.errors import ConfigError
from stages.kernels import minhash
from stages.kernels.minhash import band_digests, digest_bands, family, least, splitmix
from stages.kernels.shingles import Shingles
from stages.kernels.sketch import Tosses, sketch
from stages.minhash import FAST_FROM, PRESETS, MinHash, MinHashV2, jaccard, jaccards, matching_bands
from stages.schema import documents
from tests.stages.texts import texts

Hashes = npt.NDArray[np.uint64]
WORD = 2**64
elements = st.lists(st.integers(0, WORD - 1), min_size=1, max_size=30)
layouts = st.tuples(st.integers(1, 6), st.integers(1, 5))
both = pytest.mark.parametrize("fast", [False, True], ids=["permutations", "fast"])
presets = pytest.mark.parametrize("preset", list(PRESETS))
ENGLISH = (
    "The river rose again in the night, and by morning the lower meadow was under water. People came out to look at it "
    "with their coats over their shoulders. Nobody was surprised; it had done the same two years before."
)


def sketch_of(values: list[int], bands: int, rows: int) -> list[int]:
    chosen, out = family(bands, rows, True), np.empty(bands * rows, np.uint64)
    tosses = Tosses(*np.empty((2, len(values)), np.uint64))
    sketch(np.array(values, np.uint64), chosen.factor, chosen.term, tosses, out)
    return [int(entry) for entry in out]


def least_of(values: list[int], bands: int, rows: int) -> list[int]:
    chosen, out = family(bands, rows, False), np.empty(bands * rows, np.uint32)
    least(np.array([value >> 32 for value in values], np.uint32), len(values), chosen.factor, chosen.term, out)
    return [int(entry) for entry in out]


def plain_sketch(values: list[int], bands: int, rows: int) -> list[int]:
    """Dahlgaard, Knudsen, Thorup 2017, Algorithm 1: all rounds, whether or not a bin is still empty."""
    bins, chosen = bands * rows, family(bands, rows, True)
    entries: list[list[tuple[int, int]]] = [[] for _ in range(bins)]
    for turn in range(2 * bins):
        for value in values:
            hashed = (value * int(chosen.factor[turn]) + int(chosen.term[turn])) % WORD
            at = (hashed >> 32) * bins >> 32 if turn < bins else turn - bins
            entries[at].append((turn, hashed % 2**32))
    return [turn << 32 | value for turn, value in map(min, entries)]


def plain_least(values: list[int], bands: int, rows: int) -> list[int]:
    chosen = family(bands, rows, False)
    functions = zip(chosen.factor.tolist(), chosen.term.tolist(), strict=True)
    return [min(((value >> 32) * factor + term) % 2**32 for value in values) for factor, term in functions]


@given(elements, layouts)
def test_signatures_are_those_of_the_plain_reading(values: list[int], layout: tuple[int, int]) -> None:
    assert sketch_of(values, *layout) == plain_sketch(values, *layout)
    assert least_of(values, *layout) == plain_least(values, *layout)


def test_a_large_signature_is_that_of_the_plain_reading() -> None:
    """More functions than are processed at a time; bins that no round of the first half hits."""
    values = splitmix(5, 3).tolist()
    assert minhash._BLOCK < 130 * 20
    assert least_of(values, 130, 20) == plain_least(values, 130, 20)
    assert sketch_of(values[:1], 6, 5) == plain_sketch(values[:1], 6, 5)
    assert max(sketch_of(values[:1], 6, 5)) >> 32 >= 30


@both
@given(values=elements, data=st.data())
def test_a_signature_is_of_the_set(fast: bool, values: list[int], data: st.DataObject) -> None:
    """The order of shingles and how often each occurs do not matter."""
    other = data.draw(st.permutations(values + data.draw(st.lists(st.sampled_from(values), max_size=5))))
    assert digests([values], 3, 4, fast).tolist() == digests([other], 3, 4, fast).tolist()


@both
def test_functions_are_of_the_family_that_is_written_down(fast: bool) -> None:
    """They are from splitmix64 with seed 0, whose reference implementation has the first outputs; factors are odd."""
    assert [hex(value) for value in splitmix(0, 3)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]
    chosen = family(5, 4, fast)
    assert len(chosen.factor) == len(chosen.term) == (40 if fast else 20)
    assert (chosen.factor % 2 == 1).all()
    assert (chosen.weight % 2 == 1).all()
    assert len(set(chosen.factor.tolist())) == len(chosen.factor)


def rows_of(sets: list[list[int]]) -> Shingles:
    offsets = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    return Shingles(offsets, np.array([value for row in sets for value in row], np.uint64))


def digests(sets: list[list[int]], bands: int, rows: int, fast: bool) -> Hashes:
    return band_digests(rows_of(sets), bands, rows, fast)


@given(st.lists(st.integers(0, 3), min_size=12, max_size=12), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_digests_agree_exactly_where_bands_do(a: list[int], b: list[int]) -> None:
    found = np.zeros((2, 4), np.uint64)
    for entries, out in zip((a, b), found, strict=True):
        digest_bands(np.array(entries, np.uint64), family(4, 3, True).weight, out)
    bands = [a[3 * band : 3 * band + 3] == b[3 * band : 3 * band + 3] for band in range(4)]
    assert (found[0] == found[1]).tolist() == bands


def test_digests_of_different_bands_do_not_meet() -> None:
    out = np.zeros(1000, np.uint64)
    digest_bands(np.zeros(2000, np.uint64), family(1000, 2, True).weight, out)
    assert len(set(out.tolist())) == 1000


@both
def test_sets_without_shingles_have_no_digests(fast: bool) -> None:
    alone, gaps = digests([[1, 2], [3]], 2, 2, fast), digests([[], [1, 2], [], [3], []], 2, 2, fast)
    assert alone.tolist() == gaps.tolist()
    assert digests([[], []], 2, 2, fast).shape == (0, 2)


# The S-curve: what near-duplicate removal promises.


def pairs(count: int, union: int, similarity: float, seed: int) -> tuple[Shingles, Shingles, Fraction]:
    """`count` pairs of sets of equal size (give or take one) with `union` elements in all, and their Jaccard index."""
    shared = round(similarity * union)
    half = (union - shared) // 2
    values = splitmix(seed << 40, count * union).reshape(count, union)
    one, other = values[:, : shared + half], np.delete(values, np.s_[shared : shared + half], axis=1)
    return same_size(one), same_size(other), Fraction(shared, union)


def same_size(values: Hashes) -> Shingles:
    count, size = values.shape
    return Shingles(np.arange(count + 1, dtype=np.int64) * size, np.ascontiguousarray(values).ravel())


def share_a_band(one: Shingles, other: Shingles, layout: tuple[int, int], fast: bool) -> int:
    found: int = (band_digests(one, *layout, fast) == band_digests(other, *layout, fast)).any(axis=1).sum()
    return int(found)


def assert_binomial(hits: int, count: int, chance: float, slack: float = 0.0) -> None:
    """The count is within four and a half standard deviations (a chance of 1 in 150,000), plus `slack`."""
    room = 4.5 * (count * chance * (1 - chance)) ** 0.5 + 1 + slack * count
    assert abs(hits - count * chance) <= room, f"{hits / count:.4f} of {count} pairs, expected {chance:.4f}"


S_CURVE = [
    *(("refinedweb", union, s, 400) for union in (70, 500) for s in (0.6, 0.7, 0.75, 0.8, 0.9)),
    *(("fineweb", union, s, 4000) for union in (70, 500) for s in (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)),
]


@both
@pytest.mark.parametrize(("preset", "union", "similarity", "count"), S_CURVE)
def test_candidates_follow_the_s_curve(preset: str, union: int, similarity: float, count: int, fast: bool) -> None:
    """P(a band is shared) = 1-(1-s^rows)^bands.

    The bins of one round share no element, so a fast sketch of few bins is steeper than the curve: by up to 0.02 at
    14 x 8, which is why `hashing="auto"` uses permutations there. At 450 x 20 the effect is not visible.
    """
    bands, rows = PRESETS[preset]
    one, other, s = pairs(count, union, similarity, seed=union)
    expected = 1 - (1 - float(s) ** rows) ** bands
    slack = 0.02 if fast and bands * rows < FAST_FROM else 0.0
    assert_binomial(share_a_band(one, other, (bands, rows), fast), count, expected, slack)


@presets
def test_the_papers_numbers(preset: str) -> None:
    bands, rows = PRESETS[preset]
    curve = [1 - (1 - s**rows) ** bands for s in (0.6, 0.7, 0.75, 0.8, 0.9)]
    known = {"refinedweb": [0.016, 0.302, 0.76, 0.995, 1.0], "fineweb": [0.211, 0.565, 0.772, 0.924, 1.0]}
    assert curve == pytest.approx(known[preset], abs=0.001)


@both
@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8])
def test_entries_estimate_jaccard_as_datasketch_does(fast: bool, similarity: float) -> None:
    """Both are within four standard deviations of the true similarity, with as many entries (a mean of 20 pairs)."""
    one, other, s = pairs(20, 300, similarity, seed=9)
    ours, theirs = [], []
    for a, b in zip(one.hashes.reshape(20, -1).tolist(), other.hashes.reshape(20, -1).tolist(), strict=True):
        ours.append(np.mean(digests([a], 512, 1, fast) == digests([b], 512, 1, fast)))
        signatures = [Reference(num_perm=512) for _ in "ab"]
        for signature, values in zip(signatures, (a, b), strict=True):
            signature.update_batch([value.to_bytes(8, "little") for value in values])
        theirs.append(signatures[0].jaccard(signatures[1]))
    bound = 4 * (float(s) * (1 - float(s)) / 512 / 20) ** 0.5
    assert abs(np.mean(ours) - float(s)) < bound
    assert abs(np.mean(theirs) - float(s)) < bound


@both
def test_entries_agree_independently(fast: bool) -> None:
    """Pairs of neighbouring entries agree as often as s² predicts: no function depends on the next."""
    one, other, s = pairs(300, 600, 0.5, seed=3)
    found = band_digests(one, 1000, 1, fast) == band_digests(other, 1000, 1, fast)
    together = found[:, 0::2] & found[:, 1::2]
    assert_binomial(int(together.sum()), together.size, float(s) ** 2, slack=0.002)


# Golden: digests are stored in the indexes of earlier runs, so they must not change under the same name.

GOLDEN = {
    ("refinedweb", "permutations"): "0e623f87d44913fa 9e7705d382ba2e68",
    ("refinedweb", "fast"): "15a5f69840c733be 68ebd48d307ebb11",
    ("fineweb", "permutations"): "5644a5867324aa5a 68d5d1e64fd77079",
    ("fineweb", "fast"): "67a99898096359a8 ea6c99f97c6dd02e",
}


@pytest.mark.parametrize(("preset", "hashing"), list(GOLDEN))
def test_digests_stay_what_they_are(preset: Any, hashing: Any) -> None:
    keys = MinHash(preset=preset, hashing=hashing).keys(pa.array([ENGLISH]))[0].as_py()
    assert f"{keys[0]:016x} {keys[-1]:016x}" == GOLDEN[preset, hashing]


# The stage.


def keys_of(values: list[str | None], **params: Any) -> list[list[int]]:
    found: list[list[int]] = MinHash(**params)(documents(text=values)).column("minhash_v1.keys").to_pylist()
    return found


def test_keys_are_a_list_of_a_digest_per_band() -> None:
    column = MinHash()(documents(text=[ENGLISH, None, "", "…!", "one"])).column("minhash_v1.keys")
    assert column.type == pa.list_(pa.uint64())
    assert [len(keys) for keys in column.to_pylist()] == [450, 0, 0, 0, 450]
    assert column.null_count == 0
    assert keys_of([], bands=3, rows=2) == []
    assert isinstance(MinHash(), Clustered)


@pytest.mark.parametrize("hashing", ["permutations", "fast"])
@given(values=st.lists(st.one_of(st.none(), texts), max_size=5), cut=st.integers(0, 5))
def test_batches_do_not_matter(hashing: Any, values: list[str | None], cut: int) -> None:
    stage, docs = MinHash(bands=3, rows=2, hashing=hashing), documents(text=values)
    whole = stage(docs).column("minhash_v1.keys").to_pylist()
    parts = [stage(part).column("minhash_v1.keys").to_pylist() for part in (docs[:cut], docs[cut:])]
    assert parts[0] + parts[1] == whole
    assert all(
        len(keys) == (3 if jaccard(text or "", text or "") else 0) for keys, text in zip(whole, values, strict=True)
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Le café, déjà fermé — hélas!", "le CAFE deja ferme  helas"),
        ("Die Straße ist naß.", "die straße ist naß"),
        ("我们今天去了河边，看见了很多人。", "我们今天去了河边看见了很多人"),
        ("วันนี้เราไปที่แม่น้ำ", "วันนี้เราไปที่แม่น้ำ!"),
        ("e\u0301te\u0301 a\u0300 la mer", "été à la mer"),
        ("two words", "Two, words."),
    ],
)
def test_texts_that_differ_in_form_only_are_the_same(a: str, b: str) -> None:
    one, other = keys_of([a, b])
    assert one == other != []
    assert jaccard(a, b) == 1.0


def test_texts_of_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    """One letter of 40 differs, so 5 of the 36 shingles of each differ."""
    text = "".join(chr(0x4E00 + 7 * k) for k in range(40))
    assert jaccard(text, text[:20] + "的" + text[21:]) == 31 / 41
    assert jaccard(text, text[::-1]) == 0.0


def test_jaccard_of_texts() -> None:
    assert jaccard("a b c d e f", "a b c d e g") == 1 / 3
    assert jaccard("a b c d e f", "a b c d e g", ngram=1) == 5 / 7
    assert jaccard("", "") == jaccard("a", "") == jaccard("…", "…") == 0.0
    assert jaccards(pa.array(["a b", None]), pa.chunked_array([["a b"], ["x"]])).tolist() == [1.0, 0.0]


def test_matching_bands_are_where_keys_agree() -> None:
    assert matching_bands([1, 2, 3], [1, 5, 3]) == [0, 2]
    assert matching_bands([], [1]) == []
    near = ENGLISH.replace("surprised", "astonished")
    one, other, far = keys_of([ENGLISH, near, "something else that was written by nobody at all"], preset="fineweb")
    assert matching_bands(one, other)
    assert not matching_bands(one, far)


def test_hashing_is_chosen_by_the_parameters() -> None:
    assert MinHash().fast()
    assert not MinHash(preset="fineweb").fast()
    assert (MinHash(bands=50, rows=20).fast(), MinHash(bands=111, rows=9).fast()) == (True, False)
    assert keys_of([ENGLISH]) == keys_of([ENGLISH], hashing="fast") != keys_of([ENGLISH], hashing="permutations")


def test_layouts() -> None:
    assert MinHash().layout() == (450, 20)
    assert MinHash(preset="fineweb").layout() == (14, 8)
    assert MinHash(bands=5, rows=3).layout() == (5, 3)
    bands, rows = MinHash(threshold=0.75).layout()
    assert bands * rows <= 112
    assert 1 - (1 - 0.6**rows) ** bands < 0.3
    assert 1 - (1 - 0.9**rows) ** bands > 0.95
    wide = MinHash(threshold=0.75, permutations=2000)
    assert 112 < wide.layout()[0] * wide.layout()[1] <= 2000
    assert len(keys_of([ENGLISH], threshold=0.75)[0]) == MinHash(threshold=0.75).keys_each() == bands


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"preset": "falcon"}, "preset must be one of refinedweb, fineweb, not 'falcon'"),
        ({"hashing": "slow"}, "hashing must be"),
        ({"bands": 3}, "bands and rows belong together"),
        ({"bands": 3, "rows": 0}, "rows must be at least 1, not 0"),
        ({"bands": 3, "rows": 2, "threshold": 0.5}, "give either"),
        ({"ngram": 0}, "ngram must be at least 1, not 0"),
        ({"threshold": 0.0}, "threshold must be a Jaccard similarity"),
        ({"verify": 1.5}, "verify must be a Jaccard similarity"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("minhash_v1", params)


def test_a_tokenizer_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    stage = build("minhash_v1", {"tokens": str(tmp_path / "tokenizer.json")})
    with pytest.raises(ConfigError, match="pip install tokenizers"):
        stage(documents(text=["a"]))


def test_tokens_take_the_place_of_words(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    vocabulary = {"a": 0, "b": 1, "ab": 2, "c": 3, "[UNK]": 4}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    model.save(str(path))
    stage = MinHash(tokens=str(path), preset="fineweb", ngram=2)  # type: ignore[arg-type]
    a, b, c, none = stage(documents(text=["A, b c?", "a b c", "a b x y", None])).column("minhash_v1.keys").to_pylist()
    assert a == b != c
    assert none == []
    unknown = stage(documents(text=["a b zebra quagga"])).column("minhash_v1.keys").to_pylist()
    assert unknown == [c], "all unknown words are one token"
    assert stage.key_parameters()["tokens"] is not None


# minhash_v2


def v2_keys(values: list[str | None], **params: Any) -> list[list[int]]:
    found: list[list[int]] = MinHashV2(**params)(documents(text=values)).column("minhash_v2.keys").to_pylist()
    return found


@given(values=st.lists(st.one_of(st.none(), texts), max_size=4))
def test_the_papers_dialect_gives_the_keys_of_v1(values: list[str | None]) -> None:
    assert v2_keys(values, bands=3, rows=2, normalise="paper") == keys_of(values, bands=3, rows=2)


@pytest.mark.parametrize(("preset", "first"), [("refinedweb", "15a5f69840c733be"), ("fineweb", "5644a5867324aa5a")])
def test_v2_keys_stay_what_they_are(preset: Any, first: str) -> None:
    """Of a text without signs they are those of v1; here a number and a joiner make the difference."""
    plain, signed = v2_keys([ENGLISH, f"{ENGLISH} It was 3.5 m, c'est-à-dire -0.5% می\u200cخواهم."], preset=preset)
    assert f"{plain[0]:016x}" == first
    assert f"{signed[0]:016x} {signed[-1]:016x}" == V2_GOLDEN[preset]


V2_GOLDEN = {"refinedweb": "965e8613993fe3ab 3297c3078a16053c", "fineweb": "4a794d76be785399 c23e618ad589513b"}


@pytest.mark.parametrize(("a", "b"), [("pi is 3.14", "pi is 314"), ("か", "が"), ("in C# we", "in C we")])
def test_v2_tells_texts_apart(a: str, b: str) -> None:
    stage = MinHashV2()
    one, other = v2_keys([a, b], bands=3, rows=2)
    assert one != other
    assert jaccard(a, b) == 1.0 or "C#" in a, "the paper's normalisation does not"
    assert jaccard(a, b, dialect=stage.dialect()) == 0.0


def test_keys_of_another_dialect_are_never_compared() -> None:
    assert MinHashV2().key_parameters() == {**MinHash().key_parameters(), "normalise": "text"}
    assert MinHashV2(normalise="paper").key_parameters()["normalise"] == "paper"
    with pytest.raises(ValueError, match='normalise must be "text", "paper" or "datatrove", not'):
        MinHashV2(normalise="unicode")  # type: ignore[arg-type]
