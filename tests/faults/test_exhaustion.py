"""Proof by exhaustion: whichever request of a run fails, in whatever way, before or after it took effect, the run ends
well, with one commit per task, the right bytes, and no claim left.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any, NamedTuple

import pytest

from tests.faults.proxy import Plan, Proxy, Request
from tests.faults.runs import ALONE, KINDS, every_first, put_input, run, state, strikes

ONE_SHARD, GLOBAL = "url_v1", "url_v1,exact_v1"


class Quiet(NamedTuple):
    """The requests of an undisturbed run, and what it wrote."""

    source: str
    out: str
    log: list[Request]
    state: dict[str, Any]


@pytest.fixture(scope="module")
def quiet(running_proxy: Proxy, s3_server: str) -> dict[str, Quiet]:
    """An undisturbed run of each recipe through the proxy."""
    found = {}
    source = put_input(f"{s3_server}/quiet-input")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", running_proxy.url)
        for spec in (ONE_SHARD, GLOBAL):
            _refresh()
            running_proxy.begin()
            out = f"quiet-{spec.replace(',', '-')}"
            run(spec, source, f"{s3_server}/{out}")
            log = list(running_proxy.log)
            found[spec] = Quiet(source, out, log, state(f"{s3_server}/{out}"))
    _refresh()
    return found


def _refresh() -> None:
    from refinedweb.storage.s3_client import client

    client.cache_clear()


def within(request: Request, out: str) -> str:
    """What was requested, by the same name in every run: each has its own output, and its drivers their own names."""
    named = request.what.replace(out.rpartition("/")[2], "OUT")
    return re.sub(r"/drivers/[0-9a-f]{32}", "/drivers/DRIVER", named)


def once(quiet: Quiet, request: Request, out: str, fault: str) -> Plan:
    """A plan with one fault: of the request with the same name, and as many of that name before it.

    Its number would not do: a run writes its rollups in a thread, which may be the faster one on another day.
    """
    name = within(request, quiet.out)
    before, seen = sum(within(each, quiet.out) == name for each in quiet.log[: request.number]), count()
    return lambda asked: fault if within(asked, out) == name and next(seen) == before else None


def assert_same(out: str, quiet: Quiet, what: object) -> None:
    found = state(out)
    assert found.keys() == quiet.state.keys(), what
    assert found == quiet.state, what


@pytest.mark.parametrize("fault", [ALONE[0], *(pytest.param(fault, marks=pytest.mark.slow) for fault in ALONE[1:])])
def test_each_single_fault_of_a_shard_ends_in_one_commit_and_the_right_bytes(
    proxy: Proxy, quiet: dict[str, Quiet], out: str, fault: str
) -> None:
    requests = list(strikes(quiet[ONE_SHARD].log, fault))
    assert requests
    for request in requests:
        here = f"{out}-{request.number}"
        proxy.begin(once(quiet[ONE_SHARD], request, here, fault))
        run(ONE_SHARD, quiet[ONE_SHARD].source, here)
        assert len(proxy.struck) == 1, (request, fault)
        proxy.begin()
        assert_same(here, quiet[ONE_SHARD], (request, fault))


@pytest.mark.parametrize("fault", KINDS)
def test_a_global_step_whose_every_request_fails_once_is_the_same(
    proxy: Proxy, quiet: dict[str, Quiet], out: str, fault: str
) -> None:
    """Each kind of fault hits each request, all in one run: harsher than one at a time, and 140 times as fast."""
    proxy.begin(every_first(fault))
    run(GLOBAL, quiet[GLOBAL].source, out)
    met = {within(at, out) for at, _ in proxy.struck}
    assert met >= {within(at, quiet[GLOBAL].out) for at in strikes(quiet[GLOBAL].log, fault)}
    proxy.begin()
    assert_same(out, quiet[GLOBAL], fault)
