"""What the views hand over, as plain values: a measure and its limits, a stage's verdict, a decision on a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.base import JudgedPart


@dataclass(frozen=True)
class DuplicatePair:
    """A removed document and the one that was kept instead, as the step saw them.

    `jaccard`: of their shingles (None where either text is gone or the step compares no texts); `bands`: those in which
    they agree, empty where only others of their cluster join them. `old`: the kept one is of an earlier run.
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
    """A document some of whose text occurs elsewhere: the spans as texts, and why it was removed, if it was."""

    stage: str
    reason: str | None
    document: dict[str, Any]
    spans: list[str]


@dataclass(frozen=True)
class MeasureReading:
    """One measure of one page beside its limits (None = none on that side)."""

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
    """What one stage made of the page. `changed` are the columns it wrote, measures aside; `note`: why there is no
    verdict; `parts`: of a stage that chooses among the page's parts, all of them.
    """

    stage: str
    drop: str | None
    note: str = ""
    readings: list[MeasureReading] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)
    parts: Sequence[JudgedPart] = ()

    @property
    def outcome(self) -> str:
        """The reason to drop the page, `ok`, or why neither can be said."""
        return self.drop or self.note or "ok"
