"""FineWeb's own filters: punctuated lines, short lines, repeated lines, lists.

Source: Penedo et al. 2024 (FineWeb, arXiv 2406.17557), section 3.6, with the thresholds and the counting method of the
code that made the published data set (datatrove 0.10.1). For repeated characters the paper prints 0.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bools
from stages.base import Limit, judge, stage
from stages.kernels.classes import sentence_ends
from stages.kernels.fineweb import COUNTS, measure_fineweb


@stage("fineweb_v1")
class FineWeb:
    """Drops documents whose lines do not read like prose. Measures, the limits on them and the reasons:

    `lines`                 number of lines that are not blank               `no_lines` (< 1)
    `punctuated_lines`      fraction that ends with a sentence end           `too_few_punctuated_lines` (< 0.12)
    `short_lines`           fraction of at most `short_line` characters      `too_many_short_lines` (> 0.67)
    `duplicate_characters`  characters of second and later copies of lines   `duplicate_line_characters` (> 0.01)
                            as a fraction of all but line feeds
    `new_lines`             line feeds per word                              `too_many_new_lines` (> 0.3)

    Lines end at line feeds and are taken as they are: white space after the full stop means no sentence end, as in the
    code that made the published data. Sentence ends are those of all scripts (Unicode's Sentence_Terminal) or the
    characters of `ends`. Words are separated by white space (datatrove: tokens). With `unspaced_letters` each letter of
    a script without spaces (Chinese, Japanese, Thai …) is a word; without it, every line in such a script is one word.
    Source: FineWeb (Penedo et al. 2024), section 3.6; thresholds of the code.
    """

    name: ClassVar[str]
    min_punctuated_lines: float = 0.12
    max_short_lines: float = 0.67
    short_line: int = 30
    max_duplicate_characters: float = 0.01
    max_new_lines: float = 0.3
    ends: str | None = None
    unspaced_letters: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.startswith(("min_", "max_", "short_")) and not value >= 0:
                raise ValueError(f"{name} must be at least 0, not {value}")

    def measure(self, docs: pa.Table) -> pa.Table:
        """`lines` (int64) and fractions (float64; 0 if there is nothing to count)."""
        counts = measure_fineweb(docs.column("text"), _ends(self.ends), self.short_line, self.unspaced_letters)
        of = dict(zip(COUNTS, counts.T, strict=True))
        lines = np.maximum(of["lines"], 1)
        return pa.table(
            {
                "lines": of["lines"],
                "punctuated_lines": of["punctuated_lines"] / lines,
                "short_lines": of["short_lines"] / lines,
                "duplicate_characters": of["duplicate_characters"] / np.maximum(of["characters"], 1),
                "new_lines": of["new_lines"] / np.maximum(of["words"], 1),
            }
        )

    def limits(self) -> tuple[Limit, ...]:
        """The limits, in the order of the published code."""
        return (
            Limit("lines", "no_lines", min=1),
            Limit("punctuated_lines", "too_few_punctuated_lines", min=self.min_punctuated_lines),
            Limit("short_lines", "too_many_short_lines", max=self.max_short_lines),
            Limit("duplicate_characters", "duplicate_line_characters", max=self.max_duplicate_characters),
            Limit("new_lines", "too_many_new_lines", max=self.max_new_lines),
        )

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)


@lru_cache(maxsize=8)
def _ends(ends: str | None) -> Bools:
    """By code point, whether a punctuated line may end with it."""
    wanted = np.zeros(0x110000, dtype=np.bool_)
    wanted[sentence_ends() if ends is None else [ord(end) for end in ends]] = True
    return wanted
