"""The law of duplicates: following `kept_id` from a removed document ends at a document of the corpus, or of an index.

A keeper may leave in a later step: as a duplicate of another document, and then the chain goes on (B → A → C), or for
another reason, and then its cluster is lost as a whole. It is lost as well if the chain goes on in a step that compares
other columns: what has A's address need not have its text. Steps whose decisions one pass applies lose no cluster, as
the next document is elected then (see `dedup.amend`). Steps are followed from the last to the first, so each document
is looked at once per step: whether it leads to the corpus is one byte, which its duplicates look up.

Cost: the ids of what each pass handed on and of the corpus are read, and all decisions (those of a step that cuts
spans at least twice). For each document that the first pass handed on, about 11 bytes wait in a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from classifiers.kernels.arrays import Bools, Int64s, UInt64s
from refinedweb.ledger import layout
from refinedweb.ledger.run_file import RunFile
from refinedweb.recipe.plan import Step
from refinedweb.shard.decisions import decisions_of
from refinedweb.storage import Missing, Store
from stages.base import registry
from stages.dedup import DECISION

SHOWN = 5  # examples of each step
_OLD = np.uint64(1 << 31)  # the first shard of earlier runs, as `dedup.context` numbers them
_ROW_BITS, _ROW_MASK = np.uint64(32), np.uint64(0xFFFFFFFF)


@dataclass
class Chains:
    """What following every `kept_id` of a run found. `problems`: decisions that name what is not there.

    `lost_clusters`: per stage, how many clusters have no document that leads to one of the corpus that is alike by the
    columns that the stage compares, since the one that was kept left in a later step. `all_copies`: per stage, how many
    documents it removed together with all others that had their text, as the paper wants it: they name nobody, and a
    chain may end at one of them. `lost_documents`: how many removed documents lead nowhere. `examples` names some.
    """

    problems: list[str] = field(default_factory=list)
    lost_clusters: dict[str, int] = field(default_factory=dict)
    lost_documents: dict[str, int] = field(default_factory=dict)
    all_copies: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


def follow(store: Store, run: RunFile, lost: Collection[int] = ()) -> Chains:
    """Follow every `kept_id` of a finished run. What names a document of a `lost` shard leads nowhere."""
    chains = Chains()
    passes = [step for step in run.steps if step.kind == "local"]
    kinds = list(dict.fromkeys(_compares(step) for step in run.steps if step.kind == "global"))
    later: _Leads | None = None
    for before, after in reversed(list(pairwise(passes))):
        leads = _leads_of(store, run, before, after, later, len(kinds))
        leads.lost = np.array(sorted(lost), np.uint64)
        for name in reversed(after.applies):
            step = next(step for step in run.steps if step.name == name)
            _Followed(store, step, after.applies[-1], leads, kinds.index(_compares(step)), chains).run()
        later = leads
    return chains


def _compares(step: Step) -> tuple[str, ...]:
    """What a global step compares: the columns that its stage reads."""
    stage = registry().get(step.stages[0])
    return step.stages if stage is None else tuple(getattr(stage, "reads", step.stages))


class _Leads:
    """Of each document that a pass handed on: whether it leads to the corpus, and the hash of its id.

    `leads` has a row for each kind of step, by whose decisions alone a document leads there; the last row is for all.
    """

    def __init__(self, counts: Sequence[int], kinds: int) -> None:
        self.counts = np.array(counts, np.int64)
        self.lost: UInt64s = np.empty(0, np.uint64)  # shards of which nothing may be left
        self._starts = np.cumsum(self.counts) - self.counts
        total = int(self.counts.sum())
        self.hashes: UInt64s = np.empty(0, np.uint64)
        self.leads: npt.NDArray[np.bool_] = np.empty((kinds + 1, 0), np.bool_)
        if total:
            with tempfile.TemporaryFile(prefix="refinedweb-") as file:  # the arrays keep it
                self.hashes = np.memmap(file, np.uint64, "w+", 0, (total,))
                self.leads = np.memmap(file, np.bool_, "r+", 8 * total, (kinds + 1, total))

    def of(self, shard: int) -> slice:
        """The places of a shard's documents."""
        return slice(int(self._starts[shard]), int(self._starts[shard] + self.counts[shard]))

    def places(self, addresses: UInt64s) -> Int64s:
        """The place of each address; -1 if there is no such document."""
        shard, row = (addresses >> _ROW_BITS).astype(np.int64), (addresses & _ROW_MASK).astype(np.int64)
        known = shard < len(self.counts)
        shard = np.where(known, shard, 0)
        known &= row < self.counts[shard] if len(self.counts) else known
        return np.where(known, self._starts[shard] + row, -1)


def _leads_of(store: Store, run: RunFile, before: Step, after: Step, later: _Leads | None, kinds: int) -> _Leads:
    """Which documents that `before` handed on lead to the corpus because `after` kept them (and `later` says so)."""
    folders = layout.handed_on_folder(before.name), layout.kept_folder(after)
    leads = _Leads([_rows(store, layout.shard_key(folders[0], shard)) for shard in range(len(run.inputs))], kinds)
    for shard in np.flatnonzero(leads.counts).tolist():
        ids, kept = (_ids(store, layout.shard_key(folder, shard)) for folder in folders)
        at = pc.index_in(ids, value_set=kept)
        arrived = at.is_valid().to_numpy(zero_copy_only=False)
        if later is not None and len(kept):
            arrived = arrived & later.leads[:, later.of(shard)][:, pc.fill_null(at, 0).to_numpy()]
        leads.leads[:, leads.of(shard)] = arrived
        leads.hashes[leads.of(shard)] = _hashes(ids)
    return leads


