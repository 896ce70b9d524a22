"""What other limits of a stage would change, from the measures that a run kept, without running anything again.

The later stages never saw a document that only the new limits let through. What they would say about it is not known,
and is not guessed. So the answer has two sides: which documents would leave the corpus is certain; for those that might
join it there is an upper bound.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from refinedweb.ledger.layout import CORPUS
from refinedweb.ledger.manifest import Totals
from refinedweb.ledger.run_file import RunFile
from refinedweb.recipe.load import of_content
from refinedweb.recipe.trust import Trust
from refinedweb.views.frame import Frame
from stages.base import Measured, build, measure_column, verdicts_of
from stages.by_language.varied import LANGUAGE
from stages.errors import ConfigError

GOES_ON = "goes on"  # the verdict of a stage that does not drop the document


class MeasuredRun(Protocol):
    """What the answer needs from a run. `refinedweb.views.run.Run` has it; the protocol keeps the two from importing
    each other.
    """

    out: str
    file: RunFile
    trust: Trust

    @property
    def stages(self) -> list[str]: ...

    def totals(self) -> Totals: ...

    def stage(self, name: str) -> str: ...

    def columns(self, step: str, names: Sequence[str]) -> Iterator[pa.Table]: ...


# Where a document ended (`corpus` or a stage), the stage's reason to drop it then, and now (None: it goes on).
Move = tuple[str, str | None, str | None]


@dataclass(frozen=True)
class WhatIf:
    """What other limits of one stage would change.

    `moves`: number of documents by move. `undecided`: documents about which the stage decided by more than its limits
    (for example a profanity filter that does not judge a language); they stay as they are. `deduplicated`: whether
    later stages compare documents with each other.
    """

    stage: str
    changes: list[str]
    moves: dict[Move, int]
    kept: int
    undecided: int
    deduplicated: bool

    @property
    def reached(self) -> int:
        """Documents that reached the stage."""
        return sum(self.moves.values()) + self.undecided

    @property
    def leaving(self) -> int:
        """Documents of the corpus that the stage would now remove."""
        return sum(n for (end, before, after), n in self.moves.items() if end == CORPUS and before is None and after)

    @property
    def let_through(self) -> int:
        """Documents that the stage would no longer remove; what later stages would say about them is not known."""
        return sum(n for (_, before, after), n in self.moves.items() if before is not None and after is None)

    @property
    def earlier(self) -> int:
        """Documents that a later stage removed, and that this one would remove now."""
        return sum(n for (end, before, after), n in self.moves.items() if end != CORPUS and before is None and after)

    @property
    def removed(self) -> tuple[int, int]:
        """How many documents the stage removed, and how many it would remove now."""
        before = sum(n for (_, then, _), n in self.moves.items() if then is not None)
        after = sum(n for (_, _, now), n in self.moves.items() if now is not None)
        return before, after

    @property
    def table(self) -> Frame:
        """A row for each change: the stage's verdict then and now, where the documents ended, and their number."""
        changed = [(move, n) for move, n in self.moves.items() if move[1] != move[2]]
        changed.sort(key=lambda item: (-item[1], *map(str, item[0])))
        rows = [
            {"was": then or GOES_ON, "becomes": now or GOES_ON, "ended": end, "documents": n}
            for (end, then, now), n in changed
        ]
        types = [("was", pa.string()), ("becomes", pa.string()), ("ended", pa.string()), ("documents", pa.int64())]
        return Frame(pa.Table.from_pylist(rows, pa.schema(types)))

    def lines(self) -> list[str]:
        """The answer in words."""
        before, after = self.removed
        found = [
            f"{self.stage} with {', '.join(self.changes)}: would remove {after:,} of the {self.reached:,} documents "
            f"that reached it, instead of {before:,}.",
            f"{self.leaving:,} of the corpus's {self.kept:,} documents would leave it.",
        ]
        if self.earlier:
            found.append(f"{self.earlier:,} that a later stage removed would be removed here already.")
        if self.let_through:
            found.append(
                f"{self.let_through:,} would go on; their fate is unknown beyond this stage: at most that many would "
                "join the corpus."
            )
        if self.deduplicated and (self.leaving or self.let_through):
            found.append(
                "Also unknown: duplicates of those that leave might stay, and those that go on might remove others."
            )
        if self.undecided:
            found.append(f"{self.undecided:,} were decided by more than these limits; they stay as they are.")
        return found

    def __repr__(self) -> str:
        rows = [
            f"  {row['documents']:>10,}  {row['was']} → {row['becomes']} (ended: {row['ended']})" for row in self.table
        ]
        return "\n".join([*self.lines(), *rows])

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self.lines()) + self.table._repr_html_()


