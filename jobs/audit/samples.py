"""The sample of an audit: documents that a run kept or removed, by stage and reason, for people to judge.

People score how good a page is as training text (1 useless to 5 excellent) and mark wrong decisions. Every reason gets
its share of the sample, however rare it is; `jobs.audit.scores` weighs reasons by how often they occurred.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from refinedweb.ledger.layout import CORPUS
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import load_object
from refinedweb.views.records import CutDocument, DuplicatePair
from refinedweb.views.run import Run
from stages.errors import ConfigError

KEPT = "kept"
ITEMS = "items.jsonl"
SHOWN = 2400  # characters of a text: a Slack block takes 3,000
MORE = 20  # times the wanted number are sampled: the text of many removed documents was not kept
NAME_DIGITS = 12  # hexadecimal, of an item's name: no two of a million items share it


@dataclass(frozen=True)
class Item:
    """One document to judge. `stage` and `reason` say what removed it (`corpus`, `kept`: nothing did).

    `count`: how many documents of the run have this stage and reason. The last field is what to compare the text with:
    for a duplicate the text that was kept instead, for a document that was cut the spans.
    """

    item: str
    stage: str
    reason: str
    count: int
    id: str
    url: str
    text: str
    beside: str = ""

    @property
    def decision(self) -> str:
        return KEPT if self.reason == KEPT else f"removed by {self.stage}: {self.reason}"


@dataclass(frozen=True)
class Score:
    """One person's judgement of one item: 1 to 5 (None: not scored), and whether the decision was wrong."""

    item: str
    who: str
    score: int | None
    wrong: bool


def sample(out: str, number: int, seed: int = 0) -> list[Item]:
    """About `number` documents from each stage that removed any, and from the corpus. The same seed gives the same
    documents. Raises ConfigError if there is nothing to judge.
    """
    run = Run(out)
    totals = run.totals()
    items = _of_rows(out, CORPUS, KEPT, totals.rows_kept, run.sample(number, seed=seed), number)
    for stage, reasons in totals.removed.items():
        for reason, quota in quotas(reasons, number).items():
            items += _of_reason(run, out, stage, reason, reasons[reason], quota, seed)
    if not items:
        raise ConfigError(f"{out} has no document to judge yet; `refinedweb status {out}` shows how far it is")
    return items


def quotas(reasons: Mapping[str, int], number: int) -> dict[str, int]:
    """How many documents to judge for each reason: `number` in all, in even shares, and no more than there are.

    If there are more reasons than `number`, the most frequent ones get a document each.
    """
    usual = sorted(reasons, key=lambda reason: (-reasons[reason], reason))
    given = dict.fromkeys(usual, 0)
    left = min(number, sum(reasons.values()))
    while left:
        for reason in usual:
            if left and given[reason] < reasons[reason]:
                given[reason] += 1
                left -= 1
    return {reason: quota for reason, quota in given.items() if quota}


def _of_reason(run: Run, out: str, stage: str, reason: str, count: int, quota: int, seed: int) -> list[Item]:
    known = [*run.stages, "source", "quarantine"]
    decisions = run.decisions(stage) if stage in known else None
    if decisions is not None:
        found = decisions.sample(quota, seed, reason)
        return [_of_decision(out, stage, reason, count, one) for one in found]
    return _of_rows(out, stage, reason, count, run.sample(quota * MORE, stage, reason, seed), quota)


def _of_rows(out: str, stage: str, reason: str, count: int, rows: Iterable[dict[str, Any]], most: int) -> list[Item]:
    texts = ((row, text_of(row)) for row in rows)
    found = [_item(out, stage, reason, count, row, text) for row, text in texts if text.strip()]
    return found[:most]


def _of_decision(out: str, stage: str, reason: str, count: int, one: DuplicatePair | CutDocument) -> Item:
    if isinstance(one, DuplicatePair):
        return _item(out, stage, reason, count, one.removed, text_of(one.removed), text_of(one.kept))
    return _item(out, stage, reason, count, one.document, text_of(one.document), "\n…\n".join(one.spans))


def _item(out: str, stage: str, reason: str, count: int, row: dict[str, Any], text: str, beside: str = "") -> Item:
    name = hashlib.sha256(f"{out}\0{stage}\0{reason}\0{row['id']}".encode()).hexdigest()[:NAME_DIGITS]
    return Item(name, stage, reason, count, str(row["id"]), str(row.get("url") or ""), text[:SHOWN], beside[:SHOWN])


def text_of(row: dict[str, Any]) -> str:
    """What the stage saw of the document: its text or, before extraction, its HTML."""
    return str(row.get("text") or (row.get("html") or b"").decode("utf-8", "replace"))


def write_items(folder: str, items: Iterable[Item]) -> Store:
    """Write the items below `folder` (a path or s3:// prefix), where the scores will refer to them."""
    store = open_store(folder)
    store.put(ITEMS, lines(asdict(item) for item in items))
    return store


def read_items(folder: str) -> dict[str, Item]:
    """The items of an audit, by name. Raises ConfigError if there are none."""
    try:
        data, _ = open_store(folder).get(ITEMS)
    except Missing as error:
        raise ConfigError(f"no audit at {folder}: {error}; make one with `refinedweb job audit OUT`") from error
    remedy = "make the audit again with `refinedweb job audit OUT`"
    found = [load_object(Item, line, f"{folder}/{ITEMS}", remedy) for line in data.splitlines() if line]
    return {item.item: item for item in found}


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
