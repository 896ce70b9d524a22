"""The word tiers: words in a URL, weighted by severity.

strict  a substring once `-` and `.` are removed; one hit blocks; an entry `=word` must stand unbroken
hard    a whole word; one hit blocks
soft    a whole word; hits of several different entries block (the forms of a word are one entry)
A word is a maximal run of letters and digits (marks that combine with letters count as letters). The lists are data
files in `stages/wordlists`; a folder with files of the same names can replace them.
Source: the idea is from the RefinedWeb paper (arXiv 2306.01116, appendix G.1), the mechanics are from DataComp-LM's
reverse-engineered configuration (`refinedweb.yaml`: substring after removing `-` and `.`, word boundaries, two hits).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from classifiers.kernels.arrays import Bools, Bytes, Int, Int32s, Int64s
from classifiers.kernels.hash import FNV_SEED, fnv, scrambled
from classifiers.kernels.jit import kernel
from classifiers.path_cache import cached_by_path
from stages.assets import open_asset
from stages.urls.hashing import HashSet, contains, hash_range, place_of
from stages.urls.plain import MatchForms
from stages.wordlists import FOLDER, read_list

TIERS = ("strict", "hard", "soft")
_DASH, _DOT = 45, 46  # bytes: - .
_STRICT, _UNBROKEN, _INNOCENT = 1, 2, 3  # marks of words in the trie


class Trie(NamedTuple):
    """Words by their UTF-8 bytes: node 0 is the root, and `steps[node, classes[byte]]` is the next node, 0 = none."""

    steps: Int32s
    classes: Bytes
    marks: Bytes

    @classmethod
    def of(cls, marked: Sequence[tuple[str, int]]) -> Trie:
        """The trie of (word, mark) pairs. `marks[node]` is the mark of the word that ends there, 0 = none."""
        used = sorted({byte for word, _ in marked for byte in word.encode()})
        classes = np.zeros(256, np.uint8)
        classes[used] = np.arange(1, len(used) + 1)
        nodes: list[dict[int, int]] = [{}]
        ends: dict[int, int] = {}
        for word, mark in marked:
            node = 0
            for step in classes[list(word.encode())].tolist():
                node = nodes[node].setdefault(step, len(nodes))
                if node == len(nodes):
                    nodes.append({})
            ends[node] = mark
        steps = np.zeros((len(nodes), len(used) + 1), np.int32)
        for node, children in enumerate(nodes):
            steps[node, list(children)] = list(children.values())
        marks = np.zeros(len(nodes), np.uint8)
        marks[list(ends)] = list(ends.values())
        return cls(steps, classes, marks)


class WordTiers(NamedTuple):
    """The words of the tiers in use, ready for the kernels."""

    strict: Trie
    hard: HashSet
    soft: HashSet
    entries: Int64s  # for each soft word, in the order of `soft.hashes`, the number of its line in the list

    def hits(self, forms: MatchForms, soft_hits: int) -> Bools:
        """Whether each row has a strict word, a hard word, or words of `soft_hits` or more different soft entries."""
        whole: Bools = _find_words(forms, self.hard, self.soft, self.entries, soft_hits)
        return whole | _find_substrings(forms, self.strict)


@cached_by_path(maxsize=4)
def load_tiers(folder: str | None, tiers: tuple[str, ...]) -> WordTiers:
    """The named tiers, from `url_<tier>.txt` and `url_innocent.txt` in `folder` (None = the lists of this package)."""
    root = FOLDER if folder is None else open_asset(folder)
    words = {tier: read_list(root / f"url_{tier}.txt") if tier in tiers else () for tier in TIERS}
    innocent = read_list(root / "url_innocent.txt") if "strict" in tiers else ()
    entry_of = {_hash(word): entry for entry, line in enumerate(words["soft"]) for word in line.split()}
    strict = [(word.removeprefix("="), _UNBROKEN if word.startswith("=") else _STRICT) for word in words["strict"]]
    trie = Trie.of(strict + [(word, _INNOCENT) for word in innocent])
    hard, soft = (HashSet.of([np.array(list(hashes), np.uint64)]) for hashes in (map(_hash, words["hard"]), entry_of))
    return WordTiers(trie, hard, soft, np.array([entry_of[word] for word in soft.hashes.tolist()], np.int64))


def _hash(word: str) -> int:
    data = np.frombuffer(word.encode(), np.uint8)
    return int(hash_range(data, 0, len(data)))


def readable(text: str) -> str:
    """`text` in NFKC. Non-ASCII characters other than letters, marks and digits become spaces; invisible ones go."""
    return unicodedata.normalize("NFKC", text).translate(_BREAKS)


class _Breaks(dict[int, int | str | None]):
    """What `str.translate` turns a character into, by its Unicode category; filled as characters occur."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        invisible, breaks = category == "Cf", category[0] in "CPSZ" and code > 127
        self[code] = None if invisible else " " if breaks else code
        return self[code]


_BREAKS = _Breaks()


@kernel
def _find_words(forms: MatchForms, hard: HashSet, soft: HashSet, entries: Int64s, soft_hits: Int) -> Bools:
    found = np.zeros(len(forms.starts), np.bool_)
    seen = np.empty(soft_hits, np.int64)
    for row in range(len(found)):
        hits, length, state = 0, 0, FNV_SEED
        for at in range(forms.starts[row], forms.ends[row] + 1):
            if at < forms.ends[row] and _in_word(forms.data[at]):
                state, length = fnv(state, forms.data[at]), length + 1
                continue
            if length > 0:
                word = scrambled(state)
                place = place_of(soft, word)
                if place >= 0:
                    hits = _remember(seen, hits, entries[place])
                if hits == soft_hits or contains(hard, word):
                    found[row] = True
                    break
            state, length = FNV_SEED, 0
    return found


@kernel
def _in_word(byte: Int) -> bool:
    return bool(97 <= byte <= 122 or 48 <= byte <= 57 or byte >= 128)


@kernel
def _remember(seen: Int64s, count: Int, entry: Int) -> Int:
    """Add `entry` to the `count` entries of `seen`, unless it is one of them; returns how many there are then."""
    for at in range(count):
        if seen[at] == entry:
            return count
    seen[count] = entry
    return count + 1


@kernel
def _find_substrings(forms: MatchForms, trie: Trie) -> Bools:
    found = np.zeros(len(forms.starts), np.bool_)
    for row in range(len(found)):
        at, end = forms.starts[row], forms.ends[row]
        while at < end and not found[row]:
            strict_end, innocent_end = _match(forms.data, at, end, trie)
            found[row] = strict_end > innocent_end
            at = max(at + 1, innocent_end)
    return found


@kernel
def _match(data: Bytes, at: Int, end: Int, trie: Trie) -> tuple[Int, Int]:
    """Where the longest strict and the longest innocent word from byte `at` end, ignoring `-` and `.`; or -1."""
    strict_end, innocent_end, unbroken = -1, -1, True
    node = trie.steps[0, trie.classes[data[at]]]
    while node != 0:
        at += 1
        mark = trie.marks[node]
        if mark == _STRICT or (mark == _UNBROKEN and unbroken):
            strict_end = at
        elif mark == _INNOCENT:
            innocent_end = at
        while at < end and data[at] in (_DASH, _DOT):
            at, unbroken = at + 1, False
        node = trie.steps[node, trie.classes[data[at]]] if at < end else 0
    return strict_end, innocent_end
