"""What goes wrong in a fleet: each fault hits real code by what the store answers and by what becomes of nodes.

A fault's `size` is what it takes from the fleet by itself, in seconds: how long it lasts for those it hits, and what a
restart or a lease costs once. `laws` holds the time that a run lost against it.
"""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from benchmarks.fleet.bucket import Ask, Strike, refused, with_field
from benchmarks.fleet.clock import process
from benchmarks.fleet.simulation import INPUTS, OUT, Fault, Fleet, World
from refinedweb.engine.allowance import Allowance
from refinedweb.ledger import layout
from refinedweb.storage.s3_client import CONNECT_SECONDS, READ_SECONDS

LEASE = 60.0
HOUR = 3600.0
RESTART = 60.0  # until a killed driver is back


class Window(Fault):
    """A fault from `start` to `end`."""

    start = 0.0
    end = 0.0

    def lasts(self, world: World) -> bool:
        return self.start <= world.time.now < self.end

    def between(self, chance: random.Random, base: float, seconds: float) -> None:
        """Begin somewhere in the first two thirds of a run of `base` seconds."""
        self.start = chance.uniform(0.05, 0.65) * base
        self.end = self.start + seconds
        self.size = seconds


class Storm(Window):
    """For an hour the store lets one request in 30 below a prefix through, and asks for fewer with the others."""

    name = "throttling for an hour"
    passes = 1 / 30

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        del fleet
        self.between(chance, base, HOUR)
        folders = ["", "/00-filter/", f"/{layout.CORPUS}/", "/00-filter/manifest/", "/00-filter/claims/"]
        self.prefix = chance.choice([*(OUT + folder for folder in folders), INPUTS])

    def strike(self, world: World, ask: Ask) -> Strike | None:
        hit = self.lasts(world) and ask.key.replace(world.step, "00-filter").startswith(self.prefix)
        return Strike(refused(503, "SlowDown", ask.operation)) if hit and world.chance.random() >= self.passes else None


class Outage(Storm):
    """The store answers no request below a prefix for 25 minutes."""

    name = "no answers for 25 min"
    passes = 0.0

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        super().__init__(chance, fleet, base)
        self.size = 1500.0
        self.end = self.start + self.size


class CutOff(Window):
    """No host gets a connection to what is below a prefix for 25 minutes, and a third of them for ten minutes longer.

    Each request is refused at once, waited for in vain, or broken off, half of these after their effect.
    """

    name = "no connection for 25 min, a third for 35"
    seconds = 1500.0
    longer = 600.0

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.between(chance, base, self.seconds + self.longer)
        self.hosts = third(chance, fleet)
        self.prefix = chance.choice([OUT, f"{OUT}/{layout.CORPUS}/", INPUTS])  # the ledger may be within reach

    def strike(self, world: World, ask: Ask) -> Strike | None:
        back = world.time.now >= self.end - self.longer and ask.host not in self.hosts
        if not self.lasts(world) or back or not ask.key.startswith(self.prefix):
            return None
        kind = world.chance.randrange(3)
        if kind == 0:
            return Strike(EndpointConnectionError(endpoint_url="simulated"))
        if kind == 1:
            return Strike(ConnectTimeoutError(endpoint_url="simulated"), seconds=CONNECT_SECONDS)
        return Strike(ConnectionClosedError(endpoint_url="simulated"), effect=world.chance.random() < 0.5)


class StormAtStart(Storm):
    """The same, from the first request on."""

    name = "throttling from the start"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        super().__init__(chance, fleet, base)
        self.start, self.end = 0.0, HOUR / 3
        self.size = self.end
        self.prefix = OUT


class LostAnswers(Fault):
    """3 % of all requests get no answer: half are reset, the others have their effect and are waited for in vain.

    Its size is what the driver that is hit worst waits in vain: it asks for one thing after the other.
    """

    name = "3 % of answers lost"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.size = LEASE
        self.waited: Counter[int] = Counter()

    def strike(self, world: World, ask: Ask) -> Strike | None:
        if world.chance.random() > 0.03:
            return None
        if world.chance.random() < 0.5:
            return Strike(ConnectionClosedError(endpoint_url="simulated"))
        self.waited[process().number] += 1
        self.size = LEASE + READ_SECONDS * max(self.waited.values())
        return Strike(ReadTimeoutError(endpoint_url="simulated"), effect=True, seconds=READ_SECONDS)


