"""What must hold after every run, whatever went wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import NamedTuple

from benchmarks.fleet.clock import TimeUp
from benchmarks.fleet.faults import KINDS, LostInputs
from benchmarks.fleet.simulation import OUT, Ended, Fault, Fleet, World, asked
from refinedweb.ledger import layout

MOST_TIMES = 1.5  # the fault's own size that a run may lose
SLACK = 180.0  # seconds: three leases, for who takes which block when is another matter in every run
MOST_PER_SHARD = 30  # requests of a host for each shard that falls to it
MOST_PER_SECOND = 8  # requests of a host while it waits for others


@dataclass
class Verdict:
    """How one run went. `lost` is the time beyond the run of the same seed without faults, in seconds."""

    fault: str
    seed: int
    drivers: int
    end: float = 0.0
    size: float = 0.0
    lost: float = 0.0
    unaccounted: int = 0  # shards without a record or a reason
    gone: int = 0  # shards that are recorded as lost or failed, with a reason
    ended: int = 0  # starts of drivers that ended before the work did
    requests: int = 0  # of the busiest host
    problems: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, object]:
        return asdict(self)


def verdict(fleet: Fleet, kind: type[Fault], base: float) -> Verdict:
    """Run a fleet with a fault and hold it against the laws; `base` is the end of the run without it."""
    fault = kind(Random(f"{kind.name} {fleet.seed}"), fleet, base)  # type: ignore[call-arg]
    world = World(fleet, fault, limit=3 * base + 5 * fault.size + 4 * 3600)
    found = Verdict(kind.name, fleet.seed, fleet.drivers)
    try:
        world.run()
    except TimeUp:
        found.problems.append("the run does not end")
    found.end, found.lost, found.size = world.end, world.end - base, fault.size
    found.requests = max(asked(world).values())
    found.problems += [*_shards(world, found), *_drivers(world, found), *_costs(world, found)]
    return found


def base_of(fleet: Fleet) -> float:
    """When the run without faults ends."""
    world = World(fleet, Fault(), limit=1e7)
    world.run()
    return world.end


def _shards(world: World, found: Verdict) -> Iterator[str]:
    """Every shard is committed once, or recorded as lost or failed with its reason."""
    keys = world.bucket.objects
    reasons = {n for n in range(world.fleet.shards) if world.key(layout.FAILURES, n) in keys}
    records = {n: world.key(layout.RECORDS, n) for n in range(world.fleet.shards)}
    committed = {n for n, key in records.items() if key in keys}
    missing = [n for n in range(world.fleet.shards) if n not in committed and n not in reasons]
    found.unaccounted = len(missing)
    found.gone = len(reasons - committed) + sum(b'"lost":"' in keys[records[n]].data for n in committed)
    if missing:
        yield f"{len(missing)} shards have neither a record nor a reason, the first {missing[0]}"
    replaced = [n for n, key in records.items() if world.bucket.replaced[key]]
    if replaced:
        yield f"records were replaced, the first of shard {replaced[0]}"
    allowed = len(world.fault.gone) + len(world.fault.other) if isinstance(world.fault, LostInputs) else 0
    if found.gone > allowed:
        yield f"{found.gone} shards are lost, {allowed} at most were"


def _drivers(world: World, found: Verdict) -> Iterator[str]:
    """No driver ends before the work does, but for reasons that a person must mend."""
    early = [ended for ended in world.ends if ended.error or (ended.failed and not isinstance(world.fault, LostInputs))]
    found.ended = len(early)
    hosts: set[str] = getattr(world.fault, "hosts", set()) if world.fault.excused else set()
    wrong = [ended for ended in early if not _excused(ended, hosts)]
    if wrong:
        yield f"{len(wrong)} drivers ended, the first ({wrong[0].host} at {wrong[0].at:.0f} s): {_words(wrong[0])}"
    if not world.over:
        yield f"{sum(not driver.finished for driver in world.drivers)} drivers never finished"


def _excused(ended: Ended, hosts: set[str]) -> bool:
    return ended.host in hosts and "traceback" not in ended.error


def _words(ended: Ended) -> str:
    return (ended.error or f"{len(ended.failed)} failed: {next(iter(ended.failed.values()))}")[:300]


def _costs(world: World, found: Verdict) -> Iterator[str]:
    """The time lost is of the fault's own size, and the requests of a host are of its share of the work."""
    if found.lost > MOST_TIMES * found.size + SLACK + 2 * world.fleet.longest:
        yield f"{found.lost:.0f} s lost to a fault of {found.size:.0f} s"
    share = MOST_PER_SHARD * world.fleet.shards / world.fleet.hosts
    most = share * world.fleet.hosts / world.fleet.drivers + MOST_PER_SECOND * found.end + 500
    if found.requests > most:
        yield f"a host sent {found.requests} requests, at most {most:.0f} are its share"


def claims_left(world: World) -> list[str]:
    """Claims that nobody needs any more."""
    folder = f"{OUT}/{layout.ledger_folder(world.step, layout.CLAIMS)}"
    return [key for key in world.bucket.names(folder) if key.endswith(".json")]


NAMES = {kind.name: kind for kind in KINDS}


class Job(NamedTuple):
    """One seed: its fleet, and the names of the faults to run it with."""

    fleet: Fleet
    faults: tuple[str, ...]


def judged(job: Job) -> list[Verdict]:
    """The verdict on the run with each of the faults."""
    base = base_of(job.fleet)
    return [verdict(job.fleet, NAMES[name], base) for name in job.faults]
