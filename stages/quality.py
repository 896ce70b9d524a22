"""Document quality: Gopher's rules for words, symbols, lines and stop words, in two dialects.

Source: Rae et al. 2021 (Gopher, arXiv 2112.11446), section A.1. RefinedWeb uses them unchanged (Penedo et al. 2023,
arXiv 2306.01116, section 3.2). The second dialect is what datatrove 0.10.1 computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Float64s, Int64s, UInt64s
from classifiers.path_cache import cached_by_path
from stages.assets import Asset
from stages.base import Limit, judge, stage
from stages.by_language.labels import chain
from stages.kernels.quality import measure_quality, stop_slots
from stages.kernels.quality_counts import COUNTS
from stages.stopwords import key, published_words, stop_words


@stage("quality_v1")
class Quality:
    """Drops documents that do not look like prose. Measures, the limits on them and the reasons:

    `words`               words with a letter, mark or number in them   `too_few_words`, `too_many_words`
    `mean_word_length`    characters per word                           `words_too_short`, `words_too_long`
    `hashes`              `#` per word                                  `too_many_hashes`
    `ellipses`            `...`, `…`, `. . .` per word                  `too_many_ellipses`
    `bullet_lines`        fraction of lines that start with `●•*-`      `too_many_bullet_lines`
    `ellipsis_lines`      fraction of lines that end with an ellipsis   `too_many_ellipsis_lines`
    `alphabetic_words`    fraction of words with at least one letter    `too_few_alphabetic_words`
    `stop_words`          different stop words; `stop_words_missing` is how many are missing: `too_few_stop_words`

    `dialect="gopher"` (as the paper): all words between white space count in lengths and fractions; lines end at line
    feeds, and blank ones do not count; a stop word is found in upper or lower case and next to punctuation.
    `dialect="datatrove"`: words made only of ASCII, CJK and sentence-ending punctuation count neither in `words` nor in
    `mean_word_length`; lines are those of `str.splitlines`, and blank ones count; bullets are `•` and `-`; `. . .` does
    not count as an ellipsis; stop words must stand alone, in lower case.

    Stop words are those of the document's `language`, or of the parameter `language` if the column is missing or null.
    The rule never fires in a language without a list (see `stages.stopwords`). English has the paper's eight. The
    folder `stop_words` (`<code>.txt`, one word per line) replaces the shipped lists; `stop_word_lists="fineweb2"` takes
    those that FineWeb 2 published for 1,929 languages, and the paper's for English.

    Limits on words mean little in scripts without spaces (Chinese, Japanese, Thai …): a line is about one word, so
    nearly all their documents are dropped as `too_few_words` or `words_too_long`. To keep such languages, make each
    of their letters a word (`unspaced_letters`), lower `min_mean_word_length` to 1 and raise `min_words`.
    Source: Gopher (Rae et al. 2021), section A.1.
    """

    name: ClassVar[str]
    dialect: Literal["gopher", "datatrove"] = "gopher"
    min_words: int = 50
    max_words: int = 100_000
    min_mean_word_length: float = 3.0
    max_mean_word_length: float = 10.0
    max_hashes: float = 0.1
    max_ellipses: float = 0.1
    max_bullet_lines: float = 0.9
    max_ellipsis_lines: float = 0.3
    min_alphabetic_words: float = 0.8
    min_stop_words: int = 2
    language: str = "en"
    stop_words: Asset | None = None
    unspaced_letters: bool = False
    stop_word_lists: Literal["ours", "fineweb2"] = "ours"

    def __post_init__(self) -> None:
        if self.dialect not in ("gopher", "datatrove"):
            raise ValueError(f'dialect must be "gopher" or "datatrove", not {self.dialect!r}')
        if self.stop_word_lists not in ("ours", "fineweb2"):
            raise ValueError(f'stop_word_lists must be "ours" or "fineweb2", not {self.stop_word_lists!r}')
        if self.stop_word_lists != "ours" and self.stop_words is not None:
            raise ValueError("stop_words replaces the lists that ship: give it, or stop_word_lists")
        for name, value in vars(self).items():
            if name.startswith(("min_", "max_")) and not value >= 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        if self.min_words > self.max_words or self.min_mean_word_length > self.max_mean_word_length:
            raise ValueError(
                "a minimum (of words, or of their mean length) is above its maximum: nothing would be kept"
            )

    def measure(self, docs: pa.Table) -> pa.Table:
        """Counts (int64) and fractions (float64; 0 if there is nothing to count)."""
        return pa.table(self._measures(*self._counts(docs, docs.column("text"))))

    def _counts(self, docs: pa.Table, text: pa.ChunkedArray) -> tuple[dict[str, Int64s], Int64s]:
        """The counts of each text by name, and how many stop words the language of each document has."""
        datatrove = self.dialect == "datatrove"
        published = self.stop_word_lists == "fineweb2"
        lists = _published_lists(datatrove) if published else _lists(self.stop_words, datatrove)
        rows = _rows(docs, self.language, lists.codes, published)
        counts = measure_quality(text, lists.slots, rows, datatrove, self.unspaced_letters)
        return dict(zip(COUNTS, counts.T, strict=True)), lists.sizes[rows]

    def _measures(self, of: dict[str, Int64s], known: Int64s) -> dict[str, npt.NDArray[np.generic]]:
        all_words = self.dialect == "gopher"
        measured, characters = ("all_words", "all_characters") if all_words else ("words", "characters")
        return {
            "words": of["words"],
            "mean_word_length": _ratio(of[characters], of[measured]),
            "hashes": _ratio(of["hashes"], of["all_words"]),
            "ellipses": _ratio(of["ellipses"], of["all_words"]),
            "bullet_lines": _ratio(of["bullet_lines"], of["lines"]),
            "ellipsis_lines": _ratio(of["ellipsis_lines"], of["lines"]),
            "alphabetic_words": _ratio(of["alphabetic_words"], of["all_words"]),
            "stop_words": of["stop_words"],
            "stop_words_missing": np.maximum(np.minimum(self.min_stop_words, known) - of["stop_words"], 0),
        }

    def limits(self) -> tuple[Limit, ...]:
        """The limits, in the order of the paper."""
        return (
            Limit("words", "too_few_words", min=self.min_words),
            Limit("words", "too_many_words", max=self.max_words),
            Limit("mean_word_length", "words_too_short", min=self.min_mean_word_length),
            Limit("mean_word_length", "words_too_long", max=self.max_mean_word_length),
            Limit("hashes", "too_many_hashes", max=self.max_hashes),
            Limit("ellipses", "too_many_ellipses", max=self.max_ellipses),
            Limit("bullet_lines", "too_many_bullet_lines", max=self.max_bullet_lines),
            Limit("ellipsis_lines", "too_many_ellipsis_lines", max=self.max_ellipsis_lines),
            Limit("alphabetic_words", "too_few_alphabetic_words", min=self.min_alphabetic_words),
            Limit("stop_words_missing", "too_few_stop_words", max=0),
        )

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)


class Lists(NamedTuple):
    """Stop words as the kernel reads them: a row per language, and a last, empty row for languages without a list."""

    codes: pa.Array
    slots: UInt64s
    sizes: Int64s


@cached_by_path(maxsize=8)
def _lists(folder: str | None, as_they_stand: bool) -> Lists:
    return _as_slots(stop_words(folder), as_they_stand)


@lru_cache(maxsize=2)
def _published_lists(as_they_stand: bool) -> Lists:
    return _as_slots({**published_words(), "eng_Latn": stop_words()["en"]}, as_they_stand)


def _as_slots(listed: Mapping[str, tuple[str, ...]], as_they_stand: bool) -> Lists:
    words = {
        code: tuple(dict.fromkeys(one if as_they_stand else filter(None, map(key, one))))
        for code, one in listed.items()
    }
    rows = [*words.values(), ()]
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    return Lists(pa.array(words, pa.string()), np.stack([stop_slots(row) for row in rows]), sizes)


def _rows(docs: pa.Table, default: str, codes: pa.Array, with_scripts: bool) -> Int64s:
    """The row of `Lists` for each document; the lists are by the language's label, or by its code `with_scripts`."""
    if "language" in docs.column_names:
        languages = pc.fill_null(docs.column("language").cast(pa.string()), default)
    else:
        languages = pa.chunked_array([pa.array([default] * docs.num_rows, pa.string())])
    if with_scripts:
        coded = languages.combine_chunks().dictionary_encode()
        named = [chain(label)[0] if label else None for label in coded.dictionary.to_pylist()]
        languages = pa.chunked_array([pa.array(named, pa.string()).take(coded.indices)])
    found = pc.fill_null(pc.index_in(languages, codes), len(codes))
    rows: Int64s = found.to_numpy().astype(np.int64)
    return rows


def _ratio(part: Int64s, whole: Int64s) -> Float64s:
    return part / np.maximum(whole, 1)
