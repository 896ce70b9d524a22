"""Documents of a sample with their texts: some of every reason, and some that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from refinedweb.ledger.layout import CORPUS
from refinedweb.report.sample import ReportSample, row_groups

MOST_TEXTS = 400
MOST_KEPT = 3_000
MOST_GROUPS = 12
MOST_PAGES = 60
COLUMNS = ("id", "url", "language", "language_score", "drop", "text", "kept_id", "cluster_size")
Key = tuple[str, str | None]


@dataclass(frozen=True)
class Texts:
    """Rows with content by where they ended and why (`corpus`, None); a document's weight is `all` / rows read."""

    rows: dict[Key, pa.Table]
    counts: dict[Key, int]

    def pick(self, key: Key, n: int) -> list[dict[str, Any]]:
        """`n` of the rows, in the order of a hash of their ids."""
        table = self.rows.get(key)
        if table is None:
            return []
        ids = table.column("id").to_pylist()
        order = sorted(range(len(ids)), key=lambda row: (xxhash.xxh3_64_intdigest(str(ids[row]).encode()), row))
        chosen: list[dict[str, Any]] = table.take(pa.array(order[:n], pa.int64())).to_pylist()
        return chosen


def texts_of(sample: ReportSample) -> Texts:
    """A bounded number of row groups of each stage's objects, of the sample's shards in turn."""
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
                # Pages before extraction are large, and only looked at: fewer of them.
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
    """Rows of the reason that keep a text or a page, or anything at all where none does."""
    if reason is not None:
        table = table.filter(pc.equal(table.column("drop"), reason))
    masks = [pc.is_valid(table.column(name)) for name in ("text", "html") if name in table.column_names]
    if not masks:
        return table
    full = table.filter(masks[0] if len(masks) == 1 else pc.or_(*masks))
    return full if full.num_rows else table


def _copied(table: pa.Table) -> pa.Table:
    """Without the buffers of the row group it is cut from."""
    return table.take(pa.array(range(table.num_rows), pa.int64()))
