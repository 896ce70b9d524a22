"""Charts as SVG that takes its colours (light, dark, print) and fonts from the HTML around it.

Matplotlib draws them with colours that stand for CSS variables. Then everything random, duplicate or unneeded is
removed, so that equal numbers give equal bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from lxml import etree
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from refinedweb.report.facts import Values
from refinedweb.report.measures import Measure
from refinedweb.views.funnel import FunnelRow
from stages.base import Limit

# Colours that stand for variables of the style sheet.
INK, MUTED, RULE, KEPT, GONE, OTHER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", KEPT: "--kept", GONE: "--gone", OTHER: "--other"}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "refinedweb",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "path.simplify": False,
}
SVG = "{http://www.w3.org/2000/svg}"
DPI = 72  # dots per inch: one point of matplotlib is one pixel
BINS = 48  # bins of a histogram: some 6 pixels each
WIDE = 40  # the largest value from which a logarithmic axis is considered
WIDE_FACTOR = 8  # times the median (or 1): the largest value must also be beyond this
# Positions of the funnel's columns of numbers, in widths of its bars; SHIFT makes room for the column of the paper.
COUNT_AT, SHARE_AT, PAPER_AT, SHIFT = -0.15, -0.02, -0.02, 0.15


def funnel_chart(rows: Sequence[FunnelRow], others: Sequence[FunnelRow] | None = None) -> str:
    """A bar for each stage: the share of all documents left after it; the paper's as a mark, another run's below."""
    others = list(others or [])
    labels = [row.stage for row in rows]
    paper = any(row.paper is not None for row in rows)
    with rc_context(SETTINGS):
        height = 58 + (40 if others else 30) * len(rows)
        figure, axes = plain_figure(760, height, left=0.46 if paper else 0.38, right=0.98)
        at = np.arange(len(rows))
        thick = 0.36 if others else 0.62
        axes.barh(at - (0.2 if others else 0), [row.left for row in rows], thick, color=KEPT)
        known = {row.stage: row for row in others}
        pairs = [(n, known[label]) for n, label in enumerate(labels) if label in known]
        if pairs:
            axes.barh([n + 0.2 for n, _ in pairs], [row.left for _, row in pairs], thick, color=OTHER)
            for n, other in pairs:
                _numbers(axes, n + 0.2, other, OTHER, paper)
        for n, row in enumerate(rows):
            _numbers(axes, n - (0.2 if others else 0), row, INK, paper)
            if row.paper is not None:
                axes.plot([row.paper] * 2, [n - 0.42, n + 0.42], color=GONE, linewidth=2, solid_capstyle="butt")
                _number(axes, PAPER_AT, n, f"{row.paper:.1%}", GONE)
        axes.set_yticks(at, labels)
        _number(axes, COUNT_AT - paper * SHIFT, -0.9, "documents", MUTED)
        _number(axes, SHARE_AT - paper * SHIFT, -0.9, "left", MUTED)
        if paper:
            _number(axes, PAPER_AT, -0.9, "paper", MUTED)
        axes.set_ylim(len(rows) - 0.4, -1.2)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0%}"))
        axes.tick_params(length=0)
        axes.tick_params(axis="y", pad=190 if paper else 130)
        axes.grid(axis="x", color=RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        described = "; ".join(f"after {row.stage} {row.left:.1%} of all documents are left" for row in rows)
        return themed_svg(figure, "Funnel", described)


def measure_chart(measure: Measure, other: Measure | None = None) -> str:
    """The distribution of one measure, with values beyond a limit in another colour, and another run's as a line."""
    found = measure.found
    everything = found.values if other is None else np.concatenate([found.values, other.found.values])
    log = _is_wide(everything)
    edges = _edges(everything, log, [v for limit in measure.limits for v in (limit.min, limit.max) if v is not None])
    outside = measure.outside()
    within, beyond = _shares(found, edges, ~outside), _shares(found, edges, outside)
    with rc_context(SETTINGS):
        figure, axes = plain_figure(300, 118, left=0.03, right=0.97, bottom=0.2, top=0.86)
        axes.stairs(within, edges, fill=True, color=KEPT, linewidth=0)
        if outside.any():
            axes.stairs(within + beyond, edges, baseline=within, fill=True, color=GONE, linewidth=0)
        if other is not None:
            axes.stairs(_shares(other.found, edges, None), edges, color=OTHER, linewidth=1.4, baseline=None)
        for limit in measure.limits:
            _limit_line(axes, limit, edges)
        if log:
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xticks([t for t in (0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) if t <= edges[-1]])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=bool(edges[-1] > 1 and np.all(everything % 1 == 0))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _short(x)))
        axes.minorticks_off()
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), lambda y: y**2))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, float((within + beyond).max()) * 1.05)
        axes.yaxis.set_visible(False)
        axes.spines["bottom"].set_visible(True)
        axes.tick_params(length=3, pad=2, labelsize=9)
        return themed_svg(figure, f"{measure.stage} {measure.name}", _described(measure))


def cluster_chart(sizes: Sequence[int]) -> str:
    """The number of clusters by their number of documents."""
    bins = [(2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 1000), (1001, max([1001, *sizes]))]
    counts = [sum(low <= size <= high for size in sizes) for low, high in bins]
    last = max(n for n, count in enumerate(counts) if count)
    names = [
        f"{low:,}" if low == high else f"over {low - 1:,}" if low == 1001 else f"{low}–{high}" for low, high in bins
    ]
    with rc_context(SETTINGS):
        figure, axes = plain_figure(420, 34 + 24 * (last + 1), left=0.2, right=0.8, bottom=0.03, top=0.97)
        at = np.arange(last + 1)
        axes.barh(at, counts[: last + 1], 0.62, color=KEPT)
        for n in at:
            _right(axes, counts[n] + max(counts) * 0.02, float(n), f"{counts[n]:,}", INK)
        axes.set_yticks(at, names[: last + 1])
        axes.set_ylim(last + 0.6, -0.6)
        axes.set_xlim(0, max(counts))
        axes.xaxis.set_visible(False)
        axes.tick_params(length=0)
        described = "; ".join(f"{counts[n]:,} clusters of {names[n]}" for n in at)
        return themed_svg(figure, "Sizes of clusters", described)


