"""Rollups written while a run goes on, so that `status` is fast during the run and after the run was killed."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

from refinedweb.engine import policy
from refinedweb.ledger.manifest import ROLLUP, Ledger
from refinedweb.storage.patient import impatient
from stages.errors import RefinedWebError


class RollUps:
    """Writes rollups in a thread: on S3, listing a million records takes longer than a lease, and the driver has to go
    on renewing its claims.

    A rollup starts ROLL_UP_SECONDS after the last one ended, or after ROLL_UP_SHARE times the duration of the last one
    if that is longer. So rollups cost the driver and the store a small share of their time, however large the ledger.

    Of many drivers one is enough, and none knows how many there are. So each writes a rollup with a chance that is its
    own share of the records in it: about one of them does, at each turn. Records of drivers that are gone leave a share
    to nobody, and the blocks that only they worked on have a chance of ROLL_UP_LEFT.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._own: Counter[int] = Counter()
        self._ledger = Ledger(impatient(ledger.store), ledger.step)
        self._thread = ThreadPoolExecutor(1)
        self._running: Future[set[int]] | None = None
        self._due = time.monotonic() + policy.ROLL_UP_SECONDS
        self._closed = False

    def note(self, task: int) -> None:
        """This driver saw the task committed by its own worker."""
        self._own[task // ROLLUP] += 1

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
            if not self._closed and random.random() < max(policy.ROLL_UP_LEFT, self._own[block] / ROLLUP):
                self._ledger.roll_up_block(block)
        now = time.monotonic()
        self._due = now + max(policy.ROLL_UP_SECONDS, policy.ROLL_UP_SHARE * (now - start))
        return committed

    def close(self) -> None:
        """Stop after the block that is being rolled up."""
        self._closed = True
        self._thread.shutdown()
