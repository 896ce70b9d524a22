"""`stages`: what a recipe can be made of."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from refinedweb.cli.options import imports_option, json_option


@click.command()
@click.argument("name", required=False)
@click.option("--language", metavar="LABEL", help="With NAME: which parameters apply to a language, and why.")
@imports_option
@json_option
def stages(name: str | None, language: str | None, imports: tuple[str, ...], as_json: bool) -> int:
    """List every stage and shipped recipe; with NAME, that stage's parameters, defaults, reasons and source."""
    from refinedweb.recipe.load import load_stages, shipped
    from stages.base import registry
    from stages.errors import ConfigError, nearest

    load_stages(imports)
    known = registry()
    if name is not None and name not in known:
        raise ConfigError(f"no stage is called {name!r}: {nearest(name, list(known))}")
    if language is not None:
        if name is None:
            raise ConfigError("--language needs the NAME of a stage: refinedweb stages quality_v1 --language ja")
        _show_language(name, language, as_json)
    elif as_json:
        wanted = known if name is None else {name: known[name]}
        click.echo(json.dumps({key: _described(cls) for key, cls in wanted.items()}, default=str))
    elif name is not None:
        _show_stage(name, known[name])
    else:
        for key, cls in known.items():
            click.echo(f"{key:20} {_first_line(cls)}")
        click.echo(f"\nRecipes: {', '.join(shipped())}. `refinedweb stages NAME` shows one stage's parameters.")
    return 0


def _show_language(name: str, language: str, as_json: bool) -> None:
    from refinedweb.recipe.applied import applied

    found = applied(name, language)
    click.echo(json.dumps(dataclasses.asdict(found), default=str) if as_json else "\n".join(found.lines()))


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _described(cls: type[Any]) -> dict[str, Any]:
    params = {f.name: {"type": str(f.type), "default": f.default} for f in dataclasses.fields(cls)}
    return {"description": (cls.__doc__ or "").strip(), "params": params}


def _show_stage(name: str, cls: type[Any]) -> None:
    import inspect

    click.secho(name, bold=True)
    click.echo(inspect.cleandoc(cls.__doc__ or ""))
    click.echo("\nParameters (--set " + name + ".PARAM=VALUE):")
    for f in dataclasses.fields(cls):
        click.echo(f"  {f.name:28} {f.default!r:<24} {f.type}")
