"""`refinedweb job …`: joins the command line through the entry point group `refinedweb.commands`.

A command's module is imported when the command is called, so `refinedweb --help` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click

from stages.errors import nearest

# name of the command -> module of this package that holds it
COMMANDS = {
    "launch": "launch.command",
    "watch": "watch.command",
    "alarms": "watch.alarms_command",
    "audit": "audit.command",
}


class JobCommands(click.Group):
    """The commands for jobs, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return cast(click.Command, getattr(import_module(f"jobs.{COMMANDS[cmd_name]}"), cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            ctx.fail(f"no command for jobs is called {args[0]!r}: {nearest(args[0], list(COMMANDS))}")
        return super().resolve_command(ctx, args)


@click.group(cls=JobCommands)
def job() -> None:
    """Runs on Amazon SageMaker: many machines with one command."""
