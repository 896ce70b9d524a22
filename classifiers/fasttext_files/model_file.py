"""A fastText model file as plain arrays (format version 12 of fastText's `src/{fasttext,dictionary,quantmatrix}.cc`).

Reads what language identification needs: subword hashing, quantised or dense input, softmax or hierarchical softmax.
Every number by which a kernel finds a row is checked here, since a file may come from anyone (see `matrices`).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.fasttext_files.matrices import MOST_COLUMNS, BinaryReader, read_matrix
from classifiers.kernels.arrays import Bytes, Float32s, Int32s, Int64s, UInt64s
from classifiers.kernels.hash import fnv32_of
from classifiers.path_cache import cached_by_path

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX, SOFTMAX = 1, 3
LABEL = 1
MOST_BUCKETS = 1 << 28  # a bit for each is kept of a pruned model
MOST_CHARACTERS = 64  # of an n-gram: every place of a word begins one of each length
MOST_STEPS = 32  # per word on average, by which a word may miss its slot


class UnsupportedModel(ValueError):
    """Not a fastText model, or one with parts that these kernels do not know."""


class Arrays(NamedTuple):
    """What the kernels read. `rows` holds the vectors of the words, followed by those of the buckets in order."""

    word_bytes: Bytes  # the words, one after the other
    word_offsets: Int64s
    table: Int32s  # open-addressing hash table of word numbers, -1 = free; its size is a power of two
    rows: Float32s
    buckets: int  # n-gram hashes are taken modulo this
    kept: UInt64s  # a bit for each bucket that pruning left; empty if none was pruned
    kept_before: Int32s  # how many bits are set before each word of `kept`
    output: Float32s  # one row per inner node of the tree, or per label
    left: Int32s  # children of inner node i (labels are 0 … n-1, inner nodes follow); empty for softmax
    right: Int32s
    lengths: Int32s  # shortest and longest n-gram, in characters


@dataclass(frozen=True)
class LanguageModel:
    labels: tuple[str, ...]
    arrays: Arrays


class Parameters(NamedTuple):
    dim: int
    ws: int
    epoch: int
    min_count: int
    neg: int
    word_ngrams: int
    loss: int
    model: int
    bucket: int
    minn: int
    maxn: int
    lr_update_rate: int


@cached_by_path(maxsize=4)
def read(path: Path) -> LanguageModel:
    """The model in the file, once per process. Raises UnsupportedModel."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(BinaryReader(data))
    except (ValueError, IndexError, OverflowError) as error:
        raise UnsupportedModel(f"{path}: {error}") from error


def _read(reader: BinaryReader) -> LanguageModel:
    parameters = parameters_of(reader)
    if parameters.word_ngrams != 1 or parameters.loss not in (HIERARCHICAL_SOFTMAX, SOFTMAX):
        raise ValueError("word n-grams, or a loss other than softmax and hierarchical softmax")
    return LanguageModel(*parts_of(reader, parameters))


def parameters_of(reader: BinaryReader) -> Parameters:
    """The head of a model file. Raises ValueError if it is not of fastText's format version 12."""
    if (reader.value("<i4"), reader.value("<i4")) != (MAGIC, VERSION):
        raise ValueError("not a fastText model of version 12")
    parameters = Parameters(*reader.array("<i4", 12).tolist())
    reader.value("<f8")
    _check(parameters)
    return parameters


def _check(parameters: Parameters) -> None:
    """Raises ValueError for parameters by which the kernels would read outside of the model, or without end."""
    if not 1 <= parameters.dim <= MOST_COLUMNS:
        raise ValueError(f"vectors of {parameters.dim} numbers; 1 to {MOST_COLUMNS} are known")
    if not 0 <= parameters.minn <= MOST_CHARACTERS or not 0 <= parameters.maxn <= MOST_CHARACTERS:
        raise ValueError(f"n-grams of {parameters.minn} to {parameters.maxn} characters; at most {MOST_CHARACTERS}")
    if parameters.word_ngrams < 1:
        raise ValueError(f"word n-grams of {parameters.word_ngrams} words")
    hashed = parameters.maxn > 0 or parameters.word_ngrams > 1
    if not hashed <= parameters.bucket <= MOST_BUCKETS:
        raise ValueError(f"{parameters.bucket} buckets for n-grams; 1 to {MOST_BUCKETS} are known")


