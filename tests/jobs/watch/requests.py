"""The request for a job of a chain."""

from __future__ import annotations

from typing import Any

ROLE = "arn:aws:iam::123456789012:role/job"


def request(name: str) -> dict[str, Any]:
    cluster = {"InstanceCount": 100, "InstanceType": "ml.c5.18xlarge", "VolumeSizeInGB": 30}
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "image", "ContainerArguments": ["run", "refinedweb"]},
        "ProcessingResources": {"ClusterConfig": cluster},
        "Environment": {"REFINEDWEB_JOB": name},
    }