def rethreshold(run: MeasuredRun, stage: str, params: Mapping[str, Any]) -> WhatIf:
    """What `stage` of `run` would decide with `params`, which may only set limits.

    Raises ConfigError if the run kept no measures, if the stage has none, or if a parameter changes what is measured:
    in that case only another run can tell.
    """
    name = run.stage(stage)
    if name not in run.stages:
        raise ConfigError(f"{name} is not a stage with limits; {_measured(run)}")
    old = _params(run, name)
    then, now = _stage(run, name, old), _stage(run, name, {**old, **params})
    for key, value in params.items():
        if old[key] != _plain(value) and _stage(run, name, {**old, key: value}).limits() == then.limits():
            raise ConfigError(
                f"{name}.{key} is not a limit: it changes what is measured, or how; run again with --set {name}.{key}=…"
            )
    moves: Counter[Move] = Counter()
    undecided = 0
    for end in (*run.stages[run.stages.index(name) :], CORPUS):
        found, left = _moves_of(run, name, end, then, now)
        moves += found
        undecided += left
    later = run.stages[run.stages.index(name) + 1 :]
    return WhatIf(
        stage=name,
        changes=[f"{key} {old[key]} → {value}" for key, value in params.items()],
        moves=dict(moves),
        kept=run.totals().rows_kept,
        undecided=undecided,
        deduplicated=any(step.kind == "global" and set(step.stages) & set(later) for step in run.file.steps),
    )


def _moves_of(run: MeasuredRun, stage: str, end: str, then: Measured, now: Measured) -> tuple[Counter[Move], int]:
    """The moves of the documents that ended in `end`, and how many of them the old limits do not explain."""
    measures = list(dict.fromkeys(limit.measure for limit in [*then.limits(), *now.limits()]))
    names = [measure_column(stage, measure) for measure in measures]
    moves: Counter[Move] = Counter()
    undecided = 0
    for table in run.columns(end, [*names, "drop", LANGUAGE]):
        missing = [column for column in names if column not in table.column_names]
        if missing:
            raise ConfigError(
                f"{run.out} kept no measures ({missing[0]} is missing); run again with --set keep_measures=true"
            )
        known = table.select(names).rename_columns(measures)
        if LANGUAGE in table.column_names:
            known = known.append_column(LANGUAGE, table.column(LANGUAGE))
        actual = table.column("drop").to_pylist() if end == stage else [None] * table.num_rows
        before, after = verdicts_of(then, known).to_pylist(), verdicts_of(now, known).to_pylist()
        for was, said, becomes in zip(actual, before, after, strict=True):
            if was == said:
                moves[(end, was, becomes)] += 1
            else:
                undecided += 1
    return moves, undecided


def _params(run: MeasuredRun, name: str) -> dict[str, Any]:
    ((_, values),) = of_content(run.file.recipe, run.file.recipe_name, [name], run.trust).stages
    return values


def _stage(run: MeasuredRun, name: str, values: Mapping[str, Any]) -> Measured:
    built = build(name, values)
    if not isinstance(built, Measured):
        raise ConfigError(f"{name} does not decide by measures with limits; {_measured(run)}")
    return built


def _measured(run: MeasuredRun) -> str:
    names = [name for name in run.stages if isinstance(build(name, _params(run, name)), Measured)]
    return f"those of this run that do: {', '.join(names) or 'none'}"


def _plain(value: Any) -> Any:
    """The value as a run's file has it."""
    return list(value) if isinstance(value, tuple) else value
