"""What is used beyond the documented interface of boto3 and Ray exists, and its absence gives a clear message."""

from __future__ import annotations

import sys

import boto3
import pytest

from jobs import patches
from jobs.patches import members_of, ray_program
from stages.errors import ConfigError


def test_the_model_inside_a_client_names_the_arguments() -> None:
    found = set(members_of(boto3.client("sagemaker", region_name="us-east-1"), "CreateProcessingJob"))
    assert {"ProcessingJobName", "RoleArn", "Environment"} <= found
    assert "ProcessingJobStatus" not in found


def test_a_client_without_its_model_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"botocore .* does not show the arguments of CreateProcessingJob"):
        members_of(object(), "CreateProcessingJob")


def test_ray_is_called_with_this_interpreter() -> None:
    program, flag, module = ray_program()
    assert (program, flag) == (sys.executable, "-m")
    assert module.startswith("ray.")


def test_a_missing_ray_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "entry_points", lambda **group: [])
    with pytest.raises(ConfigError, match="pip install ray"):
        ray_program()
