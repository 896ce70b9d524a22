"""A corpus with planted near-duplicates of known Jaccard similarity.

    uv run python -m benchmarks.planted OUT [--documents 200000] [--files 8] [--seed 1]

Documents have 150 to 900 words, drawn by rank from a Zipf-like vocabulary. Every tenth of the different ones founds a
family: nine in ten families have one copy, the others two to five. In a copy single words are replaced so that the
Jaccard similarity of the sets of 5-word shingles is as close as possible to one of `TARGETS`. OUT/documents/*.parquet
hold id, url and text, in an order that is unrelated to families; OUT/truth.parquet holds id_a, id_b, jaccard (of the
actual sets), family and members for every pair within a family. The same seed makes the same corpus.
`planted_recall` judges an answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

TARGETS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # Jaccard similarities of copies with their founders
SHINGLE = 5  # words
WORDS = (150, 900)  # of a document, inclusive
VOCABULARY = 50_000  # different words
FOUNDERS = 10  # one in this many documents founds a family
LARGE = 10  # one in this many families has more than two members
MOST = 6  # members of a family
BATCH = 5_000  # documents that are written together

Ranks = npt.NDArray[np.int64]

_DRAWS = 1 << 22  # entries of the table of ranks: enough for the rarest words to have theirs
_CONSONANTS, _VOWELS = list("bcdfghjklmnprstvz"), list("aeiou")
_LAYOUT, _COPY, _ORDER, _FAMILY = range(4)  # streams of random numbers


class Member(NamedTuple):
    """A document: the number of the founder whose words it has, and which copy it is (0 = the founder)."""

    founder: int
    copy: int


class Pair(NamedTuple):
    """Two documents of a family by their places in the corpus."""

    a: int
    b: int
    jaccard: float
    family: int
    members: int


@lru_cache(maxsize=1)
def vocabulary() -> npt.NDArray[np.object_]:
    """Different words of alternating consonants and vowels. Frequent ones are shorter: 4.8 letters on average in texts.

    They are lower case and do not end in a consonant, so that no tokenizer splits them ("im", "cannot").
    """
    random = np.random.default_rng(0)
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        syllables = 1 + int(random.poisson(0.4 + 0.28 * np.log1p(len(words) / 20)))
        letters = zip(random.choice(_CONSONANTS, syllables), random.choice(_VOWELS, syllables), strict=True)
        words.setdefault("".join(map("".join, letters)))
    return np.array(list(words), np.object_)


@lru_cache(maxsize=1)
def draws() -> npt.NDArray[np.uint16]:
    """A table in which each word's rank occurs in proportion to its share of a text (Zipf–Mandelbrot)."""
    share = 1 / (np.arange(VOCABULARY) + 2.7) ** 1.05
    edges = np.cumsum(share) / share.sum()
    return np.searchsorted(edges, (np.arange(_DRAWS) + 0.5) / _DRAWS).astype(np.uint16)


def plan(documents: int, seed: int) -> list[Member]:
    """The documents in their order in the corpus."""
    random = np.random.default_rng((seed, _FAMILY))
    members: list[Member] = []
    family = 0
    while len(members) < documents:
        copies = 0
        if family % FOUNDERS == 0:
            copies = 1 if family // FOUNDERS % LARGE else int(random.integers(2, MOST))
        members += [Member(family, copy) for copy in range(copies + 1)]
        family += 1
    order = np.random.default_rng((seed, _ORDER)).permutation(documents)
    return [members[place] for place in order]


def words_of(member: Member, seed: int) -> Ranks:
    """The ranks of a document's words."""
    random = np.random.default_rng((seed, _LAYOUT, member.founder))
    words = draws()[random.integers(0, _DRAWS, random.integers(WORDS[0], WORDS[1] + 1))].astype(np.int64)
    if member.copy == 0:
        return words
    random = np.random.default_rng((seed, _COPY, member.founder, member.copy))
    return replaced(words, target_of(member), random)


