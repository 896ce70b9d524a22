"""`job watch` and the Lambda handler against a server that speaks SageMaker: a chain on S3 goes from job to job."""

from __future__ import annotations

import json
import uuid
from typing import Any

import boto3
import pytest

from jobs.watch import deployment
from jobs.watch.watcher import handler
from refinedweb.storage import open_store
from stages.errors import ConfigError
from tests.jobs.watch.requests import ROLE, request
from tests.refinedweb.cli.command import refinedweb

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/refinedweb"


def launched(name: str, home: str) -> dict[str, Any]:
    """A request as `job launch` makes it."""
    program = {"ImageUri": f"{IMAGE}:1", "ContainerArguments": ["url_v1", "s3://in", f"{home}/out"]}
    return {**request(name), "AppSpecification": program}


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket for whose jobs this watcher was deployed."""
    for variable, value in ((deployment.ROLE, ROLE), (deployment.IMAGE, IMAGE), (deployment.PREFIX, s3_server)):
        monkeypatch.setenv(variable, value)
    return s3_server


def chain(bucket: str) -> tuple[str, list[str]]:
    """A chain of two jobs on S3 whose names nobody else has: its URI, and the names."""
    names = [f"{name}-{uuid.uuid4().hex[:8]}" for name in ("filter", "export")]
    home = f"{bucket}/{uuid.uuid4().hex}"
    links = [{"kind": "processing", "request": launched(name, home)} for name in names]
    open_store(home).put("chain.json", json.dumps({"links": links}).encode())
    return f"{home}/chain.json", names


def statuses(names: list[str]) -> list[str]:
    sagemaker = boto3.client("sagemaker")
    return [sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] for name in names]


def looks(event: dict[str, Any]) -> list[str]:
    """What the handler answers until nothing more is to be done."""
    answers: list[str] = []
    while not answers or not answers[-1].startswith("finish"):
        assert len(answers) < 10
        found = handler(event, None)
        answers.append(f"{found['action']} {found['link']}/{found['attempt']}")
    return answers


def test_the_command_looks_until_the_chain_is_done(bucket: str) -> None:
    uri, names = chain(bucket)
    done = refinedweb("job", "watch", "--chain", uri, "--every", "1")
    said = [line.split(" ", 1)[1].split(":")[0] for line in done.stdout.splitlines()]
    assert said == [
        f"{action} link {link} attempt 1"
        for action, link in (("launch", 0), ("done", 0), ("launch", 1), ("done", 1), ("finish", 1))
    ]
    assert statuses(names) == ["Completed", "Completed"]
    again = refinedweb("job", "watch", "--chain", uri)
    assert "finish" in again.stdout, "a watcher that comes late sees that all is done"


def test_the_lambda_function_does_the_same_look_by_look(bucket: str) -> None:
    uri, names = chain(bucket)
    event = json.loads(json.dumps({"chain": uri, "policy": {"stalled": 5, "attempts": 2}}))
    assert looks(event) == ["launch 0/1", "done 0/1", "launch 1/1", "done 1/1", "finish 1/1"]
    assert statuses(names) == ["Completed", "Completed"]


@pytest.mark.parametrize(
    ("event", "named"),
    [({}, "chain"), ({"chain": "s3://x/y.json", "policy": {"patience": 1}}, "patience"), ({"chain": 3}, "chain")],
)
def test_an_event_that_is_wrong_is_refused_by_name(event: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        handler(event, None)
