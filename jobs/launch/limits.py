"""What SageMaker would refuse in a request, from the service's own API model in botocore: lengths, numbers, patterns,
known values. So no limit is written down here, and a new botocore brings the new ones.

Botocore's own validator checks only types, required members and minima; the service checks the rest as well. What the
model does not say is in `spec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

SHOWN = 80  # characters of a wrong value in a message
# The option that a member of the request comes from, by its name.
OPTIONS = {
    "RoleArn": "--role",
    "ImageUri": "--image",
    "TrainingImage": "--image",
    "InstanceCount": "--instances",
    "InstanceType": "--type",
    "VolumeSizeInGB": "--volume",
    "MaxRuntimeInSeconds": "--max-hours",
    "MaxWaitTimeInSeconds": "--max-hours",
    "SecurityGroupIds": "--security-group",
    "Subnets": "--subnet",
    "KmsKeyId": "--kms-key",
    "VolumeKmsKeyId": "--kms-key",
    "Environment": "--env",
    "Tags": "--tag",
    "ContainerArguments": "the arguments",
    "S3OutputPath": "OUT",
    "ProcessingJobName": "the job's name",
    "TrainingJobName": "the job's name",
}
# Java's classes in Python's words: letters and numbers are \w, separators are spaces of all kinds.
JAVA = (
    (r"\p{L}", r"\w"),
    (r"\p{N}", r"\w"),
    (r"\p{Z}", " \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"),
    (r"\p{Alnum}", "a-zA-Z0-9"),
)


def problems(operation: str, request: dict[str, Any]) -> list[str]:
    """What SageMaker would refuse in the arguments of an operation (`CreateProcessingJob`, …), each with its option."""
    from botocore.validate import ParamValidator

    shape = _model().operation_model(operation).input_shape
    broken = [f"{_option(path)}: {what}" for path, what in _broken(shape, request, ())]
    report = ParamValidator().validate(request, shape)  # types, and what is missing
    return broken or ([report.generate_report()] if report.has_errors() else [])


@lru_cache(maxsize=1)
def _model() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def _option(path: tuple[str, ...]) -> str:
    known = [OPTIONS[name] for name in path if name in OPTIONS]
    return f"{known[-1]} ({'.'.join(path)})" if known else ".".join(path)


def _broken(shape: Any, value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each member that breaks a limit, by its path, and which one."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:  # botocore's validator names the others
                yield from _broken(shape.members[name], member, (*path, name))
    elif shape.type_name == "list":
        yield from ((path, what) for what in _size(shape, len(value), "entries"))
        for member in value:
            yield from _broken(shape.member, member, path)
    elif shape.type_name == "map":
        yield from ((path, what) for what in _size(shape, len(value), "entries"))
        for key, member in value.items():
            yield from _broken(shape.key, key, path)
            yield from _broken(shape.value, member, (*path, key))
    elif isinstance(value, str):
        # a pattern sees no value that is too long: AWS's patterns may take the square of its length
        wrong = [*_size(shape, len(value), "characters")] or [*_text(shape, value)]
        yield from ((path, what) for what in wrong)
    elif not isinstance(value, bool):
        yield from ((path, what) for what in _size(shape, value, ""))


def _size(shape: Any, size: int, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min", size), shape.metadata.get("max", size)
    if size > most:
        yield f"{size} {unit}".rstrip() + f"; SageMaker takes at most {most}"
    elif size < least:
        yield f"{size} {unit}".rstrip() + f"; SageMaker takes {least} or more"


def _text(shape: Any, value: str) -> Iterator[str]:
    known = shape.metadata.get("enum")
    if known and value not in known:
        from stages.errors import nearest

        yield f"SageMaker knows no {value[:SHOWN]!r} ({nearest(value, known)}); if it is new, update boto3"
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not _compiled(pattern).fullmatch(value):
        yield f"{value[:SHOWN]!r} is not of the form that SageMaker takes: {pattern}"


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, ours in JAVA:
        pattern = pattern.replace(java, ours)
    return re.compile(pattern)
