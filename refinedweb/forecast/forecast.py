"""All steps of a run one after the other, on so many machines: hours, dollars, and what holds it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.dedup.shuffle import MOST_PARTITIONS
from refinedweb.forecast.machines import GET_DOLLARS, PUT_DOLLARS, Conditions, Machine
from refinedweb.forecast.measured import MeasuredSample
from refinedweb.forecast.simulation import SimulatedRun, Simulation
from refinedweb.forecast.workload import InputVolume, Load, Shuffle, loads

LATEST_START = 1.5  # times the usual: the last of many machines comes late
CURVE = (1, 5, 20, 50, 100, 257, 500)
NEGLIGIBLE = 0.02


@dataclass(frozen=True)
class StepForecast:
    """One step or phase: seconds of the clock and core seconds of work, of one part.

    `efficiency`: how much of the cores' time was work; `bottleneck`: what costs most of the rest.
    """

    name: str
    tasks: int
    seconds: float
    work: float
    efficiency: float
    bottleneck: str
    gets: float
    puts: float
    bytes_in: float
    bytes_out: float
    memory: float
    shuffle: Shuffle | None


@dataclass(frozen=True)
class Forecast:
    """A whole run. `seconds` with the machines' start; `problems`: why it would fail."""

    machines: int
    seed: int
    steps: list[StepForecast]
    seconds: float
    dollars: float
    request_dollars: float
    efficiency: float
    bottleneck: str
    interruptions: int
    problems: list[str]

    @property
    def hours(self) -> float:
        return self.seconds / 3600


@dataclass(frozen=True)
class ForecastPlan:
    """What to forecast: a sample, the wanted input, the machines' type and what the world does to them.

    `parts`: the input as so many runs side by side, each of which deduplicates for itself; where there are more of
    them than machines, one after the other.
    """

    sample: MeasuredSample
    wanted: InputVolume
    machine: Machine
    conditions: Conditions
    parts: int = 1

    @property
    def part(self) -> InputVolume:
        """The input of one run."""
        return InputVolume(-(-self.wanted.files // self.parts), self.wanted.size)

    def rounds(self, machines: int) -> tuple[int, int]:
        """Machines of each part, and how many parts a machine sees one after the other."""
        each = max(1, machines // self.parts)
        return each, -(-self.parts // (machines // each))


def forecast(planned: ForecastPlan, machines: int) -> Forecast:
    """The run on so many machines. The same seed, the same answer."""
    conditions, machine = planned.conditions, planned.machine
    each, rounds = planned.rounds(machines)
    dice = np.random.default_rng(conditions.seed)
    ready = _starts(conditions, each, dice)
    clock, causes, steps = 0.0, Counter[str](), []
    interruptions = 0
    last: Load | None = None
    for load in loads(planned.sample, planned.part, dice):
        if load is not last:  # rounds of stars are all alike
            tasks = replace(load.tasks, pause=planned.sample.pause / conditions.speed)
            outcome = Simulation(tasks, machine, ready, conditions, dice).run()
            outcome.seconds += planned.sample.gap / conditions.speed
        last = load
        idle = _idle(outcome, ready, machine)
        causes.update({**outcome.limited, "idle": idle, "warm-up": outcome.warm, "interruptions": outcome.lost})
        interruptions += outcome.interruptions
        steps.append(_told(load, outcome, each * machine.cores, idle))
        clock += outcome.seconds
        ready = np.zeros(each)
    work = sum(step.work for step in steps)
    requests = sum(step.gets * GET_DOLLARS + step.puts * PUT_DOLLARS for step in steps) * planned.parts
    return Forecast(
        machines=machines,
        seed=conditions.seed,
        steps=steps,
        seconds=clock * rounds,
        dollars=clock / 3600 * each * planned.parts * machine.price,
        request_dollars=requests if machine.price else 0.0,
        efficiency=work / (clock * each * machine.cores),
        bottleneck=_worst(causes, work),
        interruptions=interruptions * planned.parts,
        problems=_problems(steps, machine),
    )


def curve(planned: ForecastPlan, counts: Sequence[int] = CURVE) -> list[Forecast]:
    """The run on several numbers of machines."""
    return [forecast(planned, count) for count in counts]


def spread(planned: ForecastPlan, machines: int, runs: int) -> list[Forecast]:
    """The run again and again with other dice: the first is `forecast`'s."""
    seeds = range(planned.conditions.seed, planned.conditions.seed + runs)
    return [forecast(replace(planned, conditions=replace(planned.conditions, seed=seed)), machines) for seed in seeds]


def _starts(conditions: Conditions, machines: int, dice: np.random.Generator) -> Float64s:
    """When each machine is up. A cluster begins when all are; alone, each begins at once."""
    if machines == 1:
        return np.array([conditions.start])
    each = conditions.start * dice.uniform(1.0, LATEST_START, machines)
    return each if conditions.share_nothing else np.full(machines, each.max())


def _idle(outcome: SimulatedRun, ready: Float64s, machine: Machine) -> float:
    """Core seconds in which nothing ran: machines that start, the last tasks of a step, the pause between steps."""
    there = outcome.seconds * len(ready) * machine.cores
    busy = outcome.work + outcome.warm + outcome.lost + sum(outcome.limited.values())
    return max(0.0, there - busy)


def _told(load: Load, outcome: SimulatedRun, cores: int, idle: float) -> StepForecast:
    causes = Counter({**outcome.limited, "idle": idle, "warm-up": outcome.warm, "interruptions": outcome.lost})
    return StepForecast(
        name=load.name,
        tasks=len(load.tasks.seconds),
        seconds=outcome.seconds,
        work=outcome.work,
        efficiency=outcome.work / (outcome.seconds * cores) if outcome.seconds else 1.0,
        bottleneck=_worst(causes, outcome.work),
        gets=load.gets,
        puts=load.puts,
        bytes_in=load.bytes_in,
        bytes_out=load.bytes_out,
        memory=load.memory,
        shuffle=load.shuffle,
    )


def _worst(causes: Counter[str], work: float) -> str:
    """What costs more than the work itself or most of what is not work; `cores` where almost all is work."""
    total = work + sum(causes.values())
    cause, seconds = max(causes.items(), key=lambda item: item[1], default=("cores", 0.0))
    return "cores" if seconds < work or seconds < NEGLIGIBLE * total else cause


def _problems(steps: Sequence[StepForecast], machine: Machine) -> list[str]:
    """What would fail."""
    told: dict[str, None] = {}
    for step in steps:
        shuffle = step.shuffle
        if shuffle is not None and not shuffle.possible:
            told.setdefault(
                f"{step.name.partition('/')[0]}: {shuffle.blocks:,} blocks × {shuffle.partitions:,} partitions, and at "
                f"most {MOST_PARTITIONS:,} of each can be told apart: deduplicate part by part (--index), or take "
                "fewer keys a document"
            )
        if step.memory > machine.memory / machine.cores:
            told.setdefault(
                f"{step.name}: {step.memory / 2**30:.1f} GiB per worker, and the machine has "
                f"{machine.memory / machine.cores / 2**30:.1f} GiB per core: run fewer workers"
            )
    return list(told)
