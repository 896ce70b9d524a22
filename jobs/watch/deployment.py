"""What a watcher was deployed for. A chain on S3 is a file that others may be able to change, and a watcher that obeyed
it would start any image under any role: so role, image repository and prefix are compared with its own settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from jobs.watch.chain import ChainJob
from stages.errors import ConfigError

# Environment variables of the Lambda function, and of `job watch` for a chain on S3.
ROLE, IMAGE, PREFIX = "REFINEDWEB_WATCH_ROLE", "REFINEDWEB_WATCH_IMAGE", "REFINEDWEB_WATCH_PREFIX"
# What a request of `job launch` has. Anything else (inputs, another entry point) is not ours.
MEMBERS = {
    "ProcessingJobName", "TrainingJobName", "RoleArn", "AppSpecification", "AlgorithmSpecification",
    "ProcessingResources", "ResourceConfig", "StoppingCondition", "Environment", "Tags", "NetworkConfig", "VpcConfig",
    "ProcessingOutputConfig", "OutputDataConfig", "EnableManagedSpotTraining", "EnableInterContainerTrafficEncryption",
}  # fmt: skip


def written_by(words: Sequence[str]) -> str | None:
    """OUT among a job's arguments; None if they are not those of a run."""
    from refinedweb.cli.run import run

    try:
        paths = run.make_context("refinedweb run", list(words)).params["paths"]
    except click.ClickException:
        return None
    return str(paths[-1]) if len(paths) > 1 else None


@dataclass(frozen=True)
class Deployment:
    """`role`: the ARN of the jobs' role; `image`: their image without its tag, or with it; `prefix`: on S3, which holds
    every OUT.
    """

    role: str
    image: str
    prefix: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Deployment:
        """Raises ConfigError if a setting is missing."""
        missing = [name for name in (ROLE, IMAGE, PREFIX) if not environment.get(name)]
        if missing:
            raise ConfigError(
                f"set {', '.join(missing)}: a watcher obeys a chain on S3 only for the role, the image and the prefix "
                "that it was deployed for"
            )
        found = cls(environment[ROLE], environment[IMAGE], environment[PREFIX])
        if not found.prefix.startswith("s3://") or not found.prefix.removeprefix("s3://").strip("/"):
            raise ConfigError(f"{PREFIX} is {found.prefix!r}; it must be an s3:// prefix")
        return found

    def check(self, links: Sequence[ChainJob], where: str) -> None:
        """Raises ConfigError for the first link that asks for something else."""
        for link in links:
            for what, asked, allowed in self._refused(link):
                raise ConfigError(
                    f"{where}: job {link.name} has the {what} {asked!r}, but this watcher was deployed for {allowed}; "
                    "nothing was started"
                )

    def _refused(self, link: ChainJob) -> list[tuple[str, Any, str]]:
        request = link.request
        program = request.get("AppSpecification") or request.get("AlgorithmSpecification") or {}
        image = str(program.get("ImageUri") or program.get("TrainingImage") or "")
        words = list(program.get("ContainerArguments") or [])
        outs = [written_by(words), *([link.out] if link.out is not None else [])]
        plain = {"ImageUri", "TrainingImage", "TrainingInputMode", "ContainerArguments"}
        outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs", [])
        found = [
            ("role", request.get("RoleArn"), self.role) if request.get("RoleArn") != self.role else None,
            ("image", image, self.image) if not self._is_ours(image) else None,
            *(("OUT", out, f"what is below {self.prefix}") for out in outs if not self._holds(out)),
            *(("member", name, "what `job launch` asks for") for name in sorted({*request} - MEMBERS)),
            *(("member", name, "the image's own entry point") for name in sorted({*program} - plain)),
            ("outputs", outputs, "jobs without any") if outputs else None,
        ]
        return [one for one in found if one is not None]

    def _is_ours(self, image: str) -> bool:
        return image == self.image or image.startswith((f"{self.image}:", f"{self.image}@"))

    def _holds(self, out: str | None) -> bool:
        prefix = self.prefix.rstrip("/") + "/"
        return out is not None and f"{out.rstrip('/')}/".startswith(prefix) and ".." not in out.split("/")
