"""One run of a fleet, from the first driver's start to the last one's end."""

from __future__ import annotations

import random
import statistics
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from unittest import mock

from benchmarks.fleet.bucket import Ask, Bucket, Client, Strike
from benchmarks.fleet.clock import Killed, Process, TimeUp, VirtualTime, in_virtual_time, process, sleep
from benchmarks.fleet.nodes import FleetPool, Machine, OutOfMemory
from refinedweb.engine import card, policy, run
from refinedweb.engine.allowance import Allowance
from refinedweb.engine.start import start_or_resume
from refinedweb.ledger import holder, layout
from refinedweb.ledger.manifest import Ledger, Output, Record
from refinedweb.recipe.load import load
from refinedweb.recipe.recipe import Recipe
from refinedweb.shard import local_step
from refinedweb.shard.source import InputShard
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store, s3_client, s3_pace
from refinedweb.storage.s3_pace import Pace
from stages.errors import ConfigError, RefinedWebError

OUT, INPUTS = "fleet/run", "crawl/in"
BACK_SECONDS = 600.0  # after which a driver that ended with an error is started again, as a scheduler would
MOST_STARTS = 40  # of one driver


@dataclass(frozen=True)
class Fleet:
    """What runs: `drivers` drivers, which share `hosts` nodes of `workers` slots each, over `shards` inputs."""

    hosts: int
    shards: int
    seed: int
    drivers: int
    workers: int = 4
    shard_seconds: float = 60.0  # the median
    tick: float = 5.0  # longest wait of a driver's loop, in virtual seconds: longer than in a real run, to be fast

    @cached_property
    def seconds(self) -> list[float]:
        """How long each shard takes on an ordinary node."""
        chance = random.Random(f"shards {self.seed}")
        return [self.shard_seconds * chance.lognormvariate(0.0, 0.4) for _ in range(self.shards)]

    @cached_property
    def longest(self) -> float:
        return max(self.seconds)


class Fault:
    """Nothing goes wrong. Faults are made from this; see `faults`."""

    name = "none"
    size = 0.0  # seconds that the fault itself takes from the fleet
    accepted = Allowance()  # failed shards that the run goes on without
    excused = False  # whether drivers that it hits may end, with a message that says what a person must mend

    def begin(self, world: World) -> None:
        """Prepare nodes and objects, and spawn what happens later."""

    def strike(self, world: World, ask: Ask) -> Strike | None:
        """What happens to this request."""
        return None


@dataclass
class Ended:
    """How one start of a driver ended; `error` is empty if it ended because the work was done."""

    host: str
    at: float
    error: str = ""
    failed: dict[int, str] = field(default_factory=dict)


class Driver:
    """A driver on its host, with its nodes."""

    def __init__(self, world: World, nodes: Sequence[Machine]) -> None:
        self._world = world
        self.nodes = nodes
        self.host = nodes[0].name
        self.starts = 0
        self.process = Process(self.host, dead=True)
        self.pool: FleetPool | None = None
        self.finished = False

    def start(self, after: float) -> None:
        """Start it in `after` seconds."""
        self.starts += 1
        self.process = self.nodes[0].process()
        self._world.time.spawn(self._drive, self.process, after)

    def _drive(self) -> None:
        world = self._world
        try:
            out, settings = f"s3://{OUT}", run.RunSettings(accept=world.fault.accepted)
            begun = start_or_resume(world.recipe, world.inputs, out)
            result = run.carry_out(self._pool, world.recipe, begun, out, settings, lambda seen: None)
        except (Killed, TimeUp):
            raise
        except Exception as error:  # whatever ends a driver is a finding
            words = str(error) if isinstance(error, RefinedWebError) else f"traceback of {error!r}"
            world.ends.append(Ended(self.host, world.time.now, f"{type(error).__name__}: {words}"))
            if self.starts < MOST_STARTS:
                self.start(BACK_SECONDS)
            return
        self.finished = True
        world.ends.append(Ended(self.host, world.time.now, failed=result.failed))

    def _pool(self) -> FleetPool:
        self.pool = FleetPool(self._world.time, self.nodes)
        return self.pool

    def kill(self, back: float) -> None:
        """SIGKILL the driver and what its workers do; start it again in `back` seconds."""
        if self.finished or self.process.dead:
            return
        self.process.dead = True
        if self.pool is not None:
            self.pool.close()
        self.start(back)


