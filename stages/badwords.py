"""`badwords_v1`: pages with words from a list; the baseline to which `profanity_v1` is compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers import wordlist
from classifiers.kernels.arrays import Int64s
from classifiers.normalise.normalise import Form, profane_words
from classifiers.path_cache import cached_by_path
from stages.assets import Asset, open_asset
from stages.base import Limit, judge, stage
from stages.errors import ConfigError
from stages.kernels.buffers import utf8_views
from stages.language import check_share

_NAMES = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9-]+)?)(?:\.txt)?")
WHERE = (
    "a file per language, `en` or `en.txt`, one entry per line; the list that C4 used is in this form: LDNOOBW, "
    "List of Dirty, Naughty, Obscene and Otherwise Bad Words, CC BY 4.0"
)


@stage("badwords_v1")
class BadWords:
    """Drops documents with more than `max_hits` words of a list (`listed_words`), if they exceed `max_share` of all.

    Measures: `hits` = words that end an entry of the list for the document's `language` (for the parameter `language`
    if the document has none; 0 in a language without a list), `share` = hits per word. The defaults are C4's rule: a
    single hit drops. A document is dropped only if it exceeds both limits, so `max_share=0.01` allows long pages some.

    Entries are found between word boundaries, whatever their case, accents and punctuation; in scripts without spaces
    they are found anywhere. `fold` undoes disguises (`f*ck`, `sh1t`, `f u c k`) first. `lists` is a folder with a file
    per language, as LDNOOBW publishes them (they are not shipped); without it, a short English list of ours is used.
    Source: C4 (Raffel et al. 2020, JMLR 21:140, section 2.2), which dropped every page with a word of LDNOOBW's list.
    """

    name: ClassVar[str]
    lists: Asset | None = None
    max_hits: int = 0
    max_share: float = 0.0
    fold: bool = False
    language: str = "en"

    def __post_init__(self) -> None:
        if self.max_hits < 0:
            raise ValueError(f"max_hits must be at least 0, not {self.max_hits}")
        check_share("max_share", self.max_share)

    def measure(self, docs: pa.Table) -> pa.Table:
        """hits (int64), share (float64, 0 for a text without words), and the hits that count towards both limits."""
        form: Form = "folded_v1" if self.fold else "words_v1"
        lists = load_lists(self.lists, form)
        found = wordlist.count(lists, self._rows(docs, lists.codes), *utf8_views(docs.column("text")), form)
        share = found.hits / np.maximum(found.words, 1)
        return pa.table({"hits": found.hits, "share": share, "excess_hits": found.hits * (share > self.max_share)})

    def limits(self) -> tuple[Limit, ...]:
        return (Limit("excess_hits", "listed_words", max=self.max_hits),)

    def __call__(self, docs: pa.Table) -> pa.Table:
        return judge(self, docs)

    def _rows(self, docs: pa.Table, codes: tuple[str, ...]) -> Int64s:
        languages = pa.nulls(docs.num_rows, pa.string())
        if "language" in docs.column_names:
            languages = docs.column("language").cast(pa.string()).combine_chunks()
        found = pc.index_in(pc.fill_null(languages, self.language), pa.array(codes, pa.string()))
        rows: Int64s = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        return rows


@cached_by_path(maxsize=4)
def load_lists(asset: Asset | None, form: Form) -> wordlist.WordLists:
    """The lists of a folder, read once per process. Raises ConfigError, which says where such lists come from."""
    if asset is None:
        return wordlist.build({"en": profane_words()}, form)
    folder = open_asset(asset)
    named = {path: _NAMES.fullmatch(path.name) for path in _files(folder)}
    lists = {match[1]: _entries(path) for path, match in named.items() if match is not None}
    if not any(lists.values()):
        raise ConfigError(f"no word lists in {folder}; it should hold {WHERE}")
    return wordlist.build(lists, form)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _entries(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"the word list {path} is not UTF-8: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
