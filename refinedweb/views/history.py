"""What became of one document of a run: where it ended, and what the global steps decided about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.ledger.layout import CORPUS
from refinedweb.views.records import CutDocument, DuplicatePair
from refinedweb.views.run import Run
from stages.errors import ConfigError


@dataclass(frozen=True)
class History:
    """One document. `end`: the stage that removed it, or `corpus`. `events`: what global steps decided about it.

    `chain`: what was kept instead of it, what was kept instead of that if it left in a later step, and so on: each with
    its `id`, `end` and `reason`. The end is null for a document of an earlier run.
    """

    document: dict[str, Any]
    end: str
    reason: str | None
    events: list[DuplicatePair | CutDocument]
    chain: list[dict[str, Any]] = field(default_factory=list)


def histories(run: Run, which: str) -> list[History]:
    """The history of every document with this id or URL. Raises ConfigError if there is none."""
    found = list(_ends(run, which))
    if not found:
        raise ConfigError(
            f"{run.out} has no document with the id or URL {which!r}; check that the run is complete with "
            f"`refinedweb status {run.out}`"
        )
    ids = {row["id"] for _, row in found}
    events = [event for stage in run.stages if (known := run.decisions(stage)) for event in known.of(ids)]
    return [
        History(row, end, row.get("drop"), [e for e in events if _id(e) == row["id"]], list(_chain(run, row)))
        for end, row in found
    ]


def _chain(run: Run, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was kept instead of a document, link by link. Each link takes one look through the run."""
    seen = {row["id"]}
    while (kept := row.get("kept_id")) is not None and kept not in seen:
        seen.add(kept)
        end, row = next(((end, row) for end, row in _ends(run, kept) if row["id"] == kept), (None, {}))
        yield {"id": kept, "end": end, "reason": row.get("drop")}


def _id(event: DuplicatePair | CutDocument) -> str:
    return str((event.document if isinstance(event, CutDocument) else event.removed)["id"])


def _ends(run: Run, which: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for end in (CORPUS, "source", *run.stages, "quarantine"):
        for table in run.tables(end):
            for row in table.filter(_matches(table, which)).to_pylist():
                yield end, row


def _matches(table: pa.Table, which: str) -> pa.ChunkedArray:
    by_id, by_url = pc.equal(table.column("id"), which), pc.equal(table.column("url"), which)
    return pc.fill_null(pc.or_kleene(by_id, by_url), False)
