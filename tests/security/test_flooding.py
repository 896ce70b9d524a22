"""Nobody can write texts or keys that meet in one slot of a hash table: such input costs what other input costs.

Each attack is built from the hash as it would be without its secret, and is timed beside innocent input of the same
size, in CPU seconds. Without the secret, it took 20 to 1,000 times as long.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from classifiers.blocks.features.alone import copies
from classifiers.blocks.features.columns import FEATURES
from classifiers.kernels.hash import GOLDEN, POLYNOMIAL_BASE, avalanche, mixed, scrambled
from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.kernels.edges import grouped_edges
from stages.kernels.groups import classes_of, grouped
from stages.kernels.repetition import measure_repetition
from stages.kernels.unionfind import forest
from stages.schema import documents
from tests.conftest import ROOT

load_stages()
ENTRIES = 10_000
BITS = np.uint64(58)  # the six highest bits of the hashes are equal: the entries fill one row of slots
MOST, SLACK = 8, 0.004  # times the CPU seconds of innocent input, and seconds that are worth no comparison
Array = Any
_MIX, _FNV_PRIME, _32 = 0xD6E8FEB86659FD93, np.uint64(1_099_511_628_211), np.uint64(32)


def cpu_seconds(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def assert_like(attack: Callable[[], object], innocent: Callable[[], object]) -> None:
    innocent()  # compiled, or loaded
    most = MOST * cpu_seconds(innocent) + SLACK
    assert any(cpu_seconds(attack) < most for _ in range(3))


def random(count: int = ENTRIES) -> Array:
    return np.random.default_rng(1).integers(0, 2**64, count, np.uint64)


def unmixed(hashed: Array) -> Array:
    """Values with these hashes: `mixed` can be turned round."""
    inverse = np.uint64(pow(_MIX, -1, 2**64))
    for _ in range(2):
        hashed = hashed * inverse
        hashed = hashed ^ (hashed >> _32)
    assert isinstance(hashed, np.ndarray)
    return hashed


def unscrambled(hashed: Array) -> Array:
    """Values that `scrambled` turns into these."""
    for factor in (0xC4CEB9FE1A85EC53, 0xFF51AFD7ED558CCD):
        hashed = (hashed ^ (hashed >> np.uint64(33))) * np.uint64(pow(factor, -1, 2**64))
    return hashed ^ (hashed >> np.uint64(33))


def test_the_attacks_know_the_hashes() -> None:
    values = random(100)
    assert (mixed(unmixed(values)) == values).all()
    assert (scrambled(unscrambled(values)) == values).all()


# Texts ------------------------------------------------------------------------------------------------------------


def letters(count: int, length: int, seed: int = 2) -> Array:
    return np.random.default_rng(seed).integers(97, 123, (count, length)).astype(np.uint64)


def words(codes: Array) -> list[str]:
    return [bytes(row).decode() for row in codes.astype(np.uint8)]


def unseeded(codes: Array) -> Array:
    """The hash of words without a secret: FNV-1a of code points, from the golden ratio."""
    state = np.full(len(codes), GOLDEN)
    for column in codes.T:
        state = (state ^ column) * _FNV_PRIME
    return mixed(state)


def colliding_words(count: int) -> list[str]:
    """Words whose hashes all have the same highest bits."""
    codes = letters(64 * count, 8)
    return words(codes[unseeded(codes) >> BITS == 0])


def colliding_pairs() -> list[str]:
    """Words in whose numbers, and in the pairs of them that are neighbours, nothing but slots collides."""
    vocabulary = words(letters(1_000, 6))
    one, other = (part.ravel().astype(np.uint64) for part in np.meshgrid(np.arange(1_000), np.arange(1_000)))
    chosen = np.flatnonzero(mixed((one << _32) | other) >> BITS == 0)[:ENTRIES]
    pairs = [vocabulary[int(number)] for k in chosen for number in (one[k], other[k])]
    return vocabulary + pairs


def colliding_fives() -> list[str]:
    """Words of which every five from the start make a collision of the rolling hash."""
    codes = letters(64 * 2_000, 10)
    state = np.zeros(len(codes), np.uint64)
    for column in codes.T:
        state = state * POLYNOMIAL_BASE + column + np.uint64(1)
    return words(codes[mixed(state) >> BITS == 0].reshape(-1, 2))


def blank_lines() -> str:
    """Different lines of the same words: the white space between them is one of 2^15 patterns."""
    return "\n".join("a" + "".join(" \t"[number >> bit & 1] for bit in range(15)) + "b" for number in range(ENTRIES))


ATTACKS: dict[str, Callable[[], str]] = {
    "words": lambda: " ".join(colliding_words(ENTRIES)),
    "lines": lambda: "\n".join(colliding_words(ENTRIES)),
    "pairs": lambda: " ".join(colliding_pairs()),
    "fives": lambda: " ".join(colliding_fives()),
    "white space": blank_lines,
    "nothing but white space": lambda: blank_lines().replace("a", " ").replace("b", "\t"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_text_is_slow_by_its_words(name: str) -> None:
    attack = ATTACKS[name]()
    plain = " ".join(words(letters(len(attack) // 9, 8, seed=3)))
    evil, good = pa.chunked_array([[attack]]), pa.chunked_array([[plain]])
    for datatrove in (False, True):
        assert_like(
            lambda: measure_repetition(evil, datatrove, False),  # noqa: B023
            lambda: measure_repetition(good, datatrove, False),  # noqa: B023
        )
    stage = build("fineweb_v1")
    assert_like(lambda: stage(documents(text=[attack])), lambda: stage(documents(text=[plain])))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("datatrove", [False, True])
def test_the_secret_changes_no_measure(name: str, datatrove: bool) -> None:
    """Secrets are drawn for each call."""
    text = pa.chunked_array([[ATTACKS[name]()[:60_000], "one two one two\n\none two", ""]])
    first = measure_repetition(text, datatrove, True)
    for _ in range(3):
        assert (measure_repetition(text, datatrove, True) == first).all()


def test_a_text_of_one_word_is_signed_in_its_share_of_the_time() -> None:
    """Fast similarity sketching draws a new place for every shingle until all places are taken."""
    stage = build("minhash_v1", {"hashing": "fast"})
    same, other = "word " * 200_000, " ".join(words(letters(200_000, 4)))
    assert_like(lambda: stage(documents(text=[same])), lambda: stage(documents(text=[other])))
    once = stage(documents(text=["word " * 5])).column("minhash_v1.keys")
    assert stage(documents(text=[same])).column("minhash_v1.keys").to_pylist() == once.to_pylist()


# Keys -------------------------------------------------------------------------------------------------------------

NODES = np.arange(ENTRIES, dtype=np.uint64)
STARTS = np.zeros(ENTRIES, np.uint32)


def of_grouped_edges(keys: Array) -> object:
    return grouped_edges(keys, None, NODES)


def of_checks(checks: Array) -> object:
    return grouped_edges(np.ones(ENTRIES, np.uint64), checks, NODES)


def of_forest(nodes: Array) -> object:
    return forest(nodes[::2], nodes[1::2])


def of_groups(hashed: Array) -> object:
    b = random()
    fixed = (np.arange(ENTRIES, dtype=np.uint64) * GOLDEN + b) * GOLDEN
    return grouped((np.arange(ENTRIES, dtype=np.uint64), b, unscrambled(hashed) - fixed), NODES, STARTS)


def of_classes(fingerprints: Array) -> object:
    one = np.arange(ENTRIES, dtype=np.uint64)
    return classes_of(fingerprints, grouped((one, one, one), NODES, STARTS), np.ones(ENTRIES, bool))


def of_blocks(hashes: Array) -> object:
    return copies(hashes, np.zeros((len(hashes), len(FEATURES)), np.float32))


# One of 2^15 slots: the high bits of a hash, the low ones, or those in the middle.
KEYS: dict[str, tuple[Callable[[Array], object], Array]] = {
    "edges": (of_grouped_edges, unmixed(random() >> np.uint64(16))),
    "checks": (of_checks, random()),
    "components": (of_forest, unmixed(random() >> np.uint64(16))),
    "groups": (of_groups, random() << np.uint64(16)),
    "classes": (of_classes, unscrambled(random() << np.uint64(16))),
    "blocks": (of_blocks, (random() << np.uint64(36)) * np.uint64(pow(int(GOLDEN), -1, 2**64))),
}


@pytest.mark.parametrize("name", KEYS)
def test_no_keys_are_slow(name: str) -> None:
    do, attack = KEYS[name]
    innocent = of_grouped_edges if name == "checks" else do
    assert_like(lambda: do(attack), lambda: innocent(avalanche(random())))


def test_edges_have_the_order_of_their_rows() -> None:
    keys = random() >> np.uint64(50)
    first = grouped_edges(keys, keys[::-1] >> np.uint64(63), NODES)
    for _ in range(3):
        again = grouped_edges(keys, keys[::-1] >> np.uint64(63), NODES)
        assert all((one == other).all() for one, other in zip(first, again, strict=True))


# Every table ------------------------------------------------------------------------------------------------------

OF_THE_OWNER = {  # tables that no document enters: a search in them passes no more entries than stand side by side
    "classifiers/fasttext_files/embedding.py": "a model's words; `hash_table` bounds their neighbours",
    "stages/kernels/quality.py": "stop words; a quarter of the slots at most is taken",
}
SEARCHES = {"seek_key", "seek_number", "seek_generation", "next_slot", "slot_after", "high_slot", "scaled_slot"}


def test_every_table_of_foreign_entries_has_a_secret() -> None:
    found = {}
    for path in sorted((ROOT / "classifiers").rglob("*.py")) + sorted((ROOT / "stages").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if names & SEARCHES:
            found[str(path.relative_to(ROOT))] = "secret" in names or "Slots" in names
    assert {name for name, secret in found.items() if not secret} <= OF_THE_OWNER.keys()
    assert len(found) >= 8
