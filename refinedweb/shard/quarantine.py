"""Find the document that kills the stages: halve the batch, in a child process, until one document is left to blame.

Used only for a shard whose task died or raised before: a child process takes a second to start. Stages do not depend on
batch boundaries (a law), so the surviving documents come out as they always would.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple

import pyarrow as pa

from refinedweb.shard.apply import Removal, Split, apply_stages
from refinedweb.shard.stage_cache import built
from stages.base import drop_where
from stages.errors import ConfigError, RetryError, ShardError

MOST = 100  # documents quarantined per shard: if more fail, the stage is broken and not the documents
QUARANTINE = "quarantine"

Stages = tuple[tuple[str, dict[str, Any]], ...]


class Poison(NamedTuple):
    """One document that cannot be processed."""

    id: str
    error: str


class Careful:
    """`apply_stages` in a child process. `poison` lists the quarantined documents, whose `drop` is `worker_crash` or
    `stage_error`.
    """

    def __init__(self, stages: Stages, imports: tuple[str, ...]) -> None:
        self._stages = stages
        self._imports = imports
        self._child: ProcessPoolExecutor | None = None
        self.poison: list[Poison] = []

    def apply(self, docs: pa.Table) -> list[Split]:
        """The split of each part of the batch, in order. Raises ShardError if too many documents fail."""
        try:
            return [self._in_child(docs)]
        except BrokenProcessPool:
            self.close()
            return self._halve(docs, "worker_crash", "the process died")
        except (ConfigError, RetryError):
            raise
        except Exception as error:  # whatever a stage raises costs only the document that made it
            return self._halve(docs, "stage_error", f"{type(error).__name__}: {error}")

    def _halve(self, docs: pa.Table, reason: str, error: str) -> list[Split]:
        if docs.num_rows == 1:
            return [self._quarantine(docs, reason, error)]
        half = docs.num_rows // 2
        return self.apply(docs.slice(0, half)) + self.apply(docs.slice(half))

    def _quarantine(self, docs: pa.Table, reason: str, error: str) -> Split:
        self.poison.append(Poison(docs.column("id")[0].as_py(), error))
        if len(self.poison) > MOST:
            raise ShardError(f"more than {MOST} documents of one shard fail, the last with: {error}; a stage is broken")
        empty = apply_stages(built(self._stages, self._imports), docs.slice(0, 0), {})
        return Split(empty.kept, [Removal(QUARANTINE, drop_where(docs, pa.array([reason])))])

    def _in_child(self, docs: pa.Table) -> Split:
        if self._child is None:
            self._child = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self._child.submit(_apply, self._stages, self._imports, docs.combine_chunks()).result()

    def close(self) -> None:
        if self._child is not None:
            self._child.shutdown(wait=True, cancel_futures=True)
            self._child = None


def _apply(stages: Stages, imports: tuple[str, ...], docs: pa.Table) -> Split:
    return apply_stages(built(stages, imports), docs, {})
