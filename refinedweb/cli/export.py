"""`export`: the corpus of a run, as files for others."""

from __future__ import annotations

from typing import Literal

import click


@click.command()
@click.argument("out")
@click.argument("destination")
@click.option("--schema", type=click.Choice(["falcon", "full"]), default="falcon", show_default=True)
@click.option("--format", "kind", type=click.Choice(["parquet", "jsonl"]), default="parquet", show_default=True)
def export(out: str, destination: str, schema: Literal["falcon", "full"], kind: Literal["parquet", "jsonl"]) -> None:
    """Write the corpus of the run OUT below DESTINATION (local or s3://), one file per shard.

    `--schema falcon` gives the columns of the published RefinedWeb: content, url, timestamp, dump, segment, image_urls.
    """
    from refinedweb.cli.lost import show_lost
    from refinedweb.views.export import export as write
    from refinedweb.views.run import Run

    rows = write(out, destination, schema, kind)
    click.echo(f"{rows:,} documents → {destination}")
    show_lost(Run(out).lost())