def parts_of(reader: BinaryReader, parameters: Parameters) -> tuple[tuple[str, ...], Arrays]:
    """What follows the head: the labels without `__label__`, and the arrays."""
    words, labels, counts, pruned = _dictionary(reader)
    if pruned is not None:
        _check_pruned(pruned, parameters.bucket)
    buckets = parameters.bucket if pruned is None else len(pruned)
    rows = _ordered(read_matrix(reader, len(words) + buckets, parameters.dim), len(words), pruned)
    output = read_matrix(reader, len(labels), parameters.dim)
    tree = parameters.loss == HIERARCHICAL_SOFTMAX
    left, right = huffman(counts) if tree else (np.zeros(0, np.int32),) * 2
    arrays = Arrays(
        np.frombuffer(b"".join(words), np.uint8),
        np.cumsum([0, *map(len, words)], dtype=np.int64),
        hash_table(words),
        rows,
        parameters.bucket,
        *_kept(parameters.bucket, pruned),
        output,
        left,
        right,
        np.array([parameters.minn, parameters.maxn], np.int32),
    )
    return tuple(label.decode().removeprefix("__label__") for label in labels), arrays


def _dictionary(reader: BinaryReader) -> tuple[list[bytes], list[bytes], list[int], Int32s | None]:
    """Words, labels, the labels' counts, and the pairs (n-gram hash, row) that pruning left (None = nothing pruned)."""
    size, n_words, n_labels = reader.array("<i4", 3).tolist()
    reader.value("<i8")
    pruned_size = reader.value("<i8")
    words, labels, counts = [], [], []
    for _ in range(size):
        word, count, kind = reader.text(), reader.value("<i8"), reader.value("i1")
        if kind == LABEL:
            labels.append(word)
            counts.append(count)
        else:
            words.append(word)
    if (len(words), len(labels)) != (n_words, n_labels):
        raise ValueError("its dictionary is damaged")
    if n_labels < 1:
        raise ValueError("it has no labels")
    pruned = reader.array("<i4", 2 * pruned_size).reshape(-1, 2) if pruned_size >= 0 else None
    return words, labels, counts, pruned


def _check_pruned(pruned: Int32s, buckets: int) -> None:
    """Raises ValueError unless each pair is of another bucket, and the rows are numbered without a gap."""
    bucket, row = np.sort(pruned[:, 0]), np.sort(pruned[:, 1])
    within = len(pruned) == 0 or (bucket[0] >= 0 and bucket[-1] < buckets)
    if not within or (np.diff(bucket) == 0).any() or (row != np.arange(len(row))).any():
        raise ValueError(f"what pruning left does not fit {buckets} buckets and {len(pruned)} vectors")


def _ordered(rows: Float32s, words: int, pruned: Int32s | None) -> Float32s:
    """The rows, with those of n-grams in the order of their buckets."""
    if pruned is None:
        return rows
    ngrams = pruned[np.argsort(pruned[:, 0]), 1] + words
    return np.ascontiguousarray(rows[np.concatenate([np.arange(words), ngrams])])


def _kept(buckets: int, pruned: Int32s | None) -> tuple[UInt64s, Int32s]:
    if pruned is None:
        return np.zeros(0, np.uint64), np.zeros(0, np.int32)
    bits = np.zeros(-(-max(buckets, 1) // 64), np.uint64)
    word, bit = pruned[:, 0] >> 6, pruned[:, 0].astype(np.uint64) & np.uint64(63)
    np.bitwise_or.at(bits, word, np.uint64(1) << bit)
    before = np.cumsum(np.bincount(word, minlength=len(bits)))
    return bits, np.concatenate([[0], before[:-1]]).astype(np.int32)


def huffman(counts: list[int]) -> tuple[Int32s, Int32s]:
    """Children of the inner nodes of fastText's tree over labels sorted by falling counts; the last is the root.

    Labels are numbered from 0; inner nodes come after them.
    """
    labels = len(counts)
    count = [*counts, *[0] * (labels - 1)]
    left, right = np.zeros(labels - 1, np.int32), np.zeros(labels - 1, np.int32)
    leaf, node = labels - 1, labels
    for new in range(labels, 2 * labels - 1):
        smallest = []
        for _ in range(2):
            if leaf >= 0 and (node >= new or count[leaf] < count[node]):
                smallest.append(leaf)
                leaf -= 1
            else:
                smallest.append(node)
                node += 1
        left[new - labels], right[new - labels] = smallest
        count[new] = count[smallest[0]] + count[smallest[1]]
    return left, right


def hash_table(words: list[bytes]) -> Int32s:
    """The words' numbers, each at `hash & (size - 1)` or the next free slot.

    Raises ValueError for words that collide so often that they must be made for it: every text would search them all.
    """
    size = 1 << max(4, (2 * len(words)).bit_length())
    table = np.full(size, -1, np.int32)
    steps = 0
    for number, word in enumerate(words):
        at = fnv32_of(word) & (size - 1)
        while table[at] >= 0:
            at, steps = (at + 1) & (size - 1), steps + 1
            if steps > MOST_STEPS * len(words) + 1000:
                raise ValueError("the hashes of its words collide")
        table[at] = number
    return table
