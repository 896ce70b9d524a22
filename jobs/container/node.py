"""One host's part of a Ray cluster, as a process that ends when Ray on this host ends."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import socket
import subprocess
import time

from jobs.patches import ray_program
from refinedweb.engine import machine
from refinedweb.engine.policy import OBJECT_STORE_BYTES
from refinedweb.engine.ray_pool import ENVIRONMENT

PORT = 6379  # of the head's control service; Ray's default
NODE_PORT = 6380  # of the raylet on every host: fixed, so that it can be probed
PROBE_SECONDS = 5.0  # for the raylet to accept a connection
START_SECONDS = 120.0  # for Ray to start; it allows itself 30, which a busy machine may exceed
STOP_SECONDS = 10.0  # for Ray to end before it is killed


def ray_environment(job: str, secret: str) -> dict[str, str]:
    """What all nodes and the driver must agree on: keep-alives, and a token that only hosts of this job know."""
    token = hmac.new(secret.encode(), job.encode(), hashlib.sha256).hexdigest()
    return {**ENVIRONMENT, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


class Node:
    """Ray on this host, started: as the head (`head` is None), or joining the head at that address."""

    def __init__(self, address: str, head: str | None, cpus: int | None, environment: dict[str, str]) -> None:
        self._address = address
        self._since = time.monotonic()
        self.seen = float("-inf")  # when it was last known to listen
        self._process = subprocess.Popen(
            node_command(address, head, cpus),
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,  # a page of advice on how to connect; errors go to stderr
            start_new_session=True,  # a Ctrl-C is for the driver; Ray must outlive it
        )

    def is_ready(self) -> bool:
        """Whether the host's raylet listens. Its parent process alone says little: it lives on after a raylet that
        exited normally, as a raylet does that was declared dead while its link was cut.
        """
        if self._process.poll() is not None:
            return False
        with socket.socket() as probe:
            probe.settimeout(PROBE_SECONDS)
            listens = probe.connect_ex((self._address, NODE_PORT)) == 0
        if listens:
            self.seen = time.monotonic()
        return listens

    def is_lost(self) -> bool:
        """Whether Ray ended, or did not start in time."""
        if self.is_ready():
            return False
        starting = self.seen < self._since and time.monotonic() - self._since < START_SECONDS
        return self._process.poll() is not None or not starting

    def stop(self) -> None:
        """End Ray on this host."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def node_command(address: str, head: str | None, cpus: int | None) -> list[str]:
    """The words of `ray start` in the foreground. `cpus` None: all that this container may use."""
    words = [*ray_program(), "start", "--block", f"--node-ip-address={address}"]
    if head is None:
        words += ["--head", f"--port={PORT}", "--include-dashboard=false"]
    else:
        words += [f"--address={head}:{PORT}"]
    words += [f"--node-manager-port={NODE_PORT}", f"--object-store-memory={OBJECT_STORE_BYTES}"]
    words += ["--disable-usage-stats", f"--memory={machine.worker_memory()}"]
    return [*words, f"--num-cpus={machine.cores() if cpus is None else cpus}"]
