"""Outputs that cannot be written: disk full, read-only, forbidden. Nothing is lost, and the next run continues.

The first tests inject each fault at every single call that touches the disk; the others get it from the kernel.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refinedweb.engine import policy
from refinedweb.engine import start as engine_start
from refinedweb.shard import local_step
from refinedweb.storage import local
from refinedweb.views.verify import verify
from stages.errors import ConfigError, Full, RetryError, ShardError, Unfinished
from tests.conftest import ROOT
from tests.faults.disk import RECIPE, again
from tests.refinedweb.cli.command import command, corpus_bytes
from tests.refinedweb.engine.inline import HookedPool, ok, run, write_shards

DOCUMENTS = [{"id": str(n), "url": f"http://example.org/{n % 7}", "text": f"Text number {n}."} for n in range(12)]
CALLS = ("fsync", "link", "replace", "makedirs")
KINDS = {errno.ENOSPC: RetryError, errno.EROFS: ConfigError, errno.EACCES: ConfigError, errno.EIO: RetryError}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(policy, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(policy, "LOOK_SECONDS", 0.0)
    for name in ("PATIENCE_SECONDS", "SICK_SECONDS", "SICK_START_SECONDS", "FULL_SECONDS"):
        monkeypatch.setattr(policy, name, 0.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shards(DOCUMENTS, tmp_path_factory.mktemp("in") / "in", 3)


@pytest.fixture(scope="module")
def quiet(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("quiet") / "out"
    ok(run(RECIPE, files, out))
    corpus = corpus_bytes(out)
    assert len(corpus) == 3
    return corpus


class Faulty:
    """A function of `os` that fails from its `first` call on, `times` times."""

    def __init__(self, real: Callable[..., Any], number: int, first: int, times: float) -> None:
        self.real = real
        self.number = number
        self.first = first
        self.times = times
        self.calls = 0
        self.failed = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls > self.first and self.failed < self.times:
            self.failed += 1
            raise OSError(self.number, os.strerror(self.number), str(arguments[0]))
        return self.real(*arguments, **named)


def disturbed(name: str, number: int, first: int, times: float, files: list[Path], out: Path) -> tuple[bool, int]:
    """Whether the run came to its end, and how often it was disturbed."""
    faulty = Faulty(getattr(os, name), number, first, times)
    ended = False
    with pytest.MonkeyPatch.context() as patch, suppress(KINDS[number], RetryError, Unfinished):
        patch.setattr(local.os, name, faulty)
        ended = not again(files, out).failed
    return ended, faulty.failed


@pytest.mark.parametrize("times", [1, float("inf")], ids=["once", "for good"])
@pytest.mark.parametrize("number", KINDS, ids=[errno.errorcode[number] for number in KINDS])
def test_a_write_refused_anywhere_loses_nothing(
    number: int, times: float, files: list[Path], quiet: dict[str, bytes], tmp_path: Path
) -> None:
    """Each call in turn, spread over the kinds of fault, until no call is left to disturb."""
    ends, injected = set(), 0
    for name in CALLS:
        first, step = list(KINDS).index(number) + len(CALLS) * (times == 1), 2 * len(KINDS)
        while True:
            out = tmp_path / "out"
            ended, failed = disturbed(name, number, first, times, files, out)
            if not failed:
                break
            injected += failed
            ends.add(ended)
            ok(again(files, out))
            assert corpus_bytes(out) == quiet
            assert verify(str(out)).problems == []
            shutil.rmtree(out)
            first += step
        shutil.rmtree(out)
    assert injected > 3
    assert False in ends or KINDS[number] is RetryError, "a lasting refusal ends the run immediately"


def test_what_a_full_disk_costs_is_said_and_room_mends_it(
    files: list[Path], quiet: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.os, "fsync", Faulty(os.fsync, errno.ENOSPC, 9, float("inf")))
        with pytest.raises((Full, Unfinished), match="the disk is full; make room and run the same command") as caught:
            run(RECIPE, files, out)
    assert str(out) in str(caught.value)
    ok(again(files, out))
    assert corpus_bytes(out) == quiet
    assert not (out / ".tmp").exists()


# The kernel's own refusals ---------------------------------------------------------------------------------------

SMALL_DISK = """
import shutil, subprocess, sys
from pathlib import Path
from refinedweb.engine import policy
from refinedweb.ledger import claims
from stages.errors import RetryError, Unfinished
from tests.faults.disk import RECIPE, again
from tests.refinedweb.engine.inline import ok, run
from tests.refinedweb.cli.command import corpus_bytes
policy.BACKOFF_SECONDS = policy.LOOK_SECONDS = 0.0
claims.FORBIDDEN_SECONDS = policy.SICK_START_SECONDS = policy.SICK_SECONDS = 1.0
disk, files = Path(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir())
mount = lambda *options: subprocess.run(["mount", "-t", "tmpfs", *options, "none", disk], check=True)
mount("-o", "size=16k")
try:
    run(RECIPE, files, disk / "out")
    raise SystemExit("16 kB were enough")
