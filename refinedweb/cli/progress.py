"""The progress of a run on stderr: a live line on a terminal; in a file or a pipe, a plain line now and then."""

from __future__ import annotations

import time
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from refinedweb.engine.loop import LoopProgress
from refinedweb.ledger.manifest import Totals
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import FoundInputs, files_of
from refinedweb.views.inputs import skipped_files
from refinedweb.views.terminal import line
from refinedweb.views.units import counted, size

PLAIN_SECONDS = 10.0  # between two plain lines: a log of a day stays readable
WARN_SECONDS = 300.0  # between two lines about the same trouble
MOST_TROUBLE = 1000  # characters of a trouble in a line of its own
MOST_FACTS = 60  # characters of a trouble in the progress line; its own line has all of them


class Display:
    """Shows the progress of one run on stderr."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._live = _live_display(self._console) if self._console.is_terminal and not quiet else None
        self._row = None if self._live is None else self._live.add_task("Starting workers", total=total, facts="")
        self._step = ""
        self._trouble = ""
        self._warned = float("-inf")
        self._seen = Totals()
        self._since = time.monotonic()
        self._printed = self._since
        self.is_ready = False
        self.interrupted = False

    def start(self, recipe: Recipe, found: FoundInputs, out: str) -> None:
        """Print what is about to happen."""
        total = sum(item.size for item in found.inputs)
        files = files_of(found.inputs)
        parts = f" in {len(found.inputs):,} parts" if len(found.inputs) > files else ""
        self.say(f"Recipe {recipe.name}: {counted(files, 'input file')}{parts}, {size(total)} → {out}")
        for text in skipped_files(found.left_out, found.reasons):
            self.say(text)
        values = dict(recipe.stages).get("url_v1")
        if values is not None and values["blocklist"] is None:
            self.say(
                "No domain blocklist: only word lists and curated sources filter URLs (--set url_v1.blocklist=DIR)"
            )

    def ready(self) -> None:
        """The workers are up: measure rates from now on."""
        self.is_ready = True
        self._since = time.monotonic()
        if self._live is not None and self._row is not None:
            self._live.update(self._row, description="Running")

    def watch(self, progress: LoopProgress) -> None:
        """Show the state of the loop. Raises KeyboardInterrupt if the user asked to stop."""
        if self.interrupted:
            raise KeyboardInterrupt
        self._warn(progress.trouble)
        if not progress.step:
            return  # the store is slow before the first step or after the last one
        if progress.step != self._step:
            self._begin(progress)
        self._seen = progress.seen
        facts = self._facts(progress)
        if self._live is not None and self._row is not None:
            self._live.update(self._row, completed=progress.done + len(progress.failed), facts=facts)
        elif time.monotonic() - self._printed >= PLAIN_SECONDS:
            self._printed = time.monotonic()
            done = f"{progress.step}: {progress.done}/{progress.total} {progress.noun}s"
            self.say(f"{done} · {progress.running} running{facts}{self._eta(progress)}")

    def _warn(self, trouble: str) -> None:
        """Say at once what has begun to hinder the run; while it lasts, now and then."""
        begins, self._trouble = bool(trouble) and not self._trouble, trouble
        now = time.monotonic()
        if trouble and (now - self._warned >= (PLAIN_SECONDS if begins else WARN_SECONDS)):
            self._warned = now
            self.say(line(trouble, MOST_TROUBLE))

    def _begin(self, progress: LoopProgress) -> None:
        """Start a step, or a phase of a global step: each has its own count, rate and time."""
        self._step = progress.step
        self._since = time.monotonic()
        if self._live is not None and self._row is not None:
            self._live.reset(self._row, total=progress.total, description=progress.step)

    def _facts(self, progress: LoopProgress) -> str:
        facts = ""
        if self._seen.rows_in and progress.noun == "shard":
            rate = self._seen.rows_in / max(1e-9, time.monotonic() - self._since)
            facts += f" · {rate:,.0f} documents/s · {self._seen.rows_kept / self._seen.rows_in:.1%} kept"
        if progress.deaths:
            facts += f" · {counted(progress.deaths, 'worker death')}"
        if progress.failed:
            facts += f" · {counted(len(progress.failed), progress.noun)} failed"
        if progress.trouble:
            facts += f" · {line(progress.trouble, MOST_FACTS)}"
        return facts

    def _eta(self, progress: LoopProgress) -> str:
        if not self._seen.tasks:
            return ""
        left = (progress.total - progress.done) * (time.monotonic() - self._since) / self._seen.tasks
        return f" · about {left / 60:.0f} min left" if left >= 60 else f" · about {left:.0f} s left"

    def say(self, text: str) -> None:
        """Print a line, above the live one where there is one."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)  # above the live line
        elif not self._quiet:
            click.echo(text, err=True)

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
