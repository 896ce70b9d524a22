"""All steps of a run one after the other, on a given number of machines: hours, dollars, and what holds it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from classifiers.kernels.arrays import Float64s
from refinedweb.forecast.flows import Shuffle
from refinedweb.forecast.machines import GET_DOLLARS, PUT_DOLLARS, Conditions, Machine
from refinedweb.forecast.measured import MeasuredSample
from refinedweb.forecast.simulation import SimulatedRun, Simulation
from refinedweb.forecast.workload import InputVolume, Load, loads

LATEST_START = 1.5  # times the usual start: the last of many machines comes late
CURVE = (1, 5, 20, 50, 100, 257, 500)  # machines; 257 with 72 cores are the 18,504 workers of jobs/PETABYTE.md
NEGLIGIBLE = 0.02  # of all core seconds: a cause that costs less is not called the bottleneck


@dataclass(frozen=True)
class StepForecast:
    """One step or phase of one part: seconds by the clock, and core seconds of work.

    `efficiency`: the share of the cores' time that was work; `bottleneck`: what costs most of the rest.
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
    """A whole run. `seconds` include the start of the machines; `problems`: why the run would fail."""

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
    """What to forecast: a sample, the wanted input, the type of machine and what the world does to them.

    `parts`: the number of runs into which the input is split. They run side by side, and each deduplicates only within
    itself; if there are more of them than machines, they run one after the other.
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
        """Machines of each part, and how many parts a machine works on, one after the other."""
        each = max(1, machines // self.parts)
        return each, -(-self.parts // (machines // each))


def forecast(planned: ForecastPlan, machines: int) -> Forecast:
    """The run on `machines` machines. The same seed gives the same answer."""
    conditions, machine = planned.conditions, planned.machine
    each, rounds = planned.rounds(machines)
    dice = np.random.default_rng(conditions.seed)
    ready = _starts(conditions, each, dice)
    clock, causes, steps = 0.0, Counter[str](), []
    interruptions = 0
    last: Load | None = None
    for load in loads(planned.sample, planned.part, dice):
        if load is not last:  # rounds of stars are all alike: one simulation serves for all of them
            tasks = replace(load.tasks, pause=planned.sample.pause / conditions.speed)
            outcome = Simulation(tasks, machine, ready, conditions, dice).run()
            outcome.seconds += planned.sample.gap / conditions.speed
        last = load
        idle = _idle(outcome, ready, machine)
        causes.update({**outcome.limited, "idle": idle, "warm-up": outcome.warm, "interruptions": outcome.lost})
        interruptions += outcome.interruptions
        steps.append(_step_forecast(load, outcome, each * machine.cores, idle))
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
    """The run simulated several times, each with another seed; the first is the one that `forecast` gives."""
    seeds = range(planned.conditions.seed, planned.conditions.seed + runs)
    return [forecast(replace(planned, conditions=replace(planned.conditions, seed=seed)), machines) for seed in seeds]


def _starts(conditions: Conditions, machines: int, dice: np.random.Generator) -> Float64s:
    """When each machine is up. A cluster begins when all of them are; machines that share nothing begin immediately."""
    if machines == 1:
        return np.array([conditions.start])
    each = conditions.start * dice.uniform(1.0, LATEST_START, machines)
    return each if conditions.share_nothing else np.full(machines, each.max())


def _idle(outcome: SimulatedRun, ready: Float64s, machine: Machine) -> float:
    """Core seconds in which nothing ran: while machines start, at the end of a step, in the pause between steps."""
    rented = outcome.seconds * len(ready) * machine.cores
    busy = outcome.work + outcome.warm + outcome.lost + sum(outcome.limited.values())
    return max(0.0, rented - busy)


def _step_forecast(load: Load, outcome: SimulatedRun, cores: int, idle: float) -> StepForecast:
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
    """The cause that costs most, if it costs more than the work itself and is not negligible; else `cores`."""
    total = work + sum(causes.values())
    cause, seconds = max(causes.items(), key=lambda item: item[1], default=("cores", 0.0))
    return "cores" if seconds < work or seconds < NEGLIGIBLE * total else cause


def _problems(steps: Sequence[StepForecast], machine: Machine) -> list[str]:
    """What would fail, each problem once."""
    problems: dict[str, None] = {}
    for step in steps:
        if step.memory > machine.memory / machine.cores:
            problems.setdefault(
                f"{step.name}: {step.memory / 2**30:.1f} GiB per worker, but the machine has "
                f"{machine.memory / machine.cores / 2**30:.1f} GiB per core: run fewer workers"
            )
    return list(problems)
