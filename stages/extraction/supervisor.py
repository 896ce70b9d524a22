"""Gives every page of a batch a verdict, whatever happens to the child process.

If a child is lost, the page that it was working on is tried again in a fresh child, where earlier pages cannot have
left anything that affects it. The result of a fresh child is final. So the verdict on a page depends on that page and
not on its neighbours, in any batching. A child that is killed from outside says nothing about the page: the page is
tried again, and after `KILLS` times in a row this is a RetryError.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Sequence
from typing import NamedTuple

from stages.errors import RetryError
from stages.extraction.engines import ExtractionSettings
from stages.extraction.images import Image
from stages.extraction.links import Link
from stages.extraction.process import Child, Page
from stages.extraction.wire import Answer, Status
from stages.extraction.zygote import Lost, Zygote

log = logging.getLogger(__name__)

KILLS = 10  # times in a row that a page's child may be killed from outside

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
REASONS = {Status.UNPARSABLE: "unparsable_html", Status.MEMORY: "extract_memory", Status.FAILED: "extract_crash"}


class PageOutcome(NamedTuple):
    """`drop` is the reason, or None if `text` and `images` were extracted; `title` and `links` are set on request."""

    text: str
    images: list[Image]
    drop: str | None
    title: str | None = None
    links: list[Link] | None = None


def outcome(answer: Answer) -> PageOutcome:
    reason = REASONS.get(answer.status)
    if reason is not None:
        return PageOutcome("", [], reason)
    return PageOutcome(answer.text, answer.images, None if answer.text else "no_main_text")


def verdict(lost: Lost, fresh: bool) -> str | None:
    """The reason to drop the page that the child was working on, or None to try it again."""
    if lost.code == -signal.SIGPROF:
        return "extract_timeout"
    if not fresh:
        return None
    if lost.code is None:
        return "extract_timeout"
    if lost.code > 0 or -lost.code in CRASHES:
        return "extract_memory" if "memory allocation" in lost.said or "MemoryError" in lost.said else "extract_crash"
    return None


class Supervisor:
    """Extracts batches through one child at a time, and replaces it as needed. Thread-safe."""

    def __init__(self, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.zygote: Zygote | None = None
        self.child: Child | None = None
        self.lock = threading.Lock()

    def extract(self, pages: Sequence[Page]) -> list[PageOutcome]:
        """An outcome per page, in order. Raises RetryError if a page's children keep being killed from outside."""
        outcomes: list[PageOutcome] = []
        losses = 0
        with self.lock:
            while len(outcomes) < len(pages):
                done = len(outcomes)
                try:
                    self._extract_some(pages, outcomes)
                except Lost as lost:
                    losses = losses + 1 if len(outcomes) == done else 1
                    self._judge(lost, pages[len(outcomes)][1], outcomes, losses)
                except BaseException:
                    self.close()
                    raise
        return outcomes

    def _extract_some(self, pages: Sequence[Page], outcomes: list[PageOutcome]) -> None:
        """Extract until the batch is done, or until the child should be replaced."""
        child = self._living()
        for answer in child.extract(pages[len(outcomes) :]):
            if answer.doubtful:
                self._end_child()
            if child.fresh or not answer.doubtful:
                self._report(answer, pages[len(outcomes)][1])
                outcomes.append(outcome(answer))
            if answer.doubtful:
                return

    def _living(self) -> Child:
        if self.child is None:
            if self.zygote is None or self.zygote.closed:
                self.zygote = Zygote(self.settings)
            self.child = Child(self.zygote)
        return self.child

    def _judge(self, lost: Lost, url: str | None, outcomes: list[PageOutcome], losses: int) -> None:
        reason = verdict(lost, self.child is not None and self.child.fresh)
        self._end_child()
        if reason is not None:
            log.warning("%s: %s: %s", reason, url, lost)
            outcomes.append(PageOutcome("", [], reason))
        elif losses > KILLS:
            message = f"extraction of {url}: {lost}, {losses} times in a row; is the machine out of memory?"
            raise RetryError(message) from lost

    def _report(self, answer: Answer, url: str | None) -> None:
        if answer.status in (Status.MEMORY, Status.FAILED):
            log.warning("%s: %s: %s", REASONS[answer.status], url, answer.text)

    def _end_child(self) -> None:
        if self.child is not None:
            self.child.close()
            self.child = None

    def close(self) -> None:
        self._end_child()
        if self.zygote is not None:
            self.zygote.close()
            self.zygote = None


_SUPERVISORS: dict[ExtractionSettings, Supervisor] = {}
_OF_PARENT: list[Supervisor] = []


def supervisor(settings: ExtractionSettings) -> Supervisor:
    """The supervisor of this process for these settings."""
    return _SUPERVISORS.setdefault(settings, Supervisor(settings))


def close_all() -> None:
    """End the children of this process; the next batch starts new ones."""
    for each in _SUPERVISORS.values():
        each.close()


def _forget() -> None:
    """After a fork, the children belong to the parent, so they are neither used nor ended here."""
    _OF_PARENT.extend(_SUPERVISORS.values())
    _SUPERVISORS.clear()


atexit.register(close_all)
os.register_at_fork(after_in_child=_forget)
