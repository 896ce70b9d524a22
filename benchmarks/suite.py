"""A suite of `python -m benchmarks`: contenders in turn over the same input, a row for each, even if it cannot run.

Speeds are per CPU second, because others may use the machine; each contender has one core.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import pairs
from benchmarks.peers.protocol import Answer, Side, SideError

Answers = dict[str, list[Answer]]


@dataclass(frozen=True)
class Row:
    """One contender: `speed` in units per CPU second, `seconds` of the fastest and slowest run, ratio to the reference.

    If it could not run, these are None and `missing` says why.
    """

    contender: str
    package: str
    side: str
    speed: float | None = None
    seconds: tuple[float, float] | None = None
    ratio: float | None = None
    quality: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Table:
    """What a suite found. The rows' ratios are relative to `reference`; `figure` heads the column of quality."""

    title: str
    about: str
    unit: str
    figure: str
    reference: str
    rows: list[Row]


@dataclass(frozen=True)
class Contender:
    """A request to a side, and how many units of work it is. `package` names whose work it is, for its version."""

    package: str
    side: str
    ask: pairs.Contender
    units: float

    @classmethod
    def absent(cls, package: str, side: str, reason: str) -> Contender:
        """A peer that is known not to run anywhere where the benchmark runs."""

        def ask() -> Answer:
            raise SideError(f"{side} has no job for {package}", reason)

        return cls(package, side, ask, 1)


@dataclass
class Run:
    """What the suites share: the number of runs, the size of the inputs, the core, a folder, and the started sides."""

    runs: int
    quick: bool
    core: int
    folder: Path
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _sides: dict[str, Side] = field(default_factory=dict)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def size(self, full: int, quick: int) -> int:
        """How much of an input to use."""
        return quick if self.quick else full

    def side(self, name: str) -> Side:
        """A side by the name of its script (a peer's, `x_side.py`) or module (ours); it starts at its first use."""
        if name not in self._sides:
            if not name.endswith(".py"):
                side = pairs.ours(self.core, name)
            elif name == "datatrove_side.py":
                side = pairs.datatrove(self.core)
            else:
                side = pairs.peer(name, self.core)
            self._sides[name] = self._stack.enter_context(side)
        return self._sides[name]

    def contender(self, package: str, side: str, units: float, do: str, **arguments: Any) -> Contender:
        """`package` in the environment of `side`, asked to `do` something. The side starts when it is first asked."""

        def ask() -> Answer:
            return self.side(side).ask(do, **arguments)

        return Contender(package, side, ask, units)

    def version(self, contender: Contender) -> str:
        """`package version`, or just the name if the package is not where it should be."""
        try:
            found = self.side(contender.side).ask("version", package=contender.package)["version"]
        except SideError:
            return contender.package
        return f"{contender.package} {found}".strip()


def compare(
    run: Run,
    contenders: Mapping[str, Contender],
    reference: str,
    judged: Callable[[Answers], Mapping[str, str]],
    clock: str = "process_seconds",
) -> list[Row]:
    """A row per contender. `judged` gives the quality of each; `clock` is the key of the CPU seconds in an answer."""
    failed: dict[str, str] = {}
    answers = pairs.in_turn({name: one.ask for name, one in contenders.items()}, run.runs, failed)
    quality = judged(answers)
    row = partial(_row, run, contenders, answers, failed, quality, reference, clock)
    for name, reason in failed.items():
        print(f"{name} did not run: {reason}", file=sys.stderr, flush=True)
    return [row(name) for name in contenders]


def _row(
    run: Run,
    contenders: Mapping[str, Contender],
    answers: Answers,
    failed: Mapping[str, str],
    quality: Mapping[str, str],
    reference: str,
    clock: str,
    name: str,
) -> Row:
    one = contenders[name]
    package = run.version(one)
    if name in failed:
        return Row(name, package, one.side, missing=failed[name])
    speed = rate(one, answers[name], clock)
    base = rate(contenders[reference], answers[reference], clock) if reference in answers else None
    times = [float(answer["seconds"]) for answer in answers[name]]
    ratio = None if base is None else speed / base
    return Row(name, package, one.side, speed, (min(times), max(times)), ratio, quality.get(name, ""))


def rate(contender: Contender, answers: list[Answer], clock: str) -> float:
    """The units per CPU second of the median run."""
    return contender.units / pairs.median(answers, clock)
