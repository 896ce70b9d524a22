"""Claims with leases: drivers that know nothing of each other share one run without a coordinator.

A claim on a block of tasks is an object that is created by a conditional put and taken over by compare-and-swap. It
names its driver, and the driver shows that it lives by one object that changes three times a lease: its heartbeat,
however many blocks it holds. A driver that wants a block held by another one watches both by listings: it presumes the
holder dead once neither the claim nor the holder's heartbeat has changed for a whole lease by the watcher's own clock.
The clocks of different machines are never compared. On the holder's own machine, the death of its process is known at
once. A holder lists the claims as often as its heart beats, so it notices when one of its blocks was taken over.

Losing a claim costs double work, never a wrong answer: outputs are deterministic, and the ledger accepts one record per
task. So a claim in doubt (the store's answer was lost, or it refused) counts as not ours, a listing that failed changes
nothing, and a heartbeat that failed is tried again soon. A store that refuses everything for PATIENCE_SECONDS ends the
driver, with the store's own words.

What the two objects may lack, for whatever reason:

- A claim without a heartbeat (of an older version, which renews each claim; or its heartbeat was deleted) lives as long
  as the claim itself changes. A driver whose heartbeat was deleted writes it again.
- A claim that cannot be read (0 bytes) is held by an unknown driver, and runs out like any other.
- Code of an older version takes our claims for silent after a lease, as it knows no heartbeats: it does work twice.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import NamedTuple

from refinedweb.ledger import layout
from refinedweb.ledger.holder import UNKNOWN, Heartbeat, Holder, Sightings
from refinedweb.storage import Changed, Exists, Missing, Store
from refinedweb.storage.json_objects import Unreadable, load_object
from refinedweb.storage.patient import impatient
from stages.errors import CommitUnknown, ConfigError, Full, RetryError, Unfinished

LEASE_SECONDS = 60.0  # three beats: a holder that misses them all is dead, or too slow to be waited for
BEATS = 3  # per lease
BEATS_OF_TROUBLE = 12  # per lease, after one that failed
LEAST_FRESH = 1.0  # seconds for which a listing counts, however short the lease: acting on it takes a few requests
PATIENCE_SECONDS = 5400.0  # for which the store may refuse every claim: S3 throttles a new prefix for up to an hour
FORBIDDEN_SECONDS = 600.0  # the same if it forbids them: as long as all else that a driver may be refused
MOST_READS = 4  # heartbeats of the dead, read after one listing
MOST_CHECKED = 64  # of our claims that look changed, read after one listing

_written: set[str] = set()  # roots of the stores to which this process has written: what they refuse now may pass
_REFUSED = (RetryError, CommitUnknown, ConfigError, OSError)  # one object may be refused, and the next one not


class _Read(NamedTuple):
    """Whose claim it was when a listing showed it with this etag."""

    etag: str
    holder: Holder


class Claims:
    """This driver's claims on the blocks of one step."""

    def __init__(
        self, store: Store, step: str, lease: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.owner = uuid.uuid4().hex
        self._store = impatient(store)  # a claim in doubt is not ours; and patience renews claims while it waits
        self._step = step
        self._lease = lease
        self.clock = clock
        self._mine: dict[int, str] = {}  # the etag that our last put got
        self._confirmed: dict[int, str] = {}  # the etag with which a listing shows a claim that is known to be ours
        self._beats = 0
        self._next_beat = float("-inf")
        self._claims: Sightings[int] = Sightings()
        self._hearts: Sightings[str] = Sightings()
        self._read: dict[int, _Read] = {}
        self._asked: dict[str, str] = {}  # the version of a silent driver's heartbeat that we read
        self._left: dict[int, set[str]] = {}  # the silent drivers that held a block by their last heartbeat
        self._refused_since: dict[str, float] = {}  # reads and writes: a disk that is read-only lists well

    @property
    def mine(self) -> set[int]:
        """The blocks that this driver holds, as far as it knows."""
        return set(self._mine)

    def claimed(self) -> set[int]:
        """List the blocks that anyone claims, dead or alive. Such listings also show which claims are `silent`.

        If the store refuses, this is what the last listing said.
        """
        if self._list():
            self._ask_the_silent()
        return self._claims.names

    def silent(self) -> set[int]:
        """Blocks whose holder is presumed dead. Empty if the last listing is so old that others may hold them now."""
        return {block for block in self._claims.names if self._is_stale(block) and self._is_left(block)}

    def doubt(self, block: int) -> int:
        """About a block that another claims: 0 take it over, 1 it is silent, 2 it is not, 3 its holder lives."""
        stale = self._is_stale(block)
        if stale and self._is_left(block):
            return 0
        if block in self._read:
            return 0 if self._read[block].holder.is_free() else 3
        return 1 if stale else 2

    def take(self, block: int) -> bool:
        """Claim the block if nobody holds it, or if its holder died, gave it back or let its lease run out."""
        self._beat()
        try:
            self._hold(block, self._store.put_new(self._key(block), self._holder()))
        except Exists:
            return self.take_over(block)
        except _REFUSED as error:
            self._refused(error)
            return False
        return True

    def take_over(self, block: int) -> bool:
        """Claim a block that has a claim, if its holder died, gave it back or let its lease run out."""
        self._beat()
        try:
            data, etag = self._store.get(self._key(block))
            holder = self._holder_in(block, data)
            dead = self._is_stale(block) and self._is_silent(holder.owner)
            if holder.owner != self.owner and not holder.is_free() and not dead:
                return False
            self._hold(block, self._store.put_match(self._key(block), self._holder(), etag))
        except (Missing, Changed):
            return False
        except _REFUSED as error:
            self._refused(error)
            return False
        return True

    def renew(self) -> None:
        """Beat, and see which blocks other drivers took over, once a third of the lease has passed."""
        due = self._beats and self.clock() >= self._next_beat
        if due and self._beat() and self._mine and self._list():  # what refuses the one would refuse the other
            self._forget_the_lost()

    def release(self, block: int, *, done: bool) -> None:
        """Give a block back: delete the claim if the block is finished, else mark it as free."""
        etag = self._forget(block)
        if etag is None:
            return
        try:
            if done:
                self._store.delete(self._key(block))
            else:
                self._store.put_match(self._key(block), self._holder(released=True), etag)
        except Changed:
            return  # another driver has taken it over
        except _REFUSED as error:
            self._refused(error)  # its lease will run out

    def leave(self) -> None:
        """Delete this driver's heartbeat: it holds nothing any more."""
        if self._beats:
            self._delete([layout.driver_key(self._step, self.owner)])
        self._beats, self._next_beat = 0, float("-inf")

    def clear(self) -> None:
        """Delete what dead drivers left. Call it when the last task is committed and claims no longer matter."""
        if self._list():
            others = self._hearts.names - {self.owner}
            self._delete(map(self._key, self._claims.names - self.mine))
            self._delete(layout.driver_key(self._step, owner) for owner in others)

    def _delete(self, keys: Iterable[str]) -> None:
        try:
            for key in keys:
                self._store.delete(key)
        except _REFUSED as error:
            self._refused(error)

    def _beat(self) -> bool:
        """Write our heartbeat if it is due: before the first claim, and then three times a lease. False if refused."""
        now = self.clock()
        if now < self._next_beat:
            return True
        self._beats += 1
        beat = Heartbeat(self.owner, self._beats, sorted(self._mine))
        try:
            self._store.put(layout.driver_key(self._step, self.owner), json.dumps(asdict(beat)).encode())
        except _REFUSED as error:
            self._next_beat = now + self._lease / BEATS_OF_TROUBLE
            self._refused(error)
            return False
        self._next_beat = now + self._lease / BEATS
        self._refused_since.pop("writes", None)
        _written.add(self._store.root)
        return True

    def _list(self) -> bool:
        """See which claims and heartbeats there are. False if the store refuses: then nothing is known that was not."""
        try:
            claims = layout.numbered(self._store, layout.ledger_folder(self._step, layout.CLAIMS))
            claimed = {block: info.etag for block, info in claims}
            alive = {driver: info.etag for driver, info in layout.drivers(self._store, self._step)}
        except _REFUSED as error:
            self._refused(error, "reads")
            return False
        now = self.clock()
        self._refused_since.pop("reads", None)
        self._claims.see(claimed, now)
        self._hearts.see(alive, now)
        self._read = {block: read for block, read in self._read.items() if claimed.get(block) == read.etag}
        return True

    def _ask_the_silent(self) -> None:
        """Read what drivers that fell silent held: it spares reading every claim to find theirs."""
        silent = {owner: self._hearts.etag(owner) or "" for owner in self._hearts.silent(self._lease)}
        unread = [owner for owner, etag in silent.items() if self._asked.get(owner) != etag]
        for owner in unread[:MOST_READS]:
            key = layout.driver_key(self._step, owner)
            try:
                beat = load_object(Heartbeat, self._store.get(key)[0], self._store.uri(key), "")
            except (Missing, Unreadable):
                beat = Heartbeat(owner, 0)
            except _REFUSED as error:
                self._refused(error, "reads")
                return
            self._asked[owner] = silent[owner]
            for block in beat.blocks:
                self._left.setdefault(block, set()).add(owner)

    def _is_stale(self, block: int) -> bool:
        """Whether another's claim did not change for a lease. False if the last listing is too old to tell."""
        if block in self._mine or self.clock() - self._claims.last > max(self._lease / BEATS, LEAST_FRESH):
            return False
        return self._claims.etag(block) is not None and self._claims.is_silent(block, self._lease)

    def _is_left(self, block: int) -> bool:
        """Whether the holder of a stale claim is known to be silent too."""
        if block in self._read:
            return self._is_silent(self._read[block].holder.owner)
        return any(map(self._is_silent, self._left.get(block, ())))

    def _is_silent(self, owner: str) -> bool:
        return self._hearts.is_silent(owner, self._lease)

    def _holder_in(self, block: int, data: bytes) -> Holder:
        """Who holds the block. An unreadable claim is held by an unknown driver."""
        try:
            holder = load_object(Holder, data, self._store.uri(self._key(block)), "")
        except Unreadable:
            holder = UNKNOWN
        listed = self._claims.etag(block)
        if listed is not None:
            self._read[block] = _Read(listed, holder)
        return holder

    def _forget_the_lost(self) -> None:
        """Read those of our claims that the last listing shows as changed or gone, and forget what is not ours."""
        listed = {block: self._claims.etag(block) for block in self._mine}
        known = {block: (self._confirmed.get(block), self._mine[block]) for block in listed}
        unsure = [block for block, etag in listed.items() if etag is None or etag not in known[block]]
        for block in unsure[:MOST_CHECKED]:
            try:
                data, _ = self._store.get(self._key(block))
            except Missing:
                self._forget(block)
                continue
            except _REFUSED as error:
                self._refused(error, "reads")
                return
            if self._holder_in(block, data).owner != self.owner:
                self._forget(block)
            elif (etag := listed[block]) is not None:
                self._confirmed[block] = etag

    def _hold(self, block: int, etag: str) -> None:
        self._mine[block] = etag
        self._confirmed.pop(block, None)
        self._refused_since.pop("writes", None)

    def _forget(self, block: int) -> str | None:
        self._confirmed.pop(block, None)
        return self._mine.pop(block, None)

    def _refused(self, error: Exception, what: str = "writes") -> None:
        """Go on without an answer, unless only a person can help: no room, a first write forbidden, or all for long."""
        if isinstance(error, Full) or (isinstance(error, ConfigError) and self._store.root not in _written):
            raise error
        since = self._refused_since.setdefault(what, self.clock())
        patience = FORBIDDEN_SECONDS if isinstance(error, ConfigError) else PATIENCE_SECONDS
        if self.clock() - since > patience:
            raise Unfinished(
                f"{self._store.uri(self._step)}: the store refused all claims for {patience / 60:.0f} minutes, at last "
                f"with: {error}; what is committed is safe, run the same command again"
            ) from error

    def _holder(self, *, released: bool = False) -> bytes:
        return json.dumps(asdict(Holder.of_this_process(self.owner, self._beats, released=released))).encode()

    def _key(self, block: int) -> str:
        return layout.ledger_key(self._step, layout.CLAIMS, block)
