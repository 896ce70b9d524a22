"""The role that a job runs as: given, in the environment, or that of the SageMaker notebook where the command runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from stages.errors import ConfigError

METADATA = Path("/opt/ml/metadata/resource-metadata.json")  # in every notebook and space of SageMaker
LATER = "arn:aws:iam::000000000000:role/GIVEN-AT-LAUNCH"  # what a dry run shows where no role is known
GIVE = "give --role, or set SAGEMAKER_ROLE, to the ARN of a role that SageMaker may assume"
_ASSUMED = re.compile(r"(arn:aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")


def find_role(region: str, metadata: Path = METADATA) -> str:
    """The role of the notebook, or else the role whose credentials this process has. Raises ConfigError."""
    import boto3
    from botocore.config import Config

    quick = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    session = boto3.session.Session(region_name=region)
    try:
        return _of_notebook(session.client("sagemaker", config=quick), metadata) or _of_caller(session, quick)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"the role of the job is not known ({error}); {GIVE}") from error


def _of_notebook(sagemaker: Any, metadata: Path) -> str | None:
    try:
        known = json.loads(metadata.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{metadata} cannot be read ({error}); {GIVE}") from error
    if known.get("ExecutionRoleArn"):
        return str(known["ExecutionRoleArn"])
    if known.get("DomainId") and known.get("UserProfileName"):
        profile = sagemaker.describe_user_profile(DomainId=known["DomainId"], UserProfileName=known["UserProfileName"])
        own = profile.get("UserSettings", {}).get("ExecutionRole")
        domain = {} if own else sagemaker.describe_domain(DomainId=known["DomainId"])
        role = own or domain.get("DefaultUserSettings", {}).get("ExecutionRole")
        return None if role is None else str(role)
    if known.get("ResourceName"):
        return str(sagemaker.describe_notebook_instance(NotebookInstanceName=known["ResourceName"])["RoleArn"])
    return None


def _of_caller(session: Any, config: Any) -> str:
    """The role whose credentials call. Its ARN has a path that the caller's identity leaves out, so IAM is asked."""
    caller = str(session.client("sts", config=config).get_caller_identity()["Arn"])
    assumed = _ASSUMED.fullmatch(caller)
    if assumed is None:
        raise ConfigError(f"{caller} calls AWS, which is not a role that a job could run as; {GIVE}")
    return str(session.client("iam", config=config).get_role(RoleName=assumed[3])["Role"]["Arn"])
