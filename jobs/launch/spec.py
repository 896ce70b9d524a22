"""A run as a SageMaker job: from parameters to the request, field by field. Pure: nothing is asked, nothing is sent.

It is a Processing job within that kind's limits (100 instances, 777,600 s), and a Training job beyond them or for
managed spot. Neither gets inputs, outputs or checkpoints from SageMaker: the run reads and writes S3 itself, and
resumes from its ledger. The limits are those of the service's API model (botocore); tests check every request against
that model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stages.errors import ConfigError

Kind = Literal["processing", "training"]

# Limits of SageMaker's API; lengths are in characters.
MOST_PROCESSING_INSTANCES = 100
MOST_PROCESSING_SECONDS = 777_600  # 9 days
MOST_TRAINING_SECONDS = 28 * 86_400  # 28 days
MOST_ARGUMENTS = 100  # of a container
LONGEST_ARGUMENT = 256  # of a container's argument
LONGEST_VALUE = {"processing": 256, "training": 512}  # of an environment variable
LONGEST_VARIABLE = 256  # name of an environment variable
LONGEST_TAG = 256  # value of a tag
MOST_VARIABLES = 100  # in a job's environment
LONGEST_NAME = 63  # of a job

MISSING_SHARE = 0.1  # of the hosts, without which a cluster starts all the same
LONGEST_STEM = 30  # characters of the recipe's name in a job's name: leaves room for the digest and the attempt

# Environment variables through which the launch speaks to the container's entry point.
JOB = "REFINEDWEB_JOB"
SECRET = "REFINEDWEB_JOB_SECRET"
SHARE_NOTHING = "REFINEDWEB_SHARE_NOTHING"
MIN_HOSTS = "REFINEDWEB_MIN_HOSTS"
JOIN_SECONDS = "REFINEDWEB_JOIN_SECONDS"

_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


@dataclass(frozen=True)
class Job:
    """Everything that decides the request.

    `words`: what follows `refinedweb run`; `out`: its output, an s3:// prefix; `secret`: what only the hosts of this
    job know (it keeps strangers out of the Ray cluster); `min_hosts`: the number of hosts with which a cluster starts
    `join_seconds` after the head is up, if others are still missing then (None: all but a tenth).
    """

    name: str
    role: str
    image: str
    words: tuple[str, ...]
    out: str
    secret: str = field(repr=False)
    instances: int = 1
    instance_type: str = "ml.c5.18xlarge"
    spot: bool = False
    share_nothing: bool = False
    volume_gb: int = 100
    max_seconds: int = MOST_PROCESSING_SECONDS
    min_hosts: int | None = None
    join_seconds: int = 600
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Which kind of job runs it."""
        beyond = self.instances > MOST_PROCESSING_INSTANCES or self.max_seconds > MOST_PROCESSING_SECONDS
        return "training" if self.spot or beyond else "processing"


