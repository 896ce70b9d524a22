"""`inspect` without --text: a page in the browser.

Everybody on a machine can read the arguments of its programs, and the address of the page contains its secret. So the
browser is not given the address but a file that only this user can read, which leads to it.
"""

from __future__ import annotations

import html
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from refinedweb.inspector.browse import Query
from refinedweb.inspector.labels import Labels
from refinedweb.inspector.server import Inspector, address, bound, serve
from refinedweb.ledger.layout import CORPUS
from refinedweb.recipe.asset_cache import private_folder
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
        if not browser:
            serve(inspector, listening)
            return 0
        with leading_to(where) as file:
            webbrowser.open(file.as_uri())
            serve(inspector, listening)
    return 0


@contextmanager
def leading_to(address: str) -> Iterator[Path]:
    """A page that only this user can read and that leads the browser to the address."""
    quoted = html.escape(address)
    page = (
        f'<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0;url={quoted}"><a href="{quoted}">The page of the run</a>'
    )
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="inspect-", suffix=".html", dir=private_folder("pages")
    ) as file:  # mode 0600
        file.write(page)
        file.flush()
        yield Path(file.name)
