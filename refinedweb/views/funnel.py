"""The funnel of a run: what each stage got, what it removed and why, compared with the RefinedWeb paper's rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refinedweb.ledger.manifest import Totals
from refinedweb.ledger.totals import StepState

LOST, UNREADABLE = "lost", "unreadable_shard"  # the row of documents that were counted before their shard was lost
# Share of the crawl's documents that are left after the stage: Penedo et al. 2023, figure 2 and section 4.
PAPER = {"url_v1": 0.978, "language_v1": 0.48, "lines_v1": 0.23, "url_dedup_v1": 0.1167}


@dataclass(frozen=True)
class FunnelRow:
    """One stage: documents in, documents removed by reason (most frequent first), share of all input that is left."""

    stage: str
    rows_in: int
    removed: dict[str, int]
    left: float
    paper: float | None

    @property
    def rows_removed(self) -> int:
        return sum(self.removed.values())

    @property
    def rows_kept(self) -> int:
        return self.rows_in - self.rows_removed


def funnel(stages: Sequence[str], totals: Totals, *, faithful: bool) -> list[FunnelRow]:
    """A row for each stage in the order of the recipe, after one for the source reader.

    `faithful`: whether the recipe's numbers can be compared with the paper's.
    """
    rows = []
    current = totals.rows_in
    order = ["source", *stages]
    for stage in [*order, *sorted(set(totals.removed) - set(order))]:
        reasons = dict(sorted(totals.removed.get(stage, {}).items(), key=lambda item: (-item[1], item[0])))
        left = current - sum(reasons.values())
        share = left / totals.rows_in if totals.rows_in else 0.0
        rows.append(FunnelRow(stage, current, reasons, share, PAPER.get(stage) if faithful else None))
        current = left
    if totals.rows_lost:
        reasons = {UNREADABLE: totals.rows_lost}
        share = totals.rows_kept / totals.rows_in
        rows.append(FunnelRow(LOST, current, reasons, share, None))
    return rows


def status_json(states: Sequence[StepState], totals: Totals) -> dict[str, Any]:
    """What `status --json` prints."""
    steps = [
        {
            "step": state.step.name,
            "shards_done": state.done,
            "shards_total": state.total,
            "rows_in": state.totals.rows_in,
            "rows_kept": state.totals.rows_kept,
            "removed": state.totals.removed,
            "shards_lost": state.totals.lost,
            "rows_lost": state.totals.rows_lost,
        }
        for state in states
    ]
    lost = {"shards_lost": totals.lost, "rows_lost": totals.rows_lost}
    return {"steps": steps, "rows_in": totals.rows_in, "rows_kept": totals.rows_kept, **lost}
