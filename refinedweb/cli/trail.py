"""`trail`: the audit trail of a run."""

from __future__ import annotations

import click


@click.command()
@click.argument("out")
def trail(out: str) -> int:
    """Print who ran what code on which input in the run OUT: a JSON line for the run, then one for every task.

    The lines name user, host, command line (without secrets), versions, recipe, inputs with their etags, and outputs
    with their checksums. They say what the run's own files say: everybody who may write there may change it.
    """
    from refinedweb.views.run import Run
    from refinedweb.views.terminal import json_line
    from refinedweb.views.trail import trail as events

    for event in events(Run(out)):
        click.echo(json_line(event))
    return 0
