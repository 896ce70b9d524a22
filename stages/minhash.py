"""`minhash_v2` and `minhash_v1`: the band digests of a text, by which near-duplicates are found (RefinedWeb, G.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Float64s, Int64s, UInt64s
from stages.assets import Asset, pin, split_pin
from stages.base import set_column, stage
from stages.dedup import apply_clusters, keys_column
from stages.keep import check_keep, columns_of, rank
from stages.kernels.dialects import Dialect
from stages.kernels.minhash import band_digests
from stages.kernels.normalise import normalised
from stages.kernels.shingles import Shingles, shared_shingles, text_shingles, token_shingles
from stages.tokens import encoded, open_tokenizer

PRESETS = {"refinedweb": (450, 20), "fineweb": (14, 8)}  # bands and rows
FAST_FROM = 1_000  # entries of a signature; from this size on `hashing="auto"` uses the fast sketch
Layout = tuple[int, int]


@lru_cache(maxsize=16)
def best_layout(threshold: float, permutations: int) -> Layout:
    """The bands and rows that make the fewest errors around a Jaccard similarity, as datasketch computes it."""
    from datasketch import MinHashLSH

    best = MinHashLSH(threshold=threshold, num_perm=permutations)
    return best.b, best.r


@stage("minhash_v1")
class MinHash:
    """Writes the digest of each band of a text's MinHash signature to `minhash_v1.keys` (list of `bands` uint64).

    `minhash_v2` is its successor: it merges fewer texts that differ, and `verify` there means what it says.

    Over the corpus, documents that share a digest in any band are joined; one document of each cluster stays (see
    `keep`), and the others are removed: `near_duplicate`. Called on documents, the stage only
    signs them. A text without words has no digests, so it is never a duplicate. Two texts share a digest with
    probability 1-(1-s^rows)^bands, where s is the Jaccard similarity of their sets of shingles.

    `preset`: "refinedweb" is 450 bands of 20 rows, "fineweb" 14 of 8. It is replaced by `bands` and `rows` (both), or
    by `threshold`, a Jaccard similarity, for which datasketch picks the best layout of up to `permutations` entries.
    `ngram`: words per shingle. Words are those of the normalised text (lower case, no accents, no punctuation); each
    letter of a script without spaces is a word. `tokens`, the path of a tokenizer.json (Hugging Face), uses the tokens
    of the normalised text instead (the paper: GPT-2's).
    `hashing`: "permutations" (classic) or "fast" (Fast Similarity Sketching); "auto" is the latter from 1,000 entries
    on (bands times rows).
    `verify`: candidates with a lower true Jaccard similarity stay (None: no check, as in the paper).
    `keep`: which document of a cluster stays: `hash` (of the id), `newest`, `oldest`, `longest`, `first` (in the order
    of the input), `score:COLUMN` (the highest) or `source:A,B,C` (the first of these names that occurs in `source`).
    `drop_all_copies`: nobody of a cluster of several stays, but for documents of an index.
    `index`: earlier runs whose documents count as older duplicates. `write_index`: write the keys that
    later runs compare with (`OUT/index/`).
    Source: RefinedWeb (Penedo et al. 2023), section 3.3 and appendix G.3.1; Dahlgaard et al. 2017.
    """

    name: ClassVar[str]
    verifies_kept: ClassVar[bool] = False  # whether a removed document is compared with the one that is kept
    reads: ClassVar[tuple[str, ...]] = ("text",)
    reason: ClassVar[str] = "near_duplicate"
    apply = staticmethod(apply_clusters)

    preset: Literal["refinedweb", "fineweb"] = "refinedweb"
    bands: int | None = None
    rows: int | None = None
    threshold: float | None = None
    permutations: int = 112
    ngram: int = 5
    tokens: Asset | None = None
    hashing: Literal["auto", "permutations", "fast"] = "auto"
    verify: float | None = None
    keep: str = "hash"
    drop_all_copies: bool = False
    index: tuple[str, ...] = ()
    write_index: bool = False

    def __post_init__(self) -> None:
        check_keep(self.keep)
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}")
        if self.hashing not in ("auto", "permutations", "fast"):
            raise ValueError(f'hashing must be "auto", "permutations" or "fast", not {self.hashing!r}')
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows belong together; give both or neither")
        if self.bands is not None and self.threshold is not None:
            raise ValueError("threshold picks bands and rows; give either it or them, not both")
        for name in ("bands", "rows", "ngram", "permutations"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for name in ("threshold", "verify"):
            if (value := getattr(self, name)) is not None and not 0 < value <= 1:
                raise ValueError(f"{name} must be a Jaccard similarity, above 0 and at most 1, not {value}")

    def layout(self) -> Layout:
        """(bands, rows)."""
        if self.bands is not None and self.rows is not None:
            return self.bands, self.rows
        if self.threshold is not None:
            return best_layout(self.threshold, self.permutations)
        return PRESETS[self.preset]

    @property
    def ranks_by(self) -> tuple[str, ...]:
        return columns_of(self.keep)

    def rank(self, docs: pa.Table) -> UInt64s:
        return rank(self.keep, docs)

    def keys_each(self) -> int:
        return self.layout()[0]

    def key_parameters(self) -> dict[str, Any]:
        bands, rows = self.layout()
        tokens = None if self.tokens is None else split_pin(pin(self.tokens))[1]
        return {"bands": bands, "rows": rows, "ngram": self.ngram, "tokens": tokens, "fast": self.fast()}

    def dialect(self) -> Dialect:
        """How texts are normalised."""
        return "paper"

    def fast(self) -> bool:
        """Whether the signature comes from the fast sketch. It depends only on the parameters, never on a document."""
        bands, rows = self.layout()
        return self.hashing == "fast" or (self.hashing == "auto" and bands * rows >= FAST_FROM)

    def shingles(self, column: pa.Array | pa.ChunkedArray) -> Shingles:
        """The shingle hashes of every text of a column."""
        if self.tokens is None:
            return text_shingles(column, self.ngram, self.dialect())
        offsets, tokens = tokens_of(normalised(column, self.dialect()), self.tokens)
        return token_shingles(offsets, tokens, self.ngram)

    def keys(self, column: pa.Array | pa.ChunkedArray) -> pa.Array:
        """A list<uint64> for every text of a column: its digest in each band, empty for a text without words."""
        bands, rows = self.layout()
        shingles = self.shingles(column)
        digests = band_digests(shingles, bands, rows, self.fast())
        offsets = np.zeros(len(shingles.offsets), np.int32)
        np.cumsum((np.diff(shingles.offsets) > 0) * bands, out=offsets[1:])
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(digests.ravel()))

    def __call__(self, docs: pa.Table) -> pa.Table:
        return set_column(docs, keys_column(self.name), self.keys(docs.column("text")))


@stage("minhash_v2")
class MinHashV2(MinHash):
    """Writes the digest of each band of a text's MinHash signature to `minhash_v2.keys` (list of `bands` uint64).

    Over the corpus, documents that share a digest in any band are joined; one document of each cluster stays (see
    `keep`), and the others are removed: `near_duplicate`. Called on documents, the stage only
    signs them. A text without words has no digests, so it is never a duplicate. Two texts share a digest with
    probability 1-(1-s^rows)^bands, where s is the Jaccard similarity of their sets of shingles.

    `normalise`: "text" takes away what does not tell texts apart: case, accents, invisible characters, and punctuation,
    which becomes a space but for the signs and points of numbers (`3.14`, `-5`, `C#`). "paper" takes more, as
    `minhash_v1` does: `3.14` is `314`, か is が, and Thai and Indic vowel signs go.
    `verify`: a document whose true Jaccard similarity with the one kept of its cluster is lower stays. Candidates that
    are less alike are not joined either. (None: no check, as in the paper.) With `drop_all_copies` only candidates are
    compared, as none is kept.
    `preset`, `bands`, `rows`, `threshold`, `permutations`, `ngram`, `tokens`, `hashing`, `keep`,
    `drop_all_copies`, `index` and `write_index` are those of `minhash_v1`.
    Source: RefinedWeb (Penedo et al. 2023), section 3.3 and appendix G.3.1; Dahlgaard et al. 2017. The normalisation
    "text" is ours.
    """

    verifies_kept: ClassVar[bool] = True
    normalise: Literal["text", "paper"] = "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalise not in ("text", "paper"):
            raise ValueError(f'normalise must be "text" or "paper", not {self.normalise!r}')

    def dialect(self) -> Dialect:
        """How texts are normalised."""
        return self.normalise

    def key_parameters(self) -> dict[str, Any]:
        return {**super().key_parameters(), "normalise": self.normalise}


def tokens_of(texts: pa.Array, asset: Asset) -> tuple[Int64s, UInt64s]:
    """The offsets and numbers of every text's tokens, without the tokens that a model adds at its ends."""
    ids = [code.ids for code in encoded(texts.to_pylist(), open_tokenizer(asset))]
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(row) for row in ids], out=offsets[1:])
    return offsets, np.fromiter((token for row in ids for token in row), np.uint64, int(offsets[-1]))


def jaccard(a: str, b: str, ngram: int = 5, dialect: Dialect = "paper") -> float:
    """The Jaccard similarity of the sets of word shingles of two texts; 0 if either has no word."""
    return float(jaccards(pa.array([a]), pa.array([b]), ngram, dialect)[0])


def jaccards(
    a: pa.Array | pa.ChunkedArray, b: pa.Array | pa.ChunkedArray, ngram: int = 5, dialect: Dialect = "paper"
) -> Float64s:
    """The Jaccard similarity of row i of `a` and row i of `b`: of their sets of word shingles; 0 if one is empty."""
    return shared_shingles(text_shingles(a, ngram, dialect), text_shingles(b, ngram, dialect))


def matching_bands(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """The bands (from 0) in which two documents' `keys` agree."""
    return [band for band, (one, other) in enumerate(zip(a, b, strict=False)) if one == other]
