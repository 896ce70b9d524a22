"""What runs the attempts of a step's tasks: the interface of a pool, and how one attempt ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from refinedweb.storage.os_errors import FULL
from stages.errors import (
    CommitUnknown,
    ConfigError,
    Full,
    RefinedWebError,
    RetryError,
    Throttled,
    Unanswered,
    WrongUse,
)

Work = Callable[[int, Any, bool], Any]
Beat = Callable[[], None]  # renews the driver's claims if it is time to


class WorkerNode(NamedTuple):
    """A machine on which attempts run: how the pool calls it, and how a person does."""

    id: str
    name: str


@dataclass(frozen=True)
class TaskOutcome:
    """How one attempt at a task ended, and on which node (None: unknown, or the only one).

    done           its record is committed
    retry          a fault that may pass
    throttled      the store wanted fewer requests
    unanswered     no answer came from the store
    wrong_use      no node can do it: the user changes the call
    config, full   the node cannot work as it is: no access, no credentials, a wrong clock; no room on its disk
    failed         the task cannot be finished, says its work
    raised         an exception that nobody expected
    died           its worker died before it could say
    out_of_memory  its worker was ended because the node had no memory left
    node_died      its node went away: preempted, restarted, cut off
    """

    kind: Literal[
        "done",
        "retry",
        "throttled",
        "unanswered",
        "wrong_use",
        "config",
        "full",
        "failed",
        "raised",
        "died",
        "out_of_memory",
        "node_died",
    ]
    record: Any = None
    error: str = ""
    node: WorkerNode | None = None


class Pool(Protocol):
    """Runs tasks at the same time."""

    def use(self, work: Work, beat: Beat) -> None:
        """Set what the tasks submitted from now on do. Where `wait` blocks for longer than it was asked to, it has
        `beat` called several times a second meanwhile.
        """
        ...

    def slots(self) -> int:
        """How many tasks can run at the same time, as things stand now."""
        ...

    def nodes(self) -> int:
        """How many nodes there are, as things stand now."""
        ...

    def avoid(self, nodes: Collection[str]) -> None:
        """Start the attempts that are submitted from now on elsewhere than on these nodes (ids)."""
        ...

    def submit(self, task: int, payload: Any, careful: bool, cores: int = 1) -> Hashable:
        """Start an attempt and return its handle. With more `cores` it has fewer neighbours on its node."""
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


class OneWorker:
    """What a pool of one worker on this machine says of itself."""

    def slots(self) -> int:
        return 1

    def nodes(self) -> int:
        return 1

    def avoid(self, nodes: Collection[str]) -> None:
        """There is nowhere else."""


def attempt(work: Work, task: int, payload: Any, careful: bool) -> TaskOutcome:
    """Make one attempt, and name its error by what the driver does next."""
    try:
        return TaskOutcome("done", work(task, payload, careful))
    except WrongUse as error:
        return TaskOutcome("wrong_use", error=str(error))
    except ConfigError as error:
        return TaskOutcome("config", error=str(error))
    except Full as error:
        return TaskOutcome("full", error=str(error))
    except (RetryError, CommitUnknown, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:  # of a library, say in the temporary folder
            return TaskOutcome("full", error=str(error))
        return TaskOutcome(_passing(error), error=f"{type(error).__name__}: {error}")
    except RefinedWebError as error:
        return TaskOutcome("failed", error=str(error))
    except Exception as error:  # reported with its place; a careful run then finds the document
        return TaskOutcome("raised", error=f"{type(error).__name__}: {error} ({_place(error)})")


def _passing(error: Exception) -> Literal["throttled", "unanswered", "retry"]:
    """What may pass: of a commit whose outcome is unknown, the reason why it is."""
    for each in (error, error.__cause__):
        if isinstance(each, Throttled):
            return "throttled"
        if isinstance(each, Unanswered):
            return "unanswered"
    return "retry"


def _place(error: Exception) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "" if at is None else f"{os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}"
