"""A run as a SageMaker job: from parameters to the request, field by field. Pure: nothing is asked, nothing is sent.

It is a Processing job within that kind's limits (100 instances, 777,600 s), and a Training job beyond them or for
managed spot. Neither gets inputs, outputs or checkpoints from SageMaker: the run reads and writes S3 itself, and
resumes from its ledger. The limits are those of the service's API model (`limits`); what the model does not say is
checked here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobs.launch.limits import problems
from stages.errors import ConfigError

Kind = Literal["processing", "training"]

# Limits of SageMaker's API that decide something here; a test compares them with the API model.
MOST_PROCESSING_INSTANCES = 100
MOST_PROCESSING_SECONDS = 777_600  # 9 days
LONGEST_NAME = 63  # of a job
MOST_TRAINING_SECONDS = 28 * 86_400  # 28 days; the model does not say so

MISSING_SHARE = 0.1  # of the hosts, without which a cluster starts all the same
LONGEST_STEM = 30  # characters of the recipe's name in a job's name: leaves room for the digest and the attempt

# Environment variables through which the launch speaks to the container's entry point.
JOB = "REFINEDWEB_JOB"
SECRET = "REFINEDWEB_JOB_SECRET"
SHARE_NOTHING = "REFINEDWEB_SHARE_NOTHING"
MIN_HOSTS = "REFINEDWEB_MIN_HOSTS"
JOIN_SECONDS = "REFINEDWEB_JOIN_SECONDS"
SECRET_OF = "REFINEDWEB_SECRET_"  # + NAME: the ARN of the value of the variable NAME
PART_INDEX = "REFINEDWEB_PART_INDEX"  # 1: the parts before this one are its index
OURS = (JOB, SECRET, SHARE_NOTHING, MIN_HOSTS, JOIN_SECONDS)
KMS_KEY = "REFINEDWEB_S3_KMS_KEY"  # read by the storage: encrypts every object that is written

_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_SECRET_ARN = re.compile(
    r"arn:aws[a-z-]*:(?:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^\s:]+"
    r"|ssm:[a-z0-9-]+:\d{12}:parameter/[^\s:]+)"
)
# A value under such a name is a secret, and everybody who may describe the job could read it.
_SECRET_NAME = re.compile(
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|PRIVATE_KEY|API_?KEY|ACCESS_KEY)(?:_(?!FILE$)|$)", re.I
)
# Families with disks of their own, which encrypt themselves: AWS refuses a key for the volume.
_LOCAL_DISK = re.compile(r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g5|g6e?|gr6|p5\w*|trn\d\w*|i\d\w*)\.")


@dataclass(frozen=True)
class Job:
    """Everything that decides the request.

    `words`: what follows `refinedweb run`; `out`: its output, an s3:// prefix; `secret`: what only the hosts of this
    job know (it keeps strangers out of the Ray cluster); `min_hosts`: the number of hosts with which a cluster starts
    `join_seconds` after the head is up, if others are still missing then (None: all but a tenth); `secrets`: the ARN of
    each environment variable whose value the container fetches; `kms_key`: encrypts volumes and all that is written;
    `encrypt_traffic`: between the hosts.
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
    secrets: Mapping[str, str] = field(default_factory=dict)
    kms_key: str | None = None
    encrypt_traffic: bool = False

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
    _check_what_no_model_says(job)
    made = _processing(job) if job.kind == "processing" else _training(job)
    wrong = problems("CreateProcessingJob" if job.kind == "processing" else "CreateTrainingJob", made)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ConfigError(f"SageMaker would refuse this {job.kind} job{more}: {wrong[0]}")
    return made


