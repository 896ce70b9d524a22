"""`verify`: the ledger of a run against its objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from refinedweb.views.terminal import line, printable

if TYPE_CHECKING:
    from refinedweb.views.kept_chain import Chains
    from refinedweb.views.verify import Verdict

# Exit codes, see the command's help.
BROKEN = 1
UNFINISHED = 3  # what exists holds, but it is not everything
SHOWN_OBJECTS = 3  # names of objects without a record, as examples


@click.command()
@click.argument("out")
@click.option("--quick", is_flag=True, help="Compare sizes and row counts only; do not read the objects.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def verify(out: str, quick: bool, as_json: bool) -> int:
    """Check the ledger of the run OUT against its objects: sums, sizes, row counts, checksums.

    Each removed duplicate is followed, by what was kept instead, to a document of the corpus. Where that fails because
    the kept one left in a later step, it says how many clusters are lost whole; that is a warning.

    Exit code 0: everything holds; 1: something does not; 3: what exists holds, but the run is not finished, or it went
    on without some shards (`--accept-failed`).
    """
    from refinedweb.views.verify import verify as check

    verdict = check(out, quick=quick)
    code = BROKEN if verdict.problems else UNFINISHED if verdict.pending or verdict.lost else 0
    if as_json:
        chains = None if verdict.chains is None else verdict.chains.__dict__
        plain = {**verdict.__dict__, "totals": verdict.totals.__dict__, "chains": chains, "exit_code": code}
        click.echo(json.dumps(plain))
        return code
    _show(verdict)
    if code == 0:
        click.secho(
            "The ledger holds." if not quick else "The ledger holds (sizes and rows; content not read).", fg="green"
        )
    return code


def _show(verdict: Verdict) -> None:
    from refinedweb.cli.lost import show_lost
    from refinedweb.views.inputs import trouble_of

    totals = verdict.totals
    removed = totals.rows_in - totals.rows_kept - totals.rows_lost
    lost = f" + {totals.rows_lost:,} lost" if totals.rows_lost else ""
    done = verdict.tasks - verdict.pending
    click.echo(f"{done:,} of {verdict.tasks:,} tasks committed, {verdict.objects:,} objects, {verdict.size:,} bytes")
    click.echo(f"{totals.rows_in:,} rows in = {totals.rows_kept:,} kept + {removed:,} removed{lost}")
    for text in trouble_of(totals):
        click.secho(line(text, 1000), fg="yellow")
    for problem in verdict.problems:
        click.secho(f"Problem: {printable(problem)}", fg="red")
    if len(verdict.code_versions) > 1:
        by = ", ".join(f"{version} ({n:,} tasks)" for version, n in sorted(verdict.code_versions.items()))
        click.secho(f"Written by more than one version of the code: {by}", fg="yellow")
    if verdict.chains is not None:
        _show_chains(verdict.chains)
    if verdict.unrecorded:
        click.echo(_named(verdict.unrecorded, "without a record (of unfinished attempts; harmless)"))
    if verdict.foreign:
        click.echo(_named(verdict.foreign, "of other programs (harmless: nobody reads them)"))
    show_lost(verdict.lost)
    if verdict.pending:
        click.secho(f"{verdict.pending:,} tasks are not done: run the same `refinedweb run` again", fg="yellow")


def _show_chains(chains: Chains) -> None:
    """Clusters of which nothing is left: a warning, since each document of them was removed for a reason."""
    if chains.lost_clusters:
        by = ", ".join(f"{stage} {n:,}" for stage, n in sorted(chains.lost_clusters.items()))
        total = sum(chains.lost_clusters.values())
        click.secho(f"Clusters lost whole: {total:,} ({by}): what was kept of them left in a later step", fg="yellow")
    if chains.all_copies:
        by = ", ".join(f"{stage} {n:,}" for stage, n in sorted(chains.all_copies.items()))
        click.echo(f"Removed with all other copies of their text, as asked for: {by}")
    if chains.lost_documents:
        by = ", ".join(f"{stage} {n:,}" for stage, n in sorted(chains.lost_documents.items()))
        click.secho(f"Removed duplicates that do not lead to a document of the corpus: {by}", fg="yellow")
    for example in chains.examples:
        click.echo(f"  {printable(example)}")


def _named(keys: list[str], what: str) -> str:
    shown = ", ".join(line(key) for key in keys[:SHOWN_OBJECTS])
    return f"{len(keys):,} objects {what}: {shown}{', …' if len(keys) > SHOWN_OBJECTS else ''}"
