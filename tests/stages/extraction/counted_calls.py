"""Counts the function calls that pages of growing size cost; for a process of its own (see test_extract_linear)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from stages.extraction.engines import ExtractionSettings, engine
from tests.stages.extraction.pages import page, paragraphs, spanned

SIZE = 400
PAGES: dict[str, Callable[[int], bytes]] = {
    "nesting": lambda n: page("<div>" * n + "text"),
    "spans": lambda n: spanned(n, 9007199254740991),
    "URLs": lambda n: page("<p>" + "http://" * n + ")" * n),
    "list items": lambda n: page("<ul>" + "<li>one thing" * n),
    "line breaks": lambda n: page("<p>a" + "<br>b" * n),
    "attributes": lambda n: page("<div " + " ".join(f"a{k}=1" for k in range(n)) + ">x"),
}


def calls() -> dict[str, list[int]]:
    """Function calls and generator steps for a page of each kind, and for one twice as long."""
    extract, count = engine(ExtractionSettings()), 0
    extract(page(paragraphs(1)), None)
    extract(page("<p>short"), None)

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    found: dict[str, list[int]] = {}
    for kind, make in PAGES.items():
        for size in (SIZE, 2 * SIZE):
            html, count = make(size), 0
            sys.setprofile(seen)
            extract(html, None)
            sys.setprofile(None)
            found.setdefault(kind, []).append(count)
    return found
