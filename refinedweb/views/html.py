"""What notebooks show: funnels, documents, explanations and duplicate pairs as HTML.

It is readable on light and on dark backgrounds, and without styles, which code hosts remove: no meaning is in colour
alone. Everything that comes from a document is escaped.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from refinedweb.views.terminal import line, printable

if TYPE_CHECKING:
    from refinedweb.views.funnel import FunnelRow
    from refinedweb.views.records import CutDocument, DuplicatePair, MeasureReading, StageVerdict
    from stages.base import JudgedPart

TEXT = 600  # characters of a document or span
MOST_WORDS = 4000  # words of a text that are compared: the comparison can take the square of them
AROUND = 12  # equal words shown on each side of a difference
MOST_REASONS = 5  # reasons of a stage, the most frequent ones

_LEFT = "text-align:left;vertical-align:top"
_GONE = "background:rgba(220,50,47,.18)"
_NEW = "background:rgba(40,160,80,.22);text-decoration:none"
_BAR = "display:inline-block;height:.7em;background:#4b7bd1;border-radius:2px;width:"
_BAR_ROOM = 12  # em: the bar of 100 %


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = ()) -> str:
    """A table. Its cells are HTML already; the columns `left` hold texts, the others numbers."""

    def cells(tag: str, row: Sequence[str]) -> str:
        styles = [_LEFT if at in left else "text-align:right;vertical-align:top" for at in range(len(row))]
        return "".join(f'<{tag} style="{style}">{cell}</{tag}>' for style, cell in zip(styles, row, strict=True))

    head = f"<thead><tr>{cells('th', headers)}</tr></thead>" if any(headers) else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def funnel_html(rows: Sequence[FunnelRow]) -> str:
    """The funnel: a bar for what is left after each stage, and the paper's share if the two can be compared."""
    faithful = any(row.paper is not None for row in rows)
    headers = ["stage", "in", "removed", "left", "", *(["paper"] if faithful else []), "reasons"]
    body = []
    for row in rows:
        paper = ["" if row.paper is None else f"{row.paper:.1%}"] if faithful else []
        bar = f'<span style="{_BAR}{row.left * _BAR_ROOM:.2f}em"></span>'
        numbers = [f"{row.rows_in:,}", f"{row.rows_removed:,}", f"{row.left:.1%}", bar]
        body.append([escape(line(row.stage, 80)), *numbers, *paper, _reasons(row.removed)])
    return table(headers, body, left=(0, 4, len(headers) - 1))


def _reasons(removed: dict[str, int]) -> str:
    shown = [f"{escape(line(reason, 80))}&nbsp;{n:,}" for reason, n in removed.items()]
    more = f", {len(shown) - MOST_REASONS} more" if len(shown) > MOST_REASONS else ""
    return ", ".join(shown[:MOST_REASONS]) + more


def documents_html(rows: Sequence[dict[str, Any]], total: int) -> str:
    """Documents for a reader: address and facts on the left, the start of the text on the right."""
    if not rows:
        return "<p>no documents</p>"
    note = f"<p>{total:,} documents, {len(rows)} shown</p>" if total > len(rows) else ""
    return table(["document", "text"], ([_document(row), _text(row)] for row in rows), left=(0, 1)) + note


def _document(row: dict[str, Any]) -> str:
    facts = [f"<b>{escape(line(row.get('url') or row.get('id') or '', 120))}</b>"]
    if row.get("drop"):
        facts.append(f"removed: {escape(line(row['drop'], 80))}")
    if row.get("language"):
        score = row.get("language_score")
        facts.append(escape(line(row["language"], 80)) + ("" if score is None else f" {score:.2f}"))
    if row.get("kept_id"):
        facts.append(f"kept instead: {escape(line(row['kept_id'], 80))}")
    return "<br>".join(facts)


def _text(row: dict[str, Any]) -> str:
    text = row.get("text") or ""
    if not text and row.get("html"):
        text = row["html"][: 4 * TEXT].decode("utf-8", "replace")
    return _lines(text[:TEXT]) + (f" … <i>({len(text):,} characters)</i>" if len(text) > TEXT else "")


def _lines(text: str) -> str:
    return "<br>".join(escape(part) for part in printable(text).splitlines()) or "<i>content not kept</i>"


