"""fastText's prediction as a numba kernel over UTF-8 bytes: no Python string, no allocation per document.

Same answer as fastText up to rounding: the vectors of a word and its n-grams are summed before they are added to the
text's, so that a word seen before costs one look-up. White space is what fastText takes for it, and the newline that
would end a line is white space too, so a document is one line.

Kernels take plain arrays and positions: slices and tuples of arrays would cost more than the arithmetic.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from classifiers.lid_model import Arrays, Floats, Ints

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

_SEED, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_EOS = np.frombuffer(b"</s>", np.uint8)
_LABEL = np.frombuffer(b"__label__", np.uint8)
_BOW, _EOW = np.uint8(ord("<")), np.uint8(ord(">"))

# Words remembered in a call: a power of two.
REMEMBERED = 1 << 13

kernel = numba.njit(cache=True, nogil=True)


class Found(NamedTuple):
    """Row for row: number of the top label (-1 = no word), its probability, the summed probability of the wanted."""

    top: Ints
    score: Floats
    share: Floats


def predict(model: Arrays, offsets: Offsets, data: Bytes, wanted: Ints) -> Found:
    """What fastText answers for each row of (offsets, data), and the summed probability of the labels `wanted`."""
    rows, dim = len(offsets) - 1, model.rows.shape[1]
    embedded, words = np.zeros((rows, dim), np.float32), np.zeros(rows, np.int64)
    memory = np.zeros((REMEMBERED, 3), np.int64), np.zeros((REMEMBERED, dim), np.float32)
    embed_rows(embedded, words, _read_only(offsets), _read_only(data), *memory, *_embedding(model))
    found = Found(np.zeros(rows, np.int32), *np.zeros((2, rows), np.float32))
    classify_rows(*found, embedded, model.output, model.left, model.right, wanted)
    found.top[words == 0] = -1
    return found


def _read_only(array: Any) -> Any:
    """A view that is typed the same whatever the array's flags, so that the kernel is compiled once."""
    view = array.view()
    view.flags.writeable = False
    return view


def _embedding(model: Arrays) -> tuple[Any, ...]:
    kept = model.kept, model.kept_before, model.buckets
    return model.word_bytes, model.word_offsets, model.table, model.rows, *kept, *model.lengths


@kernel  # type: ignore[untyped-decorator]
def is_space(byte: Any) -> Any:
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@kernel  # type: ignore[untyped-decorator]
def hashed(found: Any, byte: Any) -> Any:
    """FNV-1a with the sign of fastText's `int8_t` extended."""
    signed = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32(np.uint32(found ^ signed) * _PRIME)


@kernel  # type: ignore[untyped-decorator]
def same(one: Bytes, start: Any, other: Bytes, other_start: Any, size: Any) -> bool:
    for k in range(size):  # noqa: SIM110  (a loop is what numba compiles well)
        if one[start + k] != other[other_start + k]:
            return False
    return True


@kernel  # type: ignore[untyped-decorator]
def add(total: Floats, at: Any, vectors: Floats, row: Any) -> None:
    for k in range(vectors.shape[1]):
        total[at, k] += vectors[row, k]


@kernel  # type: ignore[untyped-decorator]
def word_number(data: Bytes, start: Any, size: Any, found: Any, words: Bytes, offsets: Offsets, table: Ints) -> Any:
    """The number in the dictionary of a word with this hash, or -1."""
    at = np.int64(found) & (len(table) - 1)
    while table[at] >= 0:
        number = table[at]
        if offsets[number + 1] - offsets[number] == size and same(words, offsets[number], data, start, size):
            return np.int64(number)
        at = (at + 1) & (len(table) - 1)
    return -1


