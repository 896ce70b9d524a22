"""`plan`: hours and dollars of a large run, from a small one."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.options import imports_option
from refinedweb.views.units import duration, size

if TYPE_CHECKING:
    from refinedweb.forecast.forecast import Forecast, ForecastPlan
    from refinedweb.forecast.measured import MeasuredSample
    from refinedweb.forecast.workload import InputVolume

UNITS = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SIZE = re.compile(r"(?<!\d)(\d++)\s*+x\s*+(\d++(?:\.\d++)?+)\s*+([KMGT]?I?B)", re.IGNORECASE)


@click.command()
@click.option("--from", "outs", metavar="OUT", multiple=True, required=True, help="A finished sample run; repeatable.")
@click.option("--input", "wanted", metavar="FILESxSIZE", required=True, help="The input to plan for, as 90000x1.1GB.")
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option("--type", "kind", default="ml.c5.18xlarge", show_default=True, help="Their type; `local`: this machine.")
@click.option("--workers", type=click.IntRange(1), help="Workers of each machine [default: one per core].")
@click.option("--price", type=click.FloatRange(0), help="Dollars per machine and hour [default: a list price].")
@click.option("--spot", is_flag=True, help="Spot machines: cheaper, and taken away now and then.")
@click.option("--share-nothing", is_flag=True, help="Every machine its own driver, instead of one Ray cluster.")
@click.option("--start", type=click.FloatRange(0), help="Seconds until a machine is up.")
@click.option("--interruptions", type=click.FloatRange(0), help="How often a machine is taken away, per hour.")
@click.option("--latency", type=click.FloatRange(0), help="Seconds that the store takes to answer.")
@click.option("--prefixes", type=click.IntRange(1), default=1, show_default=True, help="Prefixes that S3 partitioned.")
@click.option("--parts", type=click.IntRange(1), default=1, show_default=True, help="Runs to split the input into.")
@click.option("--speed", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Of a core, sample's = 1.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other dice.")
@imports_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def plan(
    outs: tuple[str, ...], wanted: str, instances: int, kind: str, workers: int | None, price: float | None,
    parts: int, imports: tuple[str, ...], as_json: bool, **world: Any,
) -> int:  # fmt: skip
    """Forecast hours, dollars and bottleneck of a run over INPUT, from the measurements of the sample run OUT.

    Two samples of different size tell start-up costs from work better than one. The sample must have been made with
    all cores busy, on a machine without other load, or the forecast inherits what disturbed it. Exit code 1: the
    run would break, and where.
    """
    from refinedweb.forecast import forecast as forecasts
    from refinedweb.forecast.machines import machine
    from refinedweb.forecast.measured import measure
    from refinedweb.recipe.load import load_stages

    load_stages(imports)
    sample = measure(outs)
    found = machine(kind, price=price, cores=workers)
    if world["spot"] and price is None:
        found = replace(found, price=found.price * _spot_share())
    planned = forecasts.ForecastPlan(sample, parsed(wanted), found, _conditions(sample, kind, **world), parts)
    runs = sorted(forecasts.spread(planned, instances, 3), key=lambda run: run.seconds)
    usual = replace(planned, conditions=replace(planned.conditions, seed=runs[1].seed))
    curve = forecasts.curve(usual, sorted({*forecasts.CURVE, instances})) if kind != "local" else []
    if as_json:
        told = {"plan": _plain(runs[1]), "hours": [run.hours for run in runs], "curve": [_short(one) for one in curve]}
        click.echo(json.dumps(told))
    else:
        _show(planned, runs, curve)
    return 1 if runs[1].problems else 0


def parsed(text: str) -> InputVolume:
    """`90000x1.1GB`. Raises ConfigError."""
    from refinedweb.forecast.workload import InputVolume
    from stages.errors import ConfigError

    found = SIZE.fullmatch(text.strip())
    if found is None or int(found[1]) < 1 or float(found[2]) <= 0:
        raise ConfigError(f"--input {text!r}: give number of files x size of each, as 90000x1.1GB or 800x500MiB")
    return InputVolume(int(found[1]), float(found[2]) * UNITS[found[3].upper()])


def _spot_share() -> float:
    from refinedweb.forecast.machines import SPOT_SHARE

    return SPOT_SHARE


def _conditions(
    sample: MeasuredSample, kind: str, spot: bool, share_nothing: bool, start: float | None,
    interruptions: float | None, latency: float | None, prefixes: int, speed: float, seed: int,
) -> Any:  # fmt: skip
    from refinedweb.forecast.machines import INTERRUPTIONS, Conditions, quiet

    found = quiet(sample.start) if kind == "local" else Conditions()
    rate = interruptions if interruptions is not None else INTERRUPTIONS if spot else 0.0
    return replace(
        found,
        puts=found.puts * prefixes,
        gets=found.gets * prefixes,
        start=found.start if start is None else start,
        latency=found.latency if latency is None else latency,
        interruptions=rate,
        share_nothing=share_nothing,
        speed=speed,
        seed=seed,
    )


def _plain(found: Forecast) -> dict[str, Any]:
    return {**asdict(found), "hours": found.hours}


def _short(found: Forecast) -> dict[str, Any]:
    names = ("machines", "hours", "dollars", "request_dollars", "efficiency", "bottleneck", "interruptions")
    return {name: getattr(found, name) for name in names}


def _show(planned: ForecastPlan, runs: list[Forecast], curve: list[Forecast]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 160)
    found, wanted, machine = runs[1], planned.wanted, planned.machine
    hours = [run.hours for run in runs]
    mode = "each its own driver" if planned.conditions.share_nothing else "one cluster"
    click.echo(
        f"{wanted.files:,} files, {size(wanted.bytes)}, on {found.machines} × {machine.name} "
        f"({found.machines * machine.cores:,} workers, {mode})"
        + (f", in {planned.parts:,} parts: steps are those of one part" if planned.parts > 1 else "")
    )
    click.echo(
        f"{duration(found.seconds)} ({hours[0]:.2f} to {hours[-1]:.2f} h, by the dice), "
        f"${found.dollars:,.0f} of machines and ${found.request_dollars:,.0f} of requests; efficiency "
        f"{found.efficiency:.0%}; held back by: {found.bottleneck}"
        + (f"; {found.interruptions} interruptions" if found.interruptions else "")
    )
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("step", "tasks", "time", "core hours", "work", "read", "written", "requests", "GiB/worker", "held by"):
        table.add_column(name, justify="left" if name in ("step", "held by") else "right")
    for step, same in groupby(found.steps):
        times = len(list(same))
        name = step.name if times == 1 else f"{step.name}, {times} ×"
        requests = f"{step.gets + step.puts:,.0f}"
        cells = (duration(step.seconds), f"{step.work / 3600:,.1f}", f"{step.efficiency:.0%}", size(step.bytes_in))
        memory = f"{step.memory / 2**30:.1f}"
        table.add_row(name, f"{step.tasks:,}", *cells, size(step.bytes_out), requests, memory, step.bottleneck)
    console.print(table)
    if curve:
        console.print(_curve_table(curve))
    for problem in found.problems:
        click.secho(f"Breaks: {problem}", fg="red")


def _curve_table(curve: list[Forecast]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="By number of machines", title_justify="left")
    for name in ("machines", "time", "dollars", "efficiency", "held by"):
        table.add_column(name, justify="left" if name == "held by" else "right")
    for one in curve:
        dollars = f"{one.dollars + one.request_dollars:,.0f}"
        table.add_row(f"{one.machines:,}", duration(one.seconds), dollars, f"{one.efficiency:.0%}", one.bottleneck)
    return table
