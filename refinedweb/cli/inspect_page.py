"""`inspect` without --text: a page in the browser."""

from __future__ import annotations

import webbrowser

import click

from refinedweb.inspector.browse import Query
from refinedweb.inspector.labels import Labels
from refinedweb.inspector.server import Inspector, address, bound, serve
from refinedweb.ledger.layout import CORPUS
from refinedweb.views.run import Run
from stages.errors import ConfigError


def serve_page(
    run: Run, stage: str | None, reason: str | None, seed: int, *, labels: str | None, label_names: tuple[str, str],
    port: int, browser: bool,
) -> int:  # fmt: skip
    """Serve the page of a run until the user interrupts it."""
    query = Query(stage=run.stage(stage) if stage else "", reason=reason or "", seed=max(0, seed))
    if reason and query.stage in ("", CORPUS):
        raise ConfigError("--reason goes with --stage: give the stage that removed documents for it")
    inspector = Inspector(run, None if labels is None else Labels(labels), label_names)
    inspector.build_stages()  # what may not be opened is asked for now, not at the first document
    try:
        listening = bound(port)
    except OSError as error:
        raise ConfigError(f"--port {port}: {error}; leave it out to take any free port") from error
    with listening:
        where = address(inspector, listening, query)
        click.echo(f"{where}\nThe address contains a secret: keep it to yourself. Ctrl-C ends the page.")
        if browser:
            webbrowser.open(where)
        serve(inspector, listening)
    return 0
