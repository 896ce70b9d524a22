"""`index`: the keys that runs left for later ones."""

from __future__ import annotations

from pathlib import Path

import click

from refinedweb.cli.options import workers_option


@click.group()
def index() -> None:
    """The keys that runs left, with which later runs find duplicates."""


@index.command()
@click.argument("paths", metavar="OUT... DESTINATION", nargs=-1, required=True)
@click.option(
    "--without",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with ids, one a line: these documents leave the index, with all that they stood for.",
)
@workers_option
def merge(paths: tuple[str, ...], without: Path | None, workers: int | None) -> None:
    """Merge the keys of the runs OUT... into one index at DESTINATION, which a later run takes as its `--index`.

    OUT may be an index that was merged before, too. A run reads as much of a merged index as its own documents need,
    however many runs are in it. The runs must have left their keys (`--set STAGE.write_index=true`); what they left is
    not changed. The same command again goes on where it stopped.
    """
    from refinedweb.cli.progress import Display
    from refinedweb.engine.merge import merge_indexes
    from refinedweb.engine.pools import start_pool
    from refinedweb.engine.settings import RunSettings

    if len(paths) < 2:
        raise click.UsageError("give at least one OUT and then DESTINATION")
    ids = [] if without is None else [line.strip() for line in without.read_text(encoding="utf-8").splitlines()]
    display = Display(len(paths) - 1, quiet=False)
    with display:
        merged = merge_indexes(
            paths[-1],
            paths[:-1],
            lambda files: start_pool(workers, None, files, True, display.say),
            RunSettings(workers=workers),
            display.watch,
            filter(None, ids),
        )
    for stage in merged.stages:
        click.echo(f"{stage.stage}: {stage.keys:,} keys of {stage.documents:,} documents → {paths[-1]}")
