"""The child process: reads pages from a pipe, extracts each under its limits, and writes the answers to another pipe.

It is started as `python -m stages.extraction.child SETTINGS PARENT`, which loads the extractor once and then only
forks. This zygote gets requests over a socket, each with the pipes of the future child, and replies with the number of
the child's process and, later, with its exit code. So a child that was lost to a page is replaced in a hundredth of a
second. The zygote never sees a page, and it has one thread.

The kernel enforces the limits, so that they also hold inside C code: a timer of CPU time that ends the process
(SIGPROF), and a cap on private memory (RLIMIT_DATA) that makes allocations fail. Whatever ends a child costs one page:
the parent sees which, and requests another child.
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
import socket
import sys
from typing import BinaryIO

from stages.extraction import wire
from stages.extraction.engines import Engine, ExtractionSettings, Unparsable, engine
from stages.extraction.wire import Answer, Status
from stages.patches import is_memory_error

_PR_SET_PDEATHSIG = 1  # the option of prctl(2), from <sys/prctl.h>
_STDERR_BYTES = 1 << 20  # bytes that a child may write to stderr, or to any file
_LONGEST_ERROR = 1000  # characters of an error that are reported to the parent
_SCARCE = 512  # kB used per MiB allowed, half of it: from then on an answer is doubtful
WARM_UP = b"<p>A page so short that trafilatura tries all it knows, and loads what it needs for that."


class Swallowed(logging.Handler):
    """Notices a failed allocation that a library caught and worked around: its result then says nothing of the page."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.memory = False

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.memory |= any(is_memory_error(argument) for argument in arguments)


def die_with(parent: int) -> None:
    """Ask Linux to end this process when its parent ends (elsewhere the closed pipe does, after the current page)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def set_limits(memory_mb: int) -> None:
    """Limit the private memory of this process, its core dumps (to none) and the files it writes."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_STDERR_BYTES, _STDERR_BYTES))


def private_socket() -> socket.socket:
    """The socket to the parent, out of reach of libraries that read or print: their stdout becomes stderr."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return control


def fork_children(control: socket.socket) -> tuple[BinaryIO, BinaryIO]:
    """Fork a child for every three files (pages, answers, stderr) that arrive, one after the other, until the parent
    closes the socket. Returns in each child, with its pipes.
    """
    zygote = os.getpid()
    while len(files := socket.recv_fds(control, 1, 3)[1]) == 3:
        pages, answers, errors = files
        pid = os.fork()
        if pid == 0:
            die_with(zygote)
            control.close()
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            os.close(errors)
            return os.fdopen(pages, "rb"), os.fdopen(answers, "wb")
        for file in files:
            os.close(file)
        control.sendall(wire.NUMBER.pack(pid))
        control.sendall(wire.NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    raise SystemExit(0)


class Peak:
    """The peak resident memory of this process in kB (0 if the system does not report it)."""

    def __init__(self) -> None:
        self.status = os.open("/proc/self/status", os.O_RDONLY) if sys.platform == "linux" else -1

    def __call__(self) -> int:
        if self.status < 0:
            return 0
        text = os.pread(self.status, 4096, 0)
        at = text.find(b"VmHWM:")
        return int(text[at + 6 :].split(maxsplit=1)[0]) if at >= 0 else 0


def attempt(extract: Engine, html: bytes, url: str | None) -> tuple[Status, str, list[tuple[str, str]]]:
    """Extract one page. Any exception is the page's: it becomes a status, and its text the parent's log message."""
    try:
        text, images = extract(html, url)
    except Unparsable as error:
        return Status.UNPARSABLE, str(error), []
    except Exception as error:  # whatever a library raises on a hostile page condemns only that page
        status = Status.MEMORY if is_memory_error(error) else Status.FAILED
        return status, f"{type(error).__name__}: {error}"[:_LONGEST_ERROR], []
    return Status.EXTRACTED, text, images


def serve(extract: Engine, settings: ExtractionSettings, pages: BinaryIO, answers: BinaryIO) -> None:
    """Answer page after page until the parent closes the pipe."""
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
        scarce = status in (Status.MEMORY, Status.FAILED) or peak() > settings.memory_mb * _SCARCE
        answers.write(wire.encoded(Answer(status, scarce, text, images)))
        answers.flush()


def main() -> None:
    """The zygote, and after a fork the child."""
    settings, parent = ExtractionSettings(**json.loads(sys.argv[1])), int(sys.argv[2])
    faulthandler.enable()
    if parent != 0:
        die_with(parent)
    control = private_socket()
    set_limits(settings.memory_mb)
    extract = engine(settings)
    attempt(extract, WARM_UP, None)
    gc.collect()
    gc.freeze()
    control.sendall(wire.NUMBER.pack(os.getpid()))
    serve(extract, settings, *fork_children(control))


if __name__ == "__main__":
    main()
