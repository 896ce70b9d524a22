"""Paragraphs that occurred before: the phases of `paragraph_v1`.

sign      documents of a block → the keys of their paragraphs, shuffled by key
group     equal keys → all paragraphs but the first, shuffled by block
judge, name, decide    see `spans`: the verdict on each document, and who else has its text
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup.context import Context
from refinedweb.dedup.exchange import arrived
from refinedweb.dedup.phase import Phase
from refinedweb.dedup.spans import decided
from refinedweb.dedup.tasks import Find, Sign
from stages.paragraph import COPIES, SIGNED, Paragraph, copies, sign, spans


def phases(context: Context) -> Iterator[Phase]:
    """The phases, in order. Request each only when the phases before it are complete."""
    signed = Sign(context, sign, SIGNED, context.stage.reads)
    yield signed
    rows = yield from arrived(signed.rows, signed)
    grouped = Find(context, rows, _copies, (("copies", COPIES),))
    yield grouped
    found = yield from arrived(grouped.tables[0], grouped)
    yield from decided(context, (found,), signed, _spans)


def _copies(stage: Paragraph, signed: pa.Table) -> Sequence[pa.Table]:
    return (copies(signed),)


def _spans(stage: Paragraph, docs: pa.Table, addresses: UInt64s, found: pa.Table) -> pa.Array:
    return spans(docs, addresses, found)
