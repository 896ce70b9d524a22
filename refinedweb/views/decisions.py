"""What the global steps of a run decided, for a reader: which document was kept instead, which spans were cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.dedup.context import Context
from refinedweb.dedup.planning import context_of
from refinedweb.ledger.gaps import skipped_by
from refinedweb.ledger.run_file import RunFile
from refinedweb.recipe.load import of_content
from refinedweb.recipe.plan import Step, group_of
from refinedweb.recipe.trust import Trust
from refinedweb.shard.decisions import decisions_of
from refinedweb.storage import Missing, Store
from refinedweb.views.records import CutDocument, DuplicatePair
from stages.dedup import ROW, is_old
from stages.kernels.shingles import shared_shingles
from stages.minhash import MinHash, matching_bands
from stages.substring.stage import Substring
from stages.tokens import token_blocks

COLUMNS = ("url", "timestamp", "text")


def _collapsed(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The texts with one space for each run of white space: tokens match whatever white space separates them."""
    return pc.replace_substring_regex(pc.fill_null(texts, ""), r"\s+", " ")


class Decisions:
    """The decisions of the global step that `stage` belongs to, in one run."""

    def __init__(self, store: Store, run: RunFile, stage: str, trust: Trust) -> None:
        self._store = store
        self._run = run
        self._step: Step = next(step for step in run.steps if step.kind == "global" and stage in step.stages)
        deciding = [name for step in run.steps if step.kind == "global" for name in step.stages]
        recipe = of_content(run.recipe, run.recipe_name, deciding, trust)
        self._context: Context = context_of(
            store, self._step, recipe, len(run.inputs), skipped_by(store, run.steps, self._step)
        )
        self._name = stage
        self._amended_in = group_of(run.steps, self._step)[-1].name

    def table(self, shard: int) -> pa.Table | None:
        """What was decided about a shard (columns: `stages.dedup.DECISION`); None if nothing has been decided yet."""
        try:
            return decisions_of(self._store, self._step.name, shard, self._amended_in)
        except Missing:
            return None

    def sample(self, n: int, seed: int = 0, reason: str | None = None) -> list[DuplicatePair | CutDocument]:
        """Up to `n` documents that were removed or cut, from shards in random order. The same seed finds the same."""
        shards = list(range(len(self._run.inputs)))
        chance = random.Random(seed)
        chance.shuffle(shards)
        found: list[DuplicatePair | CutDocument] = []
        for shard in shards:
            rows = self._rows(shard, reason)
            chance.shuffle(rows)
            found += [self._shown(shard, row) for row in rows[: n - len(found)]]
            if len(found) >= n:
                break
        return found

    def of(self, ids: set[str]) -> Iterator[DuplicatePair | CutDocument]:
        """Everything that was decided about the documents with these ids."""
        for shard in range(len(self._run.inputs)):
            for row in self._rows(shard, None):
                if row["id"] in ids:
                    yield self._shown(shard, row)

    def about(self, shard: int, document: str) -> list[DuplicatePair | CutDocument]:
        """What was decided about the document with this id in a shard."""
        return [self._shown(shard, row) for row in self._rows(shard, None) if row["id"] == document]

    def elsewhere(self, cut: CutDocument, span: int) -> dict[str, Any] | None:
        """Another document that contains the first window of a span; None if only the same document repeats it.

        Reads shard after shard until one is found, so it can take long on a large run.
        """
        window = _collapsed(pa.array([self._first_window(cut.spans[span])]))[0].as_py()
        for shard in range(len(self._run.inputs)):
            for docs in self._context.tables(shard, COLUMNS):
                has = pc.match_substring(_collapsed(docs.column("text")), window)
                found = docs.filter(pc.and_(has, pc.not_equal(docs.column("id"), cut.document["id"])))
                if found.num_rows:
                    return found.slice(0, 1).drop_columns([ROW]).to_pylist()[0]
        return None

    def _first_window(self, text: str) -> str:
        """The first `length` tokens of a span; all of it if it is shorter, or if the stage cuts paragraphs."""
        stage = self._context.stage
        if not isinstance(stage, Substring):
            return text
        _, tokens = next(iter(token_blocks(pa.array([text]), stage.tokens)))
        return text.encode()[: int(tokens.end[: stage.length][-1])].decode()

    def _rows(self, shard: int, reason: str | None) -> list[dict[str, Any]]:
        table = self.table(shard)
        rows = [] if table is None else table.to_pylist()
        return [r for r in rows if (r["reason"] or r["spans"]) and reason in (None, r["reason"])]

    def _shown(self, shard: int, row: dict[str, Any]) -> DuplicatePair | CutDocument:
        document = self._document(np.uint64(shard << 32 | row["row"]), row["id"])
        if row["spans"] is not None or row["kept_at"] is None:
            text = (document.get("text") or "").encode()
            spans = [text[s["start"] : s["end"]].decode("utf-8", "replace") for s in row["spans"] or ()]
            return CutDocument(self._name, row["reason"], document, spans)
        kept = self._document(np.uint64(row["kept_at"]), row["kept_id"])
        old = bool(is_old(np.array([row["kept_at"]], np.uint64))[0])
        alike, bands = self._compared(document.get("text"), kept.get("text"))
        return DuplicatePair(self._name, row["reason"], row["cluster_size"], document, kept, alike, bands, old)

    def _document(self, address: np.uint64, name: str) -> dict[str, Any]:
        """One document by its address, with what is known about it: its id alone in an index of keys, or if its shard
        was lost since.
        """
        shard, row = int(address) >> 32, int(address) & 0xFFFFFFFF
        if shard in self._context.lost:
            return {"id": name}
        for docs in self._context.tables(shard, COLUMNS, np.array([address])):
            found = docs.filter(pc.equal(docs.column(ROW), row))
            if found.num_rows:
                return found.drop_columns([ROW]).to_pylist()[0]
        raise Missing(f"no document {row} in shard {shard}; `refinedweb verify` says what is damaged")

    def _compared(self, a: str | None, b: str | None) -> tuple[float | None, list[int]]:
        stage = self._context.stage
        if a is None or b is None or not isinstance(stage, MinHash):
            return None, []
        one, other = pa.array([a]), pa.array([b])
        alike = float(shared_shingles(stage.shingles(one), stage.shingles(other))[0])
        return alike, matching_bands(stage.keys(one)[0].as_py(), stage.keys(other)[0].as_py())
