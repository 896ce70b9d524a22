"""What a user must hear about the inputs of a run: files that were left out, and inputs that hold nothing."""

from __future__ import annotations

from collections.abc import Sequence

from refinedweb.ledger.manifest import Totals
from refinedweb.views.units import counted

SHOWN = 3  # names of files that were left out


def skipped_files(left_out: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """Which files of the inputs' folders are not read, and why."""
    if not left_out:
        return list(reasons)
    names = ", ".join(left_out[:SHOWN]) + (" …" if len(left_out) > SHOWN else "")
    return [f"Skipping {counted(len(left_out), 'file')} of another kind than the input: {names}", *reasons]


def trouble_of(totals: Totals) -> list[str]:
    """That the inputs hold no document, or are damaged, with the first damage of some."""
    found = []
    if totals.tasks and not totals.rows_in and not totals.lost:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(totals.skipped.items()))
        other = f", only other records: {kinds}" if kinds else ""
        found.append(f"No document was found in {counted(totals.tasks, 'input')}{other}")
    if totals.partial:
        found.append(f"{counted(totals.partial, 'shard')} partial: the input is damaged (see `damage` in its record)")
    return found + [f"  {text}" for text in totals.broken]
