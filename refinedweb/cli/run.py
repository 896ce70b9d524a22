"""`run` and `demo`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from refinedweb.cli.options import imports_option

if TYPE_CHECKING:
    from refinedweb.cli.progress import Display
    from refinedweb.recipe.recipe import Recipe

INTERRUPTED = 130
ADDRESS = "REFINEDWEB_ADDRESS"
METRICS = "REFINEDWEB_METRICS"


@click.command()
@click.argument("recipe")
@click.argument("paths", metavar="INPUT... OUT", nargs=-1, required=True)
@click.option("--set", "overrides", metavar="STAGE.PARAM=VALUE", multiple=True, help="Change a parameter; repeatable.")
@click.option("--workers", type=click.IntRange(1), help="Tasks at once [default: all cores].")
@click.option("--address", envvar=ADDRESS, help="A running Ray cluster (`auto` or HOST:PORT) instead of this machine.")
@click.option("--limit", type=click.IntRange(1), help="Read only the first N documents of each input file.")
@click.option(
    "--index",
    metavar="OUT",
    multiple=True,
    help="An earlier run: its documents stay, and remove their duplicates here.",
)
@click.option("--base", metavar="URI", help="What the entries of a list of paths (warc.paths.gz) are relative to.")
@imports_option
@click.option(
    "--lease", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds until a claim expires."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--metrics",
    metavar="emf|FILE.prom",
    multiple=True,
    envvar=METRICS,
    help="Emit progress for CloudWatch on stdout, or for Prometheus into a file; repeatable.",
)
def run(
    recipe: str,
    paths: tuple[str, ...],
    overrides: tuple[str, ...],
    imports: tuple[str, ...],
    limit: int | None,
    index: tuple[str, ...],
    **how: Any,
) -> int:
    """Run RECIPE over INPUT... and write everything below OUT.

    RECIPE is a shipped name (refinedweb, falcon, fineweb), the path of a .toml file, or stage names joined by commas.
    INPUT and OUT are local paths or s3:// prefixes; inputs may be globs or lists of paths (warc.paths.gz).

    The same command again resumes where the last one stopped; several at once, on any machines, share the work.
    """
    from refinedweb.recipe.load import load as load_recipe

    if len(paths) < 2:
        raise click.UsageError("give at least one INPUT and then OUT")
    if limit is not None:
        overrides = (*overrides, f"limit={limit}")
    loaded = load_recipe(recipe, overrides, imports, index)
    return _execute(loaded, list(paths[:-1]), paths[-1], **how)


@click.command()
@click.argument("out", default="demo-out")
@click.option("--workers", type=click.IntRange(1), help="Tasks at once [default: all cores].")
@click.option("--address", envvar=ADDRESS, help="A running Ray cluster instead of this machine.")
def demo(out: str, workers: int | None, address: str | None) -> int:
    """Run the whole recipe on the sample crawl that ships with the package; OUT is ./demo-out by default."""
    from refinedweb import sample
    from refinedweb.recipe.load import load as load_recipe

    loaded = load_recipe("refinedweb", [f"url_v1.blocklist={sample.blocklist()}", "keep_removed=full"])
    crawl = [str(path) for path in sample.crawl_files()]
    code = _execute(loaded, crawl, out, workers=workers, address=address, base=None, lease=60.0, as_json=False)
    click.echo(f"Look at it:     refinedweb report {out}")
    click.echo(f"Look closer:    refinedweb inspect {out} --stage quality_v1")
    click.echo(f"Check it:       refinedweb verify {out}")
    return code


def _execute(
    recipe: Recipe, specs: list[str], out: str, *, workers: int | None, address: str | None, base: str | None,
    lease: float, as_json: bool, metrics: tuple[str, ...] = (),
) -> int:  # fmt: skip
    from refinedweb.cli.progress import Display, show_result
    from refinedweb.engine.metrics import both, meter_of
    from refinedweb.engine.run import RunSettings, execute
    from refinedweb.sources import inputs

    meter = meter_of(metrics, out)
    found = inputs.find(specs, out=out, base=base)
    display = Display(len(found.inputs), quiet=as_json)
    display.start(recipe, found, out)
    _stop_politely(display)
    watch = both(display.watch, meter)
    try:
        with display:
            result = execute(recipe, found.inputs, out, RunSettings(workers, address, lease), watch, display.ready)
    except KeyboardInterrupt:
        click.echo("\nInterrupted: what is committed is safe. To resume, run the same command again:", err=True)
        click.echo(f"  refinedweb {_quoted(sys.argv[1:])}", err=True)
        return INTERRUPTED
    finally:
        if meter is not None:
            meter.close()
    show_result(recipe, result, out, as_json=as_json)
    return result.exit_code


def _stop_politely(display: Display) -> None:
    """SIGINT and SIGTERM end the run at its next look at the display: an exception raised just anywhere can get lost
    (Python ignores those within finalisers). The second signal does not wait.
    """

    def stop(number: int, frame: object) -> None:
        if display.interrupted:
            raise KeyboardInterrupt
        display.interrupted = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _quoted(arguments: list[str]) -> str:
    import shlex

    return shlex.join(arguments)
