"""The request of a job, field by field, and within every limit of the service's API model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.launch import spec
from jobs.launch.limits import problems
from jobs.launch.spec import Job, job_name, request
from stages.errors import ConfigError
from tests.examples import examples
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
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0123abcd"
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
        ({"instance_type": "c5.18xlarge"}, "--type .*did you mean 'ml.c5.18xlarge'"),
        ({"instances": 0}, "--instances must be at least 1"),
        ({"max_seconds": 28 * 86_400 + 1}, "a longer run resumes"),
        ({"subnets": ("subnet-1",)}, "--subnet and --security-group go together"),
        ({"min_hosts": 41}, "--min-hosts must be between 1 and --instances \\(40\\)"),
        ({"max_seconds": 0}, "a job lasts from a second"),
        ({"words": ("refinedweb", *["s3://crawl/part"] * 99, "s3://out")}, "the arguments .* takes at most 100"),
        ({"words": ("refinedweb", "s3://crawl/" + "x" * 250, "s3://out")}, "the arguments .*261 char.* at most 256"),
        ({"words": ("refinedweb", "", "s3://out")}, "an argument of a job is empty"),
        ({"environment": {f"V{n}": "" for n in range(97)}}, "--env .* takes at most 100"),
        ({"environment": {"V": "x" * 257}}, "--env .*257 characters; SageMaker takes at most 256"),
        ({"environment": {"V": "x" * 513}, "spot": True}, "--env .* at most 512"),
        ({"environment": {"1V": "x"}}, "--env .*'1V' is not of the form"),
        ({"environment": {"HF_TOKEN": "x"}}, "give --secret HF_TOKEN=ARN"),
        ({"environment": {"AWS_SECRET_ACCESS_KEY": "x"}}, "seems to be a secret"),
        ({"environment": {"REFINEDWEB_JOB_SECRET": "x"}}, "sets this variable itself"),
        ({"secrets": {"A": "swordfish"}}, "--secret A: 'swordfish' is not the ARN"),
        ({"secrets": {"A": SECRET}, "environment": {"A": "x"}}, "by --env and by --secret"),
        ({"name": "a_b"}, "the job's name .*'a_b' is not of the form"),
        ({"name": "a" * 64}, "64 characters; SageMaker takes at most 63"),
        ({"tags": {f"t{n}": "" for n in range(60)}}, "--tag .*60 entries; SageMaker takes at most 50"),
        ({"tags": {"aws:team": "x"}}, "belong to AWS"),
        ({"tags": {"AWS:team": "x"}}, "belong to AWS"),
        ({"tags": {"k" * 129: "x"}}, "--tag .*129 characters; .* at most 128"),
        ({"tags": {"": "x"}}, "--tag .*takes 1 or more"),
        ({"tags": {"team": "v" * 257}}, "--tag .*257 characters"),
        ({"tags": {"team": "a;b"}}, "--tag .*'a;b' is not of the form"),
        ({"tags": {"team\n": "a"}}, "--tag .*is not of the form"),
        ({"volume_gb": 20_000}, "--volume .*20000; SageMaker takes at most 16384"),
        ({"kms_key": "my key"}, "--kms-key .*'my key' is not of the form"),
        ({"subnets": ("subnet 1",), "security_groups": ("sg-1",)}, "--subnet .*is not of the form"),
        ({"subnets": ("subnet-1",), "security_groups": tuple(f"sg-{n}" for n in range(6))}, "--security-group .*5"),
        ({"subnets": tuple(f"s-{n}" for n in range(17)), "security_groups": ("sg-1",)}, "--subnet .*at most 16"),
        ({"image": "x" * 256}, "--image .*256 characters"),
        ({"role": "arn:aws:iam::123456789012:role/" + "x" * 2048}, "--role .*2079 characters"),
        ({"instance_type": "ml.c5.18xlarg"}, "--type .*did you mean 'ml.c5.18xlarge'"),
        ({"out": "s3://corpus/" + "x" * 1024, "spot": True}, "OUT .*characters; SageMaker takes at most 1024"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_here(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(replace(JOB, **change))


@settings(max_examples=examples(60))
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


def test_a_key_encrypts_volumes_outputs_and_every_put() -> None:
    made = request(replace(JOB, kms_key=KEY))
    assert made["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
    assert made["ProcessingOutputConfig"] == {"Outputs": [], "KmsKeyId": KEY}
    assert made["Environment"]["REFINEDWEB_S3_KMS_KEY"] == KEY
    made = request(replace(JOB, kms_key=KEY, spot=True))
    assert made["ResourceConfig"]["VolumeKmsKeyId"] == made["OutputDataConfig"]["KmsKeyId"] == KEY
    for disks_of_their_own in ("ml.c5d.18xlarge", "ml.g5.2xlarge", "ml.m6id.large"):
        job = replace(JOB, kms_key=KEY, instance_type=disks_of_their_own)
        assert "VolumeKmsKeyId" not in spec._resources(job), "AWS refuses it there"


def test_traffic_is_encrypted_where_each_kind_says_so() -> None:
    job = replace(JOB, encrypt_traffic=True, subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",))
    assert request(job)["NetworkConfig"] == {"VpcConfig": VPC, "EnableInterContainerTrafficEncryption": True}
    made = request(replace(job, spot=True))
    assert (made["VpcConfig"], made["EnableInterContainerTrafficEncryption"]) == (VPC, True)


def test_of_a_secret_the_job_knows_the_name_only() -> None:
    made = request(replace(JOB, secrets={"HF_TOKEN": SECRET}))["Environment"]
    assert made["REFINEDWEB_SECRET_HF_TOKEN"] == SECRET
    assert "HF_TOKEN" not in made
    assert spec.request(replace(JOB, environment={"TOKENIZERS_PARALLELISM": "0", "A_TOKEN_FILE": "/x"}))


def test_the_numbers_that_decide_the_kind_are_the_models() -> None:
    job = request(JOB)
    for change, wrong in (
        ({"ProcessingJobName": "a" * spec.LONGEST_NAME}, 0),
        ({"ProcessingJobName": "a" * (spec.LONGEST_NAME + 1)}, 1),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": spec.MOST_PROCESSING_SECONDS}}, 0),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": spec.MOST_PROCESSING_SECONDS + 1}}, 1),
    ):
        assert bool(problems("CreateProcessingJob", {**job, **change})) == bool(wrong)


def test_the_model_finds_what_is_wrong() -> None:
    wrong = {**PROCESSING, "ProcessingJobName": "a_b", "StoppingCondition": {"MaxRuntimeInSeconds": 777_601}}
    assert len(problems("CreateProcessingJob", wrong)) == 2


def test_a_job_is_named_by_what_it_does() -> None:
    name = job_name("refinedweb", {"out": "s3://a"})
    assert name == job_name("refinedweb", {"out": "s3://a"})
    assert name != job_name("refinedweb", {"out": "s3://b"})
    assert job_name("refinedweb", {"out": "s3://a"}, 2) == f"{name}-2"
