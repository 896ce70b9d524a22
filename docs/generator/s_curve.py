"""The S-curves of the MinHash presets, as an SVG that uses the colours of the page around it."""

from __future__ import annotations

from collections.abc import Mapping

# Pixels of the picture, and of the edges of the plot in it.
WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 616, 16, 290
FROM = 0.4  # the similarity at which the axis begins: below it both curves are at zero
POINTS = 240  # straight pieces of each curve: more than two pixels each would show
STYLES = {"refinedweb": ("", "var(--color-brand-primary, #2962ff)"), "fineweb": ("7 5", "currentColor")}


def probability(similarity: float, bands: int, rows: int) -> float:
    """The probability that two texts of this Jaccard similarity share the digest of at least one band."""
    return float(1 - (1 - similarity**rows) ** bands)


def s_curve_svg(presets: Mapping[str, tuple[int, int]]) -> str:
    """The probability of being found over the Jaccard similarity, one curve per preset (name → bands, rows)."""
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="s-curve-title s-curve-desc" '
            'style="max-width:100%;height:auto;font:13px system-ui,sans-serif" fill="currentColor" '
            'xmlns="http://www.w3.org/2000/svg">',
            '<title id="s-curve-title">Probability that a pair of texts is found</title>',
            f'<desc id="s-curve-desc">{_in_words(presets)}</desc>',
            *_grid(),
            *(_curve(name, *presets[name]) for name in presets),
            *(_label(name, n, *presets[name]) for n, name in enumerate(presets)),
            "</svg>\n",
        ]
    )


def _in_words(presets: Mapping[str, tuple[int, int]]) -> str:
    """The picture in words, for those who cannot see it."""
    at = (0.6, 0.7, 0.75, 0.8, 0.9)
    return " ".join(
        f"{name}, {bands} bands of {rows} rows: "
        + ", ".join(f"{probability(s, bands, rows):.3f} at similarity {s}" for s in at)
        + "."
        for name, (bands, rows) in presets.items()
    )


def _x(similarity: float) -> float:
    return LEFT + (similarity - FROM) / (1 - FROM) * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _grid() -> list[str]:
    lines = []
    for tick in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        lines.append(f'<path d="M{_x(tick):.1f} {TOP}V{BOTTOM}" stroke="currentColor" opacity=".12"/>')
        lines.append(f'<text x="{_x(tick):.1f}" y="{BOTTOM + 20}" text-anchor="middle">{tick:.1f}</text>')
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        lines.append(f'<path d="M{LEFT} {_y(tick):.1f}H{RIGHT}" stroke="currentColor" opacity=".12"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:.0%}</text>')
    lines.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 42}" text-anchor="middle">Jaccard similarity</text>')
    return lines


def _curve(name: str, bands: int, rows: int) -> str:
    steps = (FROM + (1 - FROM) * n / POINTS for n in range(POINTS + 1))
    path = "L".join(f"{_x(s):.1f} {_y(probability(s, bands, rows)):.1f}" for s in steps)
    dash, colour = STYLES.get(name, ("2 4", "currentColor"))
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'


def _label(name: str, number: int, bands: int, rows: int) -> str:
    dash, colour = STYLES.get(name, ("2 4", "currentColor"))
    y = TOP + 24 + 22 * number
    line = f'<path d="M{LEFT + 14} {y}h34" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'
    return f'{line}<text x="{LEFT + 56}" y="{y + 4}">{name}: {bands} × {rows}</text>'
