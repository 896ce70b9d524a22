"""Texts as sequences of tokens: words of any script, or the tokens of a local Hugging Face `tokenizer.json`.

Words: a run of letters, marks and numbers is a token; in scripts written without spaces, so is each letter with the
marks that follow it. Every other character except white space is a token by itself, with its marks, so that punctuation
counts as it does in BPE. White space separates tokens and never counts.

Two tokens are the same if their bytes are and, with a vocabulary, also their numbers in it (one character of several
bytes may be several tokens, each of which covers all of its bytes). Tokens without bytes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.kernels.arrays import Bytes, Int64s, Offsets
from classifiers.path_cache import cached_by_path
from stages.assets import Asset, open_asset
from stages.errors import ConfigError
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import tables
from stages.kernels.tokens import Tokens, count_words, find_words, hash_prefixes, new_tokens

BLOCK_BYTES = 4 << 20  # bytes of text at a time; each takes some 5 bytes of memory


def token_blocks(text: pa.ChunkedArray | pa.Array, tokenizer: Asset | None) -> Iterator[tuple[int, Tokens]]:
    """The rows of a text column block by block: the number of a block's first row, and the block's tokens.

    If `tokenizer` is None, tokens are words. A block consists of rows of about 4 MB in all, or of one row. A null row
    has no tokens. Raises ConfigError if the tokenizer cannot be used.
    """
    offsets, data = utf8_views(text)
    for row, end in row_blocks(offsets):
        yield row, _tokens(offsets[row : end + 1], data, tokenizer)


def row_blocks(offsets: Offsets) -> Iterator[tuple[int, int]]:
    """The first row of each block and the one after its last: rows of about 4 MB in all, or one larger row."""
    row = 0
    while row < len(offsets) - 1:
        end = int(np.searchsorted(offsets, offsets[row] + BLOCK_BYTES, "right")) - 1
        yield row, (end := max(end, row + 1))
        row = end


def _tokens(offsets: Offsets, data: Bytes, tokenizer: Asset | None) -> Tokens:
    if tokenizer is not None:
        return _of_vocabulary(offsets, data, open_tokenizer(tokenizer))
    counts = np.zeros(len(offsets) - 1, np.int64)
    count_words(offsets, data, tables(), counts)
    tokens = new_tokens(counts)
    find_words(offsets, data, tables(), tokens)
    hash_prefixes(offsets, data, np.empty(0, np.int64), tokens)
    return tokens


def _of_vocabulary(offsets: Offsets, data: Bytes, tokenizer: Any) -> Tokens:
    rows = [data[start:end] for start, end in pairwise(offsets)]
    texts = [row.tobytes().decode() for row in rows]
    found = [_standing(row, code) for row, code in zip(rows, encoded(texts, tokenizer), strict=True)]
    tokens = new_tokens(np.array([standing.shape[1] for standing in found], np.int64))
    ids, tokens.start[:], tokens.end[:] = np.concatenate(found, axis=1)
    hash_prefixes(offsets, data, ids, tokens)
    return tokens


def encoded(texts: list[str], tokenizer: Any) -> list[Any]:
    """The library's encodings, without the tokens that a model adds at the ends of a text."""
    codes: list[Any] = tokenizer.encode_batch(texts, add_special_tokens=False)
    return codes


def _standing(row: Bytes, code: Any) -> Int64s:
    """(3, tokens): number in the vocabulary, first byte, byte after the last; the library counts in characters."""
    characters = np.append(np.flatnonzero(row & 0xC0 != 0x80), len(row))
    at = characters[np.array(code.offsets, np.int64).reshape(-1, 2).T]
    standing: Int64s = np.stack((np.array(code.ids, np.int64), *at))
    return standing[:, at[0] < at[1]]


@cached_by_path(maxsize=2)
def open_tokenizer(asset: Asset) -> Any:
    """The tokenizer of a tokenizer.json. Raises ConfigError if the file is not one, or if its library is missing."""
    try:
        library = import_module("tokenizers")  # optional: not among the dependencies
    except ImportError:
        raise ConfigError(
            f"the tokenizer {asset} needs the package tokenizers: `pip install tokenizers`, or set none to use words"
        ) from None
    path = open_asset(asset)
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ConfigError(f"{path} is not a tokenizer.json that the package tokenizers can read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
