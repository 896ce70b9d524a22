"""The result of a run on the terminal: the funnel as a table, and what needs attention."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refinedweb.ledger.manifest import Totals
from refinedweb.views import funnel
from refinedweb.views.columns import idle_stages
from refinedweb.views.inputs import trouble_of
from refinedweb.views.terminal import command, line
from refinedweb.views.units import counted, size

if TYPE_CHECKING:
    from refinedweb.engine.run import RunResult
    from refinedweb.recipe.recipe import Recipe

PIPE_WIDTH = 160  # characters of a table that does not go to a terminal: wide enough to leave the reasons on one line
MOST_ERRORS = 5  # shown of failed shards; `status --json` and the ledger have all of them
MOST_REASONS = 4  # of a stage, in one line of the funnel


def show_result(recipe: Recipe, result: RunResult, out: str, *, as_json: bool) -> None:
    """The funnel, where the output is, and what needs attention."""
    if as_json:
        from refinedweb.views.run import Run

        summary = funnel.status_json(Run(out).states(), result.totals)
        ends = {"failed": result.failed, "lost": result.lost, "exit_code": result.exit_code}
        click.echo(json.dumps({**summary, **ends}))
        return
    show_funnel([name for name, _ in recipe.stages], result.totals, faithful=recipe.name == "refinedweb")
    if not result.failed:
        click.echo(f"Corpus:         {out.rstrip('/')}/corpus   ({size(result.totals.bytes_kept)} of text)")
    click.echo(f"Removed, why:   {command(['inspect', out.rstrip('/'), '--stage', 'STAGE'])}")
    for text in idle_stages(recipe, result.totals):
        click.secho(text, fg="yellow")
    show_trouble(result.totals, result.failed, result.failed_step)


def show_funnel(stages: list[str], totals: Totals, *, faithful: bool) -> None:
    """Print the funnel as a table. `faithful`: the recipe is the paper's, so show the paper's shares too."""
    title = f"{totals.rows_in:,} documents in, {totals.rows_kept:,} kept"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("in", "removed", "of all, left") + (("paper",) if faithful else ()):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for row in funnel.funnel(stages, totals, faithful=faithful):
        paper = [("" if row.paper is None else f"{row.paper:.1%}")] if faithful else []
        table.add_row(
            Text(line(row.stage)),
            f"{row.rows_in:,}",
            f"{row.rows_removed:,}",
            f"{row.left:.1%}",
            *paper,
            Text(_reasons(row)),
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
    if totals.skipped:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(totals.skipped.items()))
        click.echo(f"Records that are not documents: {kinds}")


def show_trouble(totals: Totals, failed: dict[int, str], step: str = "") -> None:
    """Print what is wrong, if anything: partial shards, quarantined documents, lost records, failed shards."""
    for text in trouble_of(totals):
        click.secho(line(text, 1000), fg="yellow")
    if totals.quarantined:
        click.secho(f"{counted(totals.quarantined, 'document')} quarantined: they killed or broke a stage", fg="yellow")
    for error in totals.unreadable[:MOST_ERRORS]:
        click.secho(f"Not counted: {line(error, 1000)}", fg="red")
    if totals.unreadable:
        click.secho(f"{counted(len(totals.unreadable), 'record')} cannot be read", fg="red")
    for number, error in list(failed.items())[:MOST_ERRORS]:
        click.secho(f"Shard {number} failed: {line(error, 1000)}", fg="red")
    if failed:
        where = f" in {step}, and the steps after it wait" if step else ""
        click.secho(f"{counted(len(failed), 'shard')} failed{where}; the same command tries them again", fg="red")
        click.echo(
            "With --accept-failed N, a number or a share such as 1%, a run goes on without up to N failed shards."
        )


def _reasons(row: funnel.FunnelRow) -> str:
    items = [f"{line(reason, 80)} {n:,}" for reason, n in row.removed.items()]
    more = len(items) - MOST_REASONS
    return ", ".join(items[:MOST_REASONS]) + (f", {more} more" if more > 0 else "")
