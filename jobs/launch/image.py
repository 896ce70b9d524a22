"""The code of this checkout as an image in ECR. Its tag is the commit, so one image serves all launches of a commit."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from stages.errors import ConfigError, RefinedWebError

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = "jobs/deploy/Dockerfile"
PLATFORM = "linux/amd64"
GIT_SECONDS = 60  # until a git command is given up: a lock or a hung file system
SHORT_COMMIT = 12  # hexadecimal digits: unique in any repository of a sensible size
SHORT_DIGEST = 8  # hexadecimal digits, to tell one state of a dirty checkout from the next
_REPOSITORY = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([a-z0-9][a-z0-9._/-]*)")


@dataclass(frozen=True)
class Source:
    """The state of a checkout. `changed`: files that differ from the commit; `digest`: hash of the differences."""

    commit: str
    changed: tuple[str, ...] = ()
    digest: str = ""

    @property
    def dirty(self) -> bool:
        return bool(self.changed)

    @property
    def tag(self) -> str:
        """A tag that names exactly this code."""
        short = self.commit[:SHORT_COMMIT]
        return f"{short}-dirty-{self.digest[:SHORT_DIGEST]}" if self.dirty else short


def source_of(root: Path = ROOT) -> Source:
    """What git says about the checkout that this code runs from. Raises ConfigError if it is not in one."""
    if not (root / ".git").exists():
        raise ConfigError(f"{root} is not a git checkout: launch from one, or name an image with --image")
    commit = _git(root, "rev-parse", "HEAD").decode().strip()
    changed = [line[3:] for line in _git(root, "status", "--porcelain", "-z").decode().split("\0") if len(line) > 3]
    return Source(commit, tuple(sorted(changed)), _digest(root) if changed else "")


def _digest(root: Path) -> str:
    """Hash of everything that differs from the commit, new files included."""
    digest = hashlib.sha256(_git(root, "diff", "HEAD", "--binary"))
    for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").decode().split("\0"):
        if name:
            digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


def _git(root: Path, *words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=True, timeout=GIT_SECONDS).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"git {words[0]} failed in {root}: {error}; mend the checkout, or name an image with --image"
        ) from error


@dataclass(frozen=True)
class Repository:
    """An ECR repository."""

    uri: str
    account: str
    region: str
    name: str

    @classmethod
    def parse(cls, uri: str) -> Repository:
        """The repository of a URI. Raises ConfigError if it does not name one."""
        found = _REPOSITORY.fullmatch(uri)
        if found is None:
            raise ConfigError(
                f"--image-repository {uri!r} is not an ECR repository; their names look like "
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/NAME"
            )
        return cls(uri, found[1], found[2], found[3])

    @property
    def registry(self) -> str:
        return self.uri.partition("/")[0]


def build_commands(image: str, source: Source, root: Path = ROOT) -> list[list[str]]:
    """The docker commands that build and push, after the login."""
    build = ["docker", "build", "--platform", PLATFORM, "--build-arg", f"COMMIT={source.tag}", "--tag", image]
    return [[*build, "--file", str(root / DOCKERFILE), str(root)], ["docker", "push", image]]


def exists(ecr: Any, repository: Repository, tag: str) -> bool:
    """Whether the repository has an image with this tag. Raises ConfigError if there is no such repository."""
    try:
        ecr.describe_images(registryId=repository.account, repositoryName=repository.name, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "ImageNotFoundException":
            return False
        if code == "RepositoryNotFoundException":
            create = f"aws ecr create-repository --region {repository.region} --repository-name {repository.name}"
            raise ConfigError(f"there is no ECR repository {repository.uri}; create it: {create}") from error
        raise ConfigError(f"{repository.uri}: {error}") from error
    except BotoCoreError as error:
        raise ConfigError(f"{repository.uri}: {error}; check your AWS credentials and region") from error
    return True


def publish(ecr: Any, repository: Repository, image: str, source: Source, root: Path = ROOT) -> None:
    """Build the image and push it. Docker's own output goes to the terminal."""
    given = ecr.get_authorization_token(registryIds=[repository.account])["authorizationData"][0]
    user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
    # the password goes through stdin: as an argument, every user of this machine could see it
    _docker(["docker", "login", "--username", user, "--password-stdin", repository.registry], password)
    for command in build_commands(image, source, root):
        _docker(command)


def _docker(command: list[str], stdin: str | None = None) -> None:
    try:
        subprocess.run(command, check=True, text=True, input=stdin)
    except OSError as error:
        raise ConfigError(f"cannot run docker: {error}; install it, or name a ready image with --image") from error
    except subprocess.CalledProcessError as error:
        raise RefinedWebError(f"`{shlex.join(command)}` failed with exit code {error.returncode}") from error
