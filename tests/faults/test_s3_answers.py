"""Answers of a store that no wait mends are given once and in its words; those that pass are waited for."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from refinedweb.storage import Store, open_store, s3_client, s3_pace
from refinedweb.storage.s3_client import client
from stages.errors import CommitUnknown, ConfigError, Full, RetryError, ShardError
from tests.conftest import ON_MOTO
from tests.faults import proxy as faults
from tests.faults.proxy import Answer, Proxy, refusal

HTML = Answer(200, [("Content-Type", "text/html")], b"<html><head><title>Sign in</title></head><p>a & b</html>")
XHTML = Answer(200, [("Content-Type", "text/html")], b"<html><body/></html>")
JSON = Answer(200, [("Content-Type", "application/json")], b'{"error": "no such route"}')
EMPTY = Answer(200, [], b"")


@pytest.fixture
def newborn(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has never got an answer of a store."""
    monkeypatch.setattr(s3_pace, "_answered", threading.Event())


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has got one."""
    event = threading.Event()
    event.set()
    monkeypatch.setattr(s3_pace, "_answered", event)


def _stream(store: Store) -> None:
    with store.create("new") as sink:
        sink.write(b"x")
        sink.finish()


CALLS: list[Callable[[Store], object]] = [
    lambda store: list(store.list()), lambda store: store.get("k"), lambda store: store.info("k"),
    lambda store: store.put("k", b"x"), lambda store: store.put_new("new", b"x"), _stream,
]  # fmt: skip


# Permanent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "advice"),
    [
        (refusal(400, "KMS.DisabledException"), ConfigError, "enabled"),
        (refusal(400, "InvalidArgument"), ConfigError, "on purpose"),
        (refusal(403, "InvalidObjectState"), ShardError, "restore"),
        (refusal(405, "MethodNotAllowed"), ConfigError, "AWS_ENDPOINT_URL"),
        (refusal(501, "NotImplemented"), ConfigError, "AWS_ENDPOINT_URL"),
        (refusal(507, "InsufficientStorage"), Full, "make room"),
        (refusal(403, "QuotaExceeded"), Full, "make room"),
    ],
    ids=lambda value: getattr(value, "status", None),
)
def test_what_no_wait_mends_is_asked_once_and_said_in_the_words_of_the_store(
    proxy: Proxy, out: str, answer: Answer, kind: type[Exception], advice: str
) -> None:
    for call in CALLS:
        proxy.begin(lambda request: answer)
        with pytest.raises(kind) as caught:
            call(open_store(out))
        assert len({request.what for request in proxy.log}) == len(proxy.log), "a GET may follow a HEAD, for the words"
        assert out in str(caught.value)
        assert advice in str(caught.value)


def test_a_commit_without_a_clear_answer_names_the_last_one(proxy: Proxy, out: str) -> None:
    proxy.begin(lambda request: refusal(409, "ConditionalRequestConflict") if request.conditional else None)
    with pytest.raises(CommitUnknown, match="ConditionalRequestConflict"):
        open_store(out).put_new("k", b"x")
    proxy.begin(lambda request: refusal(409, "ConditionalRequestConflict") if request.conditional else faults.RESET)
    with pytest.raises(CommitUnknown, match=r"ConditionalRequestConflict.*cannot be read back"):
        open_store(out).put_new("k", b"x")


def test_the_store_says_how_long_to_wait(proxy: Proxy, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(s3_pace.time, "sleep", waits.append)
    answers = iter([refusal(503, "SlowDown", Retry_After="1.5"), refusal(500, "InternalError", Retry_After="soon")])
    proxy.begin(lambda request: next(answers, None))
    open_store(out).put("k", b"x")
    asked = [wait for wait in waits if wait > 1]
    assert len(asked) == 1
    assert 1.5 <= asked[0] <= 2.0


# What does not speak S3 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [HTML, XHTML, JSON, EMPTY], ids=["html", "xhtml", "json", "empty"])
def test_an_endpoint_that_does_not_speak_s3_is_named(
    proxy: Proxy, out: str, answer: Answer, newborn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_pace, "FIRST_ATTEMPTS", 1)
    proxy.begin(lambda request: answer)
    for call in CALLS:
        with pytest.raises(ConfigError, match="does not speak S3") as caught:
            call(open_store(out))
        assert proxy.url in str(caught.value)
        assert "AWS_ENDPOINT_URL" in str(caught.value)


@pytest.mark.parametrize("answer", [HTML, XHTML, JSON, EMPTY], ids=["html", "xhtml", "json", "empty"])
def test_a_page_between_two_answers_of_the_store_passes(
    proxy: Proxy, out: str, answer: Answer, proven: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load balancer's, for example."""
    store = open_store(out)
    store.put("k", b"x")
    proxy.begin(lambda request: answer if request.number < 2 else None)
    assert [info.key for info in store.list()] == ["k"]
    monkeypatch.setattr(s3_pace, "ATTEMPTS", 3)
    proxy.begin(lambda request: answer)
    with pytest.raises(RetryError):
        list(store.list())


