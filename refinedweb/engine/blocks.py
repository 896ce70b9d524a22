"""Which tasks are still to do, and which of them this driver may run: blocks of neighbouring tasks, claimed one at a
time, those with the largest tasks first.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping

from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.storage import Missing

LOOK_SECONDS = 2.0
AMONG = 8
TRIES = 8
ASKED = 4
LONE = 4


def cut(sizes: Mapping[int, int], block: int) -> dict[int, int]:
    """The block of every task: `block` neighbours together, but a task of LONE times the mean size or more is one of
    its own, so that nobody who holds it holds others back. The same for every driver: it depends on the tasks alone.
    """
    ordinary = max(sizes, default=0) // block + 1
    large = LONE * sum(sizes.values()) / max(1, len(sizes))
    return {n: ordinary + n if block > 1 and size >= large else n // block for n, size in sizes.items()}


class Blocks:
    """The pending tasks of a step by block. `sizes`: bytes of every task of the step; `block`: tasks per block.

    A block is free (nobody was seen to hold it), ours, or foreign. What a call asks of the store is bounded, whatever
    the number of tasks and of drivers.
    """

    def __init__(
        self, sizes: Mapping[int, int], committed: Collection[int], block: int, ledger: Ledger, claims: Claims
    ) -> None:
        self.claims = claims
        self._ledger = ledger
        self._sizes = {number: size for number, size in sizes.items() if number not in committed}
        self._block_of = cut(sizes, block)
        self._members: dict[int, set[int]] = {}
        for number in self._sizes:
            self._members.setdefault(self._block_of[number], set()).add(number)
        self._largest = {b: max(self._sizes[n] for n in members) for b, members in self._members.items()}
        self._free = sorted(self._members, key=lambda b: (self._largest[b], self._weight(b)))
        self._seen: set[int] = set()
        self._looked: float | None = None

    @property
    def pending(self) -> dict[int, int]:
        """Size of every task that is neither committed nor given up here."""
        return self._sizes

    def is_pending(self, number: int) -> bool:
        return number in self._sizes

    def _weight(self, block: int) -> int:
        return sum(self._sizes[number] for number in self._members[block])

    def take(self) -> list[int] | None:
        """Claim a block; its pending tasks, largest first. None where others hold all that is left, as far as is known.

        What dead holders left is asked for once, before anything else: it is what was begun first. Then free blocks,
        those with the largest tasks first; which of several alike is left to chance, and more so with every refusal,
        so that many drivers that start at once don't queue for the same one.
        """
        if self._looked is None and (left := self._look()) is not None:
            return left
        for refusals in range(TRIES):
            block = self._pop_free(refusals)
            if block is None:
                break
            self._seen.add(block)
            if self.claims.take(block):
                return self._still_pending(block)
        return self._look()

    def _pop_free(self, refusals: int) -> int | None:
        """One of the first blocks that nobody was seen to hold. Those seen or settled meanwhile are dropped here."""
        while self._free:
            block = self._free.pop(-1 - random.randrange(self._window(refusals)))
            if block in self._members and block not in self._seen:
                return block
        return None

    def _window(self, refusals: int) -> int:
        """Among how many of the first blocks to choose: those whose largest task is half the first's at least."""
        most = min(AMONG << refusals, len(self._free))
        least = self._largest[self._free[-1]] / 2
        alike = next((n for n in range(most) if self._largest[self._free[-1 - n]] < least), most)
        return max(alike, min(1 << refusals, most))

    def _look(self) -> list[int] | None:
        """One listing of the claims, and questions about a few blocks of others: is it done, is its holder dead?

        Those without a claim come first (finished most likely), then those whose claim has long not changed, then any.
        """
        if self._looked is not None and self.claims.clock() - self._looked < LOOK_SECONDS:
            return None
        self._looked = self.claims.clock()
        claimed = self.claims.claimed()
        self._seen |= claimed
        foreign = self._seen.intersection(self._members) - self.claims.mine
        silent = self.claims.silent()
        order = sorted(foreign, key=lambda b: (b in claimed, b not in silent, random.random()))
        for block in order[:ASKED]:
            left = self._still_pending(block)
            if left and (self.claims.take_over(block) if block in claimed else self.claims.take(block)):
                self._looked = float("-inf")  # its holder may have left more
                return self._still_pending(block)
        if len(foreign - claimed) > ASKED:
            self._looked = float("-inf")  # more were finished than were asked about
        return None

    def _still_pending(self, block: int) -> list[int]:
        """The block's tasks that have no record by now: another driver may have finished some before us."""
        self.settle_all(self._ledger.recorded(self._members.get(block, ())))
        return sorted(self._members.get(block, ()), key=lambda number: (-self._sizes[number], number))

    def record_of(self, number: int) -> Record | None:
        """The task's record, if it has one."""
        try:
            return self._ledger.record(number)
        except Missing:
            return None

    def settle_all(self, numbers: Iterable[int]) -> None:
        """Settle those of the tasks that are pending."""
        for number in [number for number in numbers if number in self._sizes]:
            self.settle(number)

    def settle(self, number: int) -> None:
        """The task needs nothing more from this driver. A block without tasks is given back."""
        self._sizes.pop(number, None)
        block = self._block_of[number]
        members = self._members.get(block, set())
        members.discard(number)
        if not members and block in self._members:
            del self._members[block]
            if block in self.claims.mine:
                self.claims.release(block, done=True)

    def release(self) -> None:
        """Give back every block that is not finished."""
        for block in sorted(self.claims.mine):
            self.claims.release(block, done=False)
