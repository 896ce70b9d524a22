"""How `inspect` and `explain` show what global steps decided: pairs with their differences marked, and cut spans."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from refinedweb.views.records import CutDocument, DuplicatePair
from refinedweb.views.terminal import json_line, line, printable

if TYPE_CHECKING:
    from refinedweb.views.run import Run

AROUND = 8  # words shown before and after a difference
MOST_WORDS = 4000  # of each text that are compared: the time grows with the square of it
MOST_CHANGES = 12  # differences shown without --whole: about a screen
SHOWN_WORDS = 40  # of one difference
SHOWN_SPAN = 300  # characters of a cut span
SHOWN_BANDS = 5  # numbers of bands in common


def show_decision(found: DuplicatePair | CutDocument, *, whole: bool, as_json: bool) -> None:
    """Print one decision, for a reader or for a program."""
    if as_json:
        click.echo(json_line(found.__dict__))
    elif isinstance(found, CutDocument):
        _show_cut(found, whole)
    else:
        _show_pair(found, whole)


def show_histories(run: Run, which: str, *, as_json: bool) -> int:
    """Print what became of the documents of a run that have this id or URL."""
    from refinedweb.ledger.layout import CORPUS
    from refinedweb.views.history import histories

    for history in histories(run, which):
        if as_json:
            events = [event.__dict__ for event in history.events]
            click.echo(json_line({**history.__dict__, "events": events}))
            continue
        end = "kept" if history.end == CORPUS else f"removed by {history.end}: {line(history.reason)}"
        click.secho(f"{_name(history.document)}: {end}", bold=True)
        for link in history.chain:
            click.echo(f"  → {line(link['id'])}: {_link_end(link)}")
        for event in history.events:
            show_decision(event, whole=False, as_json=False)
            if isinstance(event, CutDocument):
                _show_elsewhere(run, event)
    return 0


def _link_end(link: dict[str, Any]) -> str:
    """Where a document is that was kept instead of another."""
    from refinedweb.ledger.layout import CORPUS

    if link["end"] is None:
        return "of an earlier run"
    return "in the corpus" if link["end"] == CORPUS else f"removed by {link['end']}: {line(link['reason'])}"


def _show_elsewhere(run: Run, cut: CutDocument) -> None:
    decisions = run.decisions(cut.stage)
    for number in range(len(cut.spans) if decisions is not None else 0):
        other = decisions.elsewhere(cut, number) if decisions is not None else None
        where = "occurs again in the same document" if other is None else f"also occurs in {_name(other)}"
        click.echo(f"  span {number + 1} {where}")


def _show_pair(pair: DuplicatePair, whole: bool) -> None:
    click.secho(f"removed {_name(pair.removed)}", bold=True)
    click.echo(f"kept    {_name(pair.kept)}" + ("  (of an earlier run)" if pair.old else ""))
    click.echo("  " + " · ".join(_facts(pair)))
    a, b = pair.removed.get("text"), pair.kept.get("text")
    if not a or not b:
        click.echo("    (text not kept)\n")
    elif a == b:
        click.echo("    the same text, byte for byte\n")
    else:
        for change in changes(a, b, whole):
            click.echo(f"    {change}")
        click.echo()


def _facts(pair: DuplicatePair) -> Iterator[str]:
    yield f"{pair.stage} {pair.reason}"
    if pair.jaccard is not None:
        yield f"Jaccard {pair.jaccard:.3f}"
        yield _bands(pair.bands)
    yield f"cluster of {pair.cluster_size}"


def _bands(bands: list[int]) -> str:
    if not bands:
        return "no band in common: other documents of their cluster connect them"
    shown = ", ".join(map(str, bands[:SHOWN_BANDS])) + (", …" if len(bands) > SHOWN_BANDS else "")
    return f"{len(bands)} bands in common ({shown})"


def changes(removed: str, kept: str, whole: bool) -> Iterator[str]:
    """Where the words of two texts differ, with some context: [- only removed -] {+ only kept +}."""
    a, b = removed.split()[:MOST_WORDS], kept.split()[:MOST_WORDS]
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    for _, i1, i2, j1, j2 in blocks if whole else blocks[:MOST_CHANGES]:
        before, after = " ".join(a[max(0, i1 - AROUND) : i1]), " ".join(a[i2 : i2 + AROUND])
        gone = click.style(f"[-{_shortened(a[i1:i2])}-]", fg="red") if i2 > i1 else ""
        new = click.style(f"{{+{_shortened(b[j1:j2])}+}}", fg="green") if j2 > j1 else ""
        yield f"… {printable(before)} {gone}{new} {printable(after)} …"
    if not blocks:
        yield "the same words; white space differs"
    if len(blocks) > MOST_CHANGES and not whole:
        yield f"and {len(blocks) - MOST_CHANGES} more differences (--whole shows all)"


def _shortened(words: list[str]) -> str:
    shown = printable(" ".join(words[:SHOWN_WORDS]))
    return shown if len(words) <= SHOWN_WORDS else f"{shown} … ({len(words)} words)"


def _show_cut(cut: CutDocument, whole: bool) -> None:
    click.secho(_name(cut.document), bold=True)
    click.echo(f"  {cut.stage} · {cut.reason or 'stays, without'} {len(cut.spans)} span{'s' * (len(cut.spans) != 1)}")
    for span in cut.spans:
        shown = span if whole or len(span) <= SHOWN_SPAN else f"{span[:SHOWN_SPAN]} … ({len(span):,} characters)"
        click.echo("    ✂ " + " ".join(printable(shown).split()))
    click.echo()


def _name(document: dict[str, Any]) -> str:
    return f"{line(document.get('url') or '')}  {line(document['id'])}".strip()