class SlowKeys(Fault):
    """One key in 200 takes 45 s to answer, always."""

    name = "one key in 200 answers in 45 s"
    seconds = 45.0

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.size = 0.02 * base + 8 * self.seconds
        self.salt = chance.random()

    def strike(self, world: World, ask: Ask) -> Strike | None:
        slow = zlib.crc32(f"{self.salt}{ask.key}".encode()) % 200 == 0
        return Strike(effect=True, seconds=self.seconds) if slow else None


class Denied(Window):
    """A third of the hosts get 403 for eight minutes: after ten a driver ends, for it takes a person to mend that."""

    name = "403 for a third of the hosts, 8 min"
    seconds = 480.0

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.between(chance, base, self.seconds)
        self.hosts = third(chance, fleet)

    def strike(self, world: World, ask: Ask) -> Strike | None:
        hit = self.lasts(world) and ask.host in self.hosts
        return Strike(self.error(ask)) if hit else None

    def error(self, ask: Ask) -> Exception:
        return refused(403, "AccessDenied", ask.operation)


class NoCredentials(Denied):
    """A third of the hosts have no credentials for ten minutes: their metadata service does not answer."""

    name = "no credentials for a third, 10 min"
    seconds = 600.0

    def error(self, ask: Ask) -> Exception:
        return NoCredentialsError()


class Preemption(Window):
    """A third of the nodes is taken away at once, and comes back after five minutes."""

    name = "a third preempted, 5 min"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.between(chance, base, 300.0)
        self.size += LEASE + fleet.longest
        self.hosts = third(chance, fleet)

    def begin(self, world: World) -> None:
        for host in self.hosts:
            world.later(self.start, lambda host=host: self._take(world, host))

    def _take(self, world: World, host: str) -> None:
        node = world.by_name[host]
        for driver in world.drivers:
            if driver.host == host:
                driver.kill(300.0)
            elif driver.pool is not None and node in driver.nodes:
                driver.pool.lose(node)
        node.up = False
        world.later(300.0, lambda: self._return(world, host))

    def _return(self, world: World, host: str) -> None:
        world.by_name[host].up = True
        for driver in world.drivers:
            if driver.pool is not None and not driver.process.dead:
                driver.pool.start_waiting()


class Kills(Fault):
    """Every driver is killed three times, each time in the middle of a request, and comes back after a minute."""

    name = "every driver killed 3 times"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.size = 3 * (RESTART + LEASE + fleet.longest)
        most = 20 * fleet.shards // fleet.drivers
        hosts = [f"host{n:03d}" for n in range(fleet.drivers)]
        self.at = {host: sorted(chance.randint(1, most) for _ in range(3)) for host in hosts}
        self.asked = dict.fromkeys(hosts, 0)

    def strike(self, world: World, ask: Ask) -> Strike | None:
        if ask.host in self.at:
            self.asked[ask.host] += 1
            if self.at[ask.host] and self.asked[ask.host] >= self.at[ask.host][0]:
                self.at[ask.host].pop(0)
                next(driver for driver in world.drivers if driver.host == ask.host).kill(RESTART)
        return None


class WrongClocks(Fault):
    """Every host's clock is wrong by up to 30 years and runs up to a quarter too fast or too slow."""

    name = "wrong clocks"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.size = 2 * LEASE

    def begin(self, world: World) -> None:
        for node in world.nodes:
            node.rate, node.offset = world.chance.uniform(0.8, 1.25), world.chance.uniform(0, 1e9)


