"""The entry point where a service does what it likes: another user, no home, folders that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from jobs.container import entry as container
from jobs.container.place import ENOUGH, LONGEST, settle
from jobs.launch import spec
from refinedweb.storage import open_store
from stages.errors import ConfigError
from tests.conftest import ROOT

SECONDS = 300.0  # until a host is given up: a busy machine is slow
USER = 12345  # that no password file knows


def test_the_first_folder_that_can_be_written_is_taken(tmp_path: Path) -> None:
    good, environment = Path("/dev/shm"), {"HOME": "/nowhere"}
    assert settle(environment, ("/proc", str(good), "/tmp")) == good
    assert environment == {"HOME": str(good), "TMPDIR": str(good), "RAY_TMPDIR": str(good)}
    again = dict(environment)
    assert settle(environment, ("/proc",)) == good, "what is set and fits is kept"
    assert environment == again


def test_a_full_or_deep_folder_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(place: Path) -> object:
        return shutil._ntuple_diskusage(ENOUGH, 0, ENOUGH - (str(place) == "/dev/shm"))

    monkeypatch.setattr("jobs.container.place.shutil.disk_usage", usage)
    assert settle({"HOME": "/tmp"}, ("/dev/shm", "/tmp")) == Path("/tmp")
    assert settle({"HOME": "/tmp"}, ("/dev/shm", "/proc")) == Path("/dev/shm"), "better than nothing"
    deep = tmp_path / ("x" * LONGEST)
    deep.mkdir()
    assert settle({"HOME": "/tmp", "TMPDIR": str(deep)}, ("/tmp",)) == Path("/tmp")


def test_nowhere_to_write_is_told_with_what_was_tried() -> None:
    with pytest.raises(ConfigError, match=r"can write nowhere \(/proc: .*; /sys: .*name it in TMPDIR"):
        settle({}, ("/proc", "/sys"))


READ_ONLY = """
for folder in $1; do mount --bind $folder $folder; mount -o remount,bind,ro $folder; done
shift
exec setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps -all,+dac_read_search \
    --ambient-caps -all,+dac_read_search --bounding-set -all,+dac_read_search -- "$@"
"""


def why_not() -> str | None:
    """Why this machine cannot make such a container; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounts and other users need Linux and root"
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "needs unshare and setpriv (util-linux)"
    tried = subprocess.run(
        ["unshare", "-m", "bash", "-ec", READ_ONLY, "x", "/tmp", "true"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"no mounts or capabilities here: {tried.stderr.strip()}"


WHY_NOT = why_not()
contained = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


def host(read_only: str, root: Path, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a host's entry point as a user that nobody knows. The user may read everything, as in an image, whatever the
    rights of this checkout are.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH", "VIRTUAL"))}
    settings = {"PYTHONPATH": str(ROOT), container.ML_ROOT: str(root), container.CPUS: "1", **environment}
    command = [sys.executable, "-m", "jobs.container", *words]
    return subprocess.run(
        ["unshare", "-m", "bash", "-ec", READ_ONLY, "host", read_only, *command],
        env={**kept, **settings}, capture_output=True, text=True, timeout=SECONDS, cwd="/", check=False,
    )  # fmt: skip


def ml_root(folder: Path) -> Path:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    return folder


@contained
def test_a_failure_is_told_even_where_no_message_can_be_left(tmp_path: Path) -> None:
    root = ml_root(tmp_path / "ml")
    done = host("/tmp /var/tmp", root, ["url_v1", "/no-such-file", "/out"])
    assert done.returncode == 1, done.stderr
    assert f"uid {USER}: temporary files go to /dev/shm" in done.stderr
    assert "no input files at /no-such-file" in done.stderr
    assert "cannot leave a message at" in done.stderr
    assert "Traceback" not in done.stderr


@contained
@pytest.mark.slow
@pytest.mark.parametrize("read_only", ["/opt", "/tmp /var/tmp"])
def test_any_user_runs_a_job_to_its_end(read_only: str, s3_server: str, tmp_path: Path) -> None:
    prefix = f"{s3_server}/{uuid.uuid4().hex}"
    open_store(prefix).put("in/docs.jsonl", b'{"url": "https://a.com/", "text": "One small page, and no more."}\n')
    out = f"{prefix}/out"
    done = host(
        read_only, ml_root(tmp_path / "ml"), ["url_v1,quality_v1", f"{prefix}/in", out], **{spec.SHARE_NOTHING: "1"}
    )
    assert done.returncode == 0, done.stderr
    assert f"uid {USER}: temporary files go to {'/tmp' if read_only == '/opt' else '/dev/shm'}" in done.stderr
    assert [info.key for info in open_store(out).list("00-filter/manifest/")] == ["00-filter/manifest/000000.json"]
