"""What the container runs on every host of a SageMaker job: `python -m jobs.container RECIPE INPUT... OUT [OPTIONS]`.

The arguments are those of `refinedweb run`. The first host becomes the head of a Ray cluster and drives the run; the
others join it. With REFINEDWEB_SHARE_NOTHING=1 every host runs alone and takes claims from the run's ledger. When the
run is over, every host exits with 0, because SageMaker calls a job completed only if all of them do. Only the head
fails.

SIGTERM (a stop, or a spot instance that is taken back: 120 s) is passed on to the driver, which gives its claims back;
the same job again, or another one, resumes. A host that loses the head tries to join again for LOST_SECONDS; if the
head is gone for good, the host fails, and with it the job.

Environment, set by `refinedweb job launch`: REFINEDWEB_JOB (the job's name), REFINEDWEB_JOB_SECRET, _SHARE_NOTHING,
_MIN_HOSTS and _JOIN_SECONDS (see `jobs.launch.spec.Job`), and REFINEDWEB_SECRET_<NAME>, the ARN of the value of the
variable NAME. To try it out: REFINEDWEB_ML_ROOT instead of /opt/ml, and REFINEDWEB_CPUS (CPUs of one host).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from jobs.container.hosts import Hosts, address_of, leave_message, read_hosts
from jobs.container.node import PORT, Node, ray_environment
from jobs.container.process import Signals, Stopped, run_watched
from jobs.container.rendezvous import Ended, Meeting
from jobs.container.secrets import fetch
from jobs.launch import spec
from jobs.launch.parts import index_words
from stages.errors import ConfigError, RefinedWebError, RetryError

ML_ROOT = "REFINEDWEB_ML_ROOT"
CPUS = "REFINEDWEB_CPUS"
LOOK_SECONDS = 3.0  # between two looks for the end of the run, of a host that has joined
JOINING_SECONDS = 1.0  # between two looks while hosts join
LOST_SECONDS = 300.0  # without the head, until a host fails
START_ATTEMPTS = 3  # of Ray on the head, see `_started`
USUAL_JOIN_SECONDS = 600.0  # if the launch does not say; the default of `job launch`
SHOWN_HOSTS = 10  # names of missing hosts in a message
FAILED = 1  # exit code
INTERRUPTED = 130  # exit code


class LostHead(RefinedWebError):
    """The cluster is gone for good."""


@dataclass(frozen=True)
class ContainerSettings:
    """The settings in the entry point's environment."""

    job: str
    secret: str
    share_nothing: bool
    min_hosts: int
    join_seconds: float
    cpus: int | None

    @classmethod
    def from_environment(cls, hosts: Hosts) -> ContainerSettings:
        """Raises ConfigError if the hosts of a cluster have no secret."""
        secret = os.environ.get(spec.SECRET, "")
        share_nothing = os.environ.get(spec.SHARE_NOTHING) == "1"
        if not secret and len(hosts.names) > 1 and not share_nothing:
            raise ConfigError(f"{spec.SECRET} is not set: the hosts of a cluster need a common secret")
        cpus = os.environ.get(CPUS)
        return cls(
            job=os.environ.get(spec.JOB, "job"),
            secret=secret,
            share_nothing=share_nothing,
            min_hosts=int(os.environ.get(spec.MIN_HOSTS, len(hosts.names))),
            join_seconds=float(os.environ.get(spec.JOIN_SECONDS, USUAL_JOIN_SECONDS)),
            cpus=None if cpus is None else int(cpus),
        )


