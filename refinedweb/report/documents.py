"""Documents of a sample with their texts: some for every reason, and some that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from refinedweb.ledger.layout import CORPUS
from refinedweb.report.sample import ReportSample, row_groups

MOST_TEXTS = 400  # texts for each stage and reason: enough to estimate measures from
MOST_KEPT = 3_000  # texts of the corpus: the largest group, so the estimate needs more of them
MOST_GROUPS = 12  # row groups that are read of each stage's objects: bounds the time, however large the run is
MOST_PAGES = 60  # pages with HTML for each stage and reason: they are large, and only shown
COLUMNS = ("id", "url", "language", "language_score", "drop", "text", "kept_id", "cluster_size")
Key = tuple[str, str | None]


@dataclass(frozen=True)
class Texts:
    """Rows with content, by where the documents ended and why: (`corpus`, None) or (stage, reason).

    `counts`: how many documents of the sample's shards there are; each row stands for counts / rows of them.
    """

    rows: dict[Key, pa.Table]
    counts: dict[Key, int]

    def pick(self, key: Key, n: int) -> list[dict[str, Any]]:
        """Up to `n` of the rows, in the order of a hash of their ids."""
        table = self.rows.get(key)
        if table is None:
            return []
        ids = table.column("id").to_pylist()
        order = sorted(range(len(ids)), key=lambda row: (xxhash.xxh3_64_intdigest(str(ids[row]).encode()), row))
        chosen: list[dict[str, Any]] = table.take(pa.array(order[:n], pa.int64())).to_pylist()
        return chosen


def texts_of(sample: ReportSample) -> Texts:
    """Read a bounded number of row groups of each stage's objects, from the sample's shards in turn."""
    counts: dict[Key, int] = {(CORPUS, None): sample.kept}
    counts |= {(stage, reason): n for stage, reasons in sample.removed.items() for reason, n in reasons.items()}
    rows: dict[Key, pa.Table] = {}
    for end in sorted(sample.outputs):
        wanted = {key: n for key, n in counts.items() if key[0] == end}
        rows |= _of_end(sample, end, wanted)
    return Texts(rows, counts)


def _of_end(sample: ReportSample, end: str, wanted: dict[Key, int]) -> dict[Key, pa.Table]:
    most = MOST_KEPT if end == CORPUS else MOST_TEXTS
    found: dict[Key, list[pa.Table]] = {key: [] for key in wanted}
    have = dict.fromkeys(wanted, 0)
    groups = 0
    for output in sample.outputs[end]:
        if groups >= MOST_GROUPS or all(have[key] >= min(most, n) for key, n in wanted.items()):
            break
        for group in row_groups(sample.store, output, (*COLUMNS, "html")):
            groups += 1
            for key in wanted:
                # Pages that were removed before extraction are large and only shown, so fewer of them are read.
                left = (MOST_PAGES if _has_html(group) else most) - have[key]
                part = _with_content(group, key[1])
                if left > 0 and part.num_rows:
                    found[key].append(_copied(part.slice(0, left)))
                    have[key] += min(left, part.num_rows)
            if groups >= MOST_GROUPS:
                break
    return {key: pa.concat_tables(t, promote_options="permissive") for key, t in found.items() if t}


def _has_html(table: pa.Table) -> bool:
    return "html" in table.column_names


def _with_content(table: pa.Table, reason: str | None) -> pa.Table:
    """The rows with this reason that have a text or HTML; all rows with the reason if none has."""
    if reason is not None:
        table = table.filter(pc.equal(table.column("drop"), reason))
    masks = [pc.is_valid(table.column(name)) for name in ("text", "html") if name in table.column_names]
    if not masks:
        return table
    full = table.filter(masks[0] if len(masks) == 1 else pc.or_(*masks))
    return full if full.num_rows else table


def _copied(table: pa.Table) -> pa.Table:
    """A copy that does not keep the buffers of its row group in memory."""
    return table.take(pa.array(range(table.num_rows), pa.int64()))
