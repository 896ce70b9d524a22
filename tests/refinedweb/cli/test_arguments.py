"""Every option of a command reaches it, with the type that its dataclass declares."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import click
import pytest

from refinedweb.cli import cli
from refinedweb.cli.run import LEASE_SECONDS
from refinedweb.ledger import claims


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def arguments_of(command: click.Command) -> type[Any] | None:
    """The dataclass that a command receives its arguments as; None if it takes them one by one."""
    function = inspect.unwrap(typing.cast(Any, command.callback))
    hints = [hint for name, hint in typing.get_type_hints(function).items() if name != "return"]
    return hints[0] if len(hints) == 1 and is_dataclass(hints[0]) else None


ALL = list(commands(cli))
WITH_DATACLASS = [(name, command) for name, command in ALL if arguments_of(command) is not None]


def test_the_large_commands_receive_a_dataclass() -> None:
    found = {name for name, _ in WITH_DATACLASS}
    assert {"run", "inspect", "explain", "plan", "classifier train", "job launch", "job watch", "job alarms"} <= found


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_no_command_takes_whatever_comes(name: str, command: click.Command) -> None:
    function = inspect.unwrap(typing.cast(Any, command.callback))
    assert all(p.kind is not p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


@pytest.mark.parametrize(("name", "command"), WITH_DATACLASS, ids=[name for name, _ in WITH_DATACLASS])
def test_each_parameter_has_a_field_of_its_type(name: str, command: click.Command) -> None:
    cls = arguments_of(command)
    assert cls is not None
    declared = typing.get_type_hints(cls)
    parameters = {parameter.name: parameter for parameter in command.params}
    assert {field.name for field in fields(cls)} == set(parameters)
    for field in fields(cls):
        parameter, hint = parameters[field.name], declared[field.name]
        several = parameter.nargs != 1 or (isinstance(parameter, click.Option) and parameter.multiple)
        assert (typing.get_origin(hint) is tuple) == several, field.name
        if not several:
            assert of_click(parameter.type) & kinds(hint), f"{field.name}: {hint} for {parameter.type}"
            assert (type(None) in typing.get_args(hint)) == may_be_missing(parameter), field.name


def may_be_missing(parameter: click.Parameter) -> bool:
    is_flag = isinstance(parameter, click.Option) and parameter.is_flag
    return not (is_flag or parameter.required or isinstance(parameter.default, str | int | float))


def kinds(hint: Any) -> set[str]:
    """`{"int"}` for `int | None`, `{"str"}` for a Literal of texts."""
    options = [one for one in typing.get_args(hint) if one is not type(None)] or [hint]
    return {type(one).__name__ if isinstance(one, str) else one.__name__ for one in options}


def of_click(kind: click.ParamType) -> set[str]:
    if isinstance(kind, click.Path):
        return {"Path"}
    names = {"integer": "int", "integer range": "int", "float": "float", "float range": "float", "boolean": "bool"}
    return {names.get(kind.name, "str")}


def test_the_lease_of_the_command_is_the_engines() -> None:
    assert LEASE_SECONDS == claims.LEASE_SECONDS
