"""`columns_v1`: chooses and names the columns that documents carry besides those of the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pyarrow as pa
import xxhash

from stages.base import set_column, stage
from stages.errors import WrongUse, nearest
from stages.schema import DOCUMENT, is_measure


@stage("columns_v1")
class Columns:
    """Drops and renames columns, and adds a content id. No document is dropped.

    The columns of a document (id, url, text …) stay: later stages, `explain` and `verify` need them; use `refinedweb
    export` to leave them out. `keep`: of the other columns, only these (None: all). `drop`: all but these. `rename`:
    pairs `old=new`. `content_id`: the name of a new column with the 128-bit XXH3 of the text in hex, the same for equal
    texts (null without a text).
    Source: ours.
    """

    name: ClassVar[str]

    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    rename: tuple[str, ...] = ()
    content_id: str | None = None

    def __post_init__(self) -> None:
        pairs(self.rename)
        new = [*pairs(self.rename).values(), *([] if self.content_id is None else [self.content_id])]
        for name in (*(self.keep or ()), *self.drop, *pairs(self.rename), *new):
            if name in DOCUMENT.names:
                raise ValueError(f"{name} is a column of every document, which stays as it is")
        if bad := [name for name in new if not name or is_measure(name)]:
            raise ValueError(f"{bad[0]!r} cannot name a column: with a stage's name and a dot it is a measure")
        if len(set(new)) < len(new):
            raise ValueError(f"two columns cannot have one name: {', '.join(sorted(new))}")

    def __call__(self, docs: pa.Table) -> pa.Table:
        others = [name for name in docs.column_names if name not in DOCUMENT.names and not is_measure(name)]
        renamed = pairs(self.rename)
        for name in (*(self.keep or ()), *self.drop, *renamed):
            if name not in others:
                raise WrongUse(f"columns_v1: the documents have no column {name!r}: {nearest(name, others)}")
        kept = others if self.keep is None else [name for name in others if name in self.keep]
        gone = {name for name in others if name not in kept or name in self.drop}
        docs = docs.select([name for name in docs.column_names if name not in gone])
        docs = docs.rename_columns([renamed.get(name, name) for name in docs.column_names])
        if twice := sorted({name for name in docs.column_names if docs.column_names.count(name) > 1}):
            raise WrongUse(f"columns_v1: there is a column {twice[0]!r} already; drop it, or choose another name")
        return docs if self.content_id is None else set_column(docs, self.content_id, content_ids(docs.column("text")))


def pairs(renames: Sequence[str]) -> dict[str, str]:
    """`old=new` as old → new. Raises ValueError for anything else."""
    split = [pair.partition("=") for pair in renames]
    for old, equals, new in split:
        if not (old.strip() and equals and new.strip()):
            raise ValueError(f"rename takes pairs like old=new, not {old}{equals}{new}")
    return {old.strip(): new.strip() for old, _, new in split}


def content_ids(texts: pa.ChunkedArray) -> pa.Array:
    """The 128-bit XXH3 of each text in hex; null for null."""
    hashed = [None if text is None else xxhash.xxh3_128_hexdigest(text.encode()) for text in texts.to_pylist()]
    return pa.array(hashed, pa.string())
