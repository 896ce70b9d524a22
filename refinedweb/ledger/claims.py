"""Claims with leases: drivers that know nothing of each other share one run without a coordinator.

A claim on a block of tasks is an object that is created by a conditional put and renewed by compare-and-swap. The
clocks of different machines are never compared: a driver that wants a block held by another one watches the version of
its claim, and takes the block over once the version has not changed for a whole lease by the watcher's own clock. On
the holder's own machine, the death of its process is known immediately.

Losing a claim costs double work, never a wrong answer: outputs are deterministic, and the ledger accepts one record per
task. So a claim in doubt (the store's answer was lost) counts as not ours.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from refinedweb.ledger import layout
from refinedweb.storage import Changed, Exists, Missing, Store
from stages.errors import CommitUnknown

LEASE_SECONDS = 60.0  # three renewals: a holder that misses them all is dead, or too slow to be waited for


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Identify the place in which a process id is valid: boot and process-id namespace. Empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started_at(pid: int) -> str | None:
    """When the process started, in clock ticks after boot (detects a reused process id); None if it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


@dataclass(frozen=True)
class Holder:
    """Who holds a claim. `beat` changes with every renewal."""

    owner: str
    beat: int
    machine: str
    pid: int
    started: str
    released: bool = False

    def is_free(self) -> bool:
        """True if the claim was given back, or if its process is known to be dead."""
        if self.released:
            return True
        return self.machine != "" and self.machine == this_machine() and started_at(self.pid) != self.started


class _Watched(NamedTuple):
    """When another's claim was first and last seen with this etag. Listings may show other etags than reads do."""

    etag: str
    first: float
    last: float


class Claims:
    """This driver's claims on the blocks of one step."""

    def __init__(
        self, store: Store, step: str, lease: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.owner = uuid.uuid4().hex
        self._store = store
        self._step = step
        self._lease = lease
        self.clock = clock
        self._mine: dict[int, str] = {}
        self._beat = 0
        self._renewed = clock()
        self._listed: dict[int, _Watched] = {}
        self._read: dict[int, _Watched] = {}

    @property
    def mine(self) -> set[int]:
        """The blocks that this driver holds, as far as it knows."""
        return set(self._mine)

    def claimed(self) -> set[int]:
        """List the blocks that anyone claims, dead or alive. Such listings also show which claims are `silent`."""
        before, self._listed = self._listed, {}
        for info in self._store.list(layout.ledger_folder(self._step, layout.CLAIMS)):
            block = layout.number_of(info.key)
            self._listed[block] = self._watched(before.get(block), info.etag)
        return set(self._listed)

    def silent(self) -> set[int]:
        """Blocks whose claim did not change between two listings a lease apart; their holder is presumed dead.

        Empty if the last listing is older than the time between renewals: another driver may hold them by now.
        """
        old = self.clock() - self._lease / 3
        return {b for b, seen in self._listed.items() if seen.last >= old and seen.last - seen.first >= self._lease}

    def take(self, block: int) -> bool:
        """Claim the block if nobody holds it, or if its holder died, gave it back or let its lease run out."""
        try:
            self._mine[block] = self._store.put_new(self._key(block), self._holder())
        except Exists:
            return self.take_over(block)
        except CommitUnknown:
            return False
        return True

    def take_over(self, block: int) -> bool:
        """Claim a block that has a claim, if its holder died, gave it back or let its lease run out."""
        try:
            data, etag = self._store.get(self._key(block))
        except Missing:
            return False
        seen = self._read[block] = self._watched(self._read.get(block), etag)
        expired = seen.last - seen.first >= self._lease or block in self.silent()
        if not expired and not Holder(**json.loads(data)).is_free():
            return False
        try:
            self._mine[block] = self._store.put_match(self._key(block), self._holder(), etag)
        except (Changed, CommitUnknown):
            return False
        return True

    def _watched(self, before: _Watched | None, etag: str) -> _Watched:
        """Note since when, by this driver's clock, the claim has had this etag."""
        now = self.clock()
        return _Watched(etag, before.first if before is not None and before.etag == etag else now, now)

    def renew(self) -> None:
        """Renew every claim once a third of the lease has passed. Forget blocks that another driver took over."""
        if self.clock() - self._renewed < self._lease / 3:
            return
        self._renewed = self.clock()
        self._beat += 1
        for block, etag in list(self._mine.items()):
            try:
                self._mine[block] = self._store.put_match(self._key(block), self._holder(), etag)
            except (Changed, CommitUnknown):
                del self._mine[block]

    def release(self, block: int, *, done: bool) -> None:
        """Give a block back: delete the claim if the block is finished, else mark it as free."""
        etag = self._mine.pop(block)
        if done:
            self._store.delete(self._key(block))
            return
        try:
            self._store.put_match(self._key(block), self._holder(released=True), etag)
        except (Changed, CommitUnknown):
            return  # another driver has taken it over, or the lease will run out

    def clear(self) -> None:
        """Delete every claim that is left. Call it when the step's last task is committed and claims no longer matter.

        Their holders died or were stopped between their last commit and giving the block back.
        """
        for block in self.claimed() - self.mine:
            self._store.delete(self._key(block))

    def _holder(self, *, released: bool = False) -> bytes:
        pid = os.getpid()
        holder = Holder(self.owner, self._beat, this_machine(), pid, started_at(pid) or "", released)
        return json.dumps(holder.__dict__).encode()

    def _key(self, block: int) -> str:
        return layout.ledger_key(self._step, layout.CLAIMS, block)
