"""Every command with its arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from generator.markup import described, markdown_table, prose
from refinedweb import cli


def cli_page() -> str:
    """Every command with its arguments and options."""
    parts = ["# Command line", prose(cleandoc(cli.cli.help or "").partition("\n\nExit codes")[0])]
    for name, command in commands():
        parts += _command(name, command)
    return "\n\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and sub-command of this package with its full name (`classifier train`, `job audit read`)."""
    yield from _below(cli.cli, "")


def _below(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield before + name, command
        if isinstance(command, click.Group):
            yield from _below(command, f"{before}{name} ")


def _command(name: str, command: click.Command) -> list[str]:
    level = "#" * (2 + name.count(" "))
    parts = [f"{level} {name}", f"```text\n{_usage(name, command)}\n```", prose(command.help or "")]
    options = [p for p in command.params if isinstance(p, click.Option)]
    if options:
        rows = [[_option(o), described(_help(o)), _option_default(o)] for o in options]
        parts.append(markdown_table(["option", "", "default"], rows))
    return parts


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"refinedweb {name}")
    return command.get_usage(context).removeprefix("Usage: ").replace("\n", "")


def _option(option: click.Option) -> str:
    flags = [f"`{flag}`" for flag in (*option.opts, *option.secondary_opts)]
    if not option.is_flag:
        flags[-1] = f"{flags[-1][:-1]} {option.metavar or _takes(option.type)}`"
    return ", ".join(flags)


def _takes(kind: click.ParamType) -> str:
    return "\\|".join(kind.choices) if isinstance(kind, click.Choice) else _KINDS[kind.name.split()[0]]


_KINDS = {"integer": "N", "float": "X", "text": "TEXT", "path": "FILE", "file": "FILE"}


def _help(option: click.Option) -> str:
    again = " Repeatable." if option.multiple and "epeat" not in (option.help or "") else ""
    needed = " Required." if option.required else ""
    variable = f" Environment: `{option.envvar}`." if option.envvar else ""
    return f"{option.help or ''}{again}{needed}{variable}"


def _option_default(option: click.Option) -> str:
    value = option.default
    if option.is_flag and not option.secondary_opts:
        return ""
    plain = isinstance(value, str | int | float) and not callable(value)
    return f"`{value}`" if plain and value != "" and not option.required else ""
