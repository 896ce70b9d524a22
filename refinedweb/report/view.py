"""Gathers all that a report says about one run: exact numbers from the ledger, and facts from a sample of objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from refinedweb.ledger.layout import CORPUS
from refinedweb.ledger.manifest import Ledger, Totals
from refinedweb.ledger.totals import StepState, ledger_folders
from refinedweb.recipe.load import of_content
from refinedweb.report.documents import Texts, texts_of
from refinedweb.report.facts import Facts, cluster_sizes, facts_of
from refinedweb.report.marks import Piece, Span, excerpt, spans
from refinedweb.report.measures import Measure, measures_of
from refinedweb.report.sample import ReportSample, sample_of
from refinedweb.views import funnel
from refinedweb.views.run import Run
from stages.base import Marking, Stage, of_language
from stages.dedup import Global
from stages.extraction.visible import visible
from stages.kernels.buffers import utf8_views
from stages.schema import documents

SHOWN = 20  # documents for each reason, and of the corpus
VISIBLE_BYTES = 4_000  # of the visible text of a page without extracted text
READ_BYTES = 1 << 20  # of HTML that are searched for it


@dataclass(frozen=True)
class Shown:
    """A document of the sample. `pieces`: an excerpt in which what it was removed for is marked. `left_out`: number of
    characters that are not shown. `note`: why there is no text, or what the text is.
    """

    url: str
    facts: list[str]
    pieces: list[Piece]
    left_out: int = 0
    note: str = ""

    @property
    def marked(self) -> bool:
        return any(piece.marked for piece in self.pieces)


@dataclass(frozen=True)
class Examples:
    """Documents that one stage removed for one reason. `count`: how many there are in the whole run."""

    stage: str
    reason: str
    count: int
    shown: list[Shown]


@dataclass(frozen=True)
class Work:
    """The work of one stage or phase: documents that it got, and worker seconds that it took."""

    name: str
    rows: int
    seconds: float

    @property
    def rate(self) -> float | None:
        """Documents per worker second."""
        return self.rows / self.seconds if self.seconds >= 0.001 else None


@dataclass(frozen=True)
class View:
    """All that a report says about one run."""

    run: Run
    totals: Totals
    states: list[StepState]
    failed: dict[int, str]
    lost: dict[int, str]
    funnel: list[funnel.FunnelRow]
    sample: ReportSample
    facts: Facts
    measures: list[Measure]
    clusters: dict[str, list[int]]
    work: list[Work]
    phases: list[Work]
    removed: list[Examples] = field(default_factory=list)
    kept: list[Shown] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return all(state.complete for state in self.states)

    @property
    def parameters(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Every parameter of the run, its source and its stages, with values as in TOML."""
        recipe = self.run.file.recipe
        tables = [("run", recipe["run"]), ("source", recipe["source"])]
        tables += [(stage["name"], {k: v for k, v in stage.items() if k != "name"}) for stage in recipe["stages"]]
        return [(name, [(k, json.dumps(v, ensure_ascii=False)) for k, v in values.items()]) for name, values in tables]


def gather(run: Run, *, examples: bool = True) -> View:
    """Read the ledger and a sample of objects. `examples`: whether to read documents to show."""
    states, totals = run.states(), run.totals()
    sample = sample_of(run)
    texts, facts = texts_of(sample), facts_of(sample)
    stages = of_content(run.file.recipe, run.file.recipe_name, run.stages, run.trust).build()
    rows = funnel.funnel(run.stages, totals, faithful=run.file.faithful)
    return View(
        run=run,
        totals=totals,
        states=states,
        failed=run.failed(),
        lost=run.lost(),
        funnel=rows,
        sample=sample,
        facts=facts,
        measures=measures_of(stages, facts, texts),
        clusters=cluster_sizes(run, sample),
        work=[Work(row.stage, row.rows_in, totals.stage_seconds.get(row.stage, 0.0)) for row in rows],
        phases=_phases(run),
        removed=_removed(run, sample, rows, stages, texts) if examples else [],
        kept=[_shown(row, None, None) for row in texts.pick((CORPUS, None), SHOWN)] if examples else [],
    )


