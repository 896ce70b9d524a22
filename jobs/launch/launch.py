"""From a command to a running job: code, image, recipe, request; nothing twice, whatever answer gets lost.

SageMaker takes a job's name only once. A launch makes the same name of the same parameters, so the same command again
finds its own job; only where that failed or was stopped it starts the next attempt, which resumes from the ledger.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from jobs.launch import image, spec
from jobs.launch.spec import Job, Kind
from refinedweb.engine.metrics import PRICE
from refinedweb.ledger.layout import job_recipe_key
from refinedweb.recipe.recipe import Recipe
from refinedweb.storage import open_store
from stages.assets import split_pin
from stages.errors import CommitUnknown, ConfigError, RefinedWebError

MOST_ATTEMPTS = 100
DOCUMENTED_SECRET = "<made at launch>"
OVER = ("Failed", "Stopped")


@dataclass(frozen=True)
class LaunchPlan:
    """A launch before anything was done. `recipe`: a local recipe file, which goes to `recipe_key` below OUT."""

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


@dataclass(frozen=True)
class Launched:
    """What became of a launch. `status` as SageMaker says it; `started`: by this call; `built`: the image, by it."""

    job: Job
    status: str
    started: bool
    built: bool = False


class Aws:
    """The clients of a region."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.sagemaker = boto3.client("sagemaker", region_name=region)
        self.ecr = boto3.client("ecr", region_name=region)


def plan(
    job: Job, recipe: str, source: image.Source | None, repository: image.Repository | None, *, allow_dirty: bool
) -> LaunchPlan:
    """All that can be decided and checked without asking anyone. `job` has neither name nor secret yet.

    Raises ConfigError.
    """
    if source is not None and source.dirty and not allow_dirty:
        shown = ", ".join(source.changed[:5]) + (" …" if len(source.changed) > 5 else "")
        raise ConfigError(
            f"{len(source.changed)} files differ from commit {source.commit[:12]}: {shown}; commit them, or run what "
            "nobody can look up later with --allow-dirty"
        )
    local = Path(recipe) if recipe.endswith(".toml") and not recipe.startswith("s3://") else None
    key = "" if local is None else job_recipe_key(hashlib.sha256(local.read_bytes()).hexdigest()[:16])
    words = job.words if local is None else (f"{job.out.rstrip('/')}/{key}", *job.words[1:])
    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace(",", "-")
    job = replace(job, words=words, secret=DOCUMENTED_SECRET, tags={**job.tags, **_tags(source)})
    # The price is no part of what is launched: the same command with a price starts no second job.
    environment = {name: value for name, value in job.environment.items() if name != PRICE}
    identity = {**job.__dict__, "environment": environment, "tags": dict(job.tags)}
    planned = LaunchPlan(job, identity, name, source, repository, local, key)
    spec.check(planned.attempt(1))
    return planned


def _tags(source: image.Source | None) -> dict[str, str]:
    if source is None:
        return {"refinedweb:commit": "unknown"}
    changed = f"{len(source.changed)} files" if source.dirty else "no"
    return {"refinedweb:commit": source.commit, "refinedweb:dirty": changed}


def launch(planned: LaunchPlan, aws: Aws, *, again: bool = False) -> Launched:
    """Start the job, unless it runs or is done already. `again`: even after one that was completed."""
    job, status = _first_free(planned, aws.sagemaker, again)
    if status is not None:
        return Launched(job, status, started=False)
    built = _ensure_image(planned, aws)
    if planned.recipe is not None:
        open_store(job.out).put(planned.recipe_key, planned.recipe.read_bytes())
    return replace(_create(aws.sagemaker, replace(job, secret=uuid.uuid4().hex)), built=built)


def _first_free(planned: LaunchPlan, sagemaker: Any, again: bool) -> tuple[Job, str | None]:
    """The attempt to start, or one that leaves nothing to start and its status."""
    for number in range(1, MOST_ATTEMPTS + 1):
        job = planned.attempt(number)
        status = status_of(sagemaker, job.kind, job.name)
        if status is None or (status not in OVER and not (again and status == "Completed")):
            return job, status
    raise ConfigError(f"{MOST_ATTEMPTS} attempts of this launch are over; look into their logs first")


def status_of(sagemaker: Any, kind: Kind, name: str) -> str | None:
    """The job's status as SageMaker says it; None where there is no such job."""
    try:
        if kind == "processing":
            return str(sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"])
        return str(sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"])
    except ClientError as error:
        if _is_missing(error):
            return None
        raise ConfigError(f"job {name}: {error}") from error
    except BotoCoreError as error:
        raise ConfigError(f"job {name}: {error}; check your AWS credentials, region and network") from error


def _is_missing(error: ClientError) -> bool:
    told = error.response.get("Error", {})
    text = str(told.get("Message", "")).lower()
    return told.get("Code") == "ResourceNotFound" or "not found" in text or "could not find" in text


def _ensure_image(planned: LaunchPlan, aws: Aws) -> bool:
    """True where it had to be built."""
    if planned.repository is None or planned.source is None:
        return False
    if image.is_there(aws.ecr, planned.repository, planned.source.tag):
        return False
    image.publish(aws.ecr, planned.repository, planned.job.image, planned.source)
    return True


def _create(sagemaker: Any, job: Job) -> Launched:
    create = sagemaker.create_processing_job if job.kind == "processing" else sagemaker.create_training_job
    try:
        create(**spec.request(job))
    except ClientError as error:
        return _refused(sagemaker, job, error)
    except BotoCoreError as error:
        raise CommitUnknown(
            f"job {job.name}: {error}; it may have started or not: the same command again tells, and starts no second"
        ) from error
    return Launched(job, "InProgress", started=True)


def _refused(sagemaker: Any, job: Job, error: ClientError) -> Launched:
    code = error.response.get("Error", {}).get("Code")
    if code == "ResourceInUse":  # by us: a request was repeated after its answer was lost, or launched twice at once
        status = status_of(sagemaker, job.kind, job.name)
        return Launched(job, status or "InProgress", started=False)
    if code == "ResourceLimitExceeded":
        raise ConfigError(
            f"job {job.name}: {error}; ask for a higher quota (Service Quotas, Amazon SageMaker), or fewer --instances"
        ) from error
    if code in {"ValidationException", "AccessDeniedException", "ResourceNotFound"}:
        raise ConfigError(f"job {job.name}: {error}") from error
    raise RefinedWebError(f"job {job.name}: {error}") from error


def console_link(region: str, kind: Kind, name: str) -> str:
    """The job's page in the AWS console."""
    page = "processing-jobs" if kind == "processing" else "jobs"
    host = "console.amazonaws.cn" if region.startswith("cn-") else "console.aws.amazon.com"
    return f"https://{region}.{host}/sagemaker/home?region={region}#/{page}/{name}"


def cost_line(instances: int, hours: float | None, price: float | None) -> str:
    """What the job may cost; `price` in $ per instance and hour."""
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
    """Raises ConfigError for a model or list of this machine. Those of the package are in the image."""
    for stage, values in recipe.stages:
        for name, value in values.items():
            path, digest = split_pin(value) if isinstance(value, str) else ("", None)
            if digest is not None and not path.startswith("s3://") and not Path(path).is_relative_to(image.ROOT):
                check_reachable([path], f"{stage}.{name} =")
