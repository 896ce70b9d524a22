"""Find the document that kills the stages: halve the batch, in a child process, until one document is left to blame.

Used only for a shard whose task died or raised before: a child process takes a second to start. Stages do not depend on
batch boundaries (a law), so the surviving documents come out as they always would.

Whatever kills processes from outside (the kernel when memory runs out, an operator) must not decide what is in the
corpus. So the last document is blamed only if it fails TRIES times, each time in a fresh child that has just run the
stages over no documents. A child that dies before that has met no document, and says nothing about one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import pyarrow as pa

from refinedweb.shard.apply import Removal, Split, apply_stages
from refinedweb.shard.deadline import cpu_limit, ended_by_limit
from refinedweb.shard.stage_cache import built
from stages.base import Stage, drop_where
from stages.errors import ConfigError, RetryError, ShardError

MOST = 100  # documents quarantined per shard: if more fail, the stage is broken and not the documents
TRIES = 3  # of the last document of a bisection
READY_TRIES = 8  # children in a row that die before they have met a document: then the machine is out of memory
WAIT_SECONDS = 0.25  # before the second try; doubled by each further one, to outlast what kills from outside
QUARANTINE = "quarantine"
REFUSALS = CRASH, ERROR, TIMEOUT = "worker_crash", "stage_error", "stage_timeout"  # why a document is quarantined
NOT_THE_DOCUMENT = (ConfigError, RetryError, ImportError, OSError)  # what is missing is missing for all documents

Stages = tuple[tuple[str, dict[str, Any]], ...]
T = TypeVar("T")


class Poison(NamedTuple):
    """One document that cannot be processed, and the reason for which it is removed."""

    id: str
    error: str
    reason: str


class Apart(Generic[T]):
    """Does `work(stages, docs)` in a child process, which ends with the context. What a document that fails leaves is
    `without(docs, reason)`, and `poison` lists those documents.
    """

    def __init__(
        self,
        stages: Stages,
        imports: tuple[str, ...],
        seconds: float,
        work: Callable[[Sequence[Stage], pa.Table], T],
        without: Callable[[pa.Table, str], T],
    ) -> None:
        self._stages = stages
        self._imports = imports
        self._seconds = seconds
        self._work = work
        self._without = without
        self._processes: list[Any] = []  # of the child: how it ended
        self._child: ProcessPoolExecutor | None = None
        self._confirmed: set[str] = set()  # exceptions that a fresh child has raised too
        self.poison: list[Poison] = []

    def apply(self, docs: pa.Table) -> list[T]:
        """What becomes of each part of the batch, in order. Raises ShardError if too many documents fail."""
        try:
            return [self._in_child(docs)]
        except BrokenProcessPool:
            if self._spent() and docs.num_rows > 1:
                return self.one_by_one(docs)
            self.close()
        except NOT_THE_DOCUMENT:
            raise
        except Exception as error:  # whatever a stage raises costs only the document that made it
            if docs.num_rows == 1 and _said(error) in self._confirmed:
                return [self._quarantine(docs, ERROR, _said(error))]
        if docs.num_rows == 1:
            return [self._tried_again(docs)]
        half = docs.num_rows // 2
        return self.apply(docs.slice(0, half)) + self.apply(docs.slice(half))

    def one_by_one(self, docs: pa.Table) -> list[T]:
        """The same for a batch that takes too long: one of its halves would take as long again."""
        self._make_ready(docs.slice(0, 0))
        return [part for row in range(docs.num_rows) for part in self.apply(docs.slice(row, 1))]

    def _tried_again(self, doc: pa.Table) -> T:
        """What becomes of a document that has failed once. It is quarantined if it fails each time."""
        reason = error = ""
        for attempt in range(1, TRIES):
            time.sleep(WAIT_SECONDS * 2 ** (attempt - 1))
            self.close()
            self._make_ready(doc.slice(0, 0))
            try:
                return self._in_child(doc)
            except BrokenProcessPool:
                reason, error = CRASH, "the process died"
                if self._spent():
                    reason, error = TIMEOUT, f"it took more than {self._seconds:g} CPU seconds"
            except NOT_THE_DOCUMENT:
                raise
            except Exception as raised:
                reason, error = ERROR, _said(raised)
        self._confirmed.add(error)
        if reason != ERROR:
            self.close()
        return self._quarantine(doc, reason, error)

    def _make_ready(self, empty: pa.Table) -> None:
        """Have a child that has run the stages over no documents. Raises RetryError if every child dies before that."""
        for attempt in range(READY_TRIES):
            try:
                self._in_child(empty)
                return
            except BrokenProcessPool:
                self.close()
                time.sleep(WAIT_SECONDS * 2**attempt)
        raise RetryError(f"{READY_TRIES} processes in a row died before they read a document; is there enough memory?")

    def _quarantine(self, docs: pa.Table, reason: str, error: str) -> T:
        self.poison.append(Poison(docs.column("id")[0].as_py(), error, reason))
        if len(self.poison) > MOST:
            raise ShardError(f"more than {MOST} documents of one shard fail, the last with: {error}; a stage is broken")
        return self._without(docs, reason)

    def _in_child(self, docs: pa.Table) -> T:
        if self._child is None:
            self._child = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        given = docs.combine_chunks()
        found = self._child.submit(_done, self._work, self._stages, self._imports, given, self._limit(docs))
        self._processes = [*self._child._processes.values()]
        return found.result()

    def _limit(self, docs: pa.Table) -> float:
        """No limit while a child gets ready: kernels may have to be compiled."""
        return self._seconds if docs.num_rows else math.inf

    def _spent(self) -> bool:
        """Whether the child that just died had spent its limit."""
        self.close()
        return any(ended_by_limit(process.exitcode) for process in self._processes)

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.shutdown(wait=True, cancel_futures=True)
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Careful(Apart[Split]):
    """`apply_stages` in a child process. `poison` lists the quarantined documents, whose `drop` is `worker_crash`,
    `stage_error`, or `stage_timeout` if a document alone takes more than `seconds` of CPU time.
    """

    def __init__(self, stages: Stages, imports: tuple[str, ...], seconds: float = math.inf) -> None:
        super().__init__(stages, imports, seconds, _applied, self._removed)

    def _removed(self, docs: pa.Table, reason: str) -> Split:
        empty = apply_stages(built(self._stages, self._imports), docs.slice(0, 0), {})
        return Split(empty.kept, [Removal(QUARANTINE, drop_where(docs, pa.array([reason])))])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _applied(stages: Sequence[Stage], docs: pa.Table) -> Split:
    return apply_stages(stages, docs, {})


def _done(
    work: Callable[[Sequence[Stage], pa.Table], T],
    stages: Stages,
    imports: tuple[str, ...],
    docs: pa.Table,
    seconds: float,
) -> T:
    instances = built(stages, imports)
    with cpu_limit(seconds):
        return work(instances, docs)
