"""Spans that occur twice or more: the phases of `substring_v1`. What they compute is in `stages.substring.phases`.

sign      documents of a block → winnowed fingerprints, shuffled by fingerprint
group     equal fingerprints → runs of windows that are copies, and checks of those still in doubt, by block
windows   the hashes of the windows of the checks, read from their documents, shuffled by hash
match     equal hashes → runs of windows that are copies, by block
judge, name, decide    see `spans`: the verdict on each document, and who else has its text
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from refinedweb.dedup.context import Context, within
from refinedweb.dedup.exchange import Exchange, arrived, by_key
from refinedweb.dedup.phase import Phase, PhaseCounts, PhaseOutputs, Shuffled
from refinedweb.dedup.spans import decided
from refinedweb.dedup.tasks import Find, Sign
from stages.substring.phases import CHECKS, RUNS, SIGNED, WINDOWS, group, match, sign, spans, windows
from stages.substring.stage import Substring


def phases(context: Context) -> Iterator[Phase]:
    """The phases, in order. Request each only when the phases before it are complete."""
    signed = Sign(context, sign, SIGNED, context.stage.reads)
    yield signed
    occurrences = yield from arrived(signed.rows, signed)
    grouped = Find(context, occurrences, group, (("resolved", RUNS), ("checks", CHECKS)))
    yield grouped
    resolved = yield from arrived(grouped.tables[0], grouped)
    checks = yield from arrived(grouped.tables[1], grouped)
    hashed = Windows(context, checks)
    yield hashed
    rows = yield from arrived(hashed.rows, hashed)
    matches = Find(context, rows, _match, (("matched", RUNS),), "4-match")
    yield matches
    matched = yield from arrived(matches.tables[0], matches)
    yield from decided(context, (resolved, matched), signed, spans)


def _match(stage: Substring, hashed: pa.Table) -> Sequence[pa.Table]:
    return (match(stage, hashed),)


@dataclass(frozen=True)
class Windows:
    """Checks → the hashes of their windows."""

    context: Context
    checks: Shuffled
    name: str = "3-windows"

    @property
    def count(self) -> int:
        return len(self.context.blocks)

    @property
    def rows(self) -> Exchange:
        """What the tasks write."""
        return by_key(self.context, "windows", WINDOWS, self.count)

    def run(self, task: int, outputs: PhaseOutputs) -> PhaseCounts:
        stage = cast(Substring, self.context.stage)
        checks = self.checks.read(task).sort_by("address")
        sender = self.rows.open(outputs)
        if checks.num_rows:
            for addresses, docs in self.context.documents(task, stage.reads):
                if (here := within(addresses, checks)).num_rows:
                    with self.context.limit():
                        rows = windows(stage, docs, addresses, here)
                    sender.write(rows)
        return PhaseCounts(checks.num_rows)