def _phases(run: Run) -> list[Work]:
    """The work of each phase of the global steps."""
    store = run.store
    found = []
    for folder in ledger_folders(store, [step for step in run.file.steps if step.kind == "global"]):
        ledger = Ledger(store, folder)
        totals = ledger.totals(ledger.committed())
        found.append(Work(folder, totals.rows_in, totals.seconds))
    return found


def _removed(
    run: Run, sample: ReportSample, rows: Sequence[funnel.FunnelRow], stages: Sequence[Stage], texts: Texts
) -> list[Examples]:
    known = {stage.name: stage for stage in stages}
    found = []
    for row in rows:
        stage = known.get(row.stage)
        picked = {reason: texts.pick((row.stage, reason), SHOWN) for reason in row.removed}
        cut = _cut_spans(run, sample, row.stage, [doc["id"] for docs in picked.values() for doc in docs])
        for reason, docs in picked.items():
            if docs:
                shown = [_shown(doc, stage, reason, cut.get(doc["id"], ())) for doc in docs]
                found.append(Examples(row.stage, reason, row.removed[reason], shown))
    return found


def _cut_spans(run: Run, sample: ReportSample, stage: str, ids: list[str]) -> dict[str, list[tuple[int, int]]]:
    """The spans (in bytes of the text) that a deduplicating stage found elsewhere too, by document id."""
    decisions = run.decisions(stage) if ids else None
    found: dict[str, list[tuple[int, int]]] = {}
    for shard in sample.shards:
        table = None if decisions is None else decisions.table(shard)
        if table is None or table.column("spans").null_count == table.num_rows:
            continue
        for row in table.filter(pc.is_in(table.column("id"), value_set=pa.array(ids, pa.string()))).to_pylist():
            found[row["id"]] = [(span["start"], span["end"]) for span in row["spans"] or ()]
    return found


def _shown(row: dict[str, Any], stage: Stage | None, reason: str | None, cut: Sequence[tuple[int, int]] = ()) -> Shown:
    text, note = row.get("text"), ""
    if text is None and row.get("html"):
        text, note = visible_text(row["html"]), "the visible text of the page, which was removed before extraction"
    facts = []
    if row.get("language"):
        facts.append(f"{row['language']} {row['language_score'] or 0:.2f}")
    if row.get("cluster_size"):
        facts.append(f"cluster of {row['cluster_size']:,}")
    if row.get("kept_id"):
        facts.append(f"kept instead: {row['kept_id']}")
    url = row.get("url") or row["id"]
    if not text:
        return Shown(url, facts, [], note="the page has no main text" if text == "" else "the text was not kept")
    marked = _characters(text, cut)
    if not cut and reason is not None and not note:
        marked = offending_spans(stage, reason, text, row.get("language"))
    pieces, left_out = excerpt(text, marked)
    return Shown(url, facts, pieces, left_out, note)


def offending_spans(stage: Stage | None, reason: str, text: str, language: str | None = None) -> list[Span]:
    """The places in the text that the stage objects to: by the rule of the reason or by the stage itself.

    If neither finds any and the stage rewrites texts, these are the lines that it would take out.
    """
    stage = None if stage is None else of_language(stage, language)
    found = stage.places(text) if isinstance(stage, Marking) else spans(reason, text)
    if found or stage is None or isinstance(stage, Global):
        return found
    after = stage(documents(id=["page"], text=[text])).column("text")[0].as_py() or ""
    if after == text:
        return []
    kept = {line.strip() for line in after.split("\n")}
    places, at = [], 0
    for line in text.split("\n"):
        if line.strip() and line.strip() not in kept:
            places.append((at, at + len(line)))
        at += len(line) + 1
    return places


def _characters(text: str, spans_in_bytes: Sequence[tuple[int, int]]) -> list[Span]:
    data = text.encode()
    return [tuple(len(data[:at].decode("utf-8", "ignore")) for at in span) for span in spans_in_bytes]  # type: ignore[misc]


def visible_text(html: bytes) -> str:
    """The start of a page's visible text, including links."""
    views = utf8_views(pa.chunked_array([pa.array([html], pa.binary())]))
    _, data = visible(*views, READ_BYTES, VISIBLE_BYTES, 0)
    return " ".join(np.asarray(data).tobytes().decode("utf-8", "ignore").split())
