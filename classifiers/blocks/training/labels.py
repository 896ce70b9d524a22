"""Which of a page's blocks are main text: the share of a block's words that are in 4-grams of the true text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from classifiers.kernels.arrays import Float32s

N = 4
# In scripts without spaces every character counts as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def grams(found: list[str]) -> list[tuple[str, ...]]:
    """The 4-grams of a text, in order. A shorter text is one gram; an empty one has none."""
    if len(found) < N:
        return [tuple(found)] if found else []
    return list(zip(*(found[k:] for k in range(N)), strict=False))


def labelled(texts: Iterable[str], truth: str) -> tuple[Float32s, Float32s]:
    """For each block: the share of its words in a 4-gram of the truth, and how many words it has.

    4-grams cross the borders of blocks, so that a short heading is recognised by the paragraph after it. A block that
    is a whole line of the truth counts in full.
    """
    blocks = [words(text) for text in texts]
    known = set(grams(words(truth)))
    lines = {tuple(words(line)) for line in truth.split("\n")}
    stream = [word for block in blocks for word in block]
    covered = _covered(stream, known)
    shares, at = [], 0
    for block in blocks:
        share = float(covered[at : at + len(block)].mean()) if block else 0.0
        shares.append(1.0 if block and tuple(block) in lines else share)
        at += len(block)
    return np.array(shares, np.float32), np.array([len(block) for block in blocks], np.float32)


def sizes(texts: Iterable[str]) -> Float32s:
    """How many words each block has."""
    return np.array([len(words(text)) for text in texts], np.float32)


def _covered(stream: list[str], known: set[tuple[str, ...]]) -> Any:
    """For each word, whether a known 4-gram contains it."""
    found = np.fromiter((gram in known for gram in grams(stream)), bool) if len(stream) >= N else np.zeros(0, bool)
    covered = np.zeros(len(stream), bool)
    for k in range(N if len(found) else 0):
        covered[k : k + len(found)] |= found
    return covered


def score(truth: str, found: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the multisets of 4-grams; 1 if there was nothing to find and nothing was found."""
    from collections import Counter

    wanted, got = Counter(grams(words(truth))), Counter(grams(words(found)))
    common = (wanted & got).total()
    if not wanted and not got:
        return 1.0, 1.0, 1.0
    precision, recall = common / max(got.total(), 1), common / max(wanted.total(), 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if common else 0.0
