"""A SageMaker job on hosts that we make ourselves: three that run the container's entry point, and one that is S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jobs.container import entry as container
from jobs.launch import spec
from refinedweb.storage import open_store, s3_client
from tests.conftest import LOCKED_MOTO, ROOT, wait_for_port
from tests.jobs.container.network import Network, network

S3_PORT = 5000
BUCKET = "crawls"
NAMES = ("algo-1", "algo-2", "algo-3")


class Job:
    """Containers with the same arguments, one per host. Their logs are in `folder`."""

    def __init__(self, net: Network, words: list[str], folder: Path, stack: ExitStack) -> None:
        self._net = net
        self._words = words
        self._folder = folder
        self._stack = stack
        self._environment = {
            spec.JOB: f"job-{uuid.uuid4().hex[:8]}",
            spec.SECRET: uuid.uuid4().hex,
            spec.JOIN_SECONDS: "120",
            container.CPUS: "1",
            "PYTHONPATH": str(ROOT),
        }
        self.hosts = [self.start(host) for host in range(len(NAMES))]

    def start(self, host: int) -> subprocess.Popen[bytes]:
        """The container of one host, with the files that SageMaker puts there."""
        root = self._folder / NAMES[host]
        (root / "config").mkdir(parents=True, exist_ok=True)
        config = {"current_host": NAMES[host], "hosts": list(NAMES)}
        (root / "config" / "resourceconfig.json").write_text(json.dumps(config))
        log = self._stack.enter_context((self._folder / f"{NAMES[host]}.log").open("ab"))
        command = [sys.executable, "-m", "jobs.container", *self._words]
        running = self._net.start(host, command, {**self._environment, container.ML_ROOT: str(root)}, log)
        self._stack.callback(end, running)
        return running

    def wait_for(self, what: Callable[[], object], seconds: float) -> None:
        """Fails if the head ends before."""
        deadline = time.monotonic() + seconds
        while not what():
            assert self.hosts[0].poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def wait(self, host: int, seconds: float) -> int:
        """The exit code of a host's container."""
        try:
            return self.hosts[host].wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{NAMES[host]} does not end\n{self.output()}") from None

    def output(self) -> str:
        """The last output of every host."""
        logs = [self._folder / f"{name}.log" for name in NAMES]
        return "\n".join(f"--- {log.stem}\n{log.read_text(errors='replace')[-3000:]}" for log in logs if log.exists())


def end(running: subprocess.Popen[bytes]) -> None:
    running.kill()
    running.wait()


@contextmanager
def hosts(folder: Path) -> Iterator[tuple[Network, ExitStack]]:
    """Three hosts, and S3 on a fourth, with its settings in the environment and an existing bucket."""
    before = {name: os.environ.get(name) for name in _settings("")}
    with network([*NAMES, "s3"], folder) as net, ExitStack() as stack:
        log = stack.enter_context((folder / "s3.log").open("wb"))
        server = [sys.executable, LOCKED_MOTO, "0.0.0.0", str(S3_PORT)]
        running = net.start(3, server, {}, log)
        stack.callback(end, running)
        os.environ.update(_settings(f"http://{net.address(3)}:{S3_PORT}"))
        s3_client.client.cache_clear()
        try:
            wait_for_port(net.address(3), S3_PORT, running)
            s3_client.client().create_bucket(Bucket=BUCKET)
            yield net, stack
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            s3_client.client.cache_clear()


def _settings(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def upload(folder: Path, most: int) -> str:
    """Upload the first files of a folder under a prefix of the bucket. Returns its URI."""
    store = open_store(f"s3://{BUCKET}/crawl")
    for path in sorted(folder.glob("*.warc.gz"))[:most]:
        with store.create(path.name) as sink:
            sink.write(path.read_bytes())
            sink.finish()
    return store.root


def records(out: str, step: str) -> int:
    """How many tasks of a step are committed."""
    return sum(1 for _ in open_store(out).list(f"{step}/manifest/"))


def corpus(out: str) -> dict[str, bytes]:
    """Content of every corpus file by name."""
    store = open_store(out)
    return {info.key: store.get(info.key)[0] for info in store.list("corpus/") if info.key.endswith(".parquet")}
