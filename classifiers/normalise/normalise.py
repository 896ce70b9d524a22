"""The one normaliser of training and prediction: any text to words in folded letters, with single spaces.

Letters are folded as `letters.py` says; punctuation, addresses (`https://…`) and names of accounts (`@name`) go; a
letter of a script without spaces is a word. With `fold`, a word in disguise (`f*ck`, `sh1t`, `f u c k`,
`fuuuck`, Latin with Cyrillic look-alikes) is folded where that gives a word of `disguised.txt`, and only there.

fastText's own prediction breaks on line feeds: here each text is one line, or is cut into lines by `cut_texts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from classifiers.kernels.arrays import Bytes, Offsets
from classifiers.normalise.disguise import Disguises
from classifiers.normalise.kernel import LONGEST, ROOM, LineLimits, normalise_rows
from classifiers.normalise.letters import letters

# What a model was trained on: the bytes as they are, words, or words out of disguise. The names carry versions.
Form = Literal["plain", "words_v1", "folded_v1"]
FORMS: tuple[Form, ...] = get_args(Form)
DISGUISED = Path(__file__).with_name("disguised.txt")

# A line of a page: consecutive lines or sentences of 10 words or more together, 50 at most. Labelled texts are as long.
LEAST, MOST = 10, 50
_WHOLE = LineLimits(-1, 0)


class NormalisedLines(NamedTuple):
    """Line i is `data[offsets[i]:offsets[i + 1]]` with its line feed; row r has lines `rows[r]` to `rows[r + 1]`."""

    rows: Offsets
    offsets: Offsets
    data: Bytes


def packed(texts: Iterable[str | None]) -> tuple[Offsets, Bytes]:
    """Texts as offsets and UTF-8 bytes; None is empty, what UTF-8 cannot hold (lone surrogates) is `?`."""
    encoded = [(text or "").encode(errors="replace") for text in texts]
    return np.cumsum([0, *map(len, encoded)], dtype=np.int64), np.frombuffer(b"".join(encoded), np.uint8)


def normalised(texts: Sequence[str | None], form: Form = "folded_v1") -> list[str]:
    """Each text as one line of words, without its line feed."""
    lines = whole(*packed(texts), form)
    text = lines.data.tobytes()
    return [text[a : b - 1].decode() for a, b in zip(lines.offsets[:-1], lines.offsets[1:], strict=True)]


def whole(offsets: Offsets, data: Bytes, form: Form) -> NormalisedLines:
    """Each row as one line. Rows are `data[offsets[i]:offsets[i + 1]]`, UTF-8; bytes that are not, are spaces."""
    return NormalisedLines(np.arange(len(offsets)), *_run(offsets, data, form, _WHOLE))


def cut(offsets: Offsets, data: Bytes, form: Form, least: int = LEAST, most: int = MOST) -> NormalisedLines:
    """Each row as lines of `least` to `most` words, ended where lines or sentences end; none where no words are."""
    ends, out = _run(offsets, data, form, LineLimits(least, most))
    breaks = np.flatnonzero(out == ord("\n")) + 1
    return NormalisedLines(
        np.searchsorted(breaks, ends, side="right"), np.concatenate([[0], breaks]).astype(np.int64), out
    )


def _run(offsets: Offsets, data: Bytes, form: Form, cut: LineLimits) -> tuple[Offsets, Bytes]:
    if form == "plain":
        raise ValueError("the form is plain: there is nothing to normalise; use a form of words")
    offsets, data = _read_only(offsets), _read_only(data)
    tables, listed = letters(), disguises()
    size = int(offsets[-1] - offsets[0])
    out, ends, row = np.empty(size + size // 4 + 2 * ROOM, np.uint8), np.zeros(len(offsets), np.int64), 0
    while True:
        row = normalise_rows(offsets, data, row, out, ends, tables, listed, form == "folded_v1", cut)
        if row == len(offsets) - 1:
            return ends, out[: ends[-1]]
        out = np.concatenate([out[: ends[row]], np.empty(2 * len(out), np.uint8)])


def _read_only(array: Any) -> Any:
    """A view that is typed the same whatever the array's flags, so that the kernel is compiled once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def profane_words() -> tuple[str, ...]:
    """The words of `disguised.txt`, shortest first."""
    lines = (line.strip() for line in DISGUISED.read_text(encoding="utf-8").splitlines())
    return tuple(sorted((line for line in lines if line and not line.startswith("#")), key=lambda w: (len(w), w)))


@lru_cache(maxsize=1)
def disguises() -> Disguises:
    words = [word.encode("ascii") for word in profane_words()]
    lengths = np.array([len(word) for word in words], np.int64)
    sizes = np.searchsorted(lengths, np.arange(LONGEST + 2)).astype(np.int64)
    return Disguises(np.frombuffer(b"".join(words), np.uint8), np.cumsum([0, *lengths], dtype=np.int64), sizes)
