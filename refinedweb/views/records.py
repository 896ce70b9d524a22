"""What the views return, as plain values: a measure with its limits, a stage's verdict, a decision about a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.base import JudgedPart


@dataclass(frozen=True)
class DuplicatePair:
    """A removed document and the one that was kept instead, as the step saw them.

    `jaccard`: similarity of their shingles; None if either text is gone or the step compares no texts. `bands`: those
    in which they agree; empty if only other documents of their cluster connect them. `old`: whether the kept document
    belongs to an earlier run.
    """

    stage: str
    reason: str
    cluster_size: int
    removed: dict[str, Any]
    kept: dict[str, Any]
    jaccard: float | None
    bands: list[int]
    old: bool


@dataclass(frozen=True)
class CutDocument:
    """A document that shares text with others: the shared spans as texts, and the reason if it was removed."""

    stage: str
    reason: str | None
    document: dict[str, Any]
    spans: list[str]


@dataclass(frozen=True)
class MeasureReading:
    """One measure of one page with its limits; None stands for no limit on that side."""

    measure: str
    value: float
    min: float | None
    max: float | None
    reason: str | None

    @property
    def inside(self) -> bool:
        return (self.min is None or self.value >= self.min) and (self.max is None or self.value <= self.max)


@dataclass(frozen=True)
class StageVerdict:
    """What one stage made of the page.

    `changed`: the columns it wrote, except for measures. `note`: why there is no verdict. `parts`: all parts of the
    page, if the stage chooses among them.
    """

    stage: str
    drop: str | None
    note: str = ""
    readings: list[MeasureReading] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)
    parts: Sequence[JudgedPart] = ()

    @property
    def outcome(self) -> str:
        """The reason for dropping the page, or `ok`, or why neither can be said."""
        return self.drop or self.note or "ok"
