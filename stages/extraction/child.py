"""The child process: reads pages from a pipe, extracts each under its limits, writes the answers to another.

Started as `python -m stages.extraction.child SETTINGS PARENT`. The kernel enforces the limits, so that they hold inside
of C code too: a timer of CPU time that ends the process (SIGPROF), and a cap on private memory (RLIMIT_DATA) that lets
allocations fail. Whatever ends the process costs one page: the parent sees which, and starts another child.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import logging
import os
import resource
import signal
import sys
from typing import BinaryIO

from stages.extraction import wire
from stages.extraction.engines import Engine, Settings, Unparsable, engine
from stages.extraction.wire import Answer, Status

_PR_SET_PDEATHSIG = 1
_STDERR_BYTES = 1 << 20


class Swallowed(logging.Handler):
    """Notices a failed allocation that a library caught and worked around: its answer is then not the page's."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.memory = False

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.memory |= any(is_memory_error(argument) for argument in arguments)


def is_memory_error(error: object) -> bool:
    """Python's own, or libxml2's, for which lxml has no words, or lexbor's, of which resiliparse gives the number."""
    words = {"lxml.etree": "unknown error", "HTMLParserException": "(Error 2)"}
    named = [words[name] for name in (type(error).__module__, type(error).__name__) if name in words]
    return isinstance(error, MemoryError) or any(word in str(error) for word in named)


def die_with(parent: int) -> None:
    """Asks Linux to end this process when its parent ends (elsewhere the closed pipe does, after the page at hand)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def set_limits(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_STDERR_BYTES, _STDERR_BYTES))


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes, out of reach of libraries that print: their stdout becomes stderr."""
    pages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return pages, answers


class Peak:
    """Peak resident memory of this process in kB (0 where the system does not tell)."""

    def __init__(self) -> None:
        self.status = os.open("/proc/self/status", os.O_RDONLY) if sys.platform == "linux" else -1

    def __call__(self) -> int:
        if self.status < 0:
            return 0
        text = os.pread(self.status, 4096, 0)
        at = text.find(b"VmHWM:")
        return int(text[at + 6 :].split(maxsplit=1)[0]) if at >= 0 else 0


def attempt(extract: Engine, html: bytes, url: str | None) -> tuple[Status, str, list[tuple[str, str]]]:
    """Extracts one page. Any exception is the page's: it becomes a status, and its text the parent's log message."""
    try:
        text, images = extract(html, url)
    except Unparsable as error:
        return Status.UNPARSABLE, str(error), []
    except Exception as error:  # whatever a library raises on a hostile page condemns that page alone
        status = Status.MEMORY if is_memory_error(error) else Status.FAILED
        return status, f"{type(error).__name__}: {error}"[:1000], []
    return Status.EXTRACTED, text, images


def serve(extract: Engine, settings: Settings, pages: BinaryIO, answers: BinaryIO) -> None:
    """Answers page after page until the parent closes the pipe."""
    peak, swallowed = Peak(), Swallowed()
    logging.getLogger().addHandler(swallowed)
    while head := pages.read(wire.REQUEST.size):
        html_bytes, url_bytes = wire.REQUEST.unpack(head)
        html = pages.read(html_bytes)
        url = pages.read(url_bytes).decode(errors="replace") if url_bytes >= 0 else None
        swallowed.memory = False
        signal.setitimer(signal.ITIMER_PROF, settings.seconds(html_bytes))
        status, text, images = attempt(extract, html, url)
        signal.setitimer(signal.ITIMER_PROF, 0)
        status = Status.MEMORY if swallowed.memory else status
        scarce = status in (Status.MEMORY, Status.FAILED) or peak() > settings.memory_mb * 512
        answers.write(wire.encoded(Answer(status, scarce, text, images)))
        answers.flush()


def main() -> None:
    settings, parent = Settings(**json.loads(sys.argv[1])), int(sys.argv[2])
    faulthandler.enable()
    if parent != 0:
        die_with(parent)
    pages, answers = private_pipes()
    set_limits(settings.memory_mb)
    extract = engine(settings)
    gc.collect()
    gc.freeze()
    answers.write(wire.encoded(Answer(Status.READY, False, "", [])))
    answers.flush()
    serve(extract, settings, pages, answers)


if __name__ == "__main__":
    main()
