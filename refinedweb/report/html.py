"""The report as one HTML file that contains everything it shows, fetches nothing and runs nothing."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from refinedweb.ledger.layout import REPORT
from refinedweb.recipe.recipe import differences
from refinedweb.report import charts
from refinedweb.report.environment import environment
from refinedweb.report.facts import top
from refinedweb.report.measures import Measure
from refinedweb.report.view import View, gather
from refinedweb.storage import open_store
from refinedweb.views.run import Run

TOP_DOMAINS = 15  # rows of each table of domains
TOP_LANGUAGES = 12  # rows of the table of languages; one more sums up the others


def write_report(out: str, destination: str | None = None, compare: str | None = None, *, trust: bool = False) -> str:
    """Write the report of the run below `out`, compared with the run below `compare`, to the file `destination` (by
    default `OUT/report.html`). Returns where it is. `trust`: open what the runs name outside of them. Raises
    ConfigError if there is no run.
    """
    other = None if compare is None else Run(compare, trust=trust)
    html = render(Run(out, trust=trust), other).encode()
    if destination is None:
        store, key = open_store(out), REPORT
    else:
        folder, _, key = destination.rpartition("/")
        store = open_store(folder or ("/" if destination.startswith("/") else "."))
    store.put(key, html)
    return store.uri(key)


def render(run: Run, compare: Run | None = None) -> str:
    """The report as HTML. The same runs give the same bytes."""
    view = gather(run)
    other = None if compare is None else gather(compare, examples=False)
    template = environment("refinedweb.report").get_template("report.html")
    return template.render(v=view, o=other, **_charts(view, other), **_tables(view, other))


def _charts(view: View, other: View | None) -> dict[str, Any]:
    known = {} if other is None else {(m.stage, m.name): m for m in other.measures}
    groups: dict[str, list[tuple[Measure, Markup]]] = {}
    for measure in view.measures:
        drawn = charts.measure_chart(measure, known.get((measure.stage, measure.name)))
        groups.setdefault(measure.stage, []).append((measure, Markup(drawn)))
    return {
        "funnel_chart": Markup(charts.funnel_chart(view.funnel, None if other is None else other.funnel)),
        "measure_charts": groups,
        "cluster_charts": {stage: Markup(charts.cluster_chart(found)) for stage, found in view.clusters.items()},
    }


def _tables(view: View, other: View | None) -> dict[str, Any]:
    there = {} if other is None else {(r.stage, reason): n for r in other.funnel for reason, n in r.removed.items()}
    here = {(row.stage, reason): n for row in view.funnel for reason, n in row.removed.items()}
    keys = [*here, *(key for key in there if key not in here)]
    order = {row.stage: place for place, row in enumerate([*view.funnel, *(other.funnel if other else [])])}
    keys.sort(key=lambda key: order[key[0]])
    return {
        "reasons": [(*key, here.get(key, 0), there.get(key, 0)) for key in keys],
        "domains_kept": top(view.facts.domains, 0, TOP_DOMAINS),
        "domains_removed": top(view.facts.domains, 1, TOP_DOMAINS),
        "languages": _languages(view),
        "changes": [] if other is None else differences(other.run.file.recipe, view.run.file.recipe),
    }  # fmt: skip


def _languages(view: View) -> list[tuple[str, int, int]]:
    counts = view.facts.languages
    ranked = sorted(counts, key=lambda name: (-sum(counts[name]), name))
    rows = [(name, round(counts[name][0]), round(counts[name][1])) for name in ranked]
    rest = rows[TOP_LANGUAGES:]
    more = [(f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest))] if rest else []
    return [*rows[:TOP_LANGUAGES], *more]
