"""`report`."""

from __future__ import annotations

import click


@click.command()
@click.argument("out")
@click.option("--compare", metavar="OTHER_OUT", help="Lay another run beside it: what a changed parameter does.")
@click.option("-o", "--output", metavar="FILE", help="Where to write it (local or s3://) [default: OUT/report.html].")
def report(out: str, compare: str | None, output: str | None) -> int:
    """Write one self-contained HTML page about the run OUT: what was kept, what was removed and why.

    It reads the ledger and a sample of the objects, so it is ready in seconds however large the run is.
    """
    from refinedweb.report.page import write_report

    click.echo(write_report(out, output, compare))
    return 0
