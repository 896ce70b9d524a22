"""The inspector's server. It listens on loopback only, its address cannot be guessed, and it lets the browser run only
our script.

Another site in the same browser can send requests to a port of this machine, or point its own name here (DNS
rebinding). So a request must name this host, know the token, and, to change something, come from the inspector itself.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from refinedweb.inspector.browse import BadAddress, Query, SearchResult, find_documents, load_document
from refinedweb.inspector.document import DocumentReader, DocumentView
from refinedweb.inspector.labels import Labels
from refinedweb.ledger.layout import CORPUS
from refinedweb.report.environment import environment
from refinedweb.views.explanation import Explanation
from refinedweb.views.run import Run

HOST = "127.0.0.1"
SHOWN = 50  # documents of the list
MOST_FORM = 1 << 14  # bytes of a form: ours has a few short fields
STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Inspector:
    """The inspector of one run. `names`: the labels for documents that should have been kept, and removed."""

    def __init__(self, run: Run, labels: Labels | None, names: tuple[str, str] = ("keep", "remove")) -> None:
        self._run = run
        self._reader = DocumentReader(run)
        self._labels = labels
        self._names = names
        self._templates: Environment = environment("refinedweb.inspector")
        self._hits: tuple[Query, SearchResult] | None = None
        self.token = secrets.token_urlsafe(24)

    def app(self, port: int) -> Starlette:
        """The application, for a server that listens on `port`."""
        routes = [
            Route("/", self.show),
            Route("/mark", self.mark, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        guard = Middleware(Guard, hosts={f"{HOST}:{port}", f"localhost:{port}"})
        return Starlette(
            routes=[Mount(f"/{self.token}", routes=routes)],
            middleware=[guard],
            exception_handlers={BadAddress: _refused},
        )

    def show(self, request: Request) -> Response:
        """Answer with the list and one document."""
        query = _query(request.query_params)
        hits = self._found(query)
        at = request.query_params.get("at") or (hits.found[0].at if hits.found else "")
        loaded = load_document(self._run, at) if at else None
        view = explanation = label = None
        if loaded is not None:
            view = self._reader.view(*loaded)
            explanation = self._reader.explain(*loaded) if request.query_params.get("explain") else None
            label = None if self._labels is None else self._labels.of(self._run.out, loaded[0].id)
        html = self._render(query, hits, at, view, explanation, label)
        return HTMLResponse(html, status_code=404 if at and loaded is None else 200)

    async def mark(self, request: Request) -> Response:
        """Mark the decision about a document as wrong, or take the mark back; then show the document again."""
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > len(str(MOST_FORM)) or int(length) > MOST_FORM:
            return PlainTextResponse("Unknown form.", status_code=413)
        form = QueryParams(await request.body())
        loaded = load_document(self._run, str(form.get("at", "")))
        if self._labels is None or loaded is None:
            return PlainTextResponse("Nothing was marked: no such document, or no --labels file.", status_code=400)
        hit, row = loaded
        if form.get("undo"):
            self._labels.unmark(self._run.out, hit.id)
        else:
            text = self._reader.label_text(row)
            if not text:
                return PlainTextResponse("Nothing was marked: the document's text was not kept.", status_code=400)
            label = self._names[1] if hit.stage == CORPUS else self._names[0]
            self._labels.mark(
                {
                    "text": text, "label": label, "source": "inspect", "lang": hit.language or "", "id": hit.id,
                    "url": hit.url, "stage": hit.stage, "reason": hit.reason, "run": self._run.out,
                }
            )  # fmt: skip
        return RedirectResponse(f"./?{_link(_query(form), at=hit.at)}", status_code=303)

    def _found(self, query: Query) -> SearchResult:
        """The list for the query. The last one is remembered, for requests that only open another document of it."""
        if self._hits is None or self._hits[0] != query:
            self._hits = query, find_documents(self._run, query, SHOWN)
        return self._hits[1]

    def _render(
        self,
        query: Query,
        hits: SearchResult,
        at: str,
        view: DocumentView | None,
        explanation: Explanation | None,
        label: str | None,
    ) -> str:
        removed = hits.totals.removed
        places = [hit.at for hit in hits.found]
        here = places.index(at) if at in places else -1
        return self._templates.get_template("inspector.html").render(
            run=self._run, query=query, hits=hits, at=at, view=view, explanation=explanation, label=label, here=here,
            labels=self._labels, corpus=CORPUS, link=lambda **changed: "?" + _link(query, **changed), shown=SHOWN,
            stages=[stage for stage in ("source", *self._run.stages, "quarantine") if stage in removed],
            reasons=removed.get(query.stage, {}), totals=hits.totals,
            before=places[here - 1] if here > 0 else None,
            after=places[here + 1] if 0 <= here < len(places) - 1 else None,
        )  # fmt: skip


class Guard(BaseHTTPMiddleware):
    """Refuses requests that name another host or come from another site, and sets the headers of every answer."""

    def __init__(self, app: Any, hosts: set[str]) -> None:
        super().__init__(app)
        self._hosts = hosts

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self._hosts:
            return PlainTextResponse("This server answers to its own address only.", status_code=421)
        own = origin is not None and origin.removeprefix("http://") == host
        if request.method not in ("GET", "HEAD") and not own:
            return PlainTextResponse("Only the inspector itself may change anything.", status_code=403)
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


def _refused(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"Bad request: {error}", status_code=400)


def _query(given: QueryParams) -> Query:
    texts = {
        name: str(given.get(name, ""))[:300].strip() for name in ("stage", "reason", "language", "domain", "words")
    }
    return Query(**texts, seed=_number(given.get("seed")), skip=_number(given.get("skip")))


def _number(value: object) -> int:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _link(query: Query, **changed: Any) -> str:
    """The query, with what is `changed`, as URL parameters without empty ones; `at` and `explain` may be added."""
    extra = {str(name): changed.pop(name) for name in ("at", "explain") if name in changed}
    values: dict[str, Any] = {**asdict(replace(query, **changed)), **extra}
    return urlencode({name: value for name, value in values.items() if value})


def bound(port: int) -> socket.socket:
    """A listening socket on loopback. Port 0 takes any free port. Raises OSError if the port is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((HOST, port))
    found.listen()  # requests that come before the server is up wait
    return found


def serve(inspector: Inspector, listening: socket.socket) -> None:
    """Answer requests until interrupted."""
    import uvicorn

    app = inspector.app(listening.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def address(inspector: Inspector, listening: socket.socket, query: Query) -> str:
    """The address of the inspector, opened with the query."""
    parameters = _link(query)
    return f"http://{HOST}:{listening.getsockname()[1]}/{inspector.token}/" + (f"?{parameters}" if parameters else "")
