"""What one task did (its commit record), and the sums of what many did."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from refinedweb.ledger.layout import shuffled_name
from stages.errors import ShardError

Removed = dict[str, dict[str, int]]
COUNTED = ("url", "language")  # columns of which a first pass counts how many documents have a value
MOST_BROKEN = 5  # inputs that sums name; `status` and `verify` show as many


def filled(column: str) -> str:
    """The name of the fact that says how many documents of the input have a value in this column."""
    return f"with_{column}"


@dataclass(frozen=True)
class Output:
    """One object that a task wrote."""

    key: str
    rows: int
    size: int
    checksum: str


@dataclass(frozen=True)
class Record:
    """What one task did: the commit record, and the only proof that its outputs exist.

    `removed` counts rows by stage and reason, `skipped` counts input records that are not documents by their type;
    `facts` are other numbers that a later task or the end of the run needs. `damage` says where the input was broken
    (the shard is then partial), `quarantined` names documents that killed a worker. `lost` says why, if the run goes on
    without the shard; `rows_lost` of its documents had been counted by an earlier pass.
    """

    task: int
    fingerprint: str
    code_version: str
    input_key: str
    input_etag: str
    input_size: int
    rows_in: int
    rows_kept: int
    bytes_kept: int
    removed: Removed
    outputs: list[Output]
    skipped: dict[str, int] = field(default_factory=dict)
    damage: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    host: str = ""
    driver: str = ""
    user: str = ""
    committed_at: str = ""
    lost: str = ""
    rows_lost: int = 0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def check(self) -> None:
        """Raises ShardError if the law of the ledger does not hold."""
        removed = sum(n for reasons in self.removed.values() for n in reasons.values())
        if self.rows_in != self.rows_kept + removed + self.rows_lost:
            raise ShardError(
                f"task {self.task} ({self.input_key}): {self.rows_in} rows in, but {self.rows_kept} kept and {removed} "
                "removed; a stage changed the number of rows"
            )

    def to_json(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Totals:
    """Sums over records. `add` takes a record, `merge` other totals. `unreadable`: why records are not in the sums;
    `shuffled`: rows and bytes of shuffle objects, by the name of what they hold.
    `broken`: the first inputs that are damaged, each with its first damage.
    """

    tasks: int = 0
    rows_in: int = 0
    rows_kept: int = 0
    bytes_in: int = 0
    bytes_kept: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    partial: int = 0
    quarantined: int = 0
    lost: int = 0
    rows_lost: int = 0
    peak_memory: int = 0
    removed: Removed = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    shuffled: dict[str, tuple[int, ...]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.merge(
            Totals(
                tasks=1,
                rows_in=record.rows_in,
                rows_kept=record.rows_kept,
                bytes_in=record.input_size,
                bytes_kept=record.bytes_kept,
                bytes_written=sum(output.size for output in record.outputs),
                seconds=record.seconds,
                partial=int(bool(record.damage)),
                quarantined=len(record.quarantined),
                lost=int(bool(record.lost)),
                rows_lost=record.rows_lost,
                peak_memory=record.peak_memory,
                removed=record.removed,
                skipped=record.skipped,
                stage_seconds=record.stage_seconds,
                facts=record.facts,
                shuffled=_shuffled(record.outputs),
                broken=[f"{record.input_key}: {place.get('error', '')}" for place in record.damage[:1]],
            )
        )

    def merge(self, other: Totals) -> None:
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.peak_memory = max(self.peak_memory, other.peak_memory)
        for stage, reasons in other.removed.items():
            _add_counts(self.removed.setdefault(stage, {}), reasons)
        _add_counts(self.skipped, other.skipped)
        _add_counts(self.stage_seconds, other.stage_seconds)
        _add_counts(self.facts, other.facts)
        for name, (rows, size) in other.shuffled.items():
            before = self.shuffled.get(name, (0, 0))
            self.shuffled[name] = (before[0] + rows, before[1] + size)
        self.unreadable += other.unreadable
        self.broken = [*self.broken, *other.broken][:MOST_BROKEN]


@dataclass
class Rollup(Totals):
    """The sum of a full block's records, without those of the tasks that are kept `apart`.

    `sizes`: the rows and bytes that each task of the block kept, in order (0 for those apart); rollups of older
    versions have none, nor `facts` and `shuffled`.
    """

    apart: list[int] = field(default_factory=list)
    sizes: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether it knows all that this version sums."""
        return len(self.sizes) == self.tasks + len(self.apart)


_SUMMED = (
    "tasks", "rows_in", "rows_kept", "bytes_in", "bytes_kept", "bytes_written", "seconds", "partial", "quarantined",
    "lost", "rows_lost",
)  # fmt: skip


def _shuffled(outputs: Sequence[Output]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for output in outputs:
        if (name := shuffled_name(output.key)) is not None:
            rows, size = found.get(name, (0, 0))
            found[name] = (rows + output.rows, size + output.size)
    return found


def _add_counts(into: dict[str, Any], counts: dict[str, Any]) -> None:
    for name, n in counts.items():
        into[name] = into.get(name, 0) + n
