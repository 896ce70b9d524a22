"""Exact substring deduplication: every run of `length` tokens that occurs twice in the corpus, without a suffix array.

A *window* is `length` (L) consecutive tokens of one document. It is duplicated if its tokens occur at two or more
positions of the corpus, including overlapping ones. The result for a document is the union of its duplicated windows,
as spans of bytes. It is the same as from a suffix array over the tokens, but it takes bounded memory, and only
fingerprints move between machines.

The phases are pure functions; the engine partitions the output of `sign` and `windows` by the high bits of its first
column:
1 `sign`     winnowing (Schleimer et al. 2003): the fingerprint of a window is the k-gram with the smallest hash among
             its L - k + 1 (k = L / 2), and the rightmost of equal ones. Neighbouring windows with the same k-gram form
             one *occurrence*; its *context* is all their tokens. About 2 / (L - k + 2) of the positions are chosen.
2 `group`    occurrences with the same fingerprint fall into classes of equal contexts. If a class has several members,
             all its windows are duplicated (resolved). If there are several classes, the first member of each is a
             check.
3 `windows`  the hash of each window of each check.
4 `match`    windows with the same hash are duplicated.
5 `spans`    the union, as bytes.

Why this is exact. Whether a k-gram is chosen, and where in the window, depends only on the window's tokens. So two
equal windows X, X' have the same fingerprint at the same offset, and lie in different occurrences O, O' of it (equal
ones would mean one position). If the contexts are equal (they cover where the k-gram is), the class has two members,
and both are resolved. If not, take X: if O's class has several members, X is resolved. If O is alone in its class, it
is a check, and so is the first member of the other's class, which contains the same window at the same place as O'
does. So the group of X's hash in phase 4 has two records, of different positions, and X is emitted. Conversely,
everything emitted occurs at two positions: in phase 2 in two members of a class, in phase 4 in two checks, and every
window lies in exactly one occurrence. Checks of classes with several members are only evidence (`wanted` is false).

With `keep_first` a window is cut only if it is not the first of its content in the order (address, start). A context
contains a content at most once (the k-gram's offset is fixed), at the same place in each member, so members of a class
are in the order of their windows: all but the first member are cut. The first of all is the first among the first
members of the classes. If there are several classes, all of those are wanted checks, and phase 4 cuts all but the
first.

Documents of earlier runs are the first in that order. They are evidence only: none of their windows is emitted, and no
check is made for a fingerprint of which all that could be emitted is resolved.

A passage with a million copies costs a million records in phase 2 and one check for each different context.

Windows are compared by two polynomials over the tokens' bytes modulo 2^61 - 1, with independent bases, in 128 bits (122
of information). Two given different windows collide with probability at most (2L / 2^61)^2, less than 2^-108 for L =
50, whatever they look like: the bound is the number of a polynomial's roots, and it holds for runs, periodic texts and
Thue-Morse words as for any other text (see `stages.kernels.modular`). A token of more than 7 bytes is itself such a
polynomial, which adds a seventh of its bytes to 2L.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifiers.kernels.arrays import Bools, Int64s, UInt64s
from stages.assets import Asset
from stages.dedup import is_old, seniority
from stages.kernels.groups import Groups, classes_of, first_of, grouped, next_of
from stages.kernels.tokens import Tokens
from stages.kernels.windows import cover, hash_windows, merged
from stages.kernels.winnow import scale, winnow
from stages.spans import of_whole_words, rows_of, spans_column
from stages.tokens import token_blocks

RUN = (("start", pa.uint32()), ("count", pa.uint16()))  # of windows: the token where the first starts, and how many
_ADDRESS = ("address", pa.uint64())
_CONTEXT = (("context_high", pa.uint64()), ("context_low", pa.uint64()))
SIGNED = pa.schema([("fingerprint", pa.uint64()), *_CONTEXT, _ADDRESS, *RUN])
RUNS = pa.schema([_ADDRESS, *RUN, ("other", pa.uint64())])  # `other`: the address of a document with the same windows
CHECKS = pa.schema([_ADDRESS, *RUN, ("wanted", pa.bool_())])
WINDOWS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), _ADDRESS, RUN[0], ("wanted", pa.bool_())])


class SpanRules(NamedTuple):
    """What becomes of runs of duplicated windows."""

    merge_gap: int = 0  # spans with fewer tokens than this between them are one
    min_bytes: int = 0  # shorter ones are none
    whole_words: bool = False  # a span ends where a word does


class Windowed(Protocol):
    """The parameters that decide which windows are duplicated, and what is made of them."""

    @property
    def length(self) -> int: ...
    @property
    def tokens(self) -> Asset | None: ...
    @property
    def keep_first(self) -> bool: ...

    def rules(self) -> SpanRules: ...


def sign(stage: Windowed, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    """Phase 1: every occurrence (`SIGNED`), in the order of rows. `addresses`: uint64[rows]."""
    of_window, parts = scale(stage.length), [SIGNED.empty_table()]
    for first, tokens in token_blocks(docs.column("text"), stage.tokens):
        found = winnow(tokens, of_window)
        address = addresses[first + found.row]
        parts.append(_table(SIGNED, found.fingerprint, found.high, found.low, address, found.start, found.windows))
    return pa.concat_tables(parts).combine_chunks()


def group(stage: Windowed, signed: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Phase 2, on all records of a range of fingerprints: runs of duplicated windows (`RUNS`), and `CHECKS`.

    Both are sorted by (address, start), whatever the order of the records. Memory: about 40 bytes per record in
    addition to the input's 38.
    """
    fingerprint, high, low, address, start = (_values(signed, name) for name in SIGNED.names[:5])
    classes, old = grouped((fingerprint, high, low), seniority(address), start), is_old(address)
    several, first = classes.size[classes.leader] > 1, classes.first[classes.leader] == np.arange(len(address))
    in_doubt = ~old if stage.keep_first else ~several & ~old  # as the first of a class
    of_fingerprint, open_ones = classes_of(fingerprint, classes, in_doubt[classes.first[classes.leader]])
    resolved = (several & ~first if stage.keep_first else several) & ~old
    doubtful, wanted = (of_fingerprint > 1) & (open_ones > 0), in_doubt
    checks = _taken(signed.append_column("wanted", pa.array(wanted)), first & doubtful[classes.leader], CHECKS)
    others = signed.append_column("other", pa.array(_others(stage, classes, address)))
    return _taken(others, resolved, RUNS), checks


