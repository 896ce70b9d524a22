"""`inspect`: what a run kept and removed, in the browser or in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.excerpts import SHOWN_CHARACTERS
from refinedweb.cli.options import imports_option, receives, trust_option
from refinedweb.views.terminal import json_line, printable
from refinedweb.views.terminal import line as one_line

if TYPE_CHECKING:
    from refinedweb.views.records import CutDocument, DuplicatePair
    from refinedweb.views.run import Run


@dataclass(frozen=True)
class InspectArguments:
    """What `refinedweb inspect` takes."""

    out: str
    stage: str | None
    reason: str | None
    labels: str | None
    label_names: tuple[str, str]
    port: int
    browser: bool
    as_text: bool
    as_json: bool
    number: int
    seed: int
    whole: bool
    imports: tuple[str, ...]
    trust: bool


@click.command()
@click.argument("out")
@click.option(
    "--stage",
    help="Show what this stage removed [default: kept documents]. `source`: records that gave no usable page.",
)
@click.option("--reason", help="Only documents removed for this reason.")
@click.option(
    "--labels", metavar="FILE", help="Write decisions marked as wrong to this file (.parquet), to train a classifier."
)
@click.option(
    "--label-names", nargs=2, metavar="KEEP REMOVE", default=("keep", "remove"), show_default=True,
    help="The labels of pages that should have been kept, and of those that should have been removed.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The page's port [default: any free one].")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@click.option("--text", "as_text", is_flag=True, help="Print a sample here instead.")
@click.option("--json", "as_json", is_flag=True, help="Print a sample, one JSON object per document.")
@click.option("-n", "--number", type=click.IntRange(1), default=5, show_default=True, help="How many to print.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another sample.")
@click.option("--whole", is_flag=True, help="Print whole texts.")
@imports_option
@trust_option
@receives(InspectArguments)
def inspect(arguments: InspectArguments) -> int:
    """Read what the run OUT kept and removed: on a page in the browser, or with --text or --json in the terminal.

    The page is for this machine alone: browse, search, filter, flip through random samples, see the HTML next to the
    text and duplicates side by side, and mark decisions that are wrong (--labels).

    For a deduplicating stage (`--stage minhash`) it shows each removed document next to the one that was kept, with
    what differs and, if the stage compares texts, their Jaccard similarity; for `substring` the spans that were cut.
    """
    from refinedweb.recipe.load import load_stages
    from refinedweb.views.run import Run

    load_stages(arguments.imports)
    run = Run(arguments.out, trust=arguments.trust)
    if not arguments.as_text and not arguments.as_json:
        return _serve(run, arguments)
    if arguments.stage is not None and (decisions := run.decisions(arguments.stage)) is not None:
        _print_decisions(decisions.sample(arguments.number, arguments.seed, arguments.reason), arguments)
    else:
        _print_documents(run, arguments)
    return 0


def _serve(run: Run, arguments: InspectArguments) -> int:
    from refinedweb.cli.inspect_page import serve_page

    return serve_page(
        run,
        arguments.stage,
        arguments.reason,
        arguments.seed,
        labels=arguments.labels,
        label_names=arguments.label_names,
        port=arguments.port,
        browser=arguments.browser,
    )


def _print_decisions(found: list[DuplicatePair | CutDocument], arguments: InspectArguments) -> None:
    from refinedweb.cli.pairs import show_decision

    if not found:
        click.echo("this stage removed and cut nothing, or it has not finished yet", err=True)
    for decision in found:
        show_decision(decision, whole=arguments.whole, as_json=arguments.as_json)


def _print_documents(run: Run, arguments: InspectArguments) -> None:
    stage, reason = arguments.stage, arguments.reason
    rows = list(run.sample(arguments.number, stage, reason, arguments.seed))
    if not rows:
        what = f"removed by {stage}" + (f" for {reason}" if reason else "") if stage else "kept"
        click.echo(f"no documents {what}; `refinedweb status {arguments.out}` shows stages and reasons", err=True)
    for row in rows:
        if arguments.as_json:
            click.echo(json_line(row))
        else:
            _show_document(row, arguments.whole)


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
    if not whole and len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]} … ({len(text):,} characters)"
    click.echo("".join(f"    {line}\n" for line in printable(text).splitlines()) or "    (content not kept)\n")
