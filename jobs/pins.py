"""Writes the hashes of the image's packages: `python -m jobs.pins`, after a version in jobs/deploy/*.lock was changed.

pip says which file it would install on the image's platform, and that file's hash: one hash per package, so that
nothing else passes. Then it prints the present digest of the base image's tag, for the Dockerfile, if docker can ask.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from stages.errors import ConfigError

DEPLOY = Path(__file__).parent / "deploy"
LOCKS = ("requirements.lock", "build.lock", "tools.lock")
PYTHON = "3.11"  # the base image's
GLIBC = (17, 27, 28, 31, 34, 35, 36)  # 2.x of the platforms whose wheels run there: Debian 12 has 2.36
_PIN = re.compile(r"([a-z0-9-]++)==([0-9a-z.]++)(?: --hash=sha256:([0-9a-f]{64}))?+")
TIMEOUT_SECONDS = 600


def pins(lock: Path) -> dict[str, tuple[str, str | None]]:
    """Version and hash of each package of a lock file. Raises ConfigError for any other line."""
    found = {}
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), 1):
        pin = _PIN.fullmatch(line)
        if pin is None:
            raise ConfigError(f"{lock.name}, line {number}: {line[:60]!r} is not NAME==VERSION --hash=sha256:HASH")
        found[pin[1]] = (pin[2], pin[3])
    return found


def hashes(versions: dict[str, str]) -> dict[str, str]:
    """The SHA-256 of the file that the image's platform takes, for each package. Raises ConfigError."""
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in GLIBC] + ["--platform=manylinux2014_x86_64"]
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder, "wanted.txt"), Path(folder, "report.json")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        command = [
            "uvx", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--only-binary=:all:",
            f"--python-version={PYTHON}", *platforms, f"--target={folder}", f"--report={report}", f"-r{wanted}",
        ]  # fmt: skip
        _run(command)
        installs = json.loads(report.read_bytes())["install"]
    found = {one["metadata"]["name"]: one["download_info"]["archive_info"]["hashes"]["sha256"] for one in installs}
    return {re.sub(r"[-_.]+", "-", name).lower(): digest for name, digest in found.items()}


def write(lock: Path) -> int:
    """Write the hashes into a lock file. Returns how many changed."""
    old = pins(lock)
    digests = hashes({name: version for name, (version, _) in old.items()})
    lines = [f"{name}=={version} --hash=sha256:{digests[name]}\n" for name, (version, _) in old.items()]
    lock.write_text("".join(lines), encoding="utf-8")
    return sum(digest != digests[name] for name, (_, digest) in old.items())


def base_digest() -> str:
    """The base image of the Dockerfile with the digest that its tag has now. Raises ConfigError."""
    found = re.search(r"^ARG PYTHON=([^@\s]++)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.M)
    if found is None:
        raise ConfigError("jobs/deploy/Dockerfile has no line ARG PYTHON=IMAGE")
    inspect = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", found[1]]
    return f"{found[1]}@{_run(inspect).strip()}"


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"{command[0]} failed: {error.stderr.strip()[-500:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{command[0]} failed: {error}") from error
    return done.stdout


if __name__ == "__main__":
    for name in LOCKS:
        print(f"{name}: {write(DEPLOY / name)} hashes changed")
    try:
        print(f"ARG PYTHON={base_digest()}")
    except ConfigError as error:
        sys.exit(f"The base image's digest is not known here: {error}")