def windows(stage: Windowed, docs: pa.Table, addresses: UInt64s, checks: pa.Table) -> pa.Table:
    """Phase 3: the hash of every window of the checks of these documents (`WINDOWS`). Other checks are ignored.

    Raises ValueError if a check is not within its document, which is then not the text that was signed.
    """
    of_window, parts = scale(stage.length), [WINDOWS.empty_table()]
    here = _runs_of(docs, addresses, checks)
    wanted, address = _values(checks, "wanted")[here.number], _values(checks, "address")[here.number]
    for first, tokens in token_blocks(here.text, stage.tokens):
        runs, rows = _of_block(here, first, tokens, stage.length)
        starts, counts = here.start[runs], here.windows[runs]
        high, low = np.empty((2, int(counts.sum())), np.uint64)
        hash_windows(tokens, of_window, rows, starts, counts, high, low)
        run = np.repeat(np.arange(len(counts)), counts)
        start = starts[run] + np.arange(len(run)) - (np.cumsum(counts) - counts)[run]
        parts.append(_table(WINDOWS, high, low, address[runs][run], start.astype(np.uint32), wanted[runs][run]))
    return pa.concat_tables(parts).combine_chunks()


def match(stage: Windowed, hashed: pa.Table) -> pa.Table:
    """Phase 4, on all records of a range of `high`, each window once: duplicated ones (`RUNS`), by (address, start)."""
    high, low, address, start, wanted = (_values(hashed, name) for name in WINDOWS.names)
    groups = grouped((high, low, low), seniority(address), start)
    found = wanted & (groups.size[groups.leader] > 1)
    if stage.keep_first:
        found &= groups.first[groups.leader] != np.arange(len(address))
    runs = hashed.append_column("count", pa.array(np.ones(len(address), np.uint16)))
    return _taken(runs.append_column("other", pa.array(_others(stage, groups, address))), found, RUNS)