class World:
    """All that there is in one simulation."""

    def __init__(self, fleet: Fleet, fault: Fault, limit: float) -> None:
        self.fleet = fleet
        self.fault = fault
        self.chance = random.Random(f"{fault.name} {fleet.seed}")
        self.time = VirtualTime(limit)
        self.bucket = Bucket()
        self.client = Client(self.bucket, partial(fault.strike, self))
        self.nodes = [Machine(f"host{n:03d}", fleet.workers) for n in range(fleet.hosts)]
        self.by_name = {node.name: node for node in self.nodes}
        self.drivers = [Driver(self, self.nodes[n :: fleet.drivers]) for n in range(fleet.drivers)]
        self.ends: list[Ended] = []
        self.recipe: Recipe = load("url_v1", [])
        self.inputs = [self._input(n) for n in range(fleet.shards)]

    def _input(self, shard: int) -> Input:
        key = f"{INPUTS}/{shard:06d}.jsonl"
        etag = self.bucket.put(key, f"input {shard}".encode())
        return Input(f"s3://{key}", etag, round(self.fleet.seconds[shard] * 1000))

    def key(self, kind: str, number: int) -> str:
        """The key of an object of the run's ledger, with the bucket."""
        return f"{OUT}/{layout.ledger_key(self.step, kind, number)}"

    @cached_property
    def step(self) -> str:
        """The name of the one step of the run."""
        from refinedweb.recipe.plan import steps_of

        return steps_of([name for name, _ in self.recipe.stages])[0].name

    def later(self, after: float, work: Any) -> None:
        """Do something in `after` seconds, in no process of the fleet."""
        self.time.spawn(work, Process("fate"), after)

    def run(self) -> None:
        """Run to the end. A run that does not end within the limit raises TimeUp."""
        with simulated(self):
            self.fault.begin(self)
            for driver in self.drivers:
                driver.start(random.uniform(0, 5))
            self.time.run()

    @property
    def end(self) -> float:
        """When the last driver knew that all was done."""
        return max((ended.at for ended in self.ends), default=0.0)

    @property
    def over(self) -> bool:
        """Whether all drivers have ended."""
        return all(driver.finished for driver in self.drivers)


class FleetWork:
    """What an attempt does: it opens its input, takes its time, writes its output, and commits."""

    def __init__(
        self, world: World, out: str, step: Any, recipe: object, driver: str = "", columns: object = None
    ) -> None:
        del recipe, columns
        self._world = world
        self._out = out
        self._step = step
        self._driver = driver

    def __call__(self, shard: int, item: Input, careful: bool) -> Record:
        node = self._world.by_name[process().host]
        if node.sick:
            raise ConfigError(node.sick)
        store = open_store(self._out)
        InputShard(item, self._world.recipe.source, None)._open().read()
        self._compute(node, self._world.fleet.seconds[shard] * node.slowness)
        key = layout.shard_key(layout.CORPUS, shard)
        data = f"output of {item.uri}".encode()
        store.put(key, data)
        return Ledger(store, self._step.name).commit(record_of(shard, item, Output(key, 1, len(data), "c"), process()))

    def _compute(self, node: Machine, seconds: float) -> None:
        sleep(seconds / 2)
        if len(node.running) > node.memory:
            raise OutOfMemory(f"{node.name} has no memory left")
        sleep(seconds / 2)


def record_of(shard: int, item: Input, output: Output, of: Process) -> Record:
    """The commit record of a shard of one document, which is kept."""
    return Record(
        task=shard, fingerprint="f", code_version="1", input_key=item.uri, input_etag=item.etag, input_size=item.size,
        rows_in=1, rows_kept=1, bytes_kept=output.size, removed={}, outputs=[output], host=of.host,
    )  # fmt: skip


@contextmanager
def simulated(world: World) -> Iterator[None]:
    """Let the code of `refinedweb` run in this world."""
    swaps = [
        (s3_client.client, _SharedClient(world.client)),
        (s3_pace.pace_of, _pace_of),
        (local_step.LocalStep, partial(FleetWork, world)),
        (card.write_card, lambda *given: ""),
        (holder.this_machine, lambda: f"{process().host} {process().number}"),
        (holder.started_at, lambda pid: "1"),
    ]
    s3_pace._answered.clear()
    state, settings = random.getstate(), (policy.TICK_SECONDS, policy.ROLL_UP_SECONDS)
    random.seed(f"{world.fault.name} {world.fleet.seed}")
    policy.TICK_SECONDS = world.fleet.tick
    policy.ROLL_UP_SECONDS = max(settings[1], world.fleet.shards / 25)  # a listing of all records takes its time here
    try:
        with in_virtual_time(swaps), mock.patch.object(uuid, "uuid4", _uuid4):
            yield
    finally:
        policy.TICK_SECONDS, policy.ROLL_UP_SECONDS = settings
        random.setstate(state)


def _uuid4() -> uuid.UUID:
    return uuid.UUID(int=random.getrandbits(128))


class _SharedClient:
    """What stands for `s3_client.client`: every process has the same client, and a new one is the same again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self) -> Client:
        return self._client

    def cache_clear(self) -> None:
        """There is nothing to forget."""


def _pace_of(prefix: str) -> Pace:
    paces = process().paces
    if prefix not in paces:
        paces[prefix] = Pace()
    found: Pace = paces[prefix]
    return found


def asked(world: World) -> Counter[str]:
    """Requests per host."""
    total: Counter[str] = Counter()
    for (host, _), n in world.client.asked.items():
        total[host] += n
    return total


def median_asked(world: World) -> float:
    """Requests of the median host."""
    return statistics.median(asked(world).values())
