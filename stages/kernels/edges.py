"""Turns rows with equal keys into edges: this is how band digests become candidate pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Int, Int64s, UInt32s, UInt64s
from classifiers.kernels.hash import mixed
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import Secret, new_secret, secretly
from classifiers.kernels.table import scaled_slot, slot_after
from stages.kernels.rows import columns

BUCKET = 4096  # rows; the columns and the table of a bucket then stay in a core's second-level cache
TABLE = 4 * BUCKET  # slots to begin with; the table grows if a bucket needs more
_NONE, _ONE = np.uint64(0), np.uint64(1)  # no check; the lowest bit


def grouped_edges(keys: UInt64s, checks: UInt64s | None, nodes: UInt64s) -> tuple[UInt64s, UInt64s]:
    """Edges (a, b), a < b, from the smallest node of each group of rows with equal key (and check) to the others.

    Takes three columns of n uint64 (two without `checks`). There are no self edges, and an edge is repeated only if
    rows are. The order of edges depends on the order of rows; `forest` gives an order that does not.

    This is not a sort, because nearly all keys occur once and only have to be recognised. Rows are spread by a hash of
    the key into buckets that fit into the cache, and the edges are written over them. Memory: 2 × the input, and 16
    bytes per different key of the largest bucket. Raises TypeError and ValueError as `rows.columns` does.
    """
    if checks is None:
        keys, nodes = columns(keys=keys, nodes=nodes)
        checks = keys[:0]
    else:
        keys, checks, nodes = columns(keys=keys, checks=checks, nodes=nodes)
    bits = (len(keys) // BUCKET).bit_length()
    ends = np.zeros((1 << bits) + 1, np.int64)
    a, b, marks = np.empty(len(keys), np.uint64), np.empty(len(keys), np.uint64), np.empty(len(checks), np.uint64)
    spread(keys, checks, nodes, np.uint64(bits), ends, a, marks, b)
    found = join_buckets(ends, a, marks, b, np.zeros(TABLE, np.uint32), new_secret())
    a.resize(found, refcheck=False)
    b.resize(found, refcheck=False)
    return a, b


class Heads(NamedTuple):
    """One row for each group of rows with equal key (and check), with the smallest node; and edges to the other nodes.

    `checks` is empty if there were none.
    """

    keys: UInt64s
    checks: UInt64s
    nodes: UInt64s
    a: UInt64s
    b: UInt64s


def grouped_heads(keys: UInt64s, checks: UInt64s | None, nodes: UInt64s) -> Heads:
    """What `grouped_edges` finds, and the rows that still have to meet those of other tables."""
    keys, nodes = columns(keys=keys, nodes=nodes)
    (checks,) = (keys[:0],) if checks is None else columns(checks=checks)
    bits = (len(keys) // BUCKET).bit_length()
    ends = np.zeros((1 << bits) + 1, np.int64)
    a, b, marks = np.empty(len(keys), np.uint64), np.empty(len(keys), np.uint64), np.empty(len(checks), np.uint64)
    spread(keys, checks, nodes, np.uint64(bits), ends, a, marks, b)
    heads = np.empty((3, len(keys)), np.uint64)
    found, kept = split_buckets(ends, a, marks, b, np.zeros(TABLE, np.uint32), new_secret(), heads)
    key, check, node = heads[0, :kept], heads[1, : kept if len(checks) else 0], heads[2, :kept]
    return Heads(key, check, node, a[:found].copy(), b[:found].copy())


@kernel
def split_buckets(
    ends: Int64s, a: UInt64s, marks: UInt64s, b: UInt64s, table: UInt32s, secret: Secret, out: UInt64s
) -> tuple[Int, Int]:
    """`join_buckets` that copies the head of each group to `out` as well; returns the numbers of edges and heads."""
    found, kept, start = 0, 0, 0
    for bucket in range(len(ends) - 1):
        end = ends[bucket]
        heads, table = _heads_first(a[start:end], marks[start:end], b[start:end], table, secret)
        for row in range(start, start + heads):
            out[0, kept], out[2, kept] = a[row], b[row]
            if len(marks) > 0:
                out[1, kept] = marks[row]
            kept += 1
        for row in range(start + heads, end):
            a[row] = b[start + np.int64(a[row])]
        for row in range(start + heads, end):
            if a[row] != b[row]:
                a[found], b[found] = a[row], b[row]
                found += 1
        start = end
    return found, kept


@kernel
def _bucket(key: Int, bits: Int) -> Int:
    """The low bits of a hash without a secret: the order of edges follows the buckets."""
    return np.int64(mixed(key) & ((_ONE << bits) - _ONE))


@kernel
def spread(
    keys: UInt64s, checks: UInt64s, nodes: UInt64s, bits: Int, ends: Int64s, a: UInt64s, marks: UInt64s, b: UInt64s
) -> None:
    """Copy the rows to (a, marks, b), bucket after bucket; bucket i ends at `ends[i]`."""
    for row in range(len(keys)):
        ends[_bucket(keys[row], bits) + 1] += 1
    for bucket in range(1, len(ends)):
        ends[bucket] += ends[bucket - 1]
    for row in range(len(keys)):
        bucket = _bucket(keys[row], bits)
        place = ends[bucket]
        ends[bucket] = place + 1
        a[place], b[place] = keys[row], nodes[row]
        if len(checks) > 0:
            marks[place] = checks[row]


@kernel
def join_buckets(ends: Int64s, a: UInt64s, marks: UInt64s, b: UInt64s, table: UInt32s, secret: Secret) -> Int:
    """Turn each bucket into its edges, all at the front of (a, b); returns how many edges there are."""
    found, start = 0, 0
    for bucket in range(len(ends) - 1):
        end = ends[bucket]
        heads, table = _heads_first(a[start:end], marks[start:end], b[start:end], table, secret)
        for row in range(start + heads, end):
            a[row] = b[start + np.int64(a[row])]
        for row in range(start + heads, end):
            if a[row] != b[row]:
                a[found], b[found] = a[row], b[row]
                found += 1
        start = end
    return found


@kernel
def _heads_first(a: UInt64s, marks: UInt64s, b: UInt64s, table: UInt32s, secret: Secret) -> tuple[Int, UInt32s]:
    """Move the first row of each group to the front, with the group's smallest node; returns how many, and the table.

    In the other rows `a` becomes the number of the head of their group. A slot holds the number of a head plus one.
    """
    checked, heads = len(marks) > 0, 0
    table[:] = 0
    for row in range(len(a)):
        if 2 * heads >= len(table):
            table = _grown(table, a[:heads], marks, secret)
        key, mark = a[row], marks[row] if checked else _NONE
        slot = scaled_slot(_hashed(key, mark, secret), len(table))
        while table[slot] > 0:
            head = np.int64(table[slot]) - 1
            if a[head] == key and (not checked or marks[head] == mark):
                break
            slot = slot_after(slot, len(table))
        if table[slot] > 0:
            a[row], b[row], b[head] = head, max(b[row], b[head]), min(b[row], b[head])
            continue
        a[row], b[row], a[heads], b[heads] = a[heads], b[heads], key, b[row]
        if checked:
            marks[row], marks[heads] = marks[heads], marks[row]
        heads += 1
        table[slot] = heads
    return heads, table


@kernel
def _grown(table: UInt32s, heads: UInt64s, marks: UInt64s, secret: Secret) -> UInt32s:
    """A table of twice the size for the same heads."""
    larger = np.zeros(2 * len(table), np.uint32)
    for head in range(len(heads)):
        mark = marks[head] if len(marks) > 0 else _NONE
        slot = scaled_slot(_hashed(heads[head], mark, secret), len(larger))
        while larger[slot] > 0:
            slot = slot_after(slot, len(larger))
        larger[slot] = head + 1
    return larger


@kernel
def _hashed(key: Int, mark: Int, secret: Secret) -> Int:
    """Of a key and its check: both are made of texts, in which strangers can let one of them collide."""
    return secretly(key + mark * secret.start, secret)
