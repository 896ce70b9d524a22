"""Which tasks still have to be done, and which of them this driver may run.

Tasks are grouped into blocks of neighbours. A driver claims one block at a time, those with the largest tasks first.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping

from refinedweb.engine import policy
from refinedweb.ledger.claims import Claims
from refinedweb.ledger.manifest import Ledger, Record
from refinedweb.storage import Missing
from refinedweb.storage.json_objects import Unreadable


def block_numbers(sizes: Mapping[int, int], block: int) -> dict[int, int]:
    """The number of the block that each task belongs to.

    A block has `block` neighbouring tasks, but a task of at least LARGE_TASK times the mean size is a block by itself,
    so that its holder holds nothing else back. The result depends on the tasks alone, so all drivers agree on it.
    """
    ordinary = max(sizes, default=0) // block + 1
    large = policy.LARGE_TASK * sum(sizes.values()) / max(1, len(sizes))
    return {n: ordinary + n if block > 1 and size >= large else n // block for n, size in sizes.items()}


class Blocks:
    """The pending tasks of a step by block.

    `sizes`: bytes of every task of the step. `block`: tasks per block. A block is free (nobody was seen to hold it),
    ours, or foreign. The number of requests that a call makes to the store is bounded, however many tasks and drivers
    there are.
    """

    def __init__(
        self, sizes: Mapping[int, int], committed: Collection[int], block: int, ledger: Ledger, claims: Claims
    ) -> None:
        self.claims = claims
        self._ledger = ledger
        self._sizes = {number: size for number, size in sizes.items() if number not in committed}
        self._block_of = block_numbers(sizes, block)
        self._members: dict[int, set[int]] = {}
        for number in self._sizes:
            self._members.setdefault(self._block_of[number], set()).add(number)
        self._largest = {b: max(self._sizes[n] for n in members) for b, members in self._members.items()}
        self._free = sorted(self._members, key=lambda b: (self._largest[b], self._weight(b)))
        self._seen: set[int] = set()
        self._looked: float | None = None
        self._held: set[int] = set()
        self._given_back: list[int] = []
        self.shared = False
        """Whether another driver has been seen to hold a block."""

    @property
    def pending(self) -> dict[int, int]:
        """The size of every task that is neither committed nor given up by this driver."""
        return self._sizes

    def is_pending(self, number: int) -> bool:
        return number in self._sizes

    def is_ours(self, number: int) -> bool:
        """Whether this driver holds the block of the task."""
        return self._block_of[number] in self.claims.mine

    def _weight(self, block: int) -> int:
        return sum(self._sizes[number] for number in self._members[block])

    def take(self) -> list[int] | None:
        """Claim a block and return its pending tasks, largest first; None if others hold all blocks, as far as we know.

        The first call starts by looking for blocks that dead drivers left: those were begun first. After that, free
        blocks come first, the ones with the largest tasks before the others. The choice among similar blocks is
        random, and among more of them with every refusal, so that drivers that start together don't all try the same.
        """
        while self._given_back:
            ours = self._given_back.pop()
            if ours in self._members and self.claims.take_over(ours):
                return self._begin(ours)
        if self._looked is None and (left := self._look()) is not None:
            return left
        for refusals in range(policy.CLAIM_TRIES):
            block = self._pop_free(refusals)
            if block is None:
                break
            self._seen.add(block)
            if self.claims.take(block):
                return self._begin(block)
        return self._look()

    def _begin(self, block: int) -> list[int]:
        self._held.add(block)
        return self._still_pending(block)

    def _pop_free(self, refusals: int) -> int | None:
        """One of the first free blocks. Blocks that were seen at others or settled in the meantime are dropped here."""
        while self._free:
            block = self._free.pop(-1 - random.randrange(self._window(refusals)))
            if block in self._members and block not in self._seen:
                return block
        return None

    def _window(self, refusals: int) -> int:
        """How many of the first blocks to choose from: those whose largest task is at least half of the first's."""
        most = min(policy.SIMILAR_BLOCKS << refusals, len(self._free))
        least = self._largest[self._free[-1]] / 2
        similar = next((n for n in range(most) if self._largest[self._free[-1 - n]] < least), most)
        return max(similar, min(1 << refusals, most))

    def _look(self) -> list[int] | None:
        """List the claims, and check whether a few foreign blocks are finished or have a dead holder.

        Blocks without a claim are checked first (most are finished), then those whose holder is probably dead, last
        those whose holder lives.
        """
        if self._looked is not None and self.claims.clock() - self._looked < policy.LOOK_SECONDS:
            return None
        self._looked = self.claims.clock()
        claimed = self._claimed()
        self._seen |= claimed
        foreign = self._seen.intersection(self._members) - self.claims.mine
        order = sorted(foreign, key=lambda b: (b in claimed, b in claimed and self.claims.doubt(b), random.random()))
        for block in order[: policy.FOREIGN_CHECKS]:
            left = self._still_pending(block)
            if left and (self.claims.take_over(block) if block in claimed else self.claims.take(block)):
                self._looked = float("-inf")  # its holder may have left more
                return self._begin(block)
        if len(foreign - claimed) > policy.FOREIGN_CHECKS:
            self._looked = float("-inf")  # more blocks were finished than we checked
        return None

    def _claimed(self) -> set[int]:
        claimed = self.claims.claimed()
        self.shared |= not claimed <= self._held
        return claimed

    def _still_pending(self, block: int) -> list[int]:
        """The tasks of the block that have no record yet: another driver may have finished some before us."""
        self.settle_all(self._ledger.recorded(self._members.get(block, ())))
        return sorted(self._members.get(block, ()), key=lambda number: (-self._sizes[number], number))

    def record_of(self, number: int) -> Record | None:
        """The task's record, if it has one that can be read."""
        try:
            return self._ledger.record(number)
        except (Missing, Unreadable):
            return None

    def settle_all(self, numbers: Iterable[int]) -> None:
        """Settle those of the tasks that are pending."""
        for number in [number for number in numbers if number in self._sizes]:
            self.settle(number)

    def settle(self, number: int) -> None:
        """Note that the task needs nothing more from this driver. A block without pending tasks is released."""
        self._sizes.pop(number, None)
        block = self._block_of[number]
        members = self._members.get(block, set())
        members.discard(number)
        if not members and block in self._members:
            del self._members[block]
            if block in self.claims.mine:
                self.claims.release(block, done=True)

    def give_back_idle(self, running: set[int]) -> None:
        """Release the blocks of ours in which no task is running: other drivers may have better nodes. Those that they
        leave to us are the first that `take` takes again.
        """
        busy = {self._block_of[number] for number in running}
        for block in sorted(self.claims.mine - busy):
            self.claims.release(block, done=False)
            self._given_back.append(block)
        self._claimed()

    def release(self) -> None:
        """Release every block of ours that is not finished, and show no sign of life any more."""
        for block in sorted(self.claims.mine):
            self.claims.release(block, done=False)
        self.claims.leave()
