"""The request of a job, field by field, and within every limit of the service's API model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.launch.spec import Job, job_name, request
from stages.errors import ConfigError
from tests.jobs.launch.api_model import problems
from tests.jobs.launch.sample_job import IMAGE, JOB, ROLE

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "REFINEDWEB_JOB": "refinedweb-refinedweb-0123456789ab",
    "REFINEDWEB_JOB_SECRET": "a secret",
    "REFINEDWEB_JOIN_SECONDS": "600",
    "REFINEDWEB_MIN_HOSTS": "36",
}
TAGS = [{"Key": "refinedweb:commit", "Value": "3f2a91c0aa11"}, {"Key": "team", "Value": "data"}]
WORDS = ["refinedweb", "s3://crawl/part/", "s3://corpus/part", "--limit", "5"]
PROCESSING = {
    "ProcessingJobName": "refinedweb-refinedweb-0123456789ab",
    "RoleArn": ROLE,
    "AppSpecification": {"ImageUri": IMAGE, "ContainerArguments": WORDS},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 40, "InstanceType": "ml.c5.18xlarge", "VolumeSizeInGB": 100}
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 777600},
    "Environment": ENVIRONMENT,
    "Tags": TAGS,
}
TRAINING = {
    "TrainingJobName": "refinedweb-refinedweb-0123456789ab",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File", "ContainerArguments": WORDS},
    "OutputDataConfig": {"S3OutputPath": "s3://corpus/part/jobs"},
    "ResourceConfig": {"InstanceCount": 40, "InstanceType": "ml.c5.18xlarge", "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 777600, "MaxWaitTimeInSeconds": 1555200},
    "EnableManagedSpotTraining": True,
    "Environment": ENVIRONMENT,
    "Tags": TAGS,
}
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}


def operation(job: Job) -> str:
    return "CreateProcessingJob" if job.kind == "processing" else "CreateTrainingJob"


def test_a_processing_job_field_for_field() -> None:
    assert request(JOB) == PROCESSING


def test_a_spot_job_is_a_training_job_field_for_field() -> None:
    assert request(replace(JOB, spot=True)) == TRAINING


def test_a_vpc_stands_where_each_kind_has_it() -> None:
    job = replace(JOB, subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",))
    assert request(job) == {**PROCESSING, "NetworkConfig": {"VpcConfig": VPC}}
    assert request(replace(job, spot=True)) == {**TRAINING, "VpcConfig": VPC}


def test_share_nothing_is_told_to_the_container() -> None:
    told = request(replace(JOB, share_nothing=True))["Environment"]
    assert told["REFINEDWEB_SHARE_NOTHING"] == "1"
    assert "REFINEDWEB_MIN_HOSTS" not in told


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"instances": 100}, "processing"),
        ({"instances": 101}, "training"),
        ({"max_seconds": 777_600}, "processing"),
        ({"max_seconds": 777_601}, "training"),
        ({"instances": 1, "spot": True}, "training"),
    ],
)
def test_processing_up_to_its_limits_and_training_beyond(change: dict[str, Any], kind: str) -> None:
    job = replace(JOB, **change)
    assert job.kind == kind
    assert problems(operation(job), request(job)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "/local/out"}, "the hosts of a job share nothing but S3"),
        ({"role": "curation"}, "is not the ARN of a role"),
        ({"instance_type": "c5.18xlarge"}, "is not a SageMaker instance type"),
        ({"instances": 0}, "--instances must be at least 1"),
        ({"max_seconds": 28 * 86_400 + 1}, "a longer run resumes in another"),
        ({"subnets": ("subnet-1",)}, "--subnet and --security-group go together"),
        ({"min_hosts": 41}, "--min-hosts must be between 1 and --instances \\(40\\)"),
        ({"words": ("refinedweb", *["s3://crawl/part"] * 99, "s3://out")}, "give prefixes, globs or a list of paths"),
        ({"words": ("refinedweb", "s3://crawl/" + "x" * 250, "s3://out")}, "1 to 256 characters"),
        ({"environment": {f"V{n}": "" for n in range(97)}}, "SageMaker takes at most 100"),
        ({"environment": {"V": "x" * 257}}, "a processing job takes at most 256"),
        ({"environment": {"V": "x" * 513}, "spot": True}, "a training job takes at most 512"),
        ({"environment": {"1V": "x"}}, "is not the name of an environment variable"),
        ({"name": "a_b"}, "is not a job name"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_here(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(replace(JOB, **change))


@settings(max_examples=60)
@given(
    recipe=st.text(max_size=80),
    attempt=st.integers(1, 99),
    instances=st.integers(1, 500),
    seconds=st.integers(1, 3_000_000),
    spot=st.booleans(),
    words=st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=300), max_size=120),
    values=st.lists(st.text(max_size=600), max_size=100),
    tag=st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=300),
)
def test_a_request_is_refused_here_or_within_every_limit_of_the_api(
    recipe: str, attempt: int, instances: int, seconds: int, spot: bool, words: list[str], values: list[str], tag: str
) -> None:
    job = replace(
        JOB, name=job_name(recipe, {"a": 1}, attempt), instances=instances, max_seconds=seconds, spot=spot,
        words=("refinedweb", *words), environment={f"V{n}": value for n, value in enumerate(values)}, tags={"t": tag},
    )  # fmt: skip
    try:
        made = request(job)
    except ConfigError:
        return
    assert problems(operation(job), made) == []


def test_the_model_finds_what_is_wrong() -> None:
    wrong = {**PROCESSING, "ProcessingJobName": "a_b", "StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}
    assert len(problems("CreateProcessingJob", wrong)) == 2


def test_a_job_is_named_by_what_it_does() -> None:
    name = job_name("refinedweb", {"out": "s3://a"})
    assert name == job_name("refinedweb", {"out": "s3://a"})
    assert name != job_name("refinedweb", {"out": "s3://b"})
    assert job_name("refinedweb", {"out": "s3://a"}, 2) == f"{name}-2"
