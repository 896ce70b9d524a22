"""`where_v1`: keeps the documents for which conditions over their columns hold."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.base import drop_where, stage
from stages.where.expression import Expression

_NAMED = re.compile(r"\s*([a-z][a-z0-9_]{0,63})\s*:(.*)", re.DOTALL)


@stage("where_v1")
class Where:
    """Drops the documents for which a condition of `keep` (one or several) does not hold.

    The first condition that fails gives the reason.

    A condition is an expression over columns: `language_score > 0.8 and metadata.stars >= 3 and len(text) < 1e6`. It
    may begin with its reason: `few_stars: metadata.stars >= 3`; without, the reason is `where_1`, `where_2`, …
    Known are: columns, fields of structs and of columns of JSON (`metadata.stars`), measures (`quality_v1.words`);
    numbers, texts in quotes, True, None, times as text; and, or, not; comparisons (also chained); in and not in a list
    of constants; is None; +, -, *, /; len (characters, or items of a list), lower, startswith, endswith, contains, and
    matches (an RE2 pattern). A comparison with null does not hold, nor does its opposite; ask with `is None`.
    Source: ours.
    """

    name: ClassVar[str]

    keep: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.conditions()

    def __call__(self, docs: pa.Table) -> pa.Table:
        reasons: pa.Array = pa.nulls(docs.num_rows, pa.string())
        for condition in reversed(self.conditions()):
            reasons = pc.if_else(condition.expression.holds(docs), reasons, condition.reason)
        return drop_where(docs, reasons)

    def conditions(self) -> tuple[Condition, ...]:
        """The parsed conditions. Raises ValueError for what is not an expression."""
        return parsed((self.keep,) if isinstance(self.keep, str) else tuple(self.keep))


class Condition(NamedTuple):
    """What has to hold, and the reason if it does not."""

    reason: str
    expression: Expression


@lru_cache(maxsize=64)
def parsed(texts: tuple[str, ...]) -> tuple[Condition, ...]:
    """Parse the conditions, each with its reason or without. Raises ValueError for what is not an expression."""
    found = []
    for number, text in enumerate(texts, 1):
        named = _NAMED.fullmatch(text)
        reason, rest = (named[1], named[2]) if named else (f"where_{number}", text)
        found.append(Condition(reason, Expression(rest)))
    return tuple(found)
