"""Rollups written while a run goes on: `status` must stay fast meanwhile, and after it was killed."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

from refinedweb.ledger.manifest import Ledger

ROLL_UP_SECONDS = 60.0
SHARE = 20


class RollUps:
    """In a thread: on S3, listing a million records takes longer than a lease, and the driver must renew its claims.

    Begins ROLL_UP_SECONDS after the last one ended, or SHARE times what that took: this costs a driver, and the store,
    a small share of their time however large the ledger is.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[set[int]] | None = None
        self._due = time.monotonic() + ROLL_UP_SECONDS
        self._closed = False

    def tick(self) -> set[int]:
        """To be called often. The tasks that have a record, where a rollup has just ended; else none."""
        if self._running is None:
            if time.monotonic() >= self._due:
                self._running = self._thread.submit(self._roll_up)
            return set()
        if not self._running.done():
            return set()
        committed, self._running = self._running.result(), None
        return committed

    def _roll_up(self) -> set[int]:
        start = time.monotonic()
        committed = self._ledger.committed()
        for block in self._ledger.due(committed):
            if not self._closed:
                self._ledger.roll_up_block(block)
        now = time.monotonic()
        self._due = now + max(ROLL_UP_SECONDS, SHARE * (now - start))
        return committed

    def close(self) -> None:
        """Ends after the block that is being rolled up."""
        self._closed = True
        self._thread.shutdown()
