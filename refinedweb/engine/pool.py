"""What runs the attempts of a step's tasks: the interface of a pool, and how one attempt ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from stages.errors import CommitUnknown, ConfigError, RefinedWebError, RetryError

Work = Callable[[int, Any, bool], Any]


@dataclass(frozen=True)
class TaskOutcome:
    """How one attempt at a task ended. `died`: its worker died before it could say."""

    kind: Literal["done", "retry", "failed", "raised", "config", "died"]
    record: Any = None
    error: str = ""


class Pool(Protocol):
    """Runs tasks at the same time."""

    def use(self, work: Work) -> None:
        """Set what the tasks submitted from now on do."""
        ...

    def slots(self) -> int:
        """How many tasks can run at the same time, as things stand now."""
        ...

    def submit(self, task: int, payload: Any, careful: bool) -> Hashable:
        """Start an attempt and return its handle."""
        ...

    def wait(self, seconds: float) -> list[tuple[Hashable, TaskOutcome]]:
        """Wait for at most `seconds` and return the attempts that ended."""
        ...

    def cancel(self, handle: Hashable) -> None:
        """End an attempt whose outcome is no longer wanted."""
        ...

    def close(self) -> None:
        """End everything that runs."""
        ...


def attempt(work: Work, task: int, payload: Any, careful: bool) -> TaskOutcome:
    """Make one attempt, and name its error by what the driver does next."""
    try:
        return TaskOutcome("done", work(task, payload, careful))
    except ConfigError as error:
        return TaskOutcome("config", error=str(error))
    except (RetryError, CommitUnknown, OSError) as error:
        return TaskOutcome("retry", error=f"{type(error).__name__}: {error}")
    except RefinedWebError as error:
        return TaskOutcome("failed", error=str(error))
    except Exception as error:  # reported with its place; a careful run then finds the document
        return TaskOutcome("raised", error=f"{type(error).__name__}: {error} ({_place(error)})")


def _place(error: Exception) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}"