except (RetryError, Unfinished) as error:
    assert "the disk is full; make room" in str(error), error
mount("-o", "remount,ro,size=64m")
try:
    run(RECIPE, files, disk / "out")
    raise SystemExit("a read-only disk was written")
except Exception as error:
    assert "read-only" in str(error), error
mount("-o", "remount,rw,size=64m")
ok(again(files, disk / "out"))
shutil.copytree(disk / "out", sys.argv[3])
"""


def can_mount() -> bool:
    test = "mount -t tmpfs none /mnt"
    try:
        return subprocess.run(["unshare", "-rm", "sh", "-c", test], capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
def test_a_real_disk_that_is_full_then_read_only_then_large(
    files: list[Path], quiet: dict[str, bytes], tmp_path: Path
) -> None:
    if not can_mount():
        pytest.skip("needs `unshare -rm` and mount: no disk of our own without them")
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    call = ["unshare", "-rm", sys.executable, "-c", SMALL_DISK, disk, files[0].parent, saved]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert corpus_bytes(saved) == quiet


def without_privileges() -> list[str]:
    """Root may read and write everything, unless it gives up that privilege."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere; needs setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]


@pytest.mark.parametrize("what", ["output", "input"])
def test_a_forbidden_place_is_wrong_use_and_named(
    what: str, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFINEDWEB_ADDRESS", raising=False)  # the workers of the tests' own cluster have privileges
    place, file = tmp_path / "place", tmp_path / "in.jsonl"
    shutil.copy(files[-1], file)
    place.mkdir()
    (place if what == "output" else file).chmod(0o500 if what == "output" else 0)
    call = [*without_privileges(), *command("run", RECIPE, file, place / "out")]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "permission denied" in done.stderr
    assert str(place if what == "output" else file) in done.stderr
    assert "Traceback" not in done.stderr
    assert what == "input" or list(place.iterdir()) == []


def test_an_output_below_a_file_is_wrong_use(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something")
    with pytest.raises(ConfigError, match="a file is where a folder is needed"):
        run(RECIPE, files, tmp_path / "file" / "out")


# Two versions of the code ----------------------------------------------------------------------------------------


def as_version(patch: pytest.MonkeyPatch, version: str) -> None:
    for module in (local_step, engine_start):
        patch.setattr(module, "code_version", lambda: version)


def stop_after(shards: int) -> HookedPool:
    """A pool whose driver is interrupted after this number of outcomes."""
    seen = []

    def after(outcome: object) -> None:
        seen.append(outcome)
        if len(seen) == shards:
            raise KeyboardInterrupt

    return HookedPool(after=after)


def test_two_versions_of_the_code_share_a_run_and_verify_names_both(
    files: list[Path], quiet: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        as_version(patch, "1.0")
        with pytest.raises(KeyboardInterrupt):
            run(RECIPE, files, out, pool=stop_after(1))
        as_version(patch, "2.0")
        ok(again(files, out))
    verdict = verify(str(out))
    assert verdict.problems == []
    assert {"1.0", "2.0"} <= verdict.code_versions.keys()
    assert corpus_bytes(out) == quiet


def test_versions_that_disagree_about_a_shard_are_found_out(files: list[Path], tmp_path: Path) -> None:
    """The loser of a race whose outputs differ from the winner's says so, and names both versions."""
    ledger_of = local_step.Ledger
    done = tmp_path / "done"
    with pytest.MonkeyPatch.context() as patch:
        as_version(patch, "1.0")
        ok(run(RECIPE, files[-1:], done))
        ledger = ledger_of(local.LocalStore(str(done)), "00-filter")
        record = ledger.record(0)
        other = replace(record, code_version="2.0", outputs=record.outputs[:-1])
    with pytest.raises(ShardError, match=r"code 1\.0 then, 2\.0 now"):
        ledger.commit(other)
    assert ledger.record(0) == record
