"""moto's S3 server with a lock: a conditional put has one winner, as on S3. `python locked_moto.py HOST PORT` runs it.

moto looks whether a condition holds and writes afterwards, in threads: now and then two writers find the same condition
to hold, and both win. Tests that race writers would blame us for it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from io import BytesIO
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

READING = ("GET", "HEAD", "OPTIONS")


class OneWriter:
    """A WSGI application that answers requests that write one after the other."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._writing = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING:
            answer: Iterable[bytes] = self._application(environ, start_response)
            return answer
        if length := environ.get("CONTENT_LENGTH"):  # read before the lock is held: a slow sender delays only itself
            environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
        with self._writing:
            return list(self._application(environ, start_response))


def serve(host: str, port: int) -> None:
    """Answer until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    application = OneWriter(DomainDispatcherApplication(create_backend_app))
    run_simple(host, port, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
