"""A server that speaks Slack's protocol."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Slack:
    """A workspace on loopback that speaks Slack's protocol: form-encoded requests, JSON answers with `ok` in each."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, str]] = {}
        self.reactions: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.script: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                if (self.headers["Content-Type"] or "").startswith("application/json"):
                    asked = {k: v if isinstance(v, str) else json.dumps(v) for k, v in json.loads(body).items()}
                else:
                    asked = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*slack.answer(self.path, asked, self.headers["Authorization"] or ""))

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                self._answer(*slack.answer(path, asked, self.headers["Authorization"] or ""))

            def _answer(self, status: int, headers: dict[str, str], content: dict[str, Any]) -> None:
                data = json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, asked: dict[str, str], token: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        self.calls.append(path)
        self.tokens.add(token)
        if self.script:
            return self.script.pop(0)
        if path == "/api/chat.postMessage":
            ts = f"1700000000.{len(self.messages):06d}"
            self.messages[ts] = asked
            return 200, {}, {"ok": True, "channel": "C1", "ts": ts}
        assert path == "/api/reactions.get", path
        assert asked["channel"] == "C1"
        found = self.reactions.get(asked["timestamp"], [])
        return 200, {}, {"ok": True, "type": "message", "message": {"text": "x", "reactions": found}}
