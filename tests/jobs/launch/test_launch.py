"""A launch against SageMaker's recorded answers (botocore's Stubber validates both directions) and moto's server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from click.testing import CliRunner, Result

from jobs.cli import COMMANDS, job
from jobs.launch import image, plan, spec, submit
from refinedweb.cli import ENTRY_POINTS
from refinedweb.engine.metrics import PRICE
from refinedweb.storage import open_store
from stages.errors import CommitUnknown, ConfigError
from tests.jobs.launch.sample_job import JOB, ROLE
from tests.refinedweb.cli.command import refinedweb

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/refinedweb"
SOURCE = image.Source("3f2a91c0aa11" + "0" * 28)
ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/x"
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
TOML = b'name = "mine"\n[[stage]]\nname = "url_v1"\n'


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> submit.Aws:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return submit.Aws("us-east-1")


@pytest.fixture
def sagemaker(aws: submit.Aws) -> Iterator[Stubber]:
    with Stubber(aws.sagemaker) as stub:
        yield stub
        stub.assert_no_pending_responses()


def planned(**change: Any) -> plan.LaunchPlan:
    made = spec.Job(**{**JOB.__dict__, "name": "", "secret": "", **change})
    return plan.plan(made, "refinedweb", None, None, allow_dirty=False)


PLANNED = planned()
NAMES = [PLANNED.attempt(number).name for number in (1, 2, 3)]


def missing(stub: Stubber, name: str) -> None:
    stub.add_client_error(
        "describe_processing_job", "ValidationException", "Could not find requested job with name: x",
        expected_params={"ProcessingJobName": name},
    )  # fmt: skip


def found(stub: Stubber, name: str, status: str) -> None:
    answer = {
        "ProcessingJobName": name, "ProcessingJobArn": ARN, "ProcessingJobStatus": status, "CreationTime": 0,
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "VolumeSizeInGB": 1}},
        "AppSpecification": {"ImageUri": "x"},
    }  # fmt: skip
    stub.add_response("describe_processing_job", answer, {"ProcessingJobName": name})


def created(stub: Stubber, name: str) -> None:
    stub.add_response("create_processing_job", {"ProcessingJobArn": ARN}, expected(name))


def expected(name: str) -> dict[str, Any]:
    wanted = spec.request(PLANNED.attempt(1))
    environment = {**wanted["Environment"], "REFINEDWEB_JOB": name, "REFINEDWEB_JOB_SECRET": ANY}
    return {**wanted, "ProcessingJobName": name, "Environment": environment}


def test_a_launch_starts_the_job(aws: submit.Aws, sagemaker: Stubber) -> None:
    missing(sagemaker, NAMES[0])
    created(sagemaker, NAMES[0])
    launched = submit.launch(PLANNED, aws)
    assert (launched.job.name, launched.started) == (NAMES[0], True)
    assert len(launched.job.secret) == 32


@pytest.mark.parametrize("status", ["InProgress", "Stopping", "Completed"])
def test_a_job_that_runs_or_is_done_is_not_started_again(aws: submit.Aws, sagemaker: Stubber, status: str) -> None:
    found(sagemaker, NAMES[0], status)
    launched = submit.launch(PLANNED, aws)
    assert (launched.job.name, launched.status, launched.started) == (NAMES[0], status, False)


def test_after_failed_and_stopped_ones_comes_the_next_attempt(aws: submit.Aws, sagemaker: Stubber) -> None:
    found(sagemaker, NAMES[0], "Failed")
    found(sagemaker, NAMES[1], "Stopped")
    missing(sagemaker, NAMES[2])
    created(sagemaker, NAMES[2])
    assert submit.launch(PLANNED, aws).job.name == NAMES[2]


def test_a_completed_one_is_repeated_on_demand(aws: submit.Aws, sagemaker: Stubber) -> None:
    found(sagemaker, NAMES[0], "Completed")
    missing(sagemaker, NAMES[1])
    created(sagemaker, NAMES[1])
    assert submit.launch(PLANNED, aws, again=True).job.name == NAMES[1]


def test_a_name_taken_meanwhile_is_our_job_whose_answer_was_lost(aws: submit.Aws, sagemaker: Stubber) -> None:
    missing(sagemaker, NAMES[0])
    sagemaker.add_client_error("create_processing_job", "ResourceInUse", "Job name must be unique")
    found(sagemaker, NAMES[0], "InProgress")
    launched = submit.launch(PLANNED, aws)
    assert (launched.job.name, launched.status, launched.started) == (NAMES[0], "InProgress", False)


@pytest.mark.parametrize(
    ("code", "advice"), [("ResourceLimitExceeded", "higher quota"), ("AccessDeniedException", "AccessDenied")]
)
def test_a_refusal_says_what_to_do(aws: submit.Aws, sagemaker: Stubber, code: str, advice: str) -> None:
    missing(sagemaker, NAMES[0])
    sagemaker.add_client_error("create_processing_job", code, "no")
    with pytest.raises(ConfigError, match=advice):
        submit.launch(PLANNED, aws)


def test_a_lost_answer_is_no_failure(aws: submit.Aws, sagemaker: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ReadTimeoutError

    def lost(**request: Any) -> None:
        raise ReadTimeoutError(endpoint_url="sagemaker")

    missing(sagemaker, NAMES[0])
    monkeypatch.setattr(aws.sagemaker, "create_processing_job", lost)
    with pytest.raises(CommitUnknown, match="starts no second"):
        submit.launch(PLANNED, aws)


@pytest.mark.parametrize(
    "change",
    [{"out": "s3://other", "words": ("refinedweb", "s3://crawl", "s3://other")}, {"instances": 2}, {"image": "x:1"}],
)
def test_another_launch_has_another_name(change: dict[str, Any]) -> None:
    assert planned(**change).attempt(1).name != NAMES[0]


def test_the_name_does_not_depend_on_the_secret() -> None:
    assert planned(secret="one").attempt(1).name == planned(secret="two").attempt(1).name == NAMES[0]


# --- the command, against moto's server ---


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a `docker` that only writes down how it was called: no engine runs here."""
    folder, log = tmp_path / "bin", tmp_path / "docker.log"
    folder.mkdir()
    (folder / "docker").write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def call(*words: str) -> Result:
    role = ["--role", ROLE, "--allow-dirty"]
    return CliRunner().invoke(job, ["launch", *words, *role], catch_exceptions=False)


