"""From a planned launch to a running job: image, recipe, request. Nothing happens twice, whatever answer gets lost."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from jobs.launch import image, spec
from jobs.launch.plan import LaunchPlan
from jobs.launch.spec import Job, Kind
from refinedweb.storage import open_store
from stages.errors import CommitUnknown, ConfigError, RefinedWebError

MOST_ATTEMPTS = 100  # of one launch: after that many failures, a person must read the logs
OVER = ("Failed", "Stopped")


@dataclass(frozen=True)
class Launched:
    """What became of a launch.

    `status`: as SageMaker reports it; `started`: whether this call started the job; `built`: whether it built the
    image.
    """

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


def launch(planned: LaunchPlan, aws: Aws, *, again: bool = False) -> Launched:
    """Start the job, unless it is running or done already. `again`: start it even after one that completed."""
    job, status = _first_free(planned, aws.sagemaker, again)
    if status is not None:
        return Launched(job, status, started=False)
    built = prepare(planned, aws)
    return replace(_create(aws.sagemaker, replace(job, secret=uuid.uuid4().hex)), built=built)


def prepare(planned: LaunchPlan, aws: Aws) -> bool:
    """Make sure that the image and the recipe are where the job will look. True if the image had to be built."""
    built = _ensure_image(planned, aws)
    if planned.recipe is not None:
        open_store(planned.job.out).put(planned.recipe_key, planned.recipe.read_bytes())
    return built


def _first_free(planned: LaunchPlan, sagemaker: Any, again: bool) -> tuple[Job, str | None]:
    """The attempt to start, with None; or the attempt because of which nothing must be started, with its status."""
    for number in range(1, MOST_ATTEMPTS + 1):
        job = planned.attempt(number)
        status = status_of(sagemaker, job.kind, job.name)
        if status is None or (status not in OVER and not (again and status == "Completed")):
            return job, status
    raise ConfigError(f"{MOST_ATTEMPTS} attempts of this launch are over; read their logs first")


def status_of(sagemaker: Any, kind: Kind, name: str) -> str | None:
    """The job's status as SageMaker reports it; None if there is no such job."""
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
    details = error.response.get("Error", {})
    text = str(details.get("Message", "")).lower()
    return details.get("Code") == "ResourceNotFound" or "not found" in text or "could not find" in text


def _ensure_image(planned: LaunchPlan, aws: Aws) -> bool:
    """Build and push the image unless ECR has it. True if it had to be built."""
    if planned.repository is None or planned.source is None:
        return False
    if image.exists(aws.ecr, planned.repository, planned.source.tag):
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
            f"job {job.name}: {error}; it may or may not have started: the same command again shows it, and starts no "
            "second one"
        ) from error
    return Launched(job, "InProgress", started=True)


def _refused(sagemaker: Any, job: Job, error: ClientError) -> Launched:
    code = error.response.get("Error", {}).get("Code")
    if code == "ResourceInUse":  # by us: a request was repeated after its answer was lost, or two launches raced
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
