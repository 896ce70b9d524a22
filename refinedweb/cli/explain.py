"""`explain`: one page through every stage, or what became of a document of a run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from refinedweb.cli.excerpts import SHOWN_CHARACTERS
from refinedweb.cli.options import imports_option, json_option, overrides_option, receives, trust_option
from refinedweb.views.terminal import json_line, printable
from refinedweb.views.terminal import line as one_line

if TYPE_CHECKING:
    from refinedweb.views.explanation import Explanation
    from refinedweb.views.records import StageVerdict

PAGE_BYTES = 10 << 20  # read of a page: ten times what the largest sensible page has
FETCH_SECONDS = 30  # until a server that does not answer is given up
SHOWN_VALUE = 100  # characters of a column that a stage changed


@dataclass(frozen=True)
class ExplainArguments:
    """What `refinedweb explain` takes."""

    page: str
    recipe: str
    overrides: tuple[str, ...]
    url: str | None
    out: str | None
    imports: tuple[str, ...]
    trust: bool
    as_json: bool

    @property
    def page_url(self) -> str | None:
        """The URL to judge the page by: --url, or where the page is fetched from."""
        return self.page if self.url is None and _is_url(self.page) else self.url


@click.command()
@click.argument("page", metavar="URL|FILE")
@click.option("--recipe", default="refinedweb", show_default=True, help="A recipe's name or path, or stage names.")
@overrides_option
@click.option("--url", help="The page's URL, if PAGE is a file.")
@click.option("--run", "out", metavar="OUT", help="Show what became of the document with this URL or id in a run.")
@imports_option
@trust_option
@json_option
@receives(ExplainArguments)
def explain(arguments: ExplainArguments) -> int:
    """Take one page through every stage and show each measure next to its limit. A URL is fetched; FILE is HTML (- =
    stdin).

    If the page is extracted by blocks (--set extract_v1.engine=blocks), it shows which blocks are kept (+) and left
    out (-), with their scores.

    With --run, it shows what became of a document of that run: the stage that removed it and why, and for
    deduplicating stages the document that was kept instead, the bands they have in common, the spans that were cut and
    where else they occur.
    """
    if arguments.out is not None:
        return _explain_run(arguments.out, arguments)
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.views.explanation import explain as explained

    recipe = load_recipe(arguments.recipe, arguments.overrides, arguments.imports)
    explanation = explained(_page_bytes(arguments.page), url=arguments.page_url, recipe=recipe)
    if arguments.as_json:
        click.echo(json_line(explanation.to_dict()))
    else:
        _show_explanation(explanation)
    return 0


def _explain_run(out: str, arguments: ExplainArguments) -> int:
    from refinedweb.cli.pairs import show_histories
    from refinedweb.recipe.load import load_stages
    from refinedweb.views.run import Run

    load_stages(arguments.imports)
    return show_histories(Run(out, trust=arguments.trust), arguments.page, as_json=arguments.as_json)


def _is_url(page: str) -> bool:
    return page.startswith(("http://", "https://"))


def _page_bytes(page: str) -> bytes:
    """The HTML at a URL, in a file, or on stdin. Raises ConfigError if it cannot be read."""
    import urllib.request
    from pathlib import Path

    from stages.errors import ConfigError

    try:
        if page == "-":
            return sys.stdin.buffer.read(PAGE_BYTES)
        if _is_url(page):
            request = urllib.request.Request(page, headers={"User-Agent": "refinedweb-explain"})
            with urllib.request.urlopen(request, timeout=FETCH_SECONDS) as answer:
                body: bytes = answer.read(PAGE_BYTES)
                return body
        return Path(page).read_bytes()[:PAGE_BYTES]
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {page}: {error}") from error


def _show_explanation(explanation: Explanation) -> None:
    click.secho(f"{one_line(explanation.url or 'page')}: {explanation.verdict}", bold=True)
    for step in explanation.steps:
        click.secho(f"{step.stage}: {step.outcome}", fg="red" if step.drop else None if step.note else "green")
        _show_step(step)
    if explanation.text:
        more = " …" if len(explanation.text) > SHOWN_CHARACTERS else ""
        click.echo("\nText:\n" + printable(explanation.text[:SHOWN_CHARACTERS]) + more)


def _show_step(step: StageVerdict) -> None:
    from refinedweb.views.explanation import part_lines

    for reading in step.readings:
        low = "" if reading.min is None else f"{reading.min:g} ≤ "
        high = "" if reading.max is None else f" ≤ {reading.max:g}"
        line = f"  {'  ' if reading.inside else '✗ '}{low}{reading.measure}{high}: {reading.value:.4g}"
        click.secho(line, fg=None if reading.inside else "red")
    for line in part_lines(step.parts):
        click.secho(f"    {printable(line)}", dim=line.startswith("-"))
    for name, value in step.changed.items():
        click.echo(f"    {name} → {' '.join(printable(str(value)).split())[:SHOWN_VALUE]}")
