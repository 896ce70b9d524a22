"""`status`, `inspect`, `explain` and `stages`."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.options import imports_option
from refinedweb.views.terminal import json_line, printable
from refinedweb.views.terminal import line as one_line

if TYPE_CHECKING:
    from refinedweb.ledger.totals import StepState
    from refinedweb.views.explanation import Explanation
    from refinedweb.views.records import CutDocument, DuplicatePair, StageVerdict

SHOWN_TEXT = 800
PAGE_BYTES = 10 << 20
TIMEOUT = 30


@click.command()
@click.argument("out")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--prometheus", is_flag=True, help="Print as Prometheus text.")
def status(out: str, as_json: bool, prometheus: bool) -> int:
    """How far the run OUT is, and its funnel so far."""
    from refinedweb.cli.progress import show_funnel, show_trouble
    from refinedweb.ledger.totals import totals_of
    from refinedweb.views import funnel
    from refinedweb.views.run import Run

    run = Run(out)
    states = run.states()
    totals = totals_of(states)
    if as_json:
        click.echo(json.dumps(funnel.status_json(states, totals)))
        return 0
    if prometheus:
        from refinedweb.engine import metrics

        click.echo(metrics.prometheus(metrics.of_status(out, states, totals, len(run.failed()))), nl=False)
        return 0
    click.echo(f"{run.file.recipe_name} since {run.file.created_at}, code {run.file.code_version}")
    for state in states:
        click.echo(f"  {state.step.name:20} {_progress(state)}")
    if totals.tasks:
        rate = totals.rows_in / max(1e-9, totals.seconds)
        click.echo(f"{rate:,.1f} documents/s per core, peak memory {totals.peak_memory / 2**20:,.0f} MiB per worker")
        show_funnel(run.stages, totals, faithful=run.file.faithful)
    show_trouble(totals, run.failed())
    return 0


def _progress(state: StepState) -> str:
    """`complete`, `waiting`, or how far the step is."""
    if state.complete:
        return "complete"
    if state.done == 0:
        return "waiting"
    if state.step.kind == "global":
        return f"{state.done:,} tasks done"
    return f"{state.done:,} of {state.total:,} shards ({state.done / state.total:.0%})"


@click.command()
@click.argument("out")
@click.option("--stage", help="Show what this stage removed [default: kept documents]. `source`: no usable pages.")
@click.option("--reason", help="Only documents removed for this reason.")
@click.option(
    "--labels", metavar="FILE", help="Where decisions marked as wrong go (.parquet), to train a classifier on."
)
@click.option(
    "--label-names", nargs=2, metavar="KEEP REMOVE", default=("keep", "remove"), show_default=True,
    help="The labels of pages that should have been kept, and removed.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The page's port [default: any free one].")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@click.option("--text", "as_text", is_flag=True, help="Print a sample here instead.")
@click.option("--json", "as_json", is_flag=True, help="Print a sample, one JSON object per document.")
@click.option("-n", "--number", type=click.IntRange(1), default=5, show_default=True, help="How many to print.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another sample.")
@click.option("--whole", is_flag=True, help="Print whole texts.")
@imports_option
def inspect(
    out: str, stage: str | None, reason: str | None, as_text: bool, as_json: bool, number: int, seed: int, whole: bool,
    imports: tuple[str, ...], **page: Any,
) -> int:  # fmt: skip
    """Read what the run OUT kept and removed: on a page in the browser, or with --text or --json in the terminal.

    The page is for this machine alone: browse, search, filter, flip through random samples, see HTML beside the text
    and duplicates beside each other, and mark decisions that are wrong (--labels).

    Of a deduplicating stage (`--stage minhash`): each removed document beside the one that was kept, with what differs
    and, where texts are compared, their Jaccard similarity; of `substring` the spans that were cut.
    """
    from refinedweb.recipe.load import load_stages
    from refinedweb.views.run import Run

    load_stages(imports)
    run = Run(out)
    if not as_text and not as_json:
        from refinedweb.cli.inspect_page import serve_page

        return serve_page(run, stage, reason, seed, **page)
    if stage is not None and (decisions := run.decisions(stage)) is not None:
        return _inspect_decisions(decisions.sample(number, seed, reason), whole, as_json)
    rows = list(run.sample(number, stage, reason, seed))
    if not rows:
        what = f"removed by {stage}" + (f" for {reason}" if reason else "") if stage else "kept"
        click.echo(f"no documents {what}; `refinedweb status {out}` shows stages and reasons", err=True)
    for row in rows:
        if as_json:
            click.echo(json_line(row))
        else:
            _show_document(row, whole)
    return 0


def _inspect_decisions(found: list[DuplicatePair | CutDocument], whole: bool, as_json: bool) -> int:
    from refinedweb.cli.pairs import show

    if not found:
        click.echo("nothing was removed or cut by this stage, or it is not over yet", err=True)
    for one in found:
        show(one, whole=whole, as_json=as_json)
    return 0


def _show_document(row: dict[str, Any], whole: bool) -> None:
    click.secho(one_line(row.get("url") or row["id"]), bold=True)
    names = ("drop", "language", "language_score", "timestamp", "dump", "source", "offset")
    facts = [
        f"{name} {row[name]:.2f}" if isinstance(row[name], float) else f"{name} {one_line(row[name])}"
        for name in names
        if row.get(name) is not None
    ]
    click.echo("  " + " · ".join(facts))
    text = row.get("text") or ""
    if not text and row.get("html"):
        text = row["html"].decode("utf-8", "replace")
    shown = text if whole or len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + f" … ({len(text):,} characters)"
    click.echo("".join(f"    {line}\n" for line in printable(shown).splitlines()) or "    (content not kept)\n")


@click.command()
@click.argument("page", metavar="URL|FILE")
@click.option("--recipe", default="refinedweb", show_default=True, help="A recipe's name or path, or stage names.")
@click.option("--set", "overrides", metavar="STAGE.PARAM=VALUE", multiple=True, help="Change a parameter; repeatable.")
@click.option("--url", help="The page's URL, where PAGE is a file.")
@click.option("--run", "out", metavar="OUT", help="Instead: what became of the document with this URL or id in a run.")
@imports_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def explain(
    page: str, recipe: str, overrides: tuple[str, ...], url: str | None, out: str | None, imports: tuple[str, ...],
    as_json: bool,
) -> int:  # fmt: skip
    """One page through every stage, with each measure beside its limit. URL is fetched; FILE is HTML (- = stdin).

    Of an extraction by blocks (--set extract_v1.engine=blocks), what is kept (+) and left out (-), with scores.

    With --run, what became of a document of that run: the stage that removed it and why, and of the deduplicating
    stages the document kept instead, the bands in common, the spans cut and where they stand too.
    """
    if out is not None:
        from refinedweb.cli.pairs import show_stories
        from refinedweb.recipe.load import load_stages

        load_stages(imports)
        return show_stories(out, page, as_json=as_json)
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.views.explanation import explain as explained

    loaded = load_recipe(recipe, overrides, imports)
    data = _page(page)
    if url is None and page.startswith(("http://", "https://")):
        url = page
    explanation = explained(data, url=url, recipe=loaded)
    if as_json:
        click.echo(json_line(explanation.to_dict()))
    else:
        _show_explanation(explanation)
    return 0


def _page(page: str) -> bytes:
    import urllib.request
    from pathlib import Path

    from stages.errors import ConfigError

    try:
        if page == "-":
            return sys.stdin.buffer.read(PAGE_BYTES)
        if page.startswith(("http://", "https://")):
            request = urllib.request.Request(page, headers={"User-Agent": "refinedweb-explain"})
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
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
        click.echo(
            "\nText:\n"
            + printable(explanation.text[:SHOWN_TEXT])
            + (" …" if len(explanation.text) > SHOWN_TEXT else "")
        )


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
        click.echo(f"    {name} → {' '.join(printable(str(value)).split())[:100]}")


@click.command()
@click.argument("name", required=False)
@imports_option
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def stages(name: str | None, imports: tuple[str, ...], as_json: bool) -> int:
    """Every stage and shipped recipe; with NAME, that stage's parameters, defaults, reasons and source."""
    from refinedweb.recipe.load import load_stages, shipped
    from stages.base import registry
    from stages.errors import ConfigError, nearest

    load_stages(imports)
    known = registry()
    if name is not None and name not in known:
        raise ConfigError(f"no stage is called {name!r}: {nearest(name, list(known))}")
    if as_json:
        wanted = known if name is None else {name: known[name]}
        click.echo(json.dumps({key: _described(cls) for key, cls in wanted.items()}, default=str))
    elif name is not None:
        _show_stage(name, known[name])
    else:
        for key, cls in known.items():
            click.echo(f"{key:20} {_first_line(cls)}")
        click.echo(f"\nRecipes: {', '.join(shipped())}. `refinedweb stages NAME` shows one stage's parameters.")
    return 0


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _described(cls: type[Any]) -> dict[str, Any]:
    params = {f.name: {"type": str(f.type), "default": f.default} for f in dataclasses.fields(cls)}
    return {"description": (cls.__doc__ or "").strip(), "params": params}


def _show_stage(name: str, cls: type[Any]) -> None:
    import inspect as python_inspect

    click.secho(name, bold=True)
    click.echo(python_inspect.cleandoc(cls.__doc__ or ""))
    click.echo("\nParameters (--set " + name + ".PARAM=VALUE):")
    for f in dataclasses.fields(cls):
        click.echo(f"  {f.name:28} {f.default!r:<24} {f.type}")
