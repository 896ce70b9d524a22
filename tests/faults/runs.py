"""A run of a recipe in this process, and everything that it wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from refinedweb.engine.policy import PATIENCE_SECONDS
from refinedweb.storage import open_store
from tests.faults import proxy as faults
from tests.faults.proxy import Plan, Request
from tests.refinedweb.engine import inline

VOLATILE = {
    "token",
    "seconds",
    "cpu_seconds",
    "stage_seconds",
    "peak_memory",
    "host",
    "driver",
    "committed_at",
    "created_at",
}

BEFORE = (faults.REFUSE, faults.SLOW_DOWN, faults.RESET, faults.DENIED)
AFTER = (faults.LOST, faults.FAILED_AFTER)
CUTS = (faults.CUT_BY_RESET, faults.CUT_BY_END, faults.TRUNCATED)
ALONE = (faults.REFUSE, faults.RESET, faults.DENIED, *AFTER, faults.REFUSED_AFTER, faults.GARBLED)
ALONE += (faults.CUT_BY_RESET, faults.TRUNCATED, faults.WRONG_BYTE)
KINDS = (*BEFORE, *AFTER, faults.REFUSED_AFTER, faults.GARBLED, *CUTS, faults.WRONG_BYTE)


def documents(n: int = 20) -> bytes:
    """JSONL: some URLs that the filter removes, some texts that occur again."""
    rows = [
        {"url": f"https://site{i % 7}.com/{'porn' if i % 3 == 0 else 'x'}/{i}", "text": f"page {i % 5} has some words"}
        for i in range(n)
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def put_input(at: str) -> str:
    """Write the documents as an input file; its name."""
    open_store(at).put("docs.jsonl", documents())
    return f"{at}/docs.jsonl"


def run(spec: str, source: str, out: str, patience: float = PATIENCE_SECONDS) -> None:
    """Run all of it, without a failed task. No heart beats again before its end: the requests are always the same."""
    inline.ok(inline.run(spec, [source], out, lease=3600.0, patience=patience))  # type: ignore[list-item]


def state(out: str) -> dict[str, Any]:
    """Every object of a run: its bytes, or the part of its JSON on which two runs must agree."""
    store = open_store(out)
    return {info.key: _settled(info.key, store.get(info.key)[0], out) for info in store.list()}


def _settled(key: str, data: bytes, out: str) -> Any:
    if not key.endswith(".json"):
        return data
    loaded = json.loads(data.replace(out.encode(), b"OUT"))
    loaded.get("origin", {}).pop("process", None)  # which a test may take for another one
    return {name: value for name, value in loaded.items() if name not in VOLATILE}


def applies(fault: str, request: Request) -> bool:
    """Whether this can happen to such a request. S3 listings have no checksum: TLS must find a wrong byte there."""
    listing = "list-type" in request.path
    if fault == faults.REFUSED_AFTER:
        return request.conditional
    if fault == faults.GARBLED:
        return request.method == "PUT"
    if fault == faults.WRONG_BYTE:
        return request.method == "GET" and not listing
    if fault in AFTER:  # a read that fails after it was answered is just a read that failed
        return request.method not in ("GET", "HEAD")
    return request.method == "GET" if fault in CUTS else True


def exactly(number: int, fault: str) -> Plan:
    """A plan with one fault, of one request."""
    return lambda request: fault if request.number == number else None


def every_first(fault: str) -> Plan:
    """A plan by which every request fails when it is made for the first, third, fifth … time."""
    seen: Counter[str] = Counter()

    def plan(request: Request) -> str | None:
        seen[request.what] += 1
        return fault if seen[request.what] % 2 and applies(fault, request) else None

    return plan


def strikes(log: list[Request], fault: str) -> Iterator[Request]:
    """The requests of an undisturbed run that can suffer the fault."""
    return (request for request in log if applies(fault, request))
