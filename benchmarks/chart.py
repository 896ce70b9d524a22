"""`results.svg`: every contender's ratio on a logarithmic scale, with a panel per suite, in the style of the report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes

from benchmarks.record import reason, short
from refinedweb.report.charts import INK, KEPT, MUTED, OTHER, RULE, SETTINGS, plain_figure, themed_svg

WIDTH, LINE, HEAD, MARGIN = 980, 20, 48, 16  # pixels
BAR = (0.25, 0.55)  # where the bars begin and end, in widths of the picture
TITLE, RATIO, FIGURE = -0.8, 1.17, 1.21  # where columns of text begin or end, in widths of the bars
LETTERS = 60  # of a reason that fits next to the bars


def svg(record: Mapping[str, Any]) -> str:
    """A self-contained file with the report's colours, light and dark."""
    heights = [HEAD + LINE * len(one["rows"]) for one in record.values()]
    height, top = sum(heights) + MARGIN, MARGIN / 2
    with rc_context(SETTINGS):
        figure, first = plain_figure(WIDTH, height, bottom=0, top=1)
        first.remove()
        for one, own in zip(record.values(), heights, strict=True):
            bottom = 1 - (top + own) / height
            axes = figure.add_axes((BAR[0], bottom, BAR[1] - BAR[0], (own - HEAD) / height))
            _panel(axes, one)
            top += own
        return _alone(themed_svg(figure, "Benchmarks compared with the peers", in_words(record)))


def in_words(record: Mapping[str, Any]) -> str:
    """The picture in words."""
    parts = []
    for one in record.values():
        rows = [f"{row['contender']} {short(row['ratio'])}" for row in one["rows"] if row["ratio"] is not None]
        parts.append(f"{one['title']}, times {one['reference']}: {', '.join(rows)}")
    return "; ".join(parts)


def _panel(axes: Axes, one: Mapping[str, Any]) -> None:
    rows = one["rows"]
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    axes.set_xscale("log")
    axes.set_xlim(min([*ratios, 0.8]) / 1.1, max([*ratios, 1.25]) * 1.1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_axis_off()
    axes.patch.set_visible(False)
    axes.axvline(1, color=RULE, linewidth=1, zorder=0)
    across = axes.get_yaxis_transform()
    write = {"transform": across, "va": "center", "fontsize": 10}
    axes.text(TITLE, -1.2, one["title"], color=INK, fontweight="bold", **write)
    axes.text(RATIO, -1.2, f"× {one['reference']}".replace("`", ""), color=MUTED, ha="right", **write)
    axes.text(FIGURE, -1.2, one["figure"], color=MUTED, ha="left", **write)
    for at, row in enumerate(rows):
        is_ours = row["contender"].startswith("ours")
        axes.text(-0.03, at, row["contender"].replace("`", ""), color=INK, ha="right", **write)
        if row["ratio"] is None:
            note = f"not run: {reason(row)}" if row["missing"] else row["quality"]
            axes.text(0.01, at, note if len(note) <= LETTERS else note[: LETTERS - 1] + "…", color=MUTED, **write)
            continue
        colour = KEPT if is_ours else OTHER
        axes.barh(at, row["ratio"] - 1, 0.62, left=1, color=colour)
        axes.plot([1, 1], [at - 0.31, at + 0.31], color=colour, linewidth=2, solid_capstyle="butt")
        axes.text(RATIO, at, short(row["ratio"]), color=INK, ha="right", **write)
        axes.text(FIGURE, at, row["quality"], color=MUTED, ha="left", **write)


def _alone(chart: str) -> str:
    """The chart with the variables that a page would define, and a background."""
    style = (resources.files("refinedweb.report") / "templates" / "style.css").read_text(encoding="utf-8")
    variables = re.match(r":root \{.*?\n\}\n@media [^\n]*\n.*?\n\}\n", style, re.S)
    assert variables is not None, "the report's style begins with its colours"
    inside = f"<style>{variables[0]} text {{ font-family: system-ui, sans-serif }}</style>"
    paper = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    return re.sub(r"(<desc>.*?</desc>)", lambda found: found[1] + inside + paper, chart, count=1, flags=re.S) + "\n"
