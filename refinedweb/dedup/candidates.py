"""Check candidate pairs by their true Jaccard similarity: the phases between keys and components if a stage verifies.

    fetch     the texts of the first documents of all candidate pairs, shuffled to the blocks of the second ones
    verify    both texts → the pairs that are as similar as the stage requires

The candidates are the pairs of each document with the first one of its group (the documents that share a key), not all
pairs of a group, which would be quadratic.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools
from refinedweb.dedup.context import Context, Documents, within
from refinedweb.dedup.exchange import Exchange, arrived, by_block
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from stages.kernels.shingles import shared_shingles
from stages.minhash import MinHash

PAIRS = pa.schema([("a", pa.uint64()), ("b", pa.uint64())])
TEXTS = pa.schema([("address", pa.uint64()), ("text", pa.large_string()), ("block", pa.uint32())])


def verified(context: Context, edges: Shuffled) -> Generator[Phase, None, Shuffled]:
    """The phases; returns the edges that hold. `edges` are shuffled by the block of `a`."""
    fetch = Fetch(context, edges)
    yield fetch
    pairs = yield from arrived(fetch.pairs, fetch)
    texts = yield from arrived(fetch.texts, fetch)
    verify = Verify(context, pairs, texts)
    yield verify
    return Shuffled(verify, "edges", PAIRS)


@dataclass(frozen=True)
class Fetch:
    """Pairs → the texts of their first documents, in the blocks of the second ones."""

    context: Context
    edges: Shuffled
    name: str = "2-group-fetch"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    @property
    def pairs(self) -> Exchange:
        """The pairs, for the blocks of their second documents."""
        return by_block(self.context, "pairs", PAIRS, self.count, "b")

    @property
    def texts(self) -> Exchange:
        """The texts of their first documents, for the same blocks."""
        blocks = len(self.context.blocks)
        return Exchange(self.context, "texts", TEXTS, self.count, blocks, self.context.size, "number", "block")

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        pairs_out, texts_out = self.pairs.open(outputs), self.texts.open(outputs)
        pairs = (
            self.edges.read(task).group_by(["a", "b"]).aggregate([]).sort_by([("a", "ascending"), ("b", "ascending")])
        )
        where = self.context.block_of(pairs.column("b").to_numpy())
        pairs_out.write(pairs)
        wanted = pa.table({"address": pairs.column("a"), "block": pa.array(where)})
        wanted = wanted.group_by(["address", "block"]).aggregate([]).sort_by("address")
        if wanted.num_rows:
            for batch in self.context.documents(task, ("text",)):
                here = within(batch.addresses, wanted)
                texts_out.write(
                    pa.table([here.column("address"), _texts(batch, here), here.column("block")], schema=TEXTS)
                )
        return PhaseCounts(pairs.num_rows)


def _texts(batch: Documents, wanted: pa.Table) -> pa.ChunkedArray:
    """The texts at the wanted addresses, in that order."""
    at = np.searchsorted(batch.addresses, wanted.column("address").to_numpy())
    return batch.docs.column("text").take(pa.array(at)).cast(pa.large_string())


@dataclass(frozen=True)
class Verify:
    """Pairs and the texts of their first documents → the pairs that hold."""

    context: Context
    pairs: Shuffled
    texts: Shuffled
    name: str = "2-group-verify"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        pairs = self.pairs.read(task)
        pairs = pairs.append_column("address", pairs.column("b")).sort_by("address")
        texts = self.texts.read(task).sort_by("address")
        if self.context.lost:
            pairs = pairs.filter(pa.array(self._readable(pairs, texts)))
        writer = outputs.shuffle("edges", PAIRS, 1)
        if pairs.num_rows:
            for batch in self.context.documents(task, ("text",)):
                here = within(batch.addresses, pairs)
                writer.write(here.filter(pa.array(self._hold(here, texts, batch))))
        counts = PhaseCounts(pairs.num_rows)
        if writer.rows < pairs.num_rows:
            counts.removed = {self.context.stage.name: {"candidate_below_jaccard": pairs.num_rows - writer.rows}}
        return counts

    def _readable(self, pairs: pa.Table, texts: pa.Table) -> Bools:
        """Which pairs have both texts: those of a shard that was lost since it was signed are gone."""
        fetched = np.isin(pairs.column("a").to_numpy(), texts.column("address").to_numpy())
        lost = np.array(sorted(self.context.lost), np.uint64)
        return fetched & ~np.isin(pairs.column("b").to_numpy() >> np.uint64(32), lost)

    def _hold(self, pairs: pa.Table, texts: pa.Table, batch: Documents) -> Bools:
        """Which pairs are as similar as the stage requires."""
        stage = cast(MinHash, self.context.stage)
        firsts = np.searchsorted(texts.column("address").to_numpy(), pairs.column("a").to_numpy())
        with self.context.limit():
            a = stage.shingles(texts.column("text").take(pa.array(firsts)))
            b = stage.shingles(_texts(batch, pairs))
            return shared_shingles(a, b) >= (stage.verify or 0.0)
