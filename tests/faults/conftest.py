"""The fault proxy in front of the tests' S3 server, and patience in milliseconds."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from refinedweb.engine import policy
from refinedweb.ledger import claims
from refinedweb.storage import open_store, s3_client, s3_pace
from tests.faults.proxy import Proxy


@pytest.fixture(scope="session")
def running_proxy(s3_server: str) -> Iterator[Proxy]:
    del s3_server
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is None:
        pytest.skip("the fault proxy needs AWS_ENDPOINT_URL: it does not speak TLS")
    proxy = Proxy(endpoint)
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(running_proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """All S3 requests of the test go through this proxy."""
    running_proxy.begin()
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_proxy.url)
    monkeypatch.setattr(s3_client, "READ_SECONDS", 0.5)
    s3_client.client.cache_clear()
    yield running_proxy
    running_proxy.begin()
    running_proxy.released.set()
    running_proxy.released.clear()
    s3_client.client.cache_clear()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Back off for a thousandth of a second: the tests check that it happens, not how long it takes."""
    monkeypatch.setattr(s3_pace, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(s3_pace, "MOST_WAIT", 0.004)
    monkeypatch.setattr(s3_pace, "LEAST_RATE", 500.0)
    monkeypatch.setattr(policy, "TICK_SECONDS", 0.005)
    monkeypatch.setattr(policy, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(policy, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(claims, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(claims, "FORBIDDEN_SECONDS", 0.0)
    s3_pace.pace_of.cache_clear()
    s3_pace._slowed.clear()
    yield
    s3_pace.pace_of.cache_clear()


@pytest.fixture
def out(s3_server: str) -> str:
    """An empty prefix."""
    uri = f"{s3_server}/{uuid.uuid4().hex[:12]}"
    open_store(uri)
    return uri
