"""What this floor uses of other packages beyond their documented interface: each with its reason, and a guard that says
so clearly when another version of the package has changed it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from stages.errors import ConfigError


def members_of(client: Any, operation: str) -> Iterable[str]:
    """The names of the arguments that an operation of AWS takes, from the API model inside a boto3 client.

    A description of a job has more fields than the request that created it; boto3 has no documented way to tell them
    apart.
    """
    try:
        return list(client.meta.service_model.operation_model(operation).input_shape.members)
    except AttributeError as error:
        import botocore

        raise ConfigError(
            f"botocore {botocore.__version__} does not show the arguments of {operation} ({error}); "
            "install the version of the lock file, or give a --chain with the request"
        ) from error


def ray_program() -> list[str]:
    """The words that call Ray's own program, `ray`, with this interpreter.

    The program may not be on PATH (a venv that is not activated, a container), and Ray has no `python -m ray`: so the
    module that the program is made of is called, which Ray's entry point names.
    """
    for point in entry_points(group="console_scripts", name="ray"):
        return [sys.executable, "-m", point.module]
    raise ConfigError("Ray is not installed with its program `ray`; install it: pip install ray")