def plain_figure(width: int, height: int, **edges: float) -> tuple[Figure, Axes]:
    """A figure of `width` × `height` pixels with bare axes. `edges` (left, right, bottom, top): shares of its size."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    margins = {"left": 0.1, "right": 0.9, "bottom": 30 / height, "top": 1 - 8 / height, **edges}
    figure.subplots_adjust(**margins)
    axes.patch.set_visible(False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def _numbers(axes: Axes, y: float, row: FunnelRow, colour: str, paper: bool) -> None:
    """Write what is left after a stage in the columns between its name and its bar."""
    _number(axes, COUNT_AT - paper * SHIFT, y, f"{row.rows_kept:,}", colour)
    _number(axes, SHARE_AT - paper * SHIFT, y, f"{row.left:.1%}", colour)


def _number(axes: Axes, x: float, y: float, label: str, colour: str) -> None:
    axes.text(x, y, label, color=colour, va="center", ha="right", fontsize=10)


def _right(axes: Axes, x: float, y: float, label: str, colour: str) -> None:
    axes.text(x, y, label, color=colour, va="center", ha="left", fontsize=10)


def _limit_line(axes: Axes, limit: Limit, edges: Any) -> None:
    for value, word in ((limit.min, "min"), (limit.max, "max")):
        if value is None or not edges[0] <= value <= edges[-1]:
            continue
        axes.axvline(value, color=INK, linewidth=1)
        right = _place(value, edges) < 0.6
        axes.annotate(
            f"{word} {_short(value)}", (value, 1.0), xycoords=("data", "axes fraction"),
            xytext=(3 if right else -3, 4), textcoords="offset points", ha="left" if right else "right", va="bottom",
            fontsize=9, color=INK, annotation_clip=False,
        )  # fmt: skip


def _place(value: float, edges: Any) -> float:
    """The horizontal position of a value in the chart, from 0 to 1."""
    return float(np.searchsorted(edges, value) / len(edges))


def _is_wide(values: Any) -> bool:
    """Whether the values span orders of magnitude, so that a logarithmic axis shows them better."""
    high = WIDE_FACTOR * max(1.0, float(np.median(values)))
    return bool(values.min() >= 0 and values.max() > WIDE and values.max() > high)


def _edges(values: Any, log: bool, limits: Sequence[float]) -> Any:
    """The edges of the bins. Limits within the range are edges too, so that no bin lies on both sides of a limit."""
    low, high = float(values.min()), float(values.max())
    inside = [v for v in limits if v <= high * 1.5 or v <= 1]
    low, high = min([low, 0.0, *inside]), max([high, *inside])
    if high == low:
        high = low + 1
    if log:
        edges = np.concatenate([[0.0, 1.0], np.geomspace(1, high * 1.1, BINS)[1:]])
    else:
        edges = np.linspace(low, low + (high - low) * 1.02, BINS + 1)
    return np.unique(np.concatenate([edges, inside]))


def _shares(found: Values, edges: Any, mask: Any) -> Any:
    """The share of all documents that is in each bin, counting only those in `mask` (None = all)."""
    chosen = slice(None) if mask is None else mask
    counts, _ = np.histogram(found.values[chosen], edges, weights=found.weights[chosen])
    return counts / found.weights.sum()


def _described(measure: Measure) -> str:
    """The chart in words, for screen readers."""
    values = measure.found.values
    quartiles = ", ".join(_short(float(q)) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    parts = [f"quartiles {quartiles}"]
    parts += [f"{measure.beyond(limit):.2%} fail: {limit.reason}" for limit in measure.limits]
    return "; ".join(parts)


def _short(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def themed_svg(figure: Figure, title: str, described: str) -> str:
    """The figure as SVG with CSS variables for colours, and with its title and description for screen readers."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = etree.fromstring(buffer.getvalue(), etree.XMLParser(resolve_entities=False, no_network=True))
    for name in ("metadata", "defs/style"):
        for found in root.iter(f"{SVG}{name.rpartition('/')[2]}"):
            found.getparent().remove(found)
    wanted = set(re.findall(r"#([\w-]+)", buffer.getvalue().decode()))
    for element in root.iter():
        if isinstance(element.tag, str) and element.get("id") not in wanted:
            element.attrib.pop("id", None)
    for comment in list(root.iter(etree.Comment)):
        comment.getparent().remove(comment)
    root.attrib.pop("version", None)
    root.set("role", "img")
    for tag, text in (("desc", described), ("title", title)):
        element = etree.Element(f"{SVG}{tag}")
        element.text = text
        root.insert(0, element)
    etree.cleanup_namespaces(root)
    return _themed(etree.tostring(root, encoding="unicode"))


def _themed(svg: str) -> str:
    """The SVG with CSS variables for colours, and without fonts of its own."""
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font: (?:[\w ]+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r" font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r'="[^"]*"', lambda value: re.sub(r"(\d\.\d{2})\d+", r"\1", value[0]), svg)  # texts keep their digits
    return re.sub(r">\s+<", "><", svg)
