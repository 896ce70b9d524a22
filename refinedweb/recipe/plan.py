"""Plan a run's steps from a recipe's stages: local stages fuse into passes, global ones decide between the passes.

    url_v1, extract_v1, minhash_v1, pii_v1  →  00-filter (url_v1, extract_v1), 01-minhash_v1, 02-filter (pii_v1)

A pass reads the inputs, or what the previous pass kept; while reading, it applies the decisions of the global steps
between the two. The last pass writes the corpus; the others write what they keep below `<step>/kept/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.base import registry


@dataclass(frozen=True)
class Step:
    """One step of a run.

    `reads` is the pass whose kept documents it reads (None: the inputs), `applies` the earlier global steps whose
    decisions it applies while reading; the `last` step writes the corpus.
    """

    name: str
    kind: Literal["local", "global"]
    stages: tuple[str, ...]
    reads: str | None = None
    applies: tuple[str, ...] = ()
    last: bool = False


def is_global(stage: str) -> bool:
    """Whether the registered stage needs the whole corpus."""
    return isinstance(getattr(registry()[stage], "reads", None), tuple)


def steps_of(stages: Sequence[str]) -> list[Step]:
    """Plan the steps of a recipe with these stages."""
    groups: list[list[str]] = [[]]
    for stage in stages:
        if is_global(stage):
            groups += [[stage], []]
        else:
            groups[-1].append(stage)
    steps: list[Step] = []
    for number, group in enumerate(groups):
        if number % 2:
            steps.append(_step(steps, group, "global"))
        elif group or number in (0, len(groups) - 1):
            steps.append(_step(steps, group, "local", last=number == len(groups) - 1))
    return steps


def applied_by(steps: Sequence[Step], step: Step) -> Step:
    """The pass that applies the decisions of a global step."""
    return next(later for later in steps if later.kind == "local" and step.name in later.applies)


def group_of(steps: Sequence[Step], step: Step) -> tuple[Step, ...]:
    """The global steps whose decisions are applied by the same pass as this one's, in order."""
    return tuple(one for one in steps if one.name in applied_by(steps, step).applies)


def is_whole(step: Step) -> bool:
    """Whether a pass is the only step of its run: nothing else was made of what it left out."""
    return step.reads is None and step.last


def _step(before: list[Step], stages: list[str], kind: Literal["local", "global"], *, last: bool = False) -> Step:
    passes = [step for step in before if step.kind == "local"]
    reads = passes[-1].name if passes else None
    applies = tuple(s.name for s in before[before.index(passes[-1]) + 1 :]) if passes else ()
    what = stages[0] if kind == "global" else "filter" if stages or not before else "corpus"
    return Step(f"{len(before):02d}-{what}", kind, tuple(stages), reads, applies, last)
