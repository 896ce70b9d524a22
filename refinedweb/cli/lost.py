"""What a run lost, on the terminal: which shards and why, and the exact command that goes on or fills the gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from refinedweb.views import terminal
from refinedweb.views.terminal import line
from refinedweb.views.units import counted

if TYPE_CHECKING:
    from refinedweb.engine.run import RunResult
    from refinedweb.recipe.recipe import Recipe

MOST_SHOWN = 5  # lost shards; `status --json` has all of them
MOST_NAMED = 20  # inputs in a command; more are better put into a list


def show_lost(lost: dict[int, str]) -> None:
    """Print which shards a run went on without, if any, and why."""
    for number, reason in list(lost.items())[:MOST_SHOWN]:
        click.secho(f"Shard {number} is lost: {line(reason, 1000)}", fg="yellow")
    if lost:
        click.secho(
            f"{counted(len(lost), 'shard')} lost: the run went on without, and the corpus lacks them", fg="yellow"
        )


@dataclass(frozen=True)
class RunCommand:
    """A `refinedweb run` as its user wrote it: all `words` after the program's name, or recipe, options, OUT."""

    words: Sequence[str]
    recipe: str
    options: Sequence[str]
    out: str

    def accepting(self, shards: int) -> str:
        """The command that goes on without this number of failed shards."""
        return terminal.command([*self.words, "--accept-failed", str(shards)])

    def again(self) -> str:
        """The same command."""
        return terminal.command(self.words)

    def part(self, inputs: Sequence[str]) -> str:
        """The command that adds inputs as a part of their own, deduplicated against this run."""
        out = self.out.rstrip("/")
        return terminal.command(["run", self.recipe, *inputs, f"{out}-repaired", *self.options, "--index", out])


def show_ways_on(recipe: Recipe, result: RunResult, command: RunCommand, inputs: Sequence[str]) -> None:
    """Print the command that goes on without what failed, or that adds what was lost once it is repaired. `inputs` are
    the run's.
    """
    if result.acceptable is not None:
        click.echo(f"To go on without:  {command.accepting(result.acceptable)}")
    if not result.lost or result.failed:
        return
    lost = [inputs[number] for number in result.lost]
    if not recipe.deduplicates:
        click.echo("When the inputs are repaired, the same command adds them to this corpus:")
        click.echo(f"  {command.again()}")
    elif not recipe.indexes:
        click.echo(
            "Others were deduplicated without them: to have them in, repair them and start a new run of all inputs."
        )
    else:
        click.echo("Others were deduplicated without them. When they are repaired, add them as a part of their own:")
        named = lost if len(lost) <= MOST_NAMED else ["lost.paths"]
        click.echo(f"  {command.part(named)}")
        if named != lost:
            click.echo("lost.paths is a list of them, one a line; `refinedweb status --json` names them.")
