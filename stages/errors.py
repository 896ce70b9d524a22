"""Errors, named by what the engine does next.

RefinedWebError
├── ConfigError      the user changes the call, or mends a machine            (exit code 2)
│   └── WrongUse     … the call: no machine can do it, so no other one is tried
├── ShardError       the shard is recorded as failed, the run continues       (exit code 3)
├── RetryError       the same call may succeed later: try again, with backoff
│   ├── Throttled    … after longer pauses: the store wants fewer requests from everybody
│   ├── Unanswered   … once there is a way to the store again: no answer came from it
│   └── Full         … once a person has made room: say so at once, and what is committed is safe
├── Unfinished       the run ends before its work does: a person mends something, and the same command goes on
└── CommitUnknown    a commit may or may not have happened: read again before acting

A message says what, where (stage, shard, document id) and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class RefinedWebError(Exception):
    """The base of every error that this project raises on purpose."""


class ConfigError(RefinedWebError):
    """Wrong use or configuration, found before any work was done."""


class WrongUse(ConfigError):
    """The documents are not what a step needs: the same on every machine, so that no other one has to be tried."""


class ShardError(RefinedWebError):
    """One shard cannot be finished, but the others can."""


class RetryError(RefinedWebError):
    """A temporary fault of something outside (network, store, worker)."""

    wait_seconds = 0.0
    """How long the other side asks to be left alone."""


class Throttled(RetryError):
    """The store wants fewer requests. It may want that for an hour, and says nothing about what it was asked for."""


class Unanswered(RetryError):
    """No answer came: the way to the store is cut, or it is down. That says nothing about what it was asked for."""


class Full(RetryError):
    """The disk, its quota or the store's is used up. No wait helps until somebody makes room."""


class Unfinished(RefinedWebError):
    """No wait has helped: the run stops here, and what is committed is safe."""


class CommitUnknown(RefinedWebError):
    """The answer to a conditional write was lost: the write may have happened."""


def nearest(wrong: str, known: Sequence[str]) -> str:
    """The ending of an error message about an unknown name: the nearest known one, or all of them."""
    close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
