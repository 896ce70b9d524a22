"""The forecast of `plan` on the terminal: a headline, a table of the steps, and a curve over numbers of machines."""

from __future__ import annotations

from itertools import groupby

import click
from rich import box
from rich.console import Console
from rich.table import Table

from refinedweb.cli.results import PIPE_WIDTH
from refinedweb.forecast.forecast import Forecast, ForecastPlan, StepForecast
from refinedweb.views.units import duration, duration_unit, size


def show_plan(planned: ForecastPlan, runs: list[Forecast], curve: list[Forecast]) -> None:
    """Print the middle one of some simulated runs, which are sorted by time, and the curve if there is one."""
    found = runs[len(runs) // 2]
    _show_headline(planned, found, runs[0].seconds, runs[-1].seconds)
    console = Console(width=None if Console().is_terminal else PIPE_WIDTH)
    console.print(_step_table(found.steps))
    if curve:
        console.print(_curve_table(curve))
    for problem in found.problems:
        click.secho(f"Breaks: {problem}", fg="red")


def _show_headline(planned: ForecastPlan, found: Forecast, least: float, most: float) -> None:
    wanted, machine = planned.wanted, planned.machine
    mode = "each its own driver" if planned.conditions.share_nothing else "one cluster"
    click.echo(
        f"{wanted.files:,} files, {size(wanted.bytes)}, on {found.machines} × {machine.name} "
        f"({found.machines * machine.cores:,} workers, {mode})"
        + (f", in {planned.parts:,} parts: steps are those of one part" if planned.parts > 1 else "")
    )
    click.echo(
        f"{with_spread(found.seconds, least, most)}, "
        f"${found.dollars:,.0f} of machines and ${found.request_dollars:,.0f} of requests; efficiency "
        f"{found.efficiency:.0%}; held back by: {found.bottleneck}"
        + (f"; {found.interruptions} interruptions" if found.interruptions else "")
    )


def with_spread(seconds: float, least: float, most: float) -> str:
    """`39.3 days (simulated spread 39.2 to 39.5)`: one unit for all three."""
    length, _ = duration_unit(seconds)
    return f"{duration(seconds)} (simulated spread {least / length:,.1f} to {most / length:,.1f})"


def _step_table(steps: list[StepForecast]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("step", "tasks", "time", "core hours", "work", "read", "written", "requests", "GiB/worker", "held by"):
        table.add_column(name, justify="left" if name in ("step", "held by") else "right")
    for step, same in groupby(steps):
        times = len(list(same))
        table.add_row(
            step.name if times == 1 else f"{step.name}, {times} ×",
            f"{step.tasks:,}",
            duration(step.seconds),
            f"{step.work / 3600:,.1f}",
            f"{step.efficiency:.0%}",
            size(step.bytes_in),
            size(step.bytes_out),
            f"{step.gets + step.puts:,.0f}",
            f"{step.memory / 2**30:.1f}",
            step.bottleneck,
        )
    return table


def _curve_table(curve: list[Forecast]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="By number of machines", title_justify="left")
    for name in ("machines", "time", "dollars", "efficiency", "held by"):
        table.add_column(name, justify="left" if name == "held by" else "right")
    for one in curve:
        dollars = f"{one.dollars + one.request_dollars:,.0f}"
        table.add_row(f"{one.machines:,}", duration(one.seconds), dollars, f"{one.efficiency:.0%}", one.bottleneck)
    return table
