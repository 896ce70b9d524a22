"""`plan`: hours and dollars of a large run, from a small one."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.options import imports_option, json_option, receives, trust_option

if TYPE_CHECKING:
    from refinedweb.forecast.forecast import Forecast, ForecastPlan
    from refinedweb.forecast.machines import Conditions, Machine
    from refinedweb.forecast.measured import MeasuredSample
    from refinedweb.forecast.workload import InputVolume

SIMULATIONS = 3  # with different seeds: the middle one is shown, the others are its spread
BREAKS = 1  # exit code
UNITS = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SIZE = re.compile(r"(?<!\d)(\d++)\s*+x\s*+(\d++(?:\.\d++)?+)\s*+([KMGT]?I?B)", re.IGNORECASE)


@dataclass(frozen=True)
class PlanArguments:
    """What `refinedweb plan` takes."""

    outs: tuple[str, ...]
    wanted: str
    instances: int
    kind: str
    workers: int | None
    price: float | None
    spot: bool
    share_nothing: bool
    start: float | None
    interruptions: float | None
    latency: float | None
    prefixes: int
    parts: int
    speed: float
    seed: int
    imports: tuple[str, ...]
    trust: bool
    as_json: bool


@click.command()
@click.option("--from", "outs", metavar="OUT", multiple=True, required=True, help="A finished sample run; repeatable.")
@click.option(
    "--input",
    "wanted",
    metavar="FILESxSIZE|LISTS",
    required=True,
    help="The input to plan for, as 90000x1.1GB, or what `select` wrote.",
)
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="Number of machines.")
@click.option(
    "--type", "kind", default="ml.c5.18xlarge", show_default=True, help="Type of the machines; `local`: this machine."
)
@click.option("--workers", type=click.IntRange(1), help="Workers per machine [default: one per core].")
@click.option("--price", type=click.FloatRange(0), help="Dollars per machine and hour [default: a list price].")
@click.option("--spot", is_flag=True, help="Spot machines: cheaper, but taken away now and then.")
@click.option("--share-nothing", is_flag=True, help="One driver per machine, instead of one Ray cluster.")
@click.option("--start", type=click.FloatRange(0), help="Seconds until a machine is up.")
@click.option("--interruptions", type=click.FloatRange(0), help="How often a machine is taken away, per hour.")
@click.option("--latency", type=click.FloatRange(0), help="Seconds that the store takes to answer.")
@click.option(
    "--prefixes", type=click.IntRange(1), default=1, show_default=True,
    help="Prefixes into which S3 has partitioned the data.",
)  # fmt: skip
@click.option("--parts", type=click.IntRange(1), default=1, show_default=True, help="Runs to split the input into.")
@click.option(
    "--speed", type=click.FloatRange(0.01), default=1.0, show_default=True,
    help="Speed of a core, relative to the sample's.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another simulation.")
@imports_option
@trust_option
@json_option
@receives(PlanArguments)
def plan(arguments: PlanArguments) -> int:
    """Forecast hours, dollars and bottleneck of a run over INPUT, from the measurements of the sample run OUT.

    Two samples of different size separate start-up costs from work better than one. The sample must have been made
    with all cores busy, on a machine without other load, or the forecast inherits what disturbed it. Exit code 1: the
    run would break; the output says where.
    """
    from refinedweb.forecast import forecast as forecasts
    from refinedweb.recipe.load import load_stages

    load_stages(arguments.imports)
    planned = _forecast_plan(arguments)
    runs = sorted(forecasts.spread(planned, arguments.instances, SIMULATIONS), key=lambda simulated: simulated.seconds)
    middle = runs[len(runs) // 2]
    usual = replace(planned, conditions=replace(planned.conditions, seed=middle.seed))
    counts = sorted({*forecasts.CURVE, arguments.instances})
    curve = forecasts.curve(usual, counts) if arguments.kind != "local" else []
    if arguments.as_json:
        hours = [simulated.hours for simulated in runs]
        click.echo(json.dumps({"plan": _whole(middle), "hours": hours, "curve": [_summary(one) for one in curve]}))
    else:
        from refinedweb.cli.plan_tables import show_plan

        show_plan(planned, runs, curve)
    return BREAKS if middle.problems else 0


def input_volume(text: str) -> InputVolume:
    """The volume that `90000x1.1GB` means, or that of the lists of records that lie there. Raises ConfigError."""
    from refinedweb.forecast.workload import InputVolume
    from refinedweb.select.lists import volume
    from stages.errors import ConfigError

    found = SIZE.fullmatch(text.strip())
    if found is None and (lists := volume(text)) is not None:
        return InputVolume(*lists)
    if found is None or int(found[1]) < 1 or float(found[2]) <= 0:
        raise ConfigError(
            f"--input {text!r}: give number of files x size of each, as 90000x1.1GB or 800x500MiB, "
            "or the output of `refinedweb select`"
        )
    return InputVolume(int(found[1]), float(found[2]) * UNITS[found[3].upper()])


def _forecast_plan(arguments: PlanArguments) -> ForecastPlan:
    from refinedweb.forecast.forecast import ForecastPlan
    from refinedweb.forecast.measured import measure

    sample = measure(arguments.outs, trust=arguments.trust)
    volume = input_volume(arguments.wanted)
    return ForecastPlan(sample, volume, _machine(arguments), _conditions(sample, arguments), arguments.parts)


def _machine(arguments: PlanArguments) -> Machine:
    from refinedweb.forecast.machines import SPOT_SHARE, machine

    found = machine(arguments.kind, price=arguments.price, cores=arguments.workers)
    if arguments.spot and arguments.price is None:
        found = replace(found, price=found.price * SPOT_SHARE)
    return found


def _conditions(sample: MeasuredSample, arguments: PlanArguments) -> Conditions:
    from refinedweb.forecast.machines import INTERRUPTIONS, Conditions, quiet

    usual = quiet(sample.start) if arguments.kind == "local" else Conditions()
    interruptions = arguments.interruptions
    if interruptions is None:
        interruptions = INTERRUPTIONS if arguments.spot else 0.0
    return replace(
        usual,
        puts=usual.puts * arguments.prefixes,
        gets=usual.gets * arguments.prefixes,
        start=usual.start if arguments.start is None else arguments.start,
        latency=usual.latency if arguments.latency is None else arguments.latency,
        interruptions=interruptions,
        share_nothing=arguments.share_nothing,
        speed=arguments.speed,
        seed=arguments.seed,
    )


def _whole(found: Forecast) -> dict[str, Any]:
    return {**asdict(found), "hours": found.hours}


def _summary(found: Forecast) -> dict[str, Any]:
    names = ("machines", "hours", "dollars", "request_dollars", "efficiency", "bottleneck", "interruptions")
    return {name: getattr(found, name) for name in names}