def _rows(store: Store, key: str) -> int:
    """The number of documents of an object; none if the shard is lost."""
    try:
        with store.open(key, random=True) as file:
            return int(pq.read_metadata(file).num_rows)
    except Missing:
        return 0


def _ids(store: Store, key: str) -> pa.Array:
    """The ids of an object; none if the shard was lost."""
    try:
        with store.open(key, random=True) as file:
            return pq.read_table(file, columns=["id"]).column("id").cast(pa.string()).combine_chunks()
    except Missing:
        return pa.array([], pa.string())


def _hashes(ids: pa.Array | pa.ChunkedArray) -> UInt64s:
    values = ids.to_pylist()
    return np.fromiter((xxhash.xxh3_64_intdigest(str(value).encode()) for value in values), np.uint64, len(values))


class _Followed:
    """One global step: its decisions are followed into what is known about later ones."""

    def __init__(self, store: Store, step: Step, amended_in: str, leads: _Leads, kind: int, chains: Chains) -> None:
        self._store = store
        self._step = step
        self._amended_in = amended_in
        self._kind = kind
        self._leads = leads
        self._chains = chains
        self._named = 0  # examples so far
        self._lost_clusters: set[int] = set()  # by the address of what was kept

    def run(self) -> None:
        if alone := sum(self._end_at(shard, rows) for shard, rows in self._decisions()):
            self._chains.all_copies[self._step.stages[0]] = alone
        again = True
        while again:  # a step that cuts spans may remove what a removed document names
            again = sum(self._follow(shard, rows) for shard, rows in self._removed()) > 0
        for shard, rows in self._removed():
            self._check(shard, rows)
        if self._lost_clusters:
            self._chains.lost_clusters[self._step.stages[0]] = len(self._lost_clusters)

    def _decisions(self) -> Iterator[tuple[int, pa.Table]]:
        for shard in np.flatnonzero(self._leads.counts).tolist():
            try:
                found = decisions_of(self._store, self._step.name, shard, self._amended_in)
            except Missing:  # the shard was lost
                continue
            yield shard, found.select(DECISION.names[:6]).cast(pa.schema(list(DECISION)[:6]))

    def _removed(self) -> Iterator[tuple[int, pa.Table]]:
        """The removed documents that name another of this run."""
        for shard, rows in self._decisions():
            kept_at = rows.column("kept_at")
            names = pc.and_(pc.is_valid(rows.column("reason")), pc.is_valid(kept_at))
            yield shard, rows.filter(names)

    def _end_at(self, shard: int, rows: pa.Table) -> int:
        """Note the removed documents that name nobody as ends; how many there are."""
        alone = rows.filter(pc.and_(pc.is_valid(rows.column("reason")), pc.is_null(rows.column("kept_at"))))
        places = self._own_places(shard, alone)
        for known in (self._leads.leads[self._kind], self._leads.leads[-1]):
            known[places[places >= 0]] = True
        return alone.num_rows

    def _follow(self, shard: int, rows: pa.Table) -> bool:
        """Note which documents lead to the corpus by what they name; whether that is news."""
        places, old, kept = self._places(shard, rows)
        any_news = False
        for known in (self._leads.leads[self._kind], self._leads.leads[-1]):
            leads = old | ((kept >= 0) & known[np.maximum(kept, 0)])
            news = leads & (places >= 0) & ~known[np.maximum(places, 0)]
            known[places[news]] = True
            any_news |= bool(news.any())
        return any_news

    def _places(self, shard: int, rows: pa.Table) -> tuple[Int64s, Bools, Int64s]:
        """Where each document is, whether it names one of an earlier run, and where the one that it names is."""
        kept_at = rows.column("kept_at").to_numpy()
        return self._own_places(shard, rows), (kept_at >> _ROW_BITS) >= _OLD, self._leads.places(kept_at)

    def _own_places(self, shard: int, rows: pa.Table) -> Int64s:
        row = np.minimum(rows.column("row").to_numpy().astype(np.uint64), _ROW_MASK)
        return self._leads.places(np.uint64(shard << 32) | row)

    def _check(self, shard: int, rows: pa.Table) -> None:
        places, old, kept = self._places(shard, rows)
        gone = np.isin(rows.column("kept_at").to_numpy() >> _ROW_BITS, self._leads.lost)
        wrong = ~old & (kept < 0) & ~gone
        there = ~old & (kept >= 0)
        wrong[there] = self._leads.hashes[kept[there]] != _hashes(rows.column("kept_id").filter(pa.array(there)))
        wrong |= places < 0
        lost = ~wrong & ~self._leads.leads[-1][np.maximum(places, 0)]
        for row in np.flatnonzero(wrong)[:SHOWN].tolist():
            self._chains.problems.append(f"{self._about(shard, rows, row)}, which is not what the step read there")
        alike = self._leads.leads[self._kind][np.maximum(places, 0)]
        in_cluster = rows.column("cluster_size").is_valid().to_numpy()
        self._lost_clusters.update(rows.column("kept_at").to_numpy()[~wrong & ~alike & in_cluster].tolist())
        if lost.any():
            stage = self._step.stages[0]
            self._chains.lost_documents[stage] = self._chains.lost_documents.get(stage, 0) + int(lost.sum())
        for row in np.flatnonzero(lost)[: SHOWN - self._named].tolist():
            self._named += 1
            self._chains.examples.append(f"{self._about(shard, rows, row)}, which does not lead to the corpus")

    def _about(self, shard: int, rows: pa.Table, row: int) -> str:
        one = rows.slice(row, 1).to_pylist()[0]
        return f"{self._step.name}, shard {shard}: {one['id']} was removed for {one['kept_id']}"