class SickNodes(Fault):
    """On one node in ten, every attempt ends with a ConfigError, from some moment on."""

    name = "one node in ten sick"
    excused = True

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.hosts = set(chance.sample([f"host{n:03d}" for n in range(fleet.hosts)], max(1, fleet.hosts // 10)))
        share = len(self.hosts) / fleet.hosts
        self.size = base * share / (1 - share) + LEASE + fleet.longest
        self.start = chance.choice([0.0, chance.uniform(0, base / 2)])

    def begin(self, world: World) -> None:
        world.later(self.start, lambda: self._sicken(world))

    def _sicken(self, world: World) -> None:
        for host in self.hosts:
            world.by_name[host].sick = "/tmp/work: the file system is read-only; mount it writable"


class SmallMemory(Fault):
    """A third of the nodes has memory for three of four attempts: whatever makes it one too many is killed."""

    name = "a third short of memory"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.hosts = third(chance, fleet)
        self.memory = max(1, fleet.workers - 1)
        self.size = 0.25 * base + 4 * fleet.longest  # up to half of an attempt's time is lost with each

    def begin(self, world: World) -> None:
        for host in self.hosts:
            world.by_name[host].memory = self.memory


class SlowNode(Fault):
    """One node is ten times as slow as the others."""

    name = "one node 10 times slower"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.host = f"host{chance.randrange(fleet.hosts):03d}"
        self.size = 10 * fleet.longest + base / fleet.hosts

    def begin(self, world: World) -> None:
        world.by_name[self.host].slowness = 10.0


class Foreign(Fault):
    """Objects that are not ours turn up in the folders of the ledger."""

    name = "foreign objects in the ledger"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.times = [0.0, chance.uniform(0, base), chance.uniform(0, base)]
        self.size = 2 * LEASE

    def begin(self, world: World) -> None:
        for at in self.times:
            world.later(at, lambda: self._drop(world))

    def _drop(self, world: World) -> None:
        for kind in (layout.RECORDS, layout.CLAIMS, layout.ROLLUPS, layout.FAILURES):
            folder = f"{OUT}/{layout.ledger_folder(world.step, kind)}"
            for name in ("", "._000000.json", ".nfs0000", "Thumbs.db", "000000.json.tmp", "1.json", "x_$folder$"):
                world.bucket.put(folder + name, b"\x00")
        block = world.key(layout.CLAIMS, world.chance.randrange(world.fleet.shards))
        if block not in world.bucket.objects:
            world.bucket.put(block, b"")


class RollingUpgrade(Fault):
    """Half the hosts write claims and records with fields that the others do not know; each restarts once."""

    name = "rolling upgrade"

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        self.times = {f"host{n:03d}": chance.uniform(0.1, 0.9) * base for n in range(fleet.hosts)}
        self.size = 2 * (RESTART + LEASE + fleet.longest)

    def begin(self, world: World) -> None:
        plain = world.bucket.put

        def put(key: str, data: bytes, metadata: dict[str, str] | None = None) -> str:
            host = _writer(data)
            if host is not None and world.time.now >= self.times.get(host, 0.0):
                return plain(key, with_field(data, epoch=7, lease={"seconds": 60}))
            return plain(key, data, metadata)

        setattr(world.bucket, "put", put)  # noqa: B010
        for driver in world.drivers:
            world.later(self.times[driver.host], lambda driver=driver: driver.kill(RESTART))


def _writer(data: bytes) -> str | None:
    """The host whose claim or record this is; None for other objects."""
    found = re.search(rb"host\d{3}", data) if data.startswith(b"{") else None
    return None if found is None else found[0].decode()


class LostInputs(Fault):
    """One input in 50 is deleted in mid-run, and as many are uploaded again with other bytes."""

    name = "inputs deleted or replaced"
    accepted = Allowance(percent=10.0)

    def __init__(self, chance: random.Random, fleet: Fleet, base: float) -> None:
        some = chance.sample(range(fleet.shards), max(2, fleet.shards // 25))
        self.gone, self.other = set(some[::2]), set(some[1::2])
        self.at = chance.uniform(0, base / 2)
        self.size = LEASE

    def begin(self, world: World) -> None:
        world.later(self.at, lambda: self._lose(world))

    def _lose(self, world: World) -> None:
        for shard in self.gone:
            world.bucket.delete(f"{INPUTS}/{shard:06d}.jsonl")
        for shard in self.other:
            world.bucket.put(f"{INPUTS}/{shard:06d}.jsonl", b"other bytes")


def third(chance: random.Random, fleet: Fleet) -> set[str]:
    """A third of the hosts, at random."""
    return set(chance.sample([f"host{n:03d}" for n in range(fleet.hosts)], max(1, fleet.hosts // 3)))


KINDS = (
    Storm, Outage, CutOff, StormAtStart, LostAnswers, SlowKeys, Denied, NoCredentials, Preemption, Kills, WrongClocks,
    SickNodes, SmallMemory, SlowNode, Foreign, RollingUpgrade, LostInputs,
)  # fmt: skip
