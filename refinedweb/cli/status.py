"""`status`: how far a run is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import json_option

if TYPE_CHECKING:
    from refinedweb.ledger.totals import StepState
    from refinedweb.views.run import Run


@click.command()
@click.argument("out")
@json_option
@click.option("--prometheus", is_flag=True, help="Print as Prometheus text.")
def status(out: str, as_json: bool, prometheus: bool) -> int:
    """Show how far the run OUT is, and its funnel so far."""
    from refinedweb.ledger.totals import totals_of
    from refinedweb.views import funnel
    from refinedweb.views.run import Run

    run = Run(out)
    states = run.states()
    totals = totals_of(states)
    if as_json:
        lost = [
            {"shard": number, "input": run.file.inputs[number].uri, "reason": reason}
            for number, reason in (run.lost() if totals.lost else {}).items()
        ]
        click.echo(json.dumps({**funnel.status_json(states, totals), "lost": lost}))
    elif prometheus:
        from refinedweb.engine import metrics

        click.echo(metrics.prometheus(metrics.of_status(out, states, totals, len(run.failed()))), nl=False)
    else:
        _show(run, states)
    return 0


def _show(run: Run, states: list[StepState]) -> None:
    from refinedweb.cli.lost import show_lost
    from refinedweb.cli.results import show_funnel, show_trouble
    from refinedweb.ledger.totals import totals_of

    totals = totals_of(states)
    click.echo(f"{run.file.recipe_name} since {run.file.created_at}, code {run.file.code_version}")
    for state in states:
        click.echo(f"  {state.step.name:20} {_progress(state)}")
    if totals.tasks:
        rate = totals.rows_in / max(1e-9, totals.seconds)
        click.echo(f"{rate:,.1f} documents/s per core, peak memory {totals.peak_memory / 2**20:,.0f} MiB per worker")
        show_funnel(run.stages, totals, faithful=run.file.faithful)
    show_trouble(totals, run.failed())
    show_lost(run.lost() if totals.lost else {})


def _progress(state: StepState) -> str:
    """`complete`, `waiting`, or how far the step is."""
    if state.complete and state.again.rows_in:
        again = state.again
        return f"complete; {again.rows_kept:,} of {again.rows_in:,} documents came back, as the kept one left later"
    if state.complete:
        return "complete"
    if state.done == 0:
        return "waiting"
    if state.step.kind == "global":
        return f"{state.done:,} tasks done"
    return f"{state.done:,} of {state.total:,} shards ({state.done / state.total:.0%})"
