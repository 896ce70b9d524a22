"""Runs a recipe in front of a user: shows its progress, stops politely when asked to, prints the result."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from refinedweb.cli.lost import RunCommand, show_lost, show_ways_on
from refinedweb.cli.progress import Display
from refinedweb.cli.results import show_result
from refinedweb.engine.allowance import Allowance
from refinedweb.engine.metrics import both, meter_of
from refinedweb.engine.policy import PATIENCE_SECONDS
from refinedweb.engine.run import execute
from refinedweb.engine.settings import RunSettings
from refinedweb.engine.start import begin
from refinedweb.ledger.claims import LEASE_SECONDS
from refinedweb.ledger.stdin import with_standard_input
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import FoundInputs, InputSpecs
from refinedweb.views.columns import column_notes
from refinedweb.views.terminal import command

INTERRUPTED = 130  # exit code, see `refinedweb.cli`


@dataclass(frozen=True)
class Execution:
    """How to run and what to print; none of it changes the output.

    `workers`: tasks to run in parallel (None: all cores); `address`: of a Ray cluster (None: this machine); `lease`:
    seconds until a claim expires; `patience`: seconds to wait for a store that does not answer; `base`: the prefix of
    the entries in a list of paths; `metrics`: where to emit them; `go_on`: with one worker, where Ray cannot start;
    `accept`: how many failed shards to go on without; `check`: list the inputs of a run that has begun; `command`: what
    the user wrote, for messages.
    """

    workers: int | None = None
    address: str | None = None
    lease: float = LEASE_SECONDS
    patience: float = PATIENCE_SECONDS
    base: str | None = None
    as_json: bool = False
    metrics: tuple[str, ...] = ()
    go_on: bool = False
    accept: Allowance = field(default_factory=Allowance)
    check: bool = False
    command: RunCommand | None = None


def execute_recipe(recipe: Recipe, specs: Sequence[str], out: str, how: Execution) -> int:
    """Run or resume until everything is done, or until the user stops it. Returns the exit code."""
    meter = meter_of(how.metrics, out)
    begun = begin(
        recipe, InputSpecs(tuple(with_standard_input(specs, out, sys.stdin)), how.base), out,
        check=how.check, losses=how.accept != Allowance(), patience=how.patience,
    )  # fmt: skip
    run = begun.run
    display = Display(len(run.inputs), quiet=how.as_json)
    display.start(recipe, FoundInputs(run.inputs, list(begun.left_out), list(begun.reasons)), out)
    for text in column_notes(recipe, run.survey()):
        display.say(text)
    _stop_politely(display)
    settings = RunSettings(how.workers, how.address, how.lease, how.patience, how.accept, how.go_on)
    watch = both(display.watch, meter)
    try:
        with display:
            result = execute(recipe, run, out, settings, watch, display.ready, display.say)
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what is committed is safe. To resume, run the same command again:", err=True)
        click.echo(f"  {command(sys.argv[1:])}", err=True)
        return INTERRUPTED
    finally:
        if meter is not None:
            meter.close()
    show_result(recipe, result, out, as_json=how.as_json)
    if not how.as_json:
        show_lost(result.lost)
        if how.command is not None:
            show_ways_on(recipe, result, how.command, [item.uri for item in run.inputs])
    return result.exit_code


def _stop_politely(display: Display) -> None:
    """Let SIGINT and SIGTERM end the run when it next updates the display. An exception that is raised at an arbitrary
    place can get lost (Python ignores those within finalisers), but while workers start, which may take minutes,
    nothing is updated. The second signal does not wait.
    """

    def stop(number: int, frame: object) -> None:
        at_once = display.interrupted or not display.is_ready
        display.interrupted = True
        if at_once:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