def test_an_endpoint_that_is_no_url_is_wrong_use(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost 9000")
    s3_client.client.cache_clear()
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        open_store(out).get("k")
    s3_client.client.cache_clear()


# Credentials -----------------------------------------------------------------------------------------------------


def test_expired_credentials_are_replaced_by_those_that_are_there_now(proxy: Proxy, out: str) -> None:
    store = open_store(out)
    for call in CALLS:
        store.put("k", b"x")
        store.delete("new")
        before = client()
        proxy.begin(lambda request: faults.EXPIRED if request.number < 3 else None)
        call(store)
        assert client() is not before, "a new session reads the settings again"


@pytest.mark.usefixtures("proven")
def test_expired_credentials_that_nobody_renews_are_said_after_real_attempts(proxy: Proxy, out: str) -> None:
    proxy.begin(lambda request: faults.EXPIRED)
    with pytest.raises(ConfigError, match="renew your AWS credentials"):
        open_store(out).get("k")
    assert len(proxy.log) == s3_pace.ATTEMPTS


class Metadata(http.server.ThreadingHTTPServer):
    """The instance metadata service: busy (503) or slow for its first requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MetadataHandler)
        self.busy: float = 0
        self.slow: float = 0
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _MetadataHandler(http.server.BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        self._answer(b"token")

    def do_GET(self) -> None:
        expires = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = {"Code": "Success", "AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": expires}
        self._answer(b"role" if self.path.endswith("security-credentials/") else json.dumps(found).encode())

    def _answer(self, body: bytes) -> None:
        self.server.asked += 1
        if self.server.asked <= self.server.slow:
            time.sleep(1.3)  # boto3's own patience is one second
        self.send_response(503 if self.server.asked <= self.server.busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Does nothing: no log."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3_server: str) -> Iterator[Metadata]:
    """Credentials come from this service alone."""
    if not ON_MOTO:
        pytest.skip("that store checks credentials")
    server = Metadata()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
    s3_client.client.cache_clear()
    yield server
    s3_client.client.cache_clear()
    server.shutdown()
    server.server_close()


def test_a_slow_metadata_service_is_waited_for(metadata: Metadata, out: str, newborn: None) -> None:
    metadata.slow = 1
    open_store(out).put("k", b"x")
    assert metadata.asked == 3


@pytest.mark.parametrize("state", ["newborn", "proven"])
def test_a_busy_metadata_service_is_asked_again(
    metadata: Metadata, out: str, state: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(state)
    metadata.busy = 8  # one whole session in vain
    for call in CALLS[3:]:
        s3_client.client.cache_clear()
        metadata.asked = 0
        call(open_store(out))
        assert metadata.asked > metadata.busy


def test_a_process_without_any_credentials_says_so(metadata: Metadata, out: str, newborn: None) -> None:
    metadata.busy = float("inf")
    with pytest.raises(ConfigError, match=r"credentials.*AWS_NO_SIGN_REQUEST"):
        open_store(out).get("k")


def test_a_process_that_has_had_credentials_takes_their_absence_for_passing(
    metadata: Metadata, out: str, proven: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_pace, "ATTEMPTS", 2)
    metadata.busy = float("inf")
    for call in CALLS:
        with pytest.raises((RetryError, CommitUnknown), match="credentials"):
            call(open_store(out))


def test_the_metadata_settings_of_the_user_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert s3_client._session().get_config_variable("metadata_service_timeout") == 3
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "1")
    (tmp_path / "config").write_text("[default]\nmetadata_service_num_attempts = 1\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    session = s3_client._session()
    assert session.get_config_variable("metadata_service_timeout") == 1
    assert session.get_config_variable("metadata_service_num_attempts") == 1
    assert session.get_config_variable("region") == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-west-4")
    assert s3_client._session().get_config_variable("region") == "eu-west-4"
