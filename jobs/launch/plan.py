"""From a command to a launch: everything that can be decided and checked before anything is built or sent.

SageMaker takes a job's name only once. A launch derives its name from its parameters, so the same command again finds
its own job; only if that job failed or was stopped does it start the next attempt, which resumes from the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.launch import image, spec
from jobs.launch.spec import Job
from refinedweb.engine.metrics import PRICE
from refinedweb.ledger.layout import job_recipe_key
from refinedweb.recipe.assets import all_values
from refinedweb.recipe.recipe import Recipe
from stages.assets import split_pin
from stages.errors import ConfigError

SHOWN_SECRET = "<made at launch>"  # what a dry run shows instead of a job's secret
SHOWN_FILES = 5  # names of files that differ from the commit, in a message


@dataclass(frozen=True)
class LaunchPlan:
    """A launch before anything was done. `recipe`: a local recipe file, which is copied to `recipe_key` below OUT."""

    job: Job
    identity: dict[str, Any]
    recipe_name: str
    source: image.Source | None
    repository: image.Repository | None
    recipe: Path | None = None
    recipe_key: str = ""

    def attempt(self, number: int) -> Job:
        """The job of the n-th attempt."""
        return replace(self.job, name=spec.job_name(self.recipe_name, self.identity, number))


def plan(
    job: Job, recipe: str, source: image.Source | None, repository: image.Repository | None, *, allow_dirty: bool
) -> LaunchPlan:
    """Everything that can be decided and checked without asking AWS. `job` has no name and no secret yet.

    Raises ConfigError.
    """
    if source is not None and source.dirty and not allow_dirty:
        shown = ", ".join(source.changed[:SHOWN_FILES]) + (" …" if len(source.changed) > SHOWN_FILES else "")
        raise ConfigError(
            f"{len(source.changed)} files differ from commit {source.commit[:12]}: {shown}; commit them, or pass "
            "--allow-dirty to run code that nobody can look up later"
        )
    local = Path(recipe) if recipe.endswith(".toml") and not recipe.startswith("s3://") else None
    key = "" if local is None else job_recipe_key(hashlib.sha256(local.read_bytes()).hexdigest()[:16])
    words = job.words if local is None else (f"{job.out.rstrip('/')}/{key}", *job.words[1:])
    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace(",", "-")
    job = replace(job, words=words, secret=SHOWN_SECRET, tags={**job.tags, **_tags(source)})
    # The price does not belong to what is launched: the same command with another price starts no second job.
    environment = {name: value for name, value in job.environment.items() if name != PRICE}
    identity = {**job.__dict__, "environment": environment, "tags": dict(job.tags)}
    planned = LaunchPlan(job, identity, name, source, repository, local, key)
    spec.request(planned.attempt(1))  # raises for what SageMaker would refuse
    return planned


def _tags(source: image.Source | None) -> dict[str, str]:
    if source is None:
        return {"refinedweb:commit": "unknown"}
    changed = f"{len(source.changed)} files" if source.dirty else "no"
    return {"refinedweb:commit": source.commit, "refinedweb:dirty": changed}


def cost_line(instances: int, hours: float | None, price: float | None) -> str:
    """What the job may cost; `price` is in $ per instance and hour."""
    if hours is None:
        return "no estimate: run `refinedweb plan`, then give --hours and --price"
    if price is None:
        return f"{instances} × {hours:g} h = {instances * hours:,.0f} instance hours; give --price for dollars"
    return f"about ${instances * hours * price:,.0f}: {instances} × {hours:g} h × ${price:g}"


def check_reachable(uris: Sequence[str], what: str) -> None:
    """Raises ConfigError for what only this machine can read."""
    for uri in uris:
        if not uri.startswith("s3://"):
            raise ConfigError(f"{what} {uri!r} is not on S3: the hosts of a job cannot read it; copy it there first")


def check_assets(recipe: Recipe) -> None:
    """Raises ConfigError for a model or list that is on this machine only. Those of the package are in the image."""
    for stage, values in recipe.stages:
        for name, value in all_values(values):
            path, digest = split_pin(value) if isinstance(value, str) else ("", None)
            if digest is not None and not path.startswith("s3://") and not Path(path).is_relative_to(image.ROOT):
                check_reachable([path], f"{stage}.{name} =")