def job_name(recipe: str, identity: Mapping[str, Any], attempt: int = 1) -> str:
    """A name that is the same for the same launch: SageMaker takes a name only once, so a launch that is repeated
    because its answer was lost cannot start a second job. `attempt` counts the launches after jobs that failed or were
    stopped.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", recipe).strip("-")[:LONGEST_STEM] or "run"
    return f"refinedweb-{stem}-{digest}" + (f"-{attempt}" if attempt > 1 else "")


def request(job: Job) -> dict[str, Any]:
    """The arguments of `create_processing_job` or `create_training_job`. Raises ConfigError if a limit is exceeded."""
    check(job)
    return _processing(job) if job.kind == "processing" else _training(job)


def environment(job: Job) -> dict[str, str]:
    """The container's environment: the user's variables, and what its entry point reads (`jobs.container.entry`)."""
    ours = {JOB: job.name, SECRET: job.secret, JOIN_SECONDS: str(job.join_seconds)}
    if job.share_nothing:
        ours[SHARE_NOTHING] = "1"
    else:
        ours[MIN_HOSTS] = str(min_hosts(job))
    return {**job.environment, **ours}


def min_hosts(job: Job) -> int:
    """The fewest hosts with which a cluster starts: paying for many machines that watch a few work helps nobody."""
    return job.min_hosts or job.instances - int(job.instances * MISSING_SHARE)


def _processing(job: Job) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ProcessingJobName": job.name,
        "RoleArn": job.role,
        "AppSpecification": {"ImageUri": job.image, "ContainerArguments": list(job.words)},
        "ProcessingResources": {"ClusterConfig": _resources(job)},
        "StoppingCondition": {"MaxRuntimeInSeconds": job.max_seconds},
        "Environment": environment(job),
        "Tags": _tags(job),
    }
    if job.subnets:
        made["NetworkConfig"] = {"VpcConfig": _vpc(job)}
    return made


def _training(job: Job) -> dict[str, Any]:
    made: dict[str, Any] = {
        "TrainingJobName": job.name,
        "RoleArn": job.role,
        "AlgorithmSpecification": {
            "TrainingImage": job.image,
            "TrainingInputMode": "File",
            "ContainerArguments": list(job.words),
        },
        # SageMaker leaves an (empty) model there; the run itself writes the corpus
        "OutputDataConfig": {"S3OutputPath": f"{job.out.rstrip('/')}/jobs"},
        "ResourceConfig": _resources(job),
        "StoppingCondition": {"MaxRuntimeInSeconds": job.max_seconds},
        "EnableManagedSpotTraining": job.spot,
        "Environment": environment(job),
        "Tags": _tags(job),
    }
    if job.spot:
        # waiting for capacity counts too, and an interrupted job starts again within this time
        made["StoppingCondition"]["MaxWaitTimeInSeconds"] = min(2 * job.max_seconds, MOST_TRAINING_SECONDS)
    if job.subnets:
        made["VpcConfig"] = _vpc(job)
    return made


def _resources(job: Job) -> dict[str, Any]:
    return {"InstanceCount": job.instances, "InstanceType": job.instance_type, "VolumeSizeInGB": job.volume_gb}


def _vpc(job: Job) -> dict[str, Any]:
    return {"SecurityGroupIds": list(job.security_groups), "Subnets": list(job.subnets)}


def _tags(job: Job) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value[:LONGEST_TAG]} for key, value in sorted(job.tags.items())]


def check(job: Job) -> None:
    """Raises ConfigError for what SageMaker would refuse, or would accept and then fail on."""
    if not job.out.startswith("s3://"):
        raise ConfigError(f"OUT is {job.out!r}: the hosts of a job share nothing but S3; give an s3:// prefix")
    if not _ROLE.fullmatch(job.role):
        raise ConfigError(f"--role {job.role!r} is not the ARN of a role, like arn:aws:iam::123456789012:role/NAME")
    if not _TYPE.fullmatch(job.instance_type):
        raise ConfigError(f"--type {job.instance_type!r} is not a SageMaker instance type, like ml.c5.18xlarge")
    if job.instances < 1:
        raise ConfigError(f"--instances must be at least 1, not {job.instances}")
    if job.max_seconds > MOST_TRAINING_SECONDS:
        raise ConfigError(
            f"--max-hours: a job lasts {MOST_TRAINING_SECONDS // 3600} hours at most; a longer run resumes in another"
        )
    if bool(job.subnets) != bool(job.security_groups):
        raise ConfigError("--subnet and --security-group go together; the group must let its members reach each other")
    if job.min_hosts is not None and not 1 <= job.min_hosts <= job.instances:
        raise ConfigError(f"--min-hosts must be between 1 and --instances ({job.instances}), not {job.min_hosts}")
    _check_name(job.name)
    _check_words(job.words)
    _check_environment(job)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name) or len(name) > LONGEST_NAME:
        raise ConfigError(
            f"{name!r} is not a job name: use letters, digits and single hyphens, {LONGEST_NAME} characters at most"
        )


def _check_words(words: Sequence[str]) -> None:
    if len(words) > MOST_ARGUMENTS:
        raise ConfigError(
            f"{len(words)} arguments: SageMaker takes at most {MOST_ARGUMENTS}; give prefixes, globs or a list of paths"
        )
    for word in words:
        if len(word) > LONGEST_ARGUMENT or not word:
            raise ConfigError(
                f"an argument of a job must have 1 to {LONGEST_ARGUMENT} characters, not {len(word)}: {word[:60]!r} …"
            )


def _check_environment(job: Job) -> None:
    variables = environment(job)
    if len(variables) > MOST_VARIABLES:
        raise ConfigError(f"{len(variables)} environment variables: SageMaker takes at most {MOST_VARIABLES}")
    most = LONGEST_VALUE[job.kind]
    for key, value in variables.items():
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", key) or len(key) > LONGEST_VARIABLE:
            raise ConfigError(f"--env {key!r} is not the name of an environment variable")
        if len(value) > most:
            raise ConfigError(f"--env {key}: {len(value)} characters; a {job.kind} job takes at most {most}")