def _others(stage: Windowed, groups: Groups, addresses: UInt64s) -> UInt64s:
    """The address of a document that has the same: of the one that keeps it, or of the next one if none does."""
    first = first_of(groups, addresses)
    return first if stage.keep_first else np.where(is_old(first), first, next_of(groups, addresses))


def spans(stage: Windowed, docs: pa.Table, addresses: UInt64s, runs: pa.Table) -> pa.Array:
    """Phase 5: the spans of these documents that their runs make, a list per row. Other runs are ignored.

    Raises ValueError if a run is not within its document, which is then not the text that was signed.
    """
    here, rules = _runs_of(docs, addresses, runs), stage.rules()
    parts = [np.empty((3, 0), np.int64)]
    for first, tokens in token_blocks(here.text, stage.tokens):
        runs_here, rows = _of_block(here, first, tokens, stage.length)
        covered = cover(tokens, stage.length, rows, here.start[runs_here], here.windows[runs_here])
        found = merged(covered, rules.min_bytes, rules.merge_gap)
        found[0] = here.where[first + found[0]]
        parts.append(found)
    spans = spans_column(docs.num_rows, *np.concatenate(parts, axis=1))
    return of_whole_words(docs.column("text"), spans) if rules.whole_words else spans


def duplicate_spans(stage: Windowed, docs: pa.Table) -> pa.Array:
    """Run all phases over one table in memory that is the whole corpus: its spans (`SPANS`)."""
    rows = np.arange(docs.num_rows, dtype=np.uint64)
    resolved, checks = group(stage, sign(stage, docs, rows))
    matched = match(stage, windows(stage, docs, rows, checks))
    return spans(stage, docs, rows, pa.concat_tables([resolved, matched]))


class _Runs(NamedTuple):
    """Runs of windows of some documents, sorted by (row, start)."""

    text: pa.ChunkedArray  # of the rows that have runs
    where: Int64s  # the numbers of those rows in the table
    row: Int64s  # the row of each run, counted among the rows that have runs
    start: Int64s
    windows: Int64s
    number: Int64s  # the run's row in the table of runs


def _runs_of(docs: pa.Table, addresses: UInt64s, runs: pa.Table) -> _Runs:
    number, row = rows_of(addresses, runs)
    start, count = (_values(runs, name)[number].astype(np.int64) for name in ("start", "count"))
    order = np.lexsort((start, row))
    where, row = np.unique(row[order], return_inverse=True)
    text = docs.column("text").take(pa.array(where))
    return _Runs(text, where, row, start[order], count[order], number[order])


def _of_block(runs: _Runs, first: int, tokens: Tokens, length: int) -> tuple[slice, Int64s]:
    """Which of the runs lie in a block of rows, and the row of each in that block."""
    in_row = np.diff(tokens.first)
    begin, end = np.searchsorted(runs.row, (first, first + len(in_row)))
    row = runs.row[begin:end] - first
    outside = runs.start[begin:end] + runs.windows[begin:end] - 1 + length > in_row[row]
    if outside.any():
        raise ValueError(
            f"row {runs.where[first + row[outside.argmax()]]} has fewer tokens than when it was signed: "
            "give the documents that were signed, with the same parameters"
        )
    return slice(begin, end), row


def _values(table: pa.Table, name: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = table.column(name).to_numpy()
    return values


def _table(schema: pa.Schema, *columns: npt.NDArray[Any]) -> pa.Table:
    return pa.Table.from_arrays(list(map(pa.array, columns)), schema=schema)


def _taken(table: pa.Table, rows: Bools, schema: pa.Schema) -> pa.Table:
    """The rows sorted by (address, start), with the columns of the schema."""
    taken = table.select(schema.names).filter(pa.array(rows)).combine_chunks()
    order = np.lexsort((_values(taken, "start"), _values(taken, "address")))
    return taken.take(pa.array(order))
