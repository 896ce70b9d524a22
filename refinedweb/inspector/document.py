"""One document of a run as the inspector shows it: text, HTML, measures with limits, duplicates side by side."""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass, field
from typing import Any

from refinedweb.inspector.browse import SearchHit
from refinedweb.ledger.layout import CORPUS, DOCUMENTS_KEY
from refinedweb.recipe import params
from refinedweb.recipe.load import of_content
from refinedweb.report.marks import Piece, excerpt
from refinedweb.report.view import offending_spans, visible_text
from refinedweb.sources import SourceOptions, open_reader
from refinedweb.sources.inputs import Input
from refinedweb.storage import split_uri
from refinedweb.views.explanation import Explanation, explain_row
from refinedweb.views.records import CutDocument, DuplicatePair
from refinedweb.views.run import Run
from stages.base import Stage
from stages.errors import RefinedWebError
from stages.schema import documents

MOST_HTML = 200_000  # characters of HTML that are shown
MOST_TEXT = 100_000  # characters of text that are shown
MOST_TOKENS = 6_000  # words and spaces of each duplicate that are compared: the comparison can take their square
MOST_RECORD = 64 << 20  # bytes of a record that is read again from its input file
TOKEN = re.compile(r"\s+|[^\s]+")
BEFORE_TEXT = ("url_v1", "language_gate_v1", "extract_v1")
NOT_KEPT = "the text was not kept; --set keep_removed=full keeps all texts"
FACTS = (
    "id",
    "language",
    "language_score",
    "timestamp",
    "dump",
    "source",
    "offset",
    "length",
    "cluster_size",
    "kept_id",
)


@dataclass(frozen=True)
class Twins:
    """A removed document and the kept one, with the words marked that only one has. No pieces if a text is gone."""

    pair: DuplicatePair
    removed: list[Piece] = field(default_factory=list)
    kept: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class DocumentView:
    """Everything that is shown of one document. `html`, `html_from`: its HTML source, and where that comes from or is.
    `note`: why there is no text, or what the text is.
    """

    hit: SearchHit
    facts: list[tuple[str, str]]
    text: list[Piece]
    left_out: int
    note: str
    html: str
    html_from: str
    twins: list[Twins]
    cuts: list[CutDocument]

    @property
    def verdict(self) -> str:
        return "kept" if self.hit.stage == CORPUS else f"removed by {self.hit.stage}: {self.hit.reason}"


class DocumentReader:
    """Reads documents of one run. The stages of the run are built once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._stages: list[Stage] | None = None

    def stages(self) -> list[Stage]:
        """The stages of the run, with its parameters and models."""
        if self._stages is None:
            file = self.run.file
            self._stages = of_content(file.recipe, file.recipe_name, self.run.stages, self.run.trust).build()
        return self._stages

    def view(self, hit: SearchHit, row: dict[str, Any]) -> DocumentView:
        """Everything that is shown of the document."""
        text, note = row.get("text"), ""
        if text is None:
            text = self.label_text(row)
            note = "the visible text of the page, which was removed before extraction" if text else NOT_KEPT
        stage = next((stage for stage in self.stages() if stage.name == hit.stage), None)
        twins, cuts = self._decided(hit)
        shown = "" if note or hit.reason is None else text
        marked = offending_spans(stage, hit.reason or "", shown, row.get("language")) if shown else []
        pieces, left_out = excerpt(text, marked, MOST_TEXT) if text else ([], 0)
        html, html_from = self._html(row)
        facts = [(name, str(row[name])) for name in FACTS if row.get(name) is not None]
        return DocumentView(hit, facts, pieces, left_out, note, html[:MOST_HTML], html_from, twins, cuts)

    def explain(self, hit: SearchHit, row: dict[str, Any]) -> Explanation:
        """What the stages say about the HTML; if there is none, about the text, from the stage that removed it on."""
        html, _ = self._html(row)
        stages = self.stages()
        if html:
            docs = documents(id=[hit.id], url=[row.get("url")], html=[html.encode("utf-8", "replace")])
            return explain_row(docs, stages)
        names = [stage.name for stage in stages]
        start = names.index(hit.stage) if hit.stage in names else 0
        later = [stage for stage in stages[start:] if stage.name not in BEFORE_TEXT]
        docs = documents(
            id=[hit.id], url=[row.get("url")], text=[row.get("text") or ""], language=[row.get("language")]
        )
        return explain_row(docs, later)

    def label_text(self, row: dict[str, Any]) -> str:
        """The text that a classifier learns from: the extracted text, or else the visible text of the HTML."""
        return row.get("text") or (visible_text(row["html"]) if row.get("html") else "")

    def _html(self, row: dict[str, Any]) -> tuple[str, str]:
        """The HTML source, and where it comes from; both are empty if it is gone."""
        if row.get("html"):
            return row["html"].decode("utf-8", "replace"), "kept with the removed document"
        known = {item.uri: item for item in self.run.file.inputs}
        item = known.get(row.get("source") or "")
        if item is None or row.get("offset") is None or not 0 < (row.get("length") or 0) <= MOST_RECORD:
            return "", ""
        if not self.run.trust.allows(item.uri):
            return "", f"it is in {item.uri}; start `inspect` with --trust to read it from there"
        return _fetched(item, int(row["offset"]), int(row["length"]), str(row["id"]), self.run)

    def _decided(self, hit: SearchHit) -> tuple[list[Twins], list[CutDocument]]:
        twins: list[Twins] = []
        cuts: list[CutDocument] = []
        named = DOCUMENTS_KEY.fullmatch(hit.key)
        for stage in self.run.stages if named is not None else ():
            decisions = self.run.decisions(stage)
            for event in decisions.about(int(named[1]), hit.id) if decisions is not None and named else ():
                if isinstance(event, CutDocument):
                    cuts.append(event)
                else:
                    twins.append(_twins(event))
        return twins, cuts


def _fetched(item: Input, offset: int, length: int, wanted: str, run: Run) -> tuple[str, str]:
    """Read the record again from its input file. Returns its HTML, and where that comes from."""
    store, key = split_uri(item.uri)
    try:
        with store.open(key, random=True) as file:
            file.seek(offset)
            data = io.BytesIO(file.read(length))
        options = params.instance(SourceOptions, run.file.recipe["source"], "source")
        for table in open_reader(data, item.uri, options).batches():
            for row in table.to_pylist():
                if row["id"] == wanted and row.get("html"):
                    return row["html"].decode("utf-8", "replace"), f"read again from {item.uri}"
    except (RefinedWebError, OSError):
        return "", ""
    return "", ""


def _twins(pair: DuplicatePair) -> Twins:
    a, b = pair.removed.get("text"), pair.kept.get("text")
    if not a or not b:
        return Twins(pair)
    left, right = TOKEN.findall(a)[:MOST_TOKENS], TOKEN.findall(b)[:MOST_TOKENS]
    removed: list[Piece] = []
    kept: list[Piece] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        removed.append(Piece("".join(left[i1:i2]), kind != "equal"))
        kept.append(Piece("".join(right[j1:j2]), kind != "equal"))
    return Twins(pair, [p for p in removed if p.text], [p for p in kept if p.text])
