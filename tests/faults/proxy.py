"""A proxy in front of an S3 server that misbehaves on demand: one fault per request, according to a plan.

A plan names a fault, or gives the answer itself."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

# The store never sees the request:
REFUSE, SLOW_DOWN, EXPIRED, SKEWED = "500", "503 SlowDown", "400 ExpiredToken", "403 RequestTimeTooSkewed"
RESET, STALL, GONE, DENIED = "reset", "stall", "404 NoSuchUpload", "403 AccessDenied"
# The store sees something other than what was sent:
GARBLED = "wrong byte on the way up"
# The store obeyed, but its answer does not arrive:
LOST, FAILED_AFTER, REFUSED_AFTER, STALLED_AFTER = "answer lost", "500 after", "412 after", "stall after"
# The answer takes its time:
LATE = "late answer"
# The answer's body is not what the store sent:
CUT_BY_RESET, CUT_BY_END, TRUNCATED, WRONG_BYTE = "reset in body", "body ends early", "truncated", "wrong byte"
# The store is not what it should be:
UNLOCKED, LOCKED = "conditions are checked before the write, without a lock", "one at a time"

_ANSWERS = {
    REFUSE: (500, "InternalError"),
    SLOW_DOWN: (503, "SlowDown"),
    EXPIRED: (400, "ExpiredToken"),
    SKEWED: (403, "RequestTimeTooSkewed"),
    GONE: (404, "NoSuchUpload"),
    DENIED: (403, "AccessDenied"),
    FAILED_AFTER: (500, "InternalError"),
    REFUSED_AFTER: (412, "PreconditionFailed"),
}
LOOK_SECONDS = 0.05
LATE_SECONDS = 1.0
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class Request(NamedTuple):
    """A request, numbered in the order of arrival."""

    number: int
    method: str
    path: str
    conditional: bool

    @property
    def what(self) -> str:
        return f"{self.method} {self.path}{' if' if self.conditional else ''}"


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


Plan = Callable[[Request], "str | Answer | None"]


class Proxy:
    """Forwards to `upstream` (a URL). `plan` names the fault of each request; `log` holds all requests."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.plan: Plan = lambda request: None
        self.log: list[Request] = []
        self.struck: list[tuple[Request, str | Answer]] = []
        self._lock = threading.Lock()
        self.released = threading.Event()
        self.one_at_a_time = threading.Lock()
        self._looking: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def begin(self, plan: Plan | None = None) -> None:
        """Forget the requests so far, and follow this plan from now on."""
        with self._lock:
            self.log, self.struck = [], []
            self.plan = plan or (lambda request: None)

    def note(self, method: str, path: str, *, conditional: bool) -> tuple[Request, str | Answer | None]:
        with self._lock:
            request = Request(len(self.log), method, path, conditional)
            self.log.append(request)
            fault = self.plan(request)
            if fault is not None:
                self.struck.append((request, fault))
        return request, fault

    def raced(self, path: str) -> bool:
        """Whether another request checked this object while this one did. Checking takes a while."""
        with self._lock:
            self._looking[path] += 1
            seen = self._looking[path]
        time.sleep(LOOK_SECONDS)
        with self._lock:
            seen = max(seen, self._looking[path])
            self._looking[path] -= 1
        return seen > 1

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Does nothing: connections break off here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        conditional = self.command == "PUT" and ("If-Match" in self.headers or "If-None-Match" in self.headers)
        _, fault = self.server.proxy.note(self.command, self.path, conditional=conditional)
        if isinstance(fault, Answer):
            self._answer(fault)
        elif fault in (REFUSE, SLOW_DOWN, EXPIRED, SKEWED, GONE, DENIED):
            self._answer(_refusal(fault))
        elif fault in (RESET, STALL):
            self._hang_up(fault == STALL)
        else:
            self._forward(body, fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve

    def _forward(self, body: bytes, fault: str | None) -> None:
        sent = _with_wrong_byte(body) if fault == GARBLED else body
        if not _md5_holds(self.headers.get("Content-MD5"), sent):
            self._answer(refusal(400, "BadDigest"))  # as S3 and RGW do; moto does not check
            return
        if fault == LATE:
            time.sleep(LATE_SECONDS)
        answer = self._ask_as_store(sent, fault)
        if fault in (LOST, STALLED_AFTER):
            self._hang_up(fault == STALLED_AFTER)
        elif fault in (FAILED_AFTER, REFUSED_AFTER):
            self._answer(_refusal(fault))
        elif fault == TRUNCATED:
            self._answer(answer._replace(body=answer.body[: len(answer.body) // 2]))
        elif fault == WRONG_BYTE:
            self._answer(answer._replace(body=_with_wrong_byte(answer.body)))
        elif fault in (CUT_BY_RESET, CUT_BY_END):
            self._answer(answer, only=len(answer.body) // 2)
            self._hang_up(stall=False, reset=fault == CUT_BY_RESET)
        else:
            self._answer(answer)

    def _ask_as_store(self, body: bytes, fault: str | None) -> Answer:
        if fault == UNLOCKED and self.server.proxy.raced(self.path):
            return self._ask(body, without=("if-match", "if-none-match"))
        if fault == LOCKED:
            with self.server.proxy.one_at_a_time:
                return self._ask(body)
        return self._ask(body)

    def _ask(self, body: bytes, without: tuple[str, ...] = ()) -> Answer:
        connection = http.client.HTTPConnection(self.server.proxy.upstream, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect", *without):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _answer(self, answer: Answer, only: int | None = None) -> None:
        self.send_response_only(answer.status)
        length = str(len(answer.body))
        for name, value in answer.headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:only])

    def _hang_up(self, stall: bool, reset: bool = True) -> None:
        if stall:
            self.server.proxy.released.wait(30)
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Does nothing: no log."""


def _refusal(fault: str) -> Answer:
    return refusal(*_ANSWERS[fault])


def refusal(status: int, code: str, **headers: str) -> Answer:
    """An answer as S3 refuses: the code in XML, and these headers."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>'
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Answer(status, [("Content-Type", "application/xml"), *named], body.encode())


def _with_wrong_byte(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x10]) + body[middle + 1 :] if body else body


def _md5_holds(header: str | None, body: bytes) -> bool:
    return header is None or header == base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