def environment(job: Job) -> dict[str, str]:
    """The container's environment: the user's variables, and what its entry point reads (`jobs.container.entry`)."""
    ours = {JOB: job.name, SECRET: job.secret, JOIN_SECONDS: str(job.join_seconds)}
    ours |= {f"{SECRET_OF}{name}": arn for name, arn in job.secrets.items()}
    if job.kms_key is not None:
        ours[KMS_KEY] = job.kms_key
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
    if job.kms_key is not None:
        # there are none; a policy may demand the key all the same
        made["ProcessingOutputConfig"] = {"Outputs": [], "KmsKeyId": job.kms_key}
    network: dict[str, Any] = {"VpcConfig": _vpc(job)} if job.subnets else {}
    if job.encrypt_traffic:
        network["EnableInterContainerTrafficEncryption"] = True
    return {**made, "NetworkConfig": network} if network else made


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
        "OutputDataConfig": {"S3OutputPath": f"{job.out.rstrip('/')}/jobs", **_key("KmsKeyId", job)},
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
    if job.encrypt_traffic:
        made["EnableInterContainerTrafficEncryption"] = True
    return made


def _resources(job: Job) -> dict[str, Any]:
    size = {"InstanceCount": job.instances, "InstanceType": job.instance_type, "VolumeSizeInGB": job.volume_gb}
    return size if _LOCAL_DISK.match(job.instance_type) else {**size, **_key("VolumeKmsKeyId", job)}


def _key(member: str, job: Job) -> dict[str, str]:
    return {} if job.kms_key is None else {member: job.kms_key}


def _vpc(job: Job) -> dict[str, Any]:
    return {"SecurityGroupIds": list(job.security_groups), "Subnets": list(job.subnets)}


def _tags(job: Job) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(job.tags.items())]


def _check_what_no_model_says(job: Job) -> None:
    """Raises ConfigError for what SageMaker would refuse, or would accept and then fail on."""
    if not job.out.startswith("s3://"):
        raise ConfigError(f"OUT is {job.out!r}: the hosts of a job share nothing but S3; give an s3:// prefix")
    if not _ROLE.fullmatch(job.role):
        raise ConfigError(f"--role {job.role!r} is not the ARN of a role, like arn:aws:iam::123456789012:role/NAME")
    if job.instances < 1:
        raise ConfigError(f"--instances must be at least 1, not {job.instances}")
    if not 1 <= job.max_seconds <= MOST_TRAINING_SECONDS:
        raise ConfigError(
            f"--max-hours: a job lasts from a second to {MOST_TRAINING_SECONDS // 3600} hours; a longer run resumes in "
            "another"
        )
    if bool(job.subnets) != bool(job.security_groups):
        raise ConfigError("--subnet and --security-group go together; the group must let its members reach each other")
    if job.min_hosts is not None and not 1 <= job.min_hosts <= job.instances:
        raise ConfigError(f"--min-hosts must be between 1 and --instances ({job.instances}), not {job.min_hosts}")
    if not all(job.words):
        raise ConfigError("an argument of a job is empty: it must have 1 character or more")
    for key in job.tags:
        if key.lower().startswith("aws:"):
            raise ConfigError(f"--tag {key!r}: keys that begin with aws: belong to AWS; choose another")
    _check_variables(job)


def _check_variables(job: Job) -> None:
    """Raises ConfigError for variables that collide, or that would show a secret to all who may describe the job."""
    for name in (*job.environment, *job.secrets):
        if name in OURS or name.startswith(SECRET_OF):
            raise ConfigError(f"--env {name}: `job launch` sets this variable itself; leave it out")
    for name, arn in job.secrets.items():
        if name in job.environment:
            raise ConfigError(f"{name} is given by --env and by --secret; give one")
        if not _SECRET_ARN.fullmatch(arn):
            raise ConfigError(
                f"--secret {name}: {arn[:60]!r} is not the ARN of a secret of Secrets Manager "
                "(arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME) or a parameter of SSM "
                "(arn:aws:ssm:REGION:ACCOUNT:parameter/NAME)"
            )
    for name in job.environment:
        if _SECRET_NAME.search(name):
            raise ConfigError(
                f"--env {name} seems to be a secret: everybody who may describe the job could read its value; keep it "
                f"in Secrets Manager or SSM, and give --secret {name}=ARN"
            )