def target_of(member: Member) -> float:
    """The Jaccard similarity that a copy should have with its founder; it differs between the copies of a family."""
    return TARGETS[
        (member.founder // FOUNDERS + member.founder // FOUNDERS // len(TARGETS) + member.copy) % len(TARGETS)
    ]


def replaced(words: Ranks, target: float, random: Any) -> Ranks:
    """A copy with single words replaced: J = (S - d) / (S + d) for S shingles of which d are different.

    A word far from both ends is in five shingles, and the r-th word in r. No two replaced words share a shingle, and
    new words are drawn evenly from the vocabulary, so they make shingles that do not exist yet.
    """
    shingles = len(words) - SHINGLE + 1
    inner, rest = divmod(round(shingles * (1 - target) / (1 + target)), SHINGLE)
    free = shingles - rest - (SHINGLE - 1) - (SHINGLE - 1) * (inner - 1)
    places = np.sort(random.choice(free, inner, replace=False)) + (SHINGLE - 1) * np.arange(1, inner + 1) + rest
    places = np.r_[places, [rest - 1] * (rest > 0)].astype(np.int64)
    copy = words.copy()
    copy[places] = (copy[places] + random.integers(1, VOCABULARY, len(places))) % VOCABULARY
    return copy


def text_of(words: Ranks, member: Member, seed: int) -> str:
    """The words as sentences of 6 to 24 words and paragraphs of five sentences; a copy has its founder's layout."""
    random = np.random.default_rng((seed, _LAYOUT, member.founder, 1))
    ends = np.cumsum(random.integers(6, 25, len(words) // 6 + 1)).tolist()
    spelled, start, parts = vocabulary()[words].tolist(), 0, []
    for number, end in enumerate(ends):
        if start >= len(spelled):
            break
        parts += [" ".join(spelled[start:end]).capitalize(), ".\n\n" if number % 5 == 4 else ". "]
        start = end
    return "".join(parts).strip()


def shingles_of(words: Ranks) -> set[tuple[int, ...]]:
    """The set of 5-word shingles."""
    listed = words.tolist()
    return set(zip(*(listed[i:] for i in range(SHINGLE)), strict=False))


def jaccard(a: set[Any], b: set[Any]) -> float:
    """The Jaccard similarity of two sets that are not both empty."""
    return len(a & b) / len(a | b)


def pairs_of(members: list[Member], seed: int) -> Iterator[Pair]:
    """Every pair within a family, with its true similarity."""
    families: dict[int, list[int]] = {}
    for place, member in enumerate(members):
        families.setdefault(member.founder, []).append(place)
    for founder, places in families.items():
        if len(places) > 1:
            sets = {place: shingles_of(words_of(members[place], seed)) for place in places}
            for a, b in combinations(places, 2):
                yield Pair(a, b, jaccard(sets[a], sets[b]), founder, len(places))


def name_of(place: int) -> str:
    """The id of the document at this place in the corpus."""
    return f"doc-{place:09d}"


def write(out: Path, documents: int, files: int, seed: int) -> None:
    """Write the corpus and its truth. Raises FileExistsError if `out` already holds one."""
    (out / "documents").mkdir(parents=True)
    members = plan(documents, seed)
    bounds = np.linspace(0, documents, files + 1).astype(int).tolist()
    schema = pa.schema({"id": pa.string(), "url": pa.string(), "text": pa.large_string()})
    for file in range(files):
        path = out / "documents" / f"{file:05d}.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(bounds[file], bounds[file + 1], BATCH):
                places = range(start, min(start + BATCH, bounds[file + 1]))
                writer.write_table(batch(places, members, seed).cast(schema))
    pairs = list(pairs_of(members, seed))
    truth = {
        "id_a": [name_of(pair.a) for pair in pairs],
        "id_b": [name_of(pair.b) for pair in pairs],
        "jaccard": [pair.jaccard for pair in pairs],
        "family": [pair.family for pair in pairs],
        "members": [pair.members for pair in pairs],
    }
    pq.write_table(pa.table(truth), out / "truth.parquet")


def batch(places: range, members: list[Member], seed: int) -> pa.Table:
    """The documents at these places in the corpus."""
    texts = [text_of(words_of(members[place], seed), members[place], seed) for place in places]
    urls = [f"https://site{place % 997}.example/{place}" for place in places]
    return pa.table({"id": [name_of(place) for place in places], "url": urls, "text": texts})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write(options.out, options.documents, options.files, options.seed)
    truth = pq.read_table(options.out / "truth.parquet")
    print(f"{options.documents:,} documents, {truth.num_rows:,} planted pairs")


if __name__ == "__main__":
    main()
