"""Rollups written while a run goes on, so that `status` is fast during the run and after the run was killed."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

from refinedweb.engine import policy
from refinedweb.ledger.manifest import Ledger
from refinedweb.storage.patient import impatient
from stages.errors import RefinedWebError


class RollUps:
    """Writes rollups in a thread: on S3, listing a million records takes longer than a lease, and the driver has to go
    on renewing its claims.

    A rollup starts ROLL_UP_SECONDS after the last one ended, or after ROLL_UP_SHARE times the duration of the last one
    if that is longer. So rollups cost the driver and the store a small share of their time, however large the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = Ledger(impatient(ledger.store), ledger.step)
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[set[int]] | None = None
        self._due = time.monotonic() + policy.ROLL_UP_SECONDS
        self._closed = False

    def tick(self) -> set[int]:
        """Start a rollup when one is due. Returns the committed tasks if a rollup has just ended, else nothing.

        The loop calls it on every turn.
        """
        if self._running is None:
            if time.monotonic() >= self._due:
                self._running = self._thread.submit(self._roll_up)
            return set()
        if not self._running.done():
            return set()
        ended, self._running = self._running, None
        try:
            return ended.result()
        except (RefinedWebError, OSError):  # only this rollup is lost: `status` reads more records until the next one
            self._due = time.monotonic() + policy.ROLL_UP_SECONDS
            return set()

    def _roll_up(self) -> set[int]:
        start = time.monotonic()
        committed = self._ledger.committed()
        for block in self._ledger.due(committed):
            if not self._closed:
                self._ledger.roll_up_block(block)
        now = time.monotonic()
        self._due = now + max(policy.ROLL_UP_SECONDS, policy.ROLL_UP_SHARE * (now - start))
        return committed

    def close(self) -> None:
        """Stop after the block that is being rolled up."""
        self._closed = True
        self._thread.shutdown()