def test_the_command_builds_pushes_uploads_and_starts_once(s3_server: str, docker: Path, tmp_path: Path) -> None:
    boto3.client("ecr", region_name="us-east-1").create_repository(repositoryName="refinedweb")
    out = f"{s3_server}/launched"
    recipe = tmp_path / "mine.toml"
    recipe.write_bytes(TOML)
    words = [
        str(recipe),
        f"{s3_server}/crawl",
        out,
        "--image-repository",
        REPOSITORY,
        "--limit",
        "3",
        "--instances",
        "2",
    ]
    dry = call(*words, "--dry-run", "--price", "3.5").output
    assert "Dry run" in dry
    assert f'"{PRICE}": "7"' in dry, "what one driver speaks for"
    assert not docker.exists()
    assert list(open_store(out).list()) == []
    told = call(*words, "--price", "3.5")
    assert told.exit_code == 0, told.output
    calls = docker.read_text().splitlines()
    assert [line.split()[0] for line in calls] == ["login", "build", "push"]
    assert "password" not in docker.read_text().replace("--password-stdin", "")
    [uploaded] = open_store(out).list("jobs/recipes/")
    assert open_store(out).get(uploaded.key)[0] == TOML
    sagemaker = boto3.client("sagemaker", region_name="us-east-1")
    [started] = sagemaker.list_processing_jobs(NameContains="mine")["ProcessingJobSummaries"]
    told_to = sagemaker.describe_processing_job(ProcessingJobName=started["ProcessingJobName"])
    arguments = told_to["AppSpecification"]["ContainerArguments"]
    assert arguments == [f"{out}/{uploaded.key}", f"{s3_server}/crawl", out, "--limit", "3"]
    assert f"Not started: {started['ProcessingJobName']} exists already" in call(*words).output, "at any price"


def test_an_image_that_is_there_is_not_built(s3_server: str, docker: Path) -> None:
    ecr = boto3.client("ecr", region_name="us-east-1")
    ecr.create_repository(repositoryName="ready")
    tag = image.source_of().tag
    ecr.put_image(repositoryName="ready", imageManifest=json.dumps(MANIFEST), imageTag=tag)
    repository = REPOSITORY.replace("refinedweb", "ready")
    told = call("url_v1", f"{s3_server}/a", f"{s3_server}/ready", "--image-repository", repository)
    assert "Started" in told.output
    assert f"{repository}:{tag}" in told.output
    assert not docker.exists()


def test_a_missing_repository_is_told_before_anything_is_built(s3_server: str, docker: Path) -> None:
    repository = REPOSITORY.replace("refinedweb", "nowhere")
    with pytest.raises(ConfigError, match="aws ecr create-repository --region us-east-1 --repository-name nowhere"):
        call("url_v1", f"{s3_server}/a", f"{s3_server}/b", "--image-repository", repository)
    assert not docker.exists()


MISTAKES = [
    (["refinedwbe", "s3://a", "s3://b"], "did you mean 'refinedweb'"),
    (["refinedweb", "here", "s3://b"], "INPUT or OUT 'here' is not on S3"),
    (["refinedweb", "s3://a", "out"], "INPUT or OUT 'out' is not on S3"),
    (["minhash_v1", "s3://a", "s3://b", "--index", "old"], "--index 'old' is not on S3"),
    (["url_v1", "s3://a", "s3://b", "--set", "url_v1.blocklist={tmp}"], "url_v1.blocklist = '.*' is not on S3"),
    (["url_v1", "s3://a", "s3://b", "--env", "A"], "write NAME=VALUE"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_mistakes_are_answered_before_any_work(words: list[str], message: str, tmp_path: Path) -> None:
    given = [word.replace("{tmp}", str(tmp_path)) for word in words]
    with pytest.raises(ConfigError, match=message):
        call(*given, "--image-repository", REPOSITORY, "--dry-run")


def test_one_image_must_be_named() -> None:
    assert "either --image-repository" in call("url_v1", "s3://a", "s3://b", "--dry-run").output


def test_an_unknown_command_is_told_the_nearest() -> None:
    assert "did you mean 'launch'" in CliRunner().invoke(job, ["lunch"]).output


def test_the_readme_shows_every_command() -> None:
    readme = (image.ROOT / "jobs" / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"refinedweb job {name}" not in readme] == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom jobs.cli import job\n"
        "try: job(['launch', '--help'], prog_name='job')\nexcept SystemExit as e: assert not e.code\n"
        "print([m for m in ('ray', 'numba', 'pyarrow', 'boto3', 'botocore') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=image.ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_commands_join_the_command_line_where_the_package_is_installed() -> None:
    if not entry_points(group=ENTRY_POINTS, name="job"):
        pytest.skip("the installed package is older than the entry point: install it again (uv sync)")
    assert "launch" in refinedweb("job", "--help").stdout


def test_cost_is_a_product_or_an_advice() -> None:
    assert "refinedweb plan" in plan.cost_line(100, None, 3.0)
    assert plan.cost_line(100, 2.5, 4.0) == "about $1,000: 100 × 2.5 h × $4"
