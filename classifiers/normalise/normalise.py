"""The normaliser that training and prediction share: it turns any text into words of folded letters, single-spaced.

Letters are folded as `letters.py` says. Punctuation, addresses (`https://…`) and account names (`@name`) are removed.
In scripts without spaces each letter is a word. In the form `folded_v1`, a word in disguise (`f*ck`, `sh1t`, `f u c k`,
`fuuuck`, Latin with Cyrillic look-alikes) is folded if that gives a word of `disguised.txt`, and only then.

fastText's own prediction breaks on line feeds; here each text is one line, or `cut_lines` cuts it into lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from classifiers.kernels.arrays import Bytes, Int32s, Offsets, read_only
from classifiers.normalise.disguise import table_of
from classifiers.normalise.kernel import normalise_rows
from classifiers.normalise.letters import letters
from classifiers.normalise.line import LONGEST, ROOM, LineRules

# What a model was trained on: the bytes as they are, words, or words without their disguise. Names carry versions.
Form = Literal["plain", "words_v1", "folded_v1"]
FORMS: tuple[Form, ...] = get_args(Form)
DISGUISED = Path(__file__).with_name("disguised.txt")

# Words of a page's line: consecutive lines or sentences that together have at least 10 words, at most 50 of them. The
# labelled texts that models are trained on are as long.
LEAST, MOST = 10, 50


class NormalisedLines(NamedTuple):
    """Line i is `data[offsets[i]:offsets[i + 1]]` with its line feed; row r has lines `rows[r]` to `rows[r + 1]`."""

    rows: Offsets
    offsets: Offsets
    data: Bytes


def packed(texts: Iterable[str | None]) -> tuple[Offsets, Bytes]:
    """Texts as offsets and UTF-8 bytes; None becomes "", and what UTF-8 cannot hold (lone surrogates) becomes `?`."""
    encoded = [(text or "").encode(errors="replace") for text in texts]
    return np.cumsum([0, *map(len, encoded)], dtype=np.int64), np.frombuffer(b"".join(encoded), np.uint8)


def normalised(texts: Sequence[str | None], form: Form = "folded_v1") -> list[str]:
    """Each text as one line of words, without its line feed."""
    lines = whole(*packed(texts), form)
    text = lines.data.tobytes()
    return [text[a : b - 1].decode() for a, b in zip(lines.offsets[:-1], lines.offsets[1:], strict=True)]


def whole(offsets: Offsets, data: Bytes, form: Form) -> NormalisedLines:
    """Each row as one line. Row i is `data[offsets[i]:offsets[i + 1]]` in UTF-8; bytes that are not count as spaces."""
    return NormalisedLines(np.arange(len(offsets)), *_normalised(offsets, data, form, -1, 0))


def cut_lines(offsets: Offsets, data: Bytes, form: Form, least: int = LEAST, most: int = MOST) -> NormalisedLines:
    """Each row as lines of `least` to `most` words, ended where lines or sentences end; none for a row without words."""
    ends, out = _normalised(offsets, data, form, least, most)
    breaks = np.flatnonzero(out == ord("\n")) + 1
    return NormalisedLines(
        np.searchsorted(breaks, ends, side="right"), np.concatenate([[0], breaks]).astype(np.int64), out
    )


def _normalised(offsets: Offsets, data: Bytes, form: Form, least: int, most: int) -> tuple[Offsets, Bytes]:
    if form == "plain":
        raise ValueError("the form is plain: its texts are not normalised; use words_v1 or folded_v1")
    offsets, data = read_only(offsets), read_only(data)
    rules = LineRules(form == "folded_v1", least, most)
    size = int(offsets[-1] - offsets[0])
    out, ends, row = np.empty(size + size // 4 + 2 * ROOM, np.uint8), np.zeros(len(offsets), np.int64), 0
    while True:
        row = normalise_rows(offsets, data, row, out, ends, letters(), disguises(), rules)
        if row == len(offsets) - 1:
            return ends, out[: ends[-1]]
        out = np.concatenate([out[: ends[row]], np.empty(2 * len(out), np.uint8)])


def profane_words() -> tuple[str, ...]:
    """The words of `disguised.txt`, shortest first."""
    lines = (line.strip() for line in DISGUISED.read_text(encoding="utf-8").splitlines())
    return tuple(sorted((line for line in lines if line and not line.startswith("#")), key=lambda w: (len(w), w)))


@lru_cache(maxsize=1)
def disguises() -> Int32s:
    """The table of those words, for the kernel."""
    return table_of([word.encode("ascii") for word in profane_words()], LONGEST)
