"""The account's quota of instances, which a job beyond it never gets: a dry run says so before an image is built."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobs.launch.spec import Job
from stages.errors import ConfigError

SERVICE = "sagemaker"


def quota_name(job: Job) -> str:
    """The name under which AWS keeps the quota of this job's machines."""
    if job.kind == "processing":
        return f"{job.instance_type} for processing job usage"
    return f"{job.instance_type} for {'spot training' if job.spot else 'training'} job usage"


def check_quota(job: Job, region: str) -> str:
    """A line about the quota. Raises ConfigError if it is known and smaller than the job."""
    import boto3
    from botocore.config import Config

    quick = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    try:
        quota = _quota(boto3.client("service-quotas", region_name=region, config=quick), quota_name(job))
    except (BotoCoreError, ClientError) as error:
        return f"not known ({error})"
    if quota is None:
        return f"not known (AWS lists no {quota_name(job)!r})"
    if job.instances > quota:
        raise ConfigError(
            f"--instances {job.instances}: the quota {quota_name(job)!r} of this account in {region} is {quota:g}; ask "
            "for more (Service Quotas, Amazon SageMaker), or take fewer or other machines"
        )
    return f"{quota:g} × {job.instance_type} in {region}, this job takes {job.instances}"


def _quota(client: Any, name: str) -> float | None:
    """Quotas that were changed, then the defaults. None if neither list has it."""
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode=SERVICE):
            for quota in page["Quotas"]:
                if quota["QuotaName"].lower() == name.lower():
                    return float(quota["Value"])
    return None
