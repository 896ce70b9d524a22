"""Laws of a fleet, in virtual time: whatever goes wrong, every shard is accounted for, no driver ends before the work
does, and a fault costs what it is large. `python -m benchmarks.fleet` runs the same with any sizes and seeds.
"""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.fleet.bucket import Ask, Strike
from benchmarks.fleet.faults import KINDS, Storm
from benchmarks.fleet.laws import base_of, claims_left, verdict
from benchmarks.fleet.simulation import OUT, Fault, Fleet, World
from refinedweb.engine import rollups
from refinedweb.engine.pool import attempt
from refinedweb.ledger import layout, manifest
from stages.errors import CommitUnknown, RetryError, Throttled, Unanswered

HOSTS, SHARDS = 6, 60


@cache
def fleet(drivers: int) -> tuple[Fleet, float]:
    """A small fleet, and when it ends without a fault."""
    made = Fleet(HOSTS, SHARDS, seed=3, drivers=drivers, workers=3)
    return made, base_of(made)


@pytest.mark.parametrize("drivers", [1, HOSTS], ids=["one driver", "a driver per host"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fault_costs_itself_and_no_more(kind: type[Fault], drivers: int) -> None:
    found = verdict(fleet(drivers)[0], kind, fleet(drivers)[1])
    assert found.problems == []


@pytest.mark.slow
def test_throttling_is_not_held_against_a_task_because_others_get_through() -> None:
    """With this seed the prefix of the corpus lets one request in 30 through, and some tasks are unlucky for long."""
    made = Fleet(10, 150, seed=33, drivers=10)
    assert verdict(made, Storm, base_of(made)).problems == []


def test_the_same_seed_gives_the_same_run() -> None:
    made = Fleet(3, 20, seed=1, drivers=3)
    assert trace(made) == trace(made)


def trace(made: Fleet) -> list[tuple[float, Ask]]:
    """Every request, and when it was sent."""
    asked: list[tuple[float, Ask]] = []

    class Noted(Fault):
        def strike(self, world: World, ask: Ask) -> Strike | None:
            asked.append((world.time.now, ask))
            return None

    world = World(made, Noted(), limit=1e5)
    world.run()
    assert claims_left(world) == []
    return asked


def test_of_many_drivers_few_write_the_same_rollup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rollup reads a thousand records: if every driver wrote all, their requests would grow with the fleet."""
    for module in (manifest, rollups):
        monkeypatch.setattr(module, "ROLLUP", 20)
    world = World(Fleet(12, 240, seed=2, drivers=12, tick=1.0), Fault(), limit=1e5)
    world.run()
    written = {key: 1 + world.bucket.replaced[key] for key in world.bucket.names(f"{OUT}/") if "/rollup/" in key}
    assert len(written) == 240 // 20
    assert sum(written.values()) <= 4 * len(written)


class Broken(Fault):
    """The store forgets a record, and a foreign hand changes another: what no engine can mend."""

    name = "broken"

    def __init__(self, *given: object) -> None:
        del given

    def begin(self, world: World) -> None:
        world.later(150.0, lambda: self._strike(world))

    def _strike(self, world: World) -> None:
        records = list(world.bucket.names(f"{OUT}/{layout.ledger_folder(world.step, layout.RECORDS)}"))
        world.bucket.put(records[0], b"{}")
        world.bucket.delete(records[1])


def test_a_broken_law_is_seen() -> None:
    found = verdict(fleet(HOSTS)[0], Broken, fleet(HOSTS)[1])
    assert found.unaccounted == 1
    assert any("neither a record nor a reason" in problem for problem in found.problems)
    assert any("replaced" in problem for problem in found.problems)


def test_an_error_that_is_its_own_cause_ends_an_attempt() -> None:
    """The storage code raises the last error from itself when it gives up."""

    def work(*given: object) -> None:
        error = RetryError("no credentials")
        raise error from error

    assert attempt(work, 0, None, False).kind == "retry"


@pytest.mark.parametrize(
    ("cause", "kind"), [(None, "retry"), (Throttled("503"), "throttled"), (Unanswered("no route"), "unanswered")]
)
def test_a_commit_is_unknown_for_the_reason_that_its_last_request_had(cause: RetryError | None, kind: str) -> None:
    def work(*given: object) -> None:
        raise CommitUnknown("the write got no clear answer") from cause

    assert attempt(work, 0, None, False).kind == kind
