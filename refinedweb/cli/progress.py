"""What a run shows: a live line on a terminal, plain lines now and then where the output is a file or a pipe."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from refinedweb.engine.loop import LoopProgress
from refinedweb.engine.run import RunResult
from refinedweb.ledger.manifest import Totals
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import FoundInputs
from refinedweb.views import funnel
from refinedweb.views.terminal import line
from refinedweb.views.units import size

PLAIN_SECONDS = 10.0
PIPE_WIDTH = 160


class Display:
    """Shows the progress of one run on stderr."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._live = _live_display(self._console) if self._console.is_terminal and not quiet else None
        self._row = None if self._live is None else self._live.add_task("Starting workers", total=total, facts="")
        self._step = ""
        self._seen = Totals()
        self._since = time.monotonic()
        self._printed = self._since
        self.interrupted = False

    def start(self, recipe: Recipe, found: FoundInputs, out: str) -> None:
        """Say what is about to happen."""
        total = sum(item.size for item in found.inputs)
        self._say(f"Recipe {recipe.name}: {_many(len(found.inputs), 'input file')}, {size(total)} → {out}")
        if found.left_out:
            names = ", ".join(found.left_out[:3]) + (" …" if len(found.left_out) > 3 else "")
            self._say(f"Left out {_many(len(found.left_out), 'file')} that are not of the input's kind: {names}")
        values = dict(recipe.stages).get("url_v1")
        if values is not None and values["blocklist"] is None:
            self._say(
                "No domain blocklist: only word lists and curated sources filter URLs (--set url_v1.blocklist=DIR)"
            )

    def ready(self) -> None:
        """Workers are up."""
        self._since = time.monotonic()
        if self._live is not None and self._row is not None:
            self._live.update(self._row, description="Running")

    def watch(self, progress: LoopProgress) -> None:
        """Show the state of the loop. Raises KeyboardInterrupt where the user asked to stop."""
        if self.interrupted:
            raise KeyboardInterrupt
        if progress.step != self._step:
            self._begin(progress)
        self._seen = progress.seen
        facts = self._facts(progress)
        if self._live is not None and self._row is not None:
            self._live.update(self._row, completed=progress.done + len(progress.failed), facts=facts)
        elif time.monotonic() - self._printed >= PLAIN_SECONDS:
            self._printed = time.monotonic()
            done = f"{progress.step}: {progress.done}/{progress.total} {self._noun}"
            self._say(f"{done} · {progress.running} running{facts}{self._eta(progress)}")

    def _begin(self, progress: LoopProgress) -> None:
        """Another step, or phase of a global one: its own count, rate and time."""
        self._step = progress.step
        self._since = time.monotonic()
        if self._live is not None and self._row is not None:
            self._live.reset(self._row, total=progress.total, description=progress.step)

    @property
    def _noun(self) -> str:
        return "tasks" if "/" in self._step else "shards"

    def _facts(self, progress: LoopProgress) -> str:
        facts = ""
        if self._seen.rows_in and self._noun == "shards":
            rate = self._seen.rows_in / max(1e-9, time.monotonic() - self._since)
            facts += f" · {rate:,.0f} documents/s · {self._seen.rows_kept / self._seen.rows_in:.1%} kept"
        if progress.deaths:
            facts += f" · {_many(progress.deaths, 'worker death')}"
        if progress.failed:
            facts += f" · {len(progress.failed):,} {self._noun} failed"
        return facts

    def _eta(self, progress: LoopProgress) -> str:
        if not self._seen.tasks:
            return ""
        left = (progress.total - progress.done) * (time.monotonic() - self._since) / self._seen.tasks
        return f" · about {left / 60:.0f} min left" if left >= 60 else f" · about {left:.0f} s left"

    def _say(self, line: str) -> None:
        if not self._quiet:
            click.echo(line, err=True)

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()


def _live_display(console: Console) -> Progress:
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    return Progress(*columns, console=console, transient=True)


def show_result(recipe: Recipe, result: RunResult, out: str, *, as_json: bool) -> None:
    """The funnel, where the output lies, and what needs attention."""
    if as_json:
        from refinedweb.views.run import Run

        summary = funnel.status_json(Run(out).states(), result.totals)
        click.echo(json.dumps({**summary, "failed": result.failed, "exit_code": result.exit_code}))
        return
    show_funnel([name for name, _ in recipe.stages], result.totals, faithful=recipe.name == "refinedweb")
    if not result.failed:
        click.echo(f"Corpus:         {out.rstrip('/')}/corpus   ({size(result.totals.bytes_kept)} of text)")
    click.echo(f"Removed, why:   refinedweb inspect {out.rstrip('/')} --stage STAGE")
    show_trouble(result.totals, result.failed, result.failed_step)


def show_funnel(stages: list[str], totals: Totals, *, faithful: bool) -> None:
    """The funnel as a table on stdout."""
    title = f"{totals.rows_in:,} documents in, {totals.rows_kept:,} kept"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("in", "removed", "of all, left") + (("paper",) if faithful else ()):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for row in funnel.funnel(stages, totals, faithful=faithful):
        paper = [("" if row.paper is None else f"{row.paper:.1%}")] if faithful else []
        table.add_row(
            Text(line(row.stage)),
            f"{row.rows_in:,}",
            f"{row.rows_removed:,}",
            f"{row.left:.1%}",
            *paper,
            Text(_reasons(row)),
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
    if totals.skipped:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(totals.skipped.items()))
        click.echo(f"Records that are no documents: {kinds}")


def show_trouble(totals: Totals, failed: dict[int, str], step: str = "") -> None:
    """Partial shards, quarantined documents and failed shards, if there are any."""
    if totals.partial:
        click.secho(
            f"{_many(totals.partial, 'shard')} partial: the input is damaged (see `damage` in its record)", fg="yellow"
        )
    if totals.quarantined:
        click.secho(f"{_many(totals.quarantined, 'document')} quarantined: they killed or broke a stage", fg="yellow")
    for number, error in list(failed.items())[:5]:
        click.secho(f"Shard {number} failed: {line(error, 1000)}", fg="red")
    if failed:
        where = f" in {step}, and the steps after it wait" if step else ""
        click.secho(f"{_many(len(failed), 'shard')} failed{where}; the same command tries them again", fg="red")


def _reasons(row: funnel.FunnelRow, most: int = 4) -> str:
    items = [f"{line(reason, 80)} {n:,}" for reason, n in row.removed.items()]
    return ", ".join(items[:most]) + (f", {len(items) - most} more" if len(items) > most else "")


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def as_json(value: Any) -> None:
    """Print for a machine."""
    click.echo(json.dumps(value, ensure_ascii=False))