def explanation_html(title: str, verdict: str, steps: Sequence[StageVerdict]) -> str:
    """What every stage says about one page. A stage that drops it is shown open; the others open at a click."""
    parts = [f"<p>{escape(title)}: <b>{escape(verdict)}</b></p>"]
    for step in steps:
        sign = "✗" if step.drop else "·" if step.note else "✓"
        opened = " open" if step.drop else ""
        readings = table(["measure", "value", "limit", ""], map(_reading, step.readings), left=(0, 2, 3))
        summary = f"<summary>{sign} <b>{escape(step.stage)}</b> {escape(step.outcome)}</summary>"
        body = readings if step.readings else _changed(step.changed)
        parts.append(f"<details{opened}>{summary}{body}{_parts(step.parts)}</details>")
    return "".join(parts)


def _parts(parts: Sequence[JudgedPart]) -> str:
    """The parts of the page that a stage kept, and those that it left out, marked by ✗."""
    rows = [
        ["" if part.kept else "✗", f"{part.score:.2f}", escape(line(part.text, 120)) or "<i>nothing</i>"]
        for part in parts
    ]
    return table(["", "score", "text"], rows, left=(0, 2)) if rows else ""


def _reading(reading: MeasureReading) -> list[str]:
    low = "" if reading.min is None else f"≥ {reading.min:g}"
    high = "" if reading.max is None else f"≤ {reading.max:g}"
    mark = "" if reading.inside else f"✗ {escape(reading.reason or '')}"
    return [escape(reading.measure), f"{reading.value:.4g}", escape(f"{low} {high}".strip()), mark]


def _changed(changed: dict[str, Any]) -> str:
    rows = [[escape(name), escape(line(value, 120))] for name, value in changed.items()]
    return table(["", ""], rows, left=(0, 1)) if rows else "<p>nothing changed</p>"


def pair_html(pair: DuplicatePair) -> str:
    """A removed document and the one that was kept, side by side. Words that only one of them has are marked."""
    facts = [pair.reason, f"cluster of {pair.cluster_size}"]
    if pair.jaccard is not None:
        facts.insert(1, f"Jaccard {pair.jaccard:.3f}, {len(pair.bands)} bands in common")
    heads = ["removed: " + _name(pair.removed), "kept: " + _name(pair.kept)]
    texts = marked(pair.removed.get("text") or "", pair.kept.get("text") or "")
    return f"<p><b>{escape(line(pair.stage, 80))}</b> {escape(line(' · '.join(facts)))}</p>" + table(
        heads, [texts], left=(0, 1)
    )


def cut_html(cut: CutDocument) -> str:
    """A document and those of its spans that occur elsewhere too."""
    what = cut.reason or f"stays, without {len(cut.spans)} span{'s' * (len(cut.spans) != 1)}"
    rows = [[f'<del style="{_GONE}">{_lines(span[:TEXT])}</del>'] for span in cut.spans]
    return f"<p><b>{escape(line(cut.stage, 80))}</b> {_name(cut.document)}: {escape(line(what))}</p>" + table(
        [""], rows, left=(0,)
    )


def _name(document: dict[str, Any]) -> str:
    return escape(line(document.get("url") or document["id"], 120))


def marked(removed: str, kept: str) -> tuple[str, str]:
    """Both texts, with the words marked that only one of them has. Long runs of equal words are left out of both."""
    if removed == kept:
        same = _lines(kept[:TEXT])
        return same, f"{same}<br><i>the same text, byte for byte</i>"
    a, b = removed.split()[:MOST_WORDS], kept.split()[:MOST_WORDS]
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            for side in sides:
                side.append(_shortened(a[i1:i2]))
            continue
        if i2 > i1:
            sides[0].append(f'<del style="{_GONE}">{_words(a[i1:i2])}</del>')
        if j2 > j1:
            sides[1].append(f'<ins style="{_NEW}">{_words(b[j1:j2])}</ins>')
    return " ".join(sides[0]), " ".join(sides[1])


def _shortened(words: list[str]) -> str:
    if len(words) <= 2 * AROUND:
        return _words(words)
    return f"{_words(words[:AROUND])} <i>… {len(words) - 2 * AROUND} words …</i> {_words(words[-AROUND:])}"


def _words(words: list[str]) -> str:
    return escape(printable(" ".join(words)))
