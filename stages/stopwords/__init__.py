"""Stop words by language: one file `<code>.txt` per language, one word per line, `#` starts a comment.

The codes are those of fastText's lid.176. `en` holds the eight words of Gopher's paper; the other files hold the most
frequent function words of their language (written for this project). Languages without a file have no stop words: those
written without spaces, in which a word is not what lies between spaces (zh, ja, th, lo, km, my, bo), and those whose
frequent words are mostly endings (ko, kk, ta, te, ml, kn).

`fineweb2.tsv` has the stop words that FineWeb 2 published for 1,929 languages, by ISO 639-3 code and script.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from classifiers.path_cache import cached_by_path
from stages.assets import open_asset
from stages.errors import ConfigError
from stages.kernels.classes import fold
from stages.wordlists import read_list

FOLDER = Path(__file__).parent
MOST = 64  # words of a list: the kernel has a bit for each


def stop_words(asset: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Words by language code, from the folder `asset`, or from the shipped lists if it is None.

    Raises ConfigError for a folder without lists, and for a list of more than 64 words.
    """
    return _stop_words(asset)


@cached_by_path(maxsize=8)
def _stop_words(asset: str | None) -> Mapping[str, tuple[str, ...]]:
    folder = FOLDER if asset is None else open_asset(asset)
    lists = {path.stem: tuple(dict.fromkeys(read_list(path))) for path in sorted(folder.glob("*.txt"))}
    if not lists:
        raise ConfigError(f"no stop words in {folder}; it should hold a file <language code>.txt per language")
    for code, words in lists.items():
        if len(words) > MOST:
            raise ConfigError(f"{folder / code}.txt has {len(words)} stop words; keep the {MOST} most frequent")
    return lists


@lru_cache(maxsize=1)
def published_words() -> Mapping[str, tuple[str, ...]]:
    """FineWeb 2's words by ISO 639-3 code and script; without those of several words, which no single word equals."""
    lines = (line.split("\t") for line in (FOLDER / "fineweb2.tsv").read_text(encoding="utf-8").splitlines())
    return {code: tuple(word for word in words if " " not in word) for code, *words in lines if code[:1] != "#"}


def key(word: str) -> str:
    """The form in which words are compared: from the first to the last letter, mark or number, in lower case."""
    inside = [index for index, character in enumerate(word) if unicodedata.category(character)[0] in "LMN"]
    return fold(word[inside[0] : inside[-1] + 1]) if inside else ""
