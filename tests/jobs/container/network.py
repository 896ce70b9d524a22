"""Several hosts on one machine: each has its own network, process, mount and host-name namespaces; a bridge joins them.

Needs root, iproute2 and util-linux. A host has its own address, /etc/hosts, /tmp/ray and /dev/shm; its processes die
with the process that `start` returns. All names are unique, so several networks can exist side by side.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

INSIDE = """
hostname "$1"
mount --bind "$2" /etc/hosts
mkdir -p /tmp/ray
mount -t tmpfs -o size=1g tmpfs /tmp/ray
mount -t tmpfs -o size=1g tmpfs /dev/shm
shift 2
exec "$@"
"""


class Network:
    """Hosts `names[0]` … at `address(0)` …; the machine itself reaches all of them."""

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self.names = list(names)
        self._id = f"rw{random.randrange(16**6):06x}"
        self._net = f"10.{random.randrange(64, 128)}.{random.randrange(256)}"
        self._hosts = folder / "hosts"
        lines = [f"{self.address(number)} {name}" for number, name in enumerate(self.names)]
        self._hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")

    def address(self, host: int) -> str:
        return f"{self._net}.{host + 11}"

    def up(self) -> None:
        _ip("link", "add", self._id, "type", "bridge")
        _ip("addr", "add", f"{self._net}.1/24", "dev", self._id)
        _ip("link", "set", self._id, "up")
        for host in range(len(self.names)):
            namespace = self._namespace(host)
            _ip("netns", "add", namespace)
            _ip("link", "add", self._link(host), "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("link", "set", self._link(host), "master", self._id, "up")
            _ip("-n", namespace, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")
            _ip("-n", namespace, "link", "set", "lo", "up")

    def start(
        self, host: int, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        """Start a process on the host. SIGKILL on it ends all processes of the host, as if the machine were lost."""
        isolate = ["unshare", "-m", "-p", "-u", "-i", "--fork", "--kill-child", "--mount-proc"]
        inside = ["bash", "-ec", INSIDE, "host", self.names[host], str(self._hosts), *command]
        return subprocess.Popen(
            ["ip", "netns", "exec", self._namespace(host), *isolate, *inside],
            env={**os.environ, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def cut(self, host: int) -> None:
        """Packets to and from the host vanish, without any error."""
        _ip("link", "set", self._link(host), "down")

    def mend(self, host: int) -> None:
        _ip("link", "set", self._link(host), "up")

    def down(self) -> None:
        for host in range(len(self.names)):
            subprocess.run(["ip", "netns", "del", self._namespace(host)], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self._id], capture_output=True, check=False)

    def _namespace(self, host: int) -> str:
        return f"{self._id}-{host}"

    def _link(self, host: int) -> str:
        return f"{self._id}v{host}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def network(names: Sequence[str], folder: Path) -> Iterator[Network]:
    """A network that is removed at the end, whatever happens."""
    made = Network(names, folder)
    try:
        made.up()
        yield made
    finally:
        made.down()


def why_not(folder: Path) -> str | None:
    """Why this machine cannot act as several; None if it can. It tries, because there are many kinds of rights."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "several hosts on one machine need Linux namespaces, and those root"
    for tool in ("ip", "unshare"):
        if shutil.which(tool) is None:
            return f"several hosts on one machine need {tool} (iproute2, util-linux)"
    try:
        with network(["probe"], folder) as tried, (folder / "probe.log").open("wb") as log:
            code = tried.start(0, ["true"], {}, log).wait(30)
    except (subprocess.SubprocessError, OSError) as error:
        why = error.stderr.decode() if isinstance(error, subprocess.CalledProcessError) else str(error)
        return f"no network namespaces here: {why.strip()}"
    return None if code == 0 else f"no hosts here: {(folder / 'probe.log').read_text().strip()}"
