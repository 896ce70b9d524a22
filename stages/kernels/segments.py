"""Lines and paragraphs of a document, and which of them repeat.

A line ends at a run of line feeds, a paragraph at a run of two or more. Two segments are the same if their bytes are.
The hash that finds them is made from the hashes of their words, so that the text is not read again. Lines of the same
words with other white space share it. Where that is more than a chance, the bytes are hashed instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bytes, Int, Int32s, UInt64s
from classifiers.kernels.hash import mixed
from classifiers.kernels.jit import kernel
from classifiers.kernels.secret import secret_step
from classifiers.kernels.table import Slots, high_slot, next_slot, seek_generation, table_bits
from stages.kernels.words import Words, same_bytes


class Segments(NamedTuple):
    """Segments of one document."""

    start: Int32s  # first byte
    end: Int32s  # byte after it
    chars: Int32s  # length; for stripped segments, word characters only
    words: Int32s
    hash: UInt64s
    seen: Int32s  # how often the segment occurred, recorded at its first occurrence


def new_segments(size: int) -> Segments:
    """Scratch for documents of up to `size` bytes."""
    start, end, chars, words, seen = np.zeros((5, size // 2 + 3), np.int32)
    return Segments(start, end, chars, words, np.zeros(size // 2 + 3, np.uint64), seen)


@kernel
def stripped_segments(words: Int, breaks: Int, run: Int, parts: Words, out: Segments) -> Int:
    """Find the segments between runs of `run` or more line feeds, without outer white space; skip empty ones."""
    found, word = 0, 0
    for piece in range(breaks + 1):
        last = piece == breaks
        if not last and parts.break_end[piece] - parts.break_start[piece] < run:
            continue
        first, word = word, words if last else _words_before(parts.break_start[piece], word, words, parts)
        if first < word:
            out.start[found], out.end[found] = parts.start[first], parts.end[word - 1]
            out.chars[found] = parts.before[word] - parts.before[first]
            _describe(found, first, word, parts, out)
            found += 1
    return found


@kernel
def raw_segments(words: Int, breaks: Int, chars: Int, size: Int, run: Int, parts: Words, out: Segments) -> Int:
    """Find the segments between runs of `run` or more line feeds, including white space and empty ones (as `re.split`).

    Paragraphs (`run` 2) are those of the document without its outer white space (as `str.strip`), as in datatrove.
    """
    clip = run > 1
    begin, end, begin_at, end_at = 0, size, 0, chars
    if clip and words == 0:
        end, end_at = 0, 0
    elif clip:
        begin, end, begin_at = parts.start[0], parts.end[words - 1], parts.at[0]
        end_at = parts.at[words - 1] + parts.before[words] - parts.before[words - 1]
    found, word = 0, 0
    for piece in range(breaks + 1):
        last = piece == breaks
        if not last:
            start, stop = parts.break_start[piece], parts.break_end[piece]
            if stop - start < run or start < begin or stop > end:
                continue
        first, word = word, words if last else _words_before(parts.break_start[piece], word, words, parts)
        out.start[found], out.end[found] = begin, end if last else parts.break_start[piece]
        out.chars[found] = (end_at if last else parts.break_at[piece]) - begin_at
        _describe(found, first, word, parts, out)
        found += 1
        if not last:
            begin = parts.break_end[piece]
            begin_at = parts.break_at[piece] + parts.break_end[piece] - parts.break_start[piece]
    return found


@kernel
def _words_before(byte: Int, word: Int, words: Int, parts: Words) -> Int:
    starts = parts.start
    while word < words and starts[word] < byte:
        word += 1
    return word


@kernel
def _describe(segment: Int, first: Int, last: Int, parts: Words, out: Segments) -> None:
    hashes, hashed = parts.hash, np.uint64(out.end[segment] - out.start[segment])
    for word in range(first, last):
        hashed = mixed(hashed ^ hashes[word])
    out.hash[segment], out.words[segment] = hashed, last - first


@kernel
def repeated_segments(text: Bytes, segments: Int, lines: Segments, slots: Slots) -> tuple[Int, Int, Int, Int]:
    """Returns (later copies, their characters, first copies of what repeats, their characters)."""
    counted, found = _count_repeated(text, segments, segments, lines, slots)
    if not counted:
        _hash_bytes(text, segments, lines, slots)
        _, found = _count_repeated(text, segments, len(text) * len(text), lines, slots)
    return found


@kernel
def _hash_bytes(text: Bytes, segments: Int, lines: Segments, slots: Slots) -> None:
    """Hash the segments by all of their bytes."""
    secret = slots.secret
    for segment in range(segments):
        hashed = secret.start
        for at in range(lines.start[segment], lines.end[segment]):
            hashed = secret_step(hashed, text[at], secret)
        lines.hash[segment] = hashed


@kernel
def _count_repeated(
    text: Bytes, segments: Int, most: Int, lines: Segments, slots: Slots
) -> tuple[bool, tuple[Int, Int, Int, Int]]:
    """Whether at most `most` pairs of different segments shared a hash; if so, what `repeated_segments` returns."""
    slots.now[0] += 1
    now, generations, keys, values = slots.now[0], slots.generation, slots.key, slots.value
    bits = table_bits(segments)
    mask = (1 << bits) - 1
    later, later_chars, first, first_chars, other = 0, 0, 0, 0, 0
    for segment in range(segments):
        hashed, start, size = lines.hash[segment], lines.start[segment], lines.end[segment] - lines.start[segment]
        slot = seek_generation(keys, generations, now, hashed, high_slot(mixed(hashed), bits), mask)
        while generations[slot] == now:
            known = values[slot]
            if lines.end[known] - lines.start[known] == size and same_bytes(text, lines.start[known], start, size):
                break
            slot = seek_generation(keys, generations, now, hashed, next_slot(slot, mask), mask)
            other += 1
        if other > most:
            return False, (0, 0, 0, 0)
        if generations[slot] != now:
            generations[slot], keys[slot], values[slot] = now, hashed, segment
            lines.seen[segment] = 1
            continue
        known = values[slot]
        later, later_chars = later + 1, later_chars + lines.chars[segment]
        if lines.seen[known] == 1:
            first, first_chars = first + 1, first_chars + lines.chars[segment]
        lines.seen[known] += 1
    return True, (later, later_chars, first, first_chars)
