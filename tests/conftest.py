"""Shared fixtures: the test data, a real S3 server and a Ray cluster on loopback, stores of both kinds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from refinedweb.engine.ray_pool import ENVIRONMENT
from refinedweb.storage import Store, open_store
from tests.examples import examples

ROOT = Path(__file__).resolve().parent.parent
LOCKED_MOTO = str(ROOT / "tests" / "locked_moto.py")
BUCKET = "test-bucket"
ON_MOTO = "REFINEDWEB_TEST_S3" not in os.environ

# No test asserts a time: a busy machine, or a kernel that is compiled at its first call, is no falsified law.
hypothesis.settings.register_profile(
    "untimed", deadline=None, max_examples=examples(100), suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

# Faults by the dozen, campaigns of random cases, whole runs again and again, browsers, child processes that are killed,
# and kernels that take a minute to compile and are not the default recipe's: slow as a whole, below tests/.
SLOW = (
    "faults/",
    "fuzz/",
    "security/test_deadline.py",
    "security/test_flooding.py",
    "security/test_headers.py",
    "security/test_limits.py",
    "security/test_page_address.py",
    "security/test_patterns.py",
    "security/test_trust.py",
    "refinedweb/dedup/test_amend.py",
    "refinedweb/dedup/test_dedup_faults.py",
    "refinedweb/dedup/test_dedup_steps.py",
    "refinedweb/dedup/test_index.py",
    "refinedweb/dedup/test_kept_chain.py",
    "refinedweb/engine/test_child_pool.py",
    "refinedweb/engine/test_fleet.py",
    "refinedweb/engine/test_foreign_objects.py",
    "refinedweb/engine/test_load.py",
    "refinedweb/engine/test_losses.py",
    "refinedweb/engine/test_ray_start.py",
    "refinedweb/engine/test_sick_nodes.py",
    "refinedweb/forecast/test_flows.py",
    "refinedweb/ledger/test_gaps.py",
    "refinedweb/ledger/test_stdin.py",
    "classifiers/normalise/",
    "classifiers/test_cli.py",
    "classifiers/test_predict.py",
    "jobs/launch/test_parts.py",
    "stages/extraction/test_extract_blocks.py",
    "stages/extraction/test_extract_child.py",
    "stages/extraction/test_guarded.py",
)
# The files that take longest, begun first: begun last, one of them would keep one process busy while the others idle.
LONGEST = (
    "refinedweb/engine/test_run.py",
    "refinedweb/engine/test_losses.py",
    "refinedweb/dedup/test_index.py",
    "refinedweb/dedup/test_dedup.py",
    "faults/test_poison.py",
    "faults/test_exhaustion.py",
    "faults/test_bad_output.py",
    "faults/test_s3_faults.py",
    "security/test_patterns.py",
    "stages/extraction/test_extract_child.py",
    "stages/extraction/test_extract_blocks.py",
    "test_docs.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others in the order in which they were found; some are slow as a whole."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if item.path.relative_to(ROOT / "tests").as_posix().startswith(SLOW):
            item.add_marker("slow")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process more than cores, because tests also wait: for servers, children and Ray. None: as xdist does."""
    named = config.option.numprocesses != "logical" or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ
    return None if named else len(os.sched_getaffinity(0)) + 1


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Copies of models and notes about runs go to a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFINEDWEB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party pages, labels and odd WARCs; skips the test where it is missing."""
    named = os.environ.get("REFINEDWEB_TEST_DATA")
    folder = Path(named) if named is not None else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the test data: no folder {folder}; set REFINEDWEB_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`s3://bucket` on a server of our own (moto, a process on loopback), with the AWS settings in the environment.

    REFINEDWEB_TEST_S3=rgw takes a real store instead, Ceph RGW (a cluster of our own, up in 15 s), and
    REFINEDWEB_TEST_S3=s3://bucket/prefix one that is there, with the AWS settings that are there.
    """
    named = os.environ.get("REFINEDWEB_TEST_S3")
    if named is not None and named != "rgw":
        yield named.rstrip("/")
        return
    start = moto_server() if named is None else _rgw(tmp_path_factory.mktemp("ceph") / "rgw")
    with start as endpoint, a_bucket(endpoint) as bucket:
        yield bucket


@contextmanager
def a_bucket(endpoint: str) -> Iterator[str]:
    """A new bucket of a server of our own, and the AWS settings that lead to it in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        from refinedweb.storage.s3_client import client

        client().create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"


@contextmanager
def moto_server() -> Iterator[str]:
    """The endpoint of an S3 server on loopback."""
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, LOCKED_MOTO, "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "S3_UPLOAD_PART_MIN_SIZE": "1"},  # so that objects of many parts are cheap
    )  # fmt: skip
    wait_for_port("127.0.0.1", port, server)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@contextmanager
def _rgw(folder: Path) -> Iterator[str]:
    """Needs `apt-get install --no-install-recommends ceph-mon ceph-osd ceph-common radosgw`, and root."""
    if shutil.which("radosgw") is None:
        raise RuntimeError("REFINEDWEB_TEST_S3=rgw needs Ceph RGW; CONTRIBUTING.md says how to install it")
    settings = {**os.environ, "D": str(folder), "PORT": str(_free_port()), "MON": str(_free_port())}
    script = [str(ROOT / "tests" / "rgw.sh")]
    subprocess.run([*script, "start"], env=settings, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{settings['PORT']}"
    subprocess.run([*script, "stop"], env=settings, check=True)
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(address: str, port: int, server: subprocess.Popen[bytes]) -> None:
    """Until something listens. Raises RuntimeError where the server ends before, or takes a minute."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server on port {port} did not start (exit code {server.poll()})")


# A busy machine answers Ray's health checks late, and Ray takes the node for dead: the checks that may be missed, and
# the milliseconds that each may take.
PATIENT = {"RAY_health_check_failure_threshold": "20", "RAY_health_check_timeout_ms": "30000"}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[str]:
    """A Ray cluster of our own on loopback: starting one per run would cost most of the tests' time.

    Its workers see the environment of now, so the S3 server's settings must be there already.
    """
    del s3_server
    port = _free_port()
    arguments = ["start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    arguments += [f"--port={port}", "--node-ip-address=127.0.0.1", f"--object-store-memory={128 << 20}"]
    settings = {
        **PATIENT,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": uuid.uuid4().hex,
        "PYTHONPATH": str(ROOT),
        **ENVIRONMENT,
    }
    log = tmp_path_factory.mktemp("ray") / "log"
    with pytest.MonkeyPatch.context() as patch, log.open("wb") as out:
        for name, value in settings.items():
            patch.setenv(name, value)
        ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *arguments]
        head = subprocess.Popen(ray, stdout=out, stderr=out)
        wait_for_port("127.0.0.1", port, head)
        patch.setenv("REFINEDWEB_ADDRESS", f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}"
        head.terminate()
        head.wait()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store, once on disk and once on S3."""
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    return open_store(f"{request.getfixturevalue('s3_server')}/{uuid.uuid4().hex}")
