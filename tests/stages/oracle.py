"""The rules in plain Python: slow and obvious. The kernels are compared with these.

Sources: Rae et al. 2021 (Gopher, arXiv 2112.11446, section A.1 and Table A1); the `datatrove` functions follow the
behaviour of datatrove 0.10.1 (its Gopher and FineWeb filters) on words split at white space.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from stages.kernels.classes import UNSPACED, flags_of, tables

BULLETS = ("●", "•", "*", "-")
ELLIPSES = ("...", "…", ". . .")


def words_of(text: str, unspaced: bool = False) -> list[str]:
    """Words between white space; with `unspaced`, each letter of a script without spaces is one, with its marks."""
    if not unspaced:
        return text.split()
    words: list[str] = []
    for run in text.split():
        alone = False
        for index, character in enumerate(run):
            mark = unicodedata.category(character).startswith("M")
            letter = bool(flags_of(tables(), ord(character)) & UNSPACED)
            if index > 0 and (mark or not (alone or letter)):
                words[-1] += character
            else:
                words.append(character)
            if index == 0 or not mark:
                alone = letter
    return words


def solid(text: str) -> int:
    """Characters that are not white space."""
    return len("".join(text.split()))


def _repeated(segments: list[str], total: int) -> tuple[float, float]:
    """The fractions of segments that occur more than once, and of word characters in them."""
    counts = Counter(segments)
    again = [segment for segment in segments if counts[segment] > 1]
    return (len(again) / len(segments), sum(map(solid, again)) / total) if segments else (0.0, 0.0)


def _positions(words: list[str], n: int) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for start in range(len(words) - n + 1):
        found.setdefault(tuple(words[start : start + n]), []).append(start)
    return found


def _covered(words: list[str], starts: list[int], n: int) -> int:
    return sum(len(words[at]) for at in {start + k for start in starts for k in range(n)})


def gopher_repetition(text: str, unspaced: bool = False) -> dict[str, float]:
    words = words_of(text, unspaced)
    total = sum(map(len, words))
    lines = [line.strip() for line in re.split(r"\n+", text) if line.strip()]
    paragraphs = [part.strip() for part in re.split(r"\n{2,}", text) if part.strip()]
    out: dict[str, float] = {"characters": total}
    out["duplicate_lines"], out["duplicate_line_characters"] = _repeated(lines, total)
    out["duplicate_paragraphs"], out["duplicate_paragraph_characters"] = _repeated(paragraphs, total)
    for n in range(2, 5):
        repeated = [starts for starts in _positions(words, n).values() if len(starts) > 1]
        most = max((len(starts) for starts in repeated), default=0)
        cover = max((_covered(words, starts, n) for starts in repeated if len(starts) == most), default=0)
        out[f"top_{n}gram"] = cover / total if total else 0.0
    for n in range(5, 11):
        repeated = [starts for starts in _positions(words, n).values() if len(starts) > 1]
        cover = _covered(words, [start for starts in repeated for start in starts], n)
        out[f"duplicate_{n}grams"] = cover / total if total else 0.0
    return out


def _later(segments: list[str]) -> tuple[int, int]:
    """How many second and later copies there are, and their characters."""
    seen: set[str] = set()
    copies = [segment for segment in segments if segment in seen or seen.add(segment)]  # type: ignore[func-returns-value]
    return len(copies), sum(map(len, copies))


def _greedy(words: list[str], n: int) -> int:
    seen: set[str] = set()
    repeated, at = 0, 0
    while at <= len(words) - n:
        joined = "".join(words[at : at + n])
        if joined in seen:
            repeated, at = repeated + len(joined), at + n
        else:
            seen.add(joined)
            at += 1
    return repeated


def datatrove_repetition(text: str, unspaced: bool = False) -> dict[str, float]:
    words, size = words_of(text, unspaced), len(text)
    lines, paragraphs = re.split(r"\n+", text), re.split(r"\n{2,}", text.strip())
    if not text:
        return dict.fromkeys(gopher_repetition(""), 0.0)
    out: dict[str, float] = {"characters": size}
    out["duplicate_lines"], out["duplicate_line_characters"] = _later(lines)[0] / len(lines), _later(lines)[1] / size
    copies, characters = _later(paragraphs)
    out["duplicate_paragraphs"] = copies / len(paragraphs)
    out["duplicate_paragraph_characters"] = characters / size
    for n in range(2, 5):
        spaced = [" ".join(gram) for gram in zip(*(words[k:] for k in range(n)), strict=False)]
        top, count = Counter(spaced).most_common(1)[0] if spaced else ("", 0)
        out[f"top_{n}gram"] = len(top) * count / size
    for n in range(5, 11):
        out[f"duplicate_{n}grams"] = _greedy(words, n) / size
    return out


def _core(word: str) -> str:
    """The part from the first to the last letter, mark or number, in lower case, one character for one."""
    inside = [index for index, character in enumerate(word) if unicodedata.category(character)[0] in "LMN"]
    core = word[inside[0] : inside[-1] + 1] if inside else ""
    return "".join(character.lower()[0] for character in core).replace("ς", "σ")


def gopher_quality(text: str, stop_words: frozenset[str], unspaced: bool = False) -> dict[str, int]:
    words = words_of(text, unspaced)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    counted = [word for word in words if any(unicodedata.category(character)[0] in "LMN" for character in word)]
    return {
        "all_words": len(words),
        "words": len(counted),
        "all_characters": sum(map(len, words)),
        "characters": sum(map(len, counted)),
        "alphabetic_words": sum(any(map(str.isalpha, word)) for word in words),
        "stop_words": len(stop_words & set(map(_core, words))),
        "hashes": text.count("#"),
        "ellipses": sum(text.count(mark) for mark in ELLIPSES),
        "lines": len(lines),
        "bullet_lines": sum(line.startswith(BULLETS) for line in lines),
        "ellipsis_lines": sum(line.endswith(ELLIPSES) for line in lines),
    }


def datatrove_quality(
    text: str, stop_words: frozenset[str], punctuation: frozenset[str], unspaced: bool = False
) -> dict[str, int]:
    words = words_of(text, unspaced)
    lines = text.splitlines()
    counted = [word for word in words if not set(word) <= punctuation]
    return {
        "all_words": len(words),
        "words": len(counted),
        "all_characters": sum(map(len, words)),
        "characters": sum(map(len, counted)),
        "alphabetic_words": sum(any(map(str.isalpha, word)) for word in words),
        "stop_words": len(stop_words & set(words)),
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "lines": len(lines),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
    }


def fineweb(text: str, ends: tuple[str, ...], short: int) -> dict[str, int]:
    lines = [line for line in text.split("\n") if line.strip()]
    return {
        "lines": len(lines),
        "punctuated_lines": sum(line.endswith(ends) for line in lines),
        "short_lines": sum(len(line) <= short for line in lines),
        "duplicate_characters": _later(lines)[1],
        "characters": len(text.replace("\n", "")),
        "new_lines": text.count("\n"),
        "words": len(text.split()),
    }
