"""A request checked against the service's API model, in every respect that the model covers.

Botocore's own validator checks only types, required members and minima; the service checks the rest as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator


def problems(operation: str, request: dict[str, Any]) -> list[str]:
    """What SageMaker would refuse in the arguments of an operation (`CreateProcessingJob`, …)."""
    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    return [*([report.generate_report()] if report.has_errors() else []), *_constraints(shape, request, operation)]


@lru_cache(maxsize=1)
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def _constraints(shape: Any, value: Any, at: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _constraints(shape.members[name], member, f"{at}.{name}")
    elif shape.type_name == "list":
        yield from _size(shape, len(value), at)
        for number, member in enumerate(value):
            yield from _constraints(shape.member, member, f"{at}[{number}]")
    elif shape.type_name == "map":
        yield from _size(shape, len(value), at)
        for key, member in value.items():
            yield from _constraints(shape.key, key, f"{at}.{key}")
            yield from _constraints(shape.value, member, f"{at}.{key}")
    elif isinstance(value, str):
        yield from _size(shape, len(value), at)
        yield from _text(shape, value, at)
    elif not isinstance(value, bool):
        yield from _size(shape, value, at)


def _size(shape: Any, size: int, at: str) -> Iterator[str]:
    least, most = shape.metadata.get("min", size), shape.metadata.get("max", size)
    if not least <= size <= most:
        yield f"{at}: {size} is not between {least} and {most}"


def _text(shape: Any, value: str, at: str) -> Iterator[str]:
    if value not in shape.metadata.get("enum", [value]):
        yield f"{at}: {value!r} is none of the known values"
    # Java's classes of letters, separators and numbers
    pattern = shape.metadata.get("pattern", "[\\s\\S]*").replace("\\p{L}\\p{Z}\\p{N}", "\\w ")
    if "\\p{" not in pattern and not re.fullmatch(pattern, value):
        yield f"{at}: {value!r} does not match {pattern}"
