"""The audit trail of a run: who ran what code on which input, and what came of it, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.record import Record
from refinedweb.ledger.totals import ledger_folders
from refinedweb.storage.json_objects import Unreadable
from refinedweb.views.run import Run

OF_TASK = (
    "task", "fingerprint", "code_version", "input_key", "input_etag", "input_size", "rows_in", "rows_kept", "removed",
    "user", "host", "driver", "committed_at",
)  # fmt: skip


def trail(run: Run) -> Iterator[dict[str, Any]]:
    """First the run, then every task by step; a record that cannot be read is an event, too."""
    file = run.file
    yield {
        "event": "run",
        "out": run.store.root,
        "token": file.token,
        "created_at": file.created_at,
        "recipe_name": file.recipe_name,
        "fingerprint": file.fingerprint,
        "code_version": file.code_version,
        "inputs": len(file.inputs),
        "origin": file.origin,
        "recipe": file.recipe,
    }
    for folder in ledger_folders(run.store, file.steps):
        ledger = Ledger(run.store, folder)
        for found in ledger.readings(sorted(ledger.committed())):
            if isinstance(found, Unreadable):
                yield {"event": "unreadable", "step": folder, "error": str(found)}
            else:
                yield _of_task(folder, found)


def _of_task(step: str, record: Record) -> dict[str, Any]:
    outputs = [asdict(output) for output in record.outputs]
    return {"event": "task", "step": step, **{name: getattr(record, name) for name in OF_TASK}, "outputs": outputs}
