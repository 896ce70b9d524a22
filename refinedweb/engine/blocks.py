"""Which tasks are still to do, and which of them this driver may run: blocks of neighbouring tasks, claimed one at a
time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from refinedweb.claims import Claims
from refinedweb.manifest import Ledger, Record
from refinedweb.storage import Missing

LOOK_SECONDS = 2.0
AMONG = 8


class Blocks:
    """The pending tasks of a step by block. `sizes`: bytes of every pending task; `block`: tasks per block."""

    def __init__(self, sizes: Mapping[int, int], block: int, ledger: Ledger, claims: Claims) -> None:
        self.claims = claims
        self._ledger = ledger
        self._sizes = dict(sizes)
        self._block = block
        self._members: dict[int, set[int]] = {}
        for number in sizes:
            self._members.setdefault(number // block, set()).add(number)
        self._order = sorted(self._members, key=self._weight, reverse=True)
        self._foreign = claims.claimed()
        self._looked = float("-inf")

    @property
    def pending(self) -> dict[int, int]:
        """Size of every task that is neither committed nor given up here."""
        return self._sizes

    def is_pending(self, number: int) -> bool:
        return number in self._sizes

    def _weight(self, block: int) -> int:
        return sum(self._sizes[number] for number in self._members[block])

    def take(self) -> list[int] | None:
        """Claim a block; its pending tasks, largest first. None where others hold all that is left.

        Free blocks are tried first, heaviest first; which of the heaviest is left to chance, so that many drivers that
        start at once don't queue for the same one.
        """
        free = [b for b in self._order if b not in self._foreign and b not in self.claims.mine]
        while free:
            block = free.pop(random.randrange(min(AMONG, len(free))))
            if self.claims.take(block):
                return self._still_pending(block)
            self._foreign.add(block)
        return self._take_over()

    def _take_over(self) -> list[int] | None:
        """A block whose holder is dead. Asked at intervals: each question is a request to the store."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return None
        self._looked = time.monotonic()
        for block in [b for b in self._order if b in self._foreign]:
            if self.claims.take(block):
                self._foreign.discard(block)
                return self._still_pending(block)
        return None

    def _still_pending(self, block: int) -> list[int]:
        """The block's tasks that have no record by now: another driver may have finished some before us."""
        for number in sorted(self._members[block]):
            if self.record_of(number) is not None:
                self.settle(number)
        return sorted(self._members.get(block, ()), key=lambda number: (-self._sizes[number], number))

    def record_of(self, number: int) -> Record | None:
        """The task's record, if it has one."""
        try:
            return self._ledger.record(number)
        except Missing:
            return None

    def look_again(self) -> None:
        """Settle what other drivers committed, and see which claims are gone."""
        for number in self._ledger.committed() & set(self._sizes):
            self.settle(number)
        self._foreign &= self.claims.claimed()

    def settle(self, number: int) -> None:
        """The task needs nothing more from this driver. A block without tasks is given back."""
        self._sizes.pop(number, None)
        block = number // self._block
        members = self._members.get(block, set())
        members.discard(number)
        if not members and block in self._members:
            del self._members[block]
            self._order.remove(block)
            if block in self.claims.mine:
                self.claims.release(block, done=True)

    def release(self) -> None:
        """Give back every block that is not finished."""
        for block in sorted(self.claims.mine):
            self.claims.release(block, done=False)