@kernel  # type: ignore[untyped-decorator]
def ngram_row(found: Any, words: Any, kept: Words, kept_before: Ints, buckets: Any) -> Any:
    """Row of an n-gram's vector behind those of the words, or -1 where it was pruned."""
    bucket = np.int64(found) % buckets
    if len(kept) == 0:
        return words + bucket
    bits, bit = kept[bucket >> 6], np.uint64(bucket & 63)
    if (bits >> bit) & np.uint64(1) == 0:
        return -1
    below = bits & ((np.uint64(1) << bit) - np.uint64(1))
    below -= (below >> np.uint64(1)) & np.uint64(0x5555555555555555)
    below = (below & np.uint64(0x3333333333333333)) + ((below >> np.uint64(2)) & np.uint64(0x3333333333333333))
    below = (below + (below >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return words + kept_before[bucket >> 6] + np.int64((below * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel  # type: ignore[untyped-decorator]
def add_ngrams(
    total: Floats, at: Any, data: Bytes, first: Any, size: Any, words: Any, rows: Floats, kept: Words,
    kept_before: Ints, buckets: Any, lo: Any, hi: Any,
) -> Any:  # fmt: skip
    """Adds the vectors of the character n-grams of `<word>`; how many they are."""
    added = 0
    for start in range(size + 2):
        if 0 < start <= size and data[first + start - 1] & 0xC0 == 0x80:
            continue
        found, end = _SEED, start
        for length in range(1, hi + 1):
            if end >= size + 2:
                break
            found = hashed(found, _BOW if end == 0 else _EOW if end == size + 1 else data[first + end - 1])
            end += 1
            while end <= size and data[first + end - 1] & 0xC0 == 0x80:
                found = hashed(found, data[first + end - 1])
                end += 1
            if length >= lo and not (length == 1 and (start == 0 or end == size + 2)):
                row = ngram_row(found, words, kept, kept_before, buckets)
                if row >= 0:
                    add(total, at, rows, row)
                    added += 1
    return added


@kernel  # type: ignore[untyped-decorator]
def sum_word(
    total: Floats, at: Any, data: Bytes, start: Any, size: Any, found: Any, words: Bytes, offsets: Offsets, table: Ints,
    rows: Floats, kept: Words, kept_before: Ints, buckets: Any, lo: Any, hi: Any,
) -> Any:  # fmt: skip
    """Writes the sum of the vectors of a word and its n-grams; how many they are. A label counts for nothing."""
    for k in range(rows.shape[1]):
        total[at, k] = 0
    number = word_number(data, start, size, found, words, offsets, table)
    added = 0
    if number >= 0:
        add(total, at, rows, number)
        added = 1
    elif size >= len(_LABEL) and same(data, start, _LABEL, 0, len(_LABEL)):
        return 0
    if size == len(_EOS) and same(data, start, _EOS, 0, size):
        return added
    return added + add_ngrams(total, at, data, start, size, len(offsets) - 1, rows, kept, kept_before, buckets, lo, hi)


@kernel  # type: ignore[untyped-decorator]
def embed_rows(
    embedded: Floats, met: Any, offsets: Offsets, data: Bytes, seen: Any, sums: Floats, words: Bytes,
    word_offsets: Offsets, table: Ints, rows: Floats, kept: Words, kept_before: Ints, buckets: Any, lo: Any, hi: Any,
) -> None:  # fmt: skip
    """Writes the mean of the vectors of each row's words, and how many words it met.

    `seen` and `sums` remember words by their hash: where one lies in `data`, its size, how many vectors, their sum.
    """
    ending = np.zeros((1, rows.shape[1]), np.float32)
    end_hash = _SEED
    for byte in _EOS:
        end_hash = hashed(end_hash, byte)
    end_count = sum_word(
        ending, 0, _EOS, 0, len(_EOS), end_hash, words, word_offsets, table, rows, kept, kept_before, buckets, lo, hi
    )
    for row in range(len(offsets) - 1):
        at, end, count = offsets[row], offsets[row + 1], end_count
        while at < end:
            first, found = at, _SEED
            while at < end and not is_space(data[at]):
                found = hashed(found, data[at])
                at += 1
            size = at - first
            at += 1
            if size == 0:
                continue
            met[row] += 1
            if size == len(_EOS) and same(data, first, _EOS, 0, size):
                break
            slot = np.int64(found) & (REMEMBERED - 1)
            if seen[slot, 1] != size or not same(data, seen[slot, 0], data, first, size):
                seen[slot, 0], seen[slot, 1] = first, size
                seen[slot, 2] = sum_word(
                    sums, slot, data, first, size, found, words, word_offsets, table, rows, kept, kept_before,
                    buckets, lo, hi,
                )  # fmt: skip
            add(embedded, row, sums, slot)
            count += seen[slot, 2]
        add(embedded, row, ending, 0)
        for k in range(rows.shape[1]):
            embedded[row, k] *= np.float32(1.0 / max(count, 1))


@kernel  # type: ignore[untyped-decorator]
def dot(one: Floats, at: Any, other: Floats, other_at: Any) -> Any:
    total = np.float32(0)
    for k in range(one.shape[1]):
        total += one[at, k] * other[other_at, k]
    return total


@kernel  # type: ignore[untyped-decorator]
def classify_rows(
    top: Ints, score: Floats, share: Floats, embedded: Floats, output: Floats, left: Ints, right: Ints, wanted: Ints
) -> None:
    """Probabilities of the labels: by the tree of hierarchical softmax (in the log domain, as fastText) or softmax."""
    labels = len(left) + 1 if len(left) > 0 else len(output)
    values = np.zeros(2 * labels, np.float32)
    for row in range(len(embedded)):
        values[2 * labels - 2] = 0
        for inner in range(len(left) - 1, -1, -1):
            f = np.float32(1.0 / (1.0 + np.exp(-np.float64(dot(output, inner, embedded, row)))))
            values[left[inner]] = values[labels + inner] + np.log(1.0 - f + 1e-5)
            values[right[inner]] = values[labels + inner] + np.log(f + 1e-5)
        if len(left) == 0:
            for label in range(labels):
                values[label] = dot(output, label, embedded, row)
        best, total = 0, 0.0
        for label in range(labels):
            if values[label] > values[best]:
                best = label
        for label in range(labels):
            total += np.exp(values[label] - values[best])
        # The tree's probabilities stand as they are; softmax divides by their sum.
        scale = np.exp(values[best]) if len(left) > 0 else 1.0 / total
        top[row], score[row] = best, scale
        for label in wanted:
            share[row] += np.exp(values[label] - values[best]) * scale
