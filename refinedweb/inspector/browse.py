"""Finds documents of a run by what became of them, language, domain and words, shard by shard in random order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from refinedweb.ledger.layout import CORPUS, DOCUMENTS_KEY
from refinedweb.ledger.manifest import Ledger, Output, Record, Totals
from refinedweb.report.facts import hosts
from refinedweb.report.sample import end_of, row_groups, shard_rank
from refinedweb.storage import Missing, Store
from refinedweb.views.run import Run
from stages.errors import RefinedWebError

MOST_SCANNED = 400_000  # documents whose light columns one search reads: a few seconds
MOST_READ = 60_000  # documents whose texts one search reads, if it is for words
LONGEST_ADDRESS = 1000  # characters: a key on S3 has at most 1,024 bytes, OUT included
MOST_DIGITS = 18  # of a shard or a row: what 64 bits hold
LIGHT = ("id", "url", "language", "drop")


@dataclass(frozen=True)
class Query:
    """What to look for; an empty field matches anything.

    `stage`: the one that removed the documents, or `corpus` for kept ones. `domain`: a host, or the end of one.
    `words`: found in URL or text, in any case. `seed`: of the random order. `skip`: documents to leave out first.
    """

    stage: str = ""
    reason: str = ""
    language: str = ""
    domain: str = ""
    words: str = ""
    seed: int = 0
    skip: int = 0


@dataclass(frozen=True)
class SearchHit:
    """A document: the object and the row where it is stored, and what the list shows of it."""

    key: str
    row: int
    id: str
    url: str
    stage: str
    reason: str | None
    language: str | None

    @property
    def at(self) -> str:
        """Its address in the inspector's links."""
        return f"{self.key}:{self.row}"


@dataclass(frozen=True)
class SearchResult:
    """What was found among `scanned` documents of a run with these `totals`. `more`: whether there may be more."""

    found: list[SearchHit]
    scanned: int
    totals: Totals
    more: bool


def find_documents(run: Run, query: Query, n: int = 50) -> SearchResult:
    """Find up to `n` documents after the first `query.skip`. The same query finds the same ones.

    A bounded number of documents is read, however large the run is.
    """
    store = run.store
    steps = [step for step in run.file.steps if step.kind == "local"]
    ledgers = [Ledger(store, step.name) for step in steps]
    shards = sorted(set().union(*(ledger.committed() for ledger in ledgers)))
    shards.sort(key=lambda shard: shard_rank(f"{run.file.fingerprint} {query.seed}", shard))
    most = MOST_READ if query.words else MOST_SCANNED
    found: list[SearchHit] = []
    scanned = 0
    for place, shard in enumerate(shards):
        hits, seen = _in_shard(store, ledgers, shard, query)
        found += hits
        scanned += seen
        if len(found) >= query.skip + n or scanned >= most:
            more = len(found) > query.skip + n or place + 1 < len(shards)
            return SearchResult(found[query.skip : query.skip + n], scanned, run.totals(), more)
    return SearchResult(found[query.skip : query.skip + n], scanned, run.totals(), False)


def _in_shard(store: Store, ledgers: list[Ledger], shard: int, query: Query) -> tuple[list[SearchHit], int]:
    hits: list[SearchHit] = []
    seen = 0
    for end, output in _outputs(ledgers, shard):
        if query.stage in ("", end) and output.rows:
            hits += _in_object(store, output, end, query)
            seen += output.rows
    hits.sort(key=lambda hit: (xxhash.xxh3_64_intdigest(hit.id.encode(), query.seed & (2**64 - 1)), hit.at))
    return hits, seen


def _outputs(ledgers: list[Ledger], shard: int) -> Iterator[tuple[str, Output]]:
    for ledger in ledgers:
        record = _record(ledger, shard)
        for output in () if record is None else record.outputs:
            end = end_of(output.key, ledger.step)
            if end is not None:
                yield end, output


def _record(ledger: Ledger, shard: int) -> Record | None:
    try:
        return ledger.record(shard)
    except Missing:
        return None


def _in_object(store: Store, output: Output, end: str, query: Query) -> Iterator[SearchHit]:
    first = 0
    for table in row_groups(store, output, (*LIGHT, "text") if query.words else LIGHT):
        rows = pc.indices_nonzero(_mask(table, query))
        for row, doc in zip(rows.to_pylist(), table.take(rows).to_pylist(), strict=True):
            reason, language = doc.get("drop"), doc.get("language")
            yield SearchHit(output.key, first + row, str(doc["id"]), doc.get("url") or "", end, reason, language)
        first += table.num_rows


def _mask(table: pa.Table, query: Query) -> pa.ChunkedArray:
    mask = pc.is_valid(table.column("id"))
    for name, wanted in (("drop", query.reason), ("language", query.language)):
        if wanted:
            mask = pc.and_(mask, _equal(table, name, wanted))
    if query.domain:
        wanted = query.domain.lower().removeprefix("www.")
        host = hosts(table.column("url"))
        same = pc.or_(pc.equal(host, wanted), pc.ends_with(host, f".{wanted}"))
        mask = pc.and_(mask, pc.fill_null(same, False))
    if query.words:
        parts = [table.column(name) for name in ("url", "text") if name in table.column_names]
        has = [pc.fill_null(pc.match_substring(part, query.words, ignore_case=True), False) for part in parts]
        mask = pc.and_(mask, has[0] if len(has) == 1 else pc.or_(*has))
    return mask


def _equal(table: pa.Table, name: str, wanted: str) -> Any:
    if name not in table.column_names:
        return pa.chunked_array([pa.array([False] * table.num_rows)])
    return pc.fill_null(pc.equal(table.column(name), wanted), False)


class BadAddress(RefinedWebError):
    """What is asked for cannot be the address of a document in any run."""


def load_document(run: Run, at: str) -> tuple[SearchHit, dict[str, Any]] | None:
    """The document at an address, with all its columns. None if the run has none there; only committed ones count.

    Raises BadAddress for an address that is too long: Python converts 4,300 digits at most, and an integer of many
    digits takes its time before.
    """
    if len(at) > LONGEST_ADDRESS:
        raise BadAddress(f"an address has at most {LONGEST_ADDRESS} characters, not {len(at)}")
    key, _, row = at.rpartition(":")
    named = DOCUMENTS_KEY.fullmatch(key)
    if named is None or not row.isdecimal():
        return None
    if max(len(row), len(named[1])) > MOST_DIGITS:
        raise BadAddress(f"{at[:80]!r} … cannot be an address: a number in it has more than {MOST_DIGITS} digits")
    store = run.store
    ledgers = [Ledger(store, step.name) for step in run.file.steps if step.kind == "local"]
    outputs = {output.key: (end, output) for end, output in _outputs(ledgers, int(named[1]))}
    if key not in outputs:
        return None
    end, output = outputs[key]
    left = int(row)
    for table in row_groups(store, output, None):
        if left < table.num_rows:
            doc: dict[str, Any] = table.slice(left, 1).to_pylist()[0]
            reason = doc.get("drop") if end != CORPUS else None
            hit = SearchHit(key, int(row), str(doc["id"]), doc.get("url") or "", end, reason, doc.get("language"))
            return hit, doc
        left -= table.num_rows
    return None
