"""The command line. A command's module is imported when the command is called, so `--help` answers immediately."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

import click

from stages.errors import ConfigError, RefinedWebError

# In the order of `refinedweb --help`. Each command has the name of its module in this package.
COMMANDS = (
    "demo",
    "select",
    "run",
    "status",
    "verify",
    "report",
    "inspect",
    "explain",
    "stages",
    "doctor",
    "export",
    "trail",
    "classifier",
    "plan",
    "index",
)
ENTRY_POINTS = "refinedweb.commands"
INTERRUPTED = 130  # exit code: what a shell reports for a program that SIGINT ended


class Commands(click.Group):
    """The built-in commands, and those that other packages add through the entry point group `refinedweb.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(point.name for point in entry_points(group=ENTRY_POINTS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return cast(click.Command, getattr(import_module(f"refinedweb.cli.{cmd_name}"), cmd_name))
        for point in entry_points(group=ENTRY_POINTS, name=cmd_name):
            return cast(click.Command, point.load())
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from stages.errors import nearest

        known = self.list_commands(ctx)
        if args and args[0] not in known:
            ctx.fail(f"no command is called {args[0]!r}: {nearest(args[0], known)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="refinedweb")
def cli() -> None:
    """Raw web crawls in; a clean, accounted-for training corpus out.

    Every document that goes in comes out, kept or removed with a reason. Start with `refinedweb demo`.

    Exit codes: 0 done, 1 a check failed or the run could not go on (what is committed is safe), 2 wrong use (nothing
    was done), 3 finished with quarantined documents or partial, lost or failed shards, or no document was found, 130
    interrupted (run the same command again to resume).
    """


def _complain(error: Exception) -> None:
    """Print the error. Messages contain file names and quote file contents, and neither may control the terminal."""
    from refinedweb.views.terminal import printable

    click.secho(f"Error: {printable(str(error))}", fg="red", err=True)


def main(arguments: list[str] | None = None) -> Any:
    """The console entry point: every error that the user can fix is one message, without a traceback."""
    try:
        code = cli.main(args=arguments, prog_name="refinedweb", standalone_mode=False)
    except click.exceptions.Abort:
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output (head, less) went away: nothing to report, and nowhere to
        code = 0
    except OSError as error:
        _complain(error)
        code = 1
    except RefinedWebError as error:
        _complain(error)
        code = 2 if isinstance(error, ConfigError) else 1
    sys.exit(code or 0)
