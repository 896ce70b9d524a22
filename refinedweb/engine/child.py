"""The worker's side of `ChildPool`, started as `python -m refinedweb.engine.child SOCKET PARENT`: answers attempt after
attempt until the driver closes the socket.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from multiprocessing.connection import Connection

from refinedweb.engine.pool import attempt
from stages.extraction.child import die_with


def main(file: int, parent: int) -> None:
    """`file`: the socket; `parent`: the process with which this one dies (0: none, the socket's end must do)."""
    if parent:
        die_with(parent)
    os.set_inheritable(file, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the driver, which decides what becomes of the task
    faulthandler.enable()
    import pyarrow as pa

    from refinedweb.shard.deadline import expendable

    pa.set_cpu_count(1)  # a worker has one core
    expendable()
    pipe = Connection(file)
    try:
        work = pipe.recv()
        while True:
            message = pipe.recv()
            if callable(message):
                work = message
            else:
                pipe.send(attempt(work, *message))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the driver needs no more, or is gone


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