def main(words: Sequence[str]) -> int:
    """Run one host from beginning to end. Returns its exit code."""
    signals = Signals()
    signals.listen()
    root = Path(os.environ.get(ML_ROOT, "/opt/ml"))
    hosts = Hosts("localhost", ("localhost",))
    try:
        hosts = read_hosts(root)
        os.environ.update(fetch(os.environ))
        return _Host(hosts, ContainerSettings.from_environment(hosts), list(words), signals).run()
    except (RefinedWebError, click.ClickException, OSError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _say(hosts, message)
        leave_message(root, hosts.kind, f"{hosts.current}: {message}")
        return INTERRUPTED if isinstance(error, Stopped) else FAILED


def out_of(words: Sequence[str]) -> str:
    """OUT among the arguments of `refinedweb run`. Raises ClickException if they are wrong."""
    from refinedweb.cli.run import run

    paths = run.make_context("refinedweb run", list(words)).params["paths"]
    if len(paths) < 2:
        raise click.UsageError("give at least one INPUT and then OUT")
    return str(paths[-1])


class _Host:
    """This host's part in the job."""

    def __init__(self, hosts: Hosts, settings: ContainerSettings, words: list[str], signals: Signals) -> None:
        self._hosts = hosts
        self._settings = settings
        self._words = words
        self._signals = signals
        self._out = out_of(words)
        self._meeting = Meeting(self._out, settings.job)

    def run(self) -> int:
        if self._settings.share_nothing or len(self._hosts.names) == 1:
            return self._drive([], {})
        environment = ray_environment(self._settings.job, self._settings.secret)
        return self._lead(environment) if self._hosts.is_head else self._follow(environment)

    def _lead(self, environment: dict[str, str]) -> int:
        """The head's part: start Ray, wait for the others, drive the run, and tell the others when it is over."""
        self._meeting.open()
        own = self._address(self._hosts.head)
        node = self._started(own, environment)
        try:
            self._gather()
            code = self._drive(["--address", f"{own}:{PORT}"], environment)
            self._meeting.end(Ended(code))
        except Stopped:
            raise
        except (RefinedWebError, OSError) as error:
            self._meeting.end(Ended(FAILED, str(error)))
            raise
        finally:
            node.stop()
        return code

    def _started(self, own: str, environment: dict[str, str]) -> Node:
        """Start Ray on the head. Ray allows itself 30 s to start, which a busy machine may exceed: try repeatedly."""
        for _ in range(START_ATTEMPTS):
            node = Node(own, None, self._settings.cpus, environment)
            try:
                while not node.is_lost():
                    if node.is_ready():
                        return node
                    self._signals.pause()
            except Stopped:
                node.stop()
                raise
            node.stop()
            self._say("Ray did not start; trying again")
        raise LostHead("Ray did not start on the head; the log says why")

    def _gather(self) -> None:
        """Wait until all hosts are here; when time is up, go on with enough. A host that comes later joins the work."""
        deadline = time.monotonic() + self._settings.join_seconds
        others = set(self._hosts.names) - {self._hosts.head}
        while missing := others - self._meeting.joined():
            if time.monotonic() >= deadline:
                self._go_on_without(missing)
                return
            self._signals.pause(JOINING_SECONDS)
        self._say(f"all {len(self._hosts.names)} hosts are here")

    def _go_on_without(self, missing: set[str]) -> None:
        """Raises RefinedWebError if too many hosts are missing."""
        here = f"{len(self._hosts.names) - len(missing)} of {len(self._hosts.names)} hosts"
        who = "missing: " + ", ".join(sorted(missing)[:SHOWN_HOSTS])
        if len(self._hosts.names) - len(missing) < self._settings.min_hosts:
            least = f"--min-hosts is {self._settings.min_hosts}"
            raise RefinedWebError(
                f"{here} joined in {self._settings.join_seconds:.0f} s, but {least}; {who}. Launch the job again"
            )
        self._say(f"going on with {here}; {who}")

    def _follow(self, environment: dict[str, str]) -> int:
        """The part of every other host: work for the head until it says that the run is over."""
        own = self._address(self._hosts.current)
        seen = time.monotonic()
        while True:
            node = Node(own, self._address(self._hosts.head), self._settings.cpus, environment)
            try:
                if self._work(node):
                    return 0
                seen = max(seen, node.seen)
            finally:
                node.stop()
            if time.monotonic() - seen > LOST_SECONDS:
                raise LostHead(f"lost the head, {self._hosts.head}, for {LOST_SECONDS:.0f} s")
            self._say("lost the head; joining again")
            self._signals.pause(LOOK_SECONDS)

    def _work(self, node: Node) -> bool:
        """Work until the run ends (True) or the cluster is lost (False)."""
        joined = False
        while not node.is_lost():
            joined = joined or (node.is_ready() and self._join())
            if self._has_ended():
                return True
            self._signals.pause(LOOK_SECONDS if joined else JOINING_SECONDS)
        return self._has_ended()

    def _join(self) -> bool:
        try:
            self._meeting.join(self._hosts.current)
        except RetryError as error:
            self._say(f"cannot announce this host: {error}")
            return False
        self._say("joined the cluster")
        return True

    def _has_ended(self) -> bool:
        try:
            return self._meeting.ended() is not None
        except RetryError as error:
            self._say(f"cannot find out whether the run is over: {error}")
            return False

    def _drive(self, more: list[str], environment: dict[str, str]) -> int:
        """Run `refinedweb run` to its end. Raises RefinedWebError if it failed."""
        command = [sys.executable, "-m", "refinedweb", "run", *self._words, *index_words(self._out), *more]
        if not more and self._settings.cpus is not None:
            command += ["--workers", str(self._settings.cpus)]
        return self._judged(*run_watched(command, environment, self._signals.pause))

    def _judged(self, code: int, errors: str) -> int:
        if code == 0:
            return 0
        if code == 3 and _is_complete(self._out):
            self._say("complete, with quarantined documents, partial or lost shards: `refinedweb status` names them")
            return 0
        raise RefinedWebError(f"refinedweb run ended with exit code {code}: {errors}")

    def _address(self, name: str) -> str:
        return address_of(name, self._settings.join_seconds, self._signals.pause)

    def _say(self, text: str) -> None:
        _say(self._hosts, text)


def _is_complete(out: str) -> bool:
    """Whether every shard of every step has its record."""
    from refinedweb.views.run import Run

    return all(state.complete for state in Run(out).states())


def _say(hosts: Hosts, text: str) -> None:
    print(f"[{hosts.current}] {text}", file=sys.stderr, flush=True)
