"""`results.json`: what each suite found last, and on which machine; and the part of `RESULTS.md` that is made from it.

Everything here is a pure function of the record. A suite that is run alone replaces its own entry; the others stay.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.pairs import QUIET
from benchmarks.suite import Table

BEGIN = "<!-- from here to the next such line: written by `python -m benchmarks` from results.json -->"
END = "<!-- to here: written by `python -m benchmarks` -->"
LONGEST = 160  # characters of a reason, so that it fits into a table

Record = dict[str, Any]


def entry(table: Table, measured: Mapping[str, Any]) -> dict[str, Any]:
    """A suite's entry of the record. `measured`: machine, software, date, runs, quick, load."""
    return {**asdict(table), "measured": dict(measured)}


def placed(document: str, part: str) -> str:
    """The document with `part` between its two marks. Raises ValueError unless each occurs once, in order."""
    marks = [document.count(mark) for mark in (BEGIN, END)]
    if marks != [1, 1] or document.index(BEGIN) > document.index(END):
        raise ValueError(
            f"RESULTS.md has {marks[0]} and {marks[1]} of the lines around the written part, instead of one each; put "
            f"in:\n{BEGIN}\n{END}"
        )
    before, after = document.split(BEGIN)[0], document.split(END)[1]
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{after}"


def markdown(record: Mapping[str, Any]) -> str:
    """All suites, in the order of the record."""
    same = len({_place(one) for one in record.values()}) == 1
    head = [
        _wrapped(
            "Contenders take turns on one core, after a first turn that does not count; each line is the median run. "
            "Speeds are per CPU second and ratios are of CPU times, so more is faster. A peer runs unchanged, in its "
            "own environment: `uv run --script benchmarks/peers/SIDE`; ours is `python -m benchmarks.peers.SIDE`."
        ),
        "![Ratios of all suites, on logarithmic scales](results.svg)",
    ]
    head += [_place(one) for one in list(record.values())[:1] if same]
    return "\n\n".join([*head, *(_suite(name, one, place=not same) for name, one in record.items())])


def _place(one: Mapping[str, Any]) -> str:
    """Where, when and with what a suite was measured."""
    measured = one["measured"]
    runs = f"{measured['runs']} run" + "s" * (measured["runs"] != 1)
    quick = " **Small inputs (`--quick`): a trial, not a measurement.**" if measured["quick"] else ""
    return _wrapped(f"{measured['machine']}; {measured['software']}; {measured['date']}; {runs}.{quick}")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_on_hyphens=False)


def _suite(name: str, one: Mapping[str, Any], place: bool) -> str:
    parts = [f"### {one['title']}", f"    {command(name, one['measured'])}", _wrapped(one["about"])]
    parts += [_place(one)] if place else []
    load = one["measured"]["load"]
    parts += [f"**Busy machine (load {load:.1f}): read the ratios only.**"] if load > QUIET else []
    figure = [one["figure"]] if one["figure"] else []
    heads = ["contender", "version", f"{one['unit']} per CPU second", "fastest, slowest run", "ratio", *figure, "side"]
    lines = [heads, ["---"] * len(heads), *(_cells(row, bool(figure)) for row in one["rows"])]
    return "\n\n".join([*parts, "\n".join(f"| {' | '.join(cells)} |" for cells in lines)])


def command(name: str, measured: Mapping[str, Any]) -> str:
    """The command that measures a suite again."""
    quick = " --quick" if measured["quick"] else ""
    return f"uv run python -m benchmarks --only {name} --runs {measured['runs']}{quick}"


def _cells(row: Mapping[str, Any], figure: bool) -> list[str]:
    start = [row["contender"], row["package"]]
    if row["missing"]:
        return [*start, f"not run: {reason(row)}", "", "", *[""] * figure, row["side"]]
    ratio = "" if row["ratio"] is None else short(row["ratio"])
    return [*start, short(row["speed"]), _span(*row["seconds"]), ratio, *[row["quality"]] * figure, row["side"]]


def _span(fastest: float, slowest: float) -> str:
    """The times of the fastest and the slowest run, with their unit."""
    scale, unit = (1, "s") if slowest >= 0.1 else (1000, "ms")
    ends = dict.fromkeys(f"{value * scale:.3g}" for value in (fastest, slowest))
    return f"{'–'.join(ends)} {unit}"


def reason(row: Mapping[str, Any]) -> str:
    """Why a contender did not run, in a line that fits into a table."""
    line = re.sub(r"\s+", " ", row["missing"]).strip().replace("|", "\\|")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def short(value: float) -> str:
    """A number with three significant digits: 0.123, 4.57, 12.3, 1,230."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
