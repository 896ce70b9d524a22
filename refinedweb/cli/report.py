"""`report`: one HTML page about a run."""

from __future__ import annotations

import click

from refinedweb.cli.options import imports_option, trust_option


@click.command()
@click.argument("out")
@click.option("--compare", metavar="OTHER_OUT", help="Compare with another run: the effect of a changed parameter.")
@click.option("-o", "--output", metavar="FILE", help="Where to write it (local or s3://) [default: OUT/report.html].")
@imports_option
@trust_option
def report(out: str, compare: str | None, output: str | None, imports: tuple[str, ...], trust: bool) -> int:
    """Write one self-contained HTML page about the run OUT: what was kept, what was removed and why.

    It reads the ledger and a sample of the objects, so it is ready in seconds, however large the run is.
    """
    from refinedweb.recipe.load import load_stages
    from refinedweb.report.html import write_report

    load_stages(imports)
    click.echo(write_report(out, output, compare, trust=trust))
    return 0
