"""What every stage of a recipe says about one page, with each measure next to its limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa

from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources import decode_html
from refinedweb.views.html import explanation_html
from refinedweb.views.records import MeasureReading, StageVerdict
from stages.base import JudgedPart, Limit, Measured, Parted, Stage, of_language, set_column
from stages.dedup import Global
from stages.schema import documents, is_measure

FAR_SCORE = 0.1  # of 1: neighbouring parts that were left out with a lower score share one line


@dataclass(frozen=True)
class Explanation:
    """Every stage's verdict on a page. The first reason decides; the later ones say what would have happened."""

    url: str | None
    steps: list[StageVerdict]
    text: str | None

    @property
    def verdict(self) -> str:
        """`kept`, or `removed by STAGE: REASON`."""
        for step in self.steps:
            if step.drop is not None:
                return f"removed by {step.stage}: {step.drop}"
        return "kept"

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values, for JSON."""
        steps = [
            {
                **step.__dict__,
                "readings": [{**r.__dict__, "inside": r.inside} for r in step.readings],
                "parts": [part.__dict__ for part in step.parts],
            }
            for step in self.steps
        ]
        return {"url": self.url, "verdict": self.verdict, "steps": steps, "text": self.text}

    def __repr__(self) -> str:
        lines = [f"{self.url or 'page'}: {self.verdict}"]
        for step in self.steps:
            lines.append(f"{step.stage}: {step.outcome}")
            lines += [f"  {_reading(reading)}" for reading in step.readings]
            lines += [f"  {line}" for line in part_lines(step.parts)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return explanation_html(self.url or "page", self.verdict, self.steps)


def explain(page: str | bytes, *, url: str | None = None, recipe: str | Recipe = "refinedweb") -> Explanation:
    """Pass `page` through the stages of `recipe` (a name, a path or a Recipe).

    `page` is HTML; bytes are decoded as those of a crawl would be.
    """
    loaded = load_recipe(recipe) if isinstance(recipe, str) else recipe
    text = page if isinstance(page, str) else decode_html(page)
    docs = documents(id=["page"], url=[url], html=[text.encode("utf-8", "replace")])
    return explain_row(docs, loaded.build())


def explain_row(docs: pa.Table, stages: list[Stage]) -> Explanation:
    """Pass the one document of `docs` through `stages`, also after one drops it, to show what the others would say."""
    url = docs.column("url")[0].as_py()
    steps = []
    for stage in stages:
        undecided = set_column(docs, "drop", pa.nulls(1, pa.string()))
        judged = stage(undecided)
        stage = of_language(stage, judged.column("language")[0].as_py() if "language" in judged.column_names else None)
        parts = stage.parts(undecided)[0] if isinstance(stage, Parted) else ()
        steps.append(replace(_step(stage, docs, judged), parts=parts))
        docs = judged
    return Explanation(url, steps, docs.column("text")[0].as_py())


def _step(stage: Stage, before: pa.Table, after: pa.Table) -> StageVerdict:
    old, new = before.to_pylist()[0], after.to_pylist()[0]
    changed = {
        name: value
        for name, value in new.items()
        if name not in ("drop", "html") and not is_measure(name) and value != old.get(name)
    }
    measures = {name.partition(".")[2]: v for name, v in new.items() if name.startswith(f"{stage.name}.")}
    if isinstance(stage, Global):
        counts = ", ".join(f"{len(found)} {name}" for name, found in measures.items() if name != "checks")
        return StageVerdict(stage.name, None, f"decides over a whole corpus; this page has {counts}", changed=changed)
    return StageVerdict(stage.name, new.get("drop"), readings=_readings(stage, measures), changed=changed)


def _readings(stage: Stage, measures: Mapping[str, float]) -> list[MeasureReading]:
    limits = list(stage.limits()) if isinstance(stage, Measured) else []
    limited = {limit.measure for limit in limits}
    free = [Limit(name, "") for name in measures if name not in limited]
    return [
        MeasureReading(limit.measure, measures[limit.measure], limit.min, limit.max, limit.reason or None)
        for limit in [*limits, *free]
    ]


def part_lines(parts: Sequence[JudgedPart], width: int = 100) -> Iterator[str]:
    """A line for each part: kept (+) or not (-), score, start of its text. Neighbours of low score share a line."""
    for far, run in groupby(parts, lambda part: not part.kept and part.score < FAR_SCORE):
        found = list(run)
        if far and len(found) > 1:
            highest = max(part.score for part in found)
            yield f"- {highest:.2f} … {len(found)} more, from “{_start(found[0], 30)}” to “{_start(found[-1], 30)}”"
        else:
            for part in found:
                yield f"{'+' if part.kept else '-'} {part.score:.2f} {_start(part, width)}"


def _start(part: JudgedPart, width: int) -> str:
    text = " ".join(part.text.split())
    return text if len(text) <= width else text[: width - 2] + " …"


def _reading(reading: MeasureReading) -> str:
    low = "" if reading.min is None else f"{reading.min:g} ≤ "
    high = "" if reading.max is None else f" ≤ {reading.max:g}"
    mark = " " if reading.inside else "✗"
    return f"{mark} {low}{reading.measure}{high}: {reading.value:g}"
