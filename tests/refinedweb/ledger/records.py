"""Records and a clock for the tests of ledgers, claims and the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

from refinedweb.ledger.layout import task_name
from refinedweb.ledger.manifest import Output, Record


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def record(task: int = 0, *, rows_in: int = 10, kept: int = 6, **changes: object) -> Record:
    """A record that keeps the law."""
    made = Record(
        task=task,
        fingerprint="f",
        code_version="1",
        input_key=f"in/{task}",
        input_etag="e",
        input_size=1000,
        rows_in=rows_in,
        rows_kept=kept,
        bytes_kept=kept * 100,
        removed={"quality_v1": {"too_few_words": rows_in - kept}},
        outputs=[Output(f"corpus/{task_name(task)}.parquet", kept, 500, "c")],
        stage_seconds={"quality_v1": 0.5},
        skipped={"request": 3},
    )
    return replace(made, **changes)  # type: ignore[arg-type]
