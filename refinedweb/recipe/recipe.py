"""A recipe: which stages run, in which order and with which parameters. In TOML:

    name = "refinedweb"
    [run]                # RunOptions
    [source]             # SourceOptions, see refinedweb.sources
    [[stage]]
    name = "url_v1"
    curated = true       # any parameter of the stage

A resolved recipe holds every parameter, defaults included, and pins every model to its content, so its fingerprint
changes exactly when the output may change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from refinedweb.recipe.plan import is_global
from refinedweb.sources import SourceOptions
from stages.base import Stage, build

STAGE_SECONDS = 300.0  # the slowest innocent documents take less than one
FORMAT = 1  # of `Recipe.content`, which the fingerprint covers


@dataclass(frozen=True)
class RunOptions:
    """What the engine writes. It reads the first `limit` documents of each input file (None = all).

    `keep_removed` says what is kept of removed documents: the identifying columns (`ids`), all columns (`full`), or
    all columns of the first `sample_rows` per shard, stage and reason and the identifying columns of the rest
    (`sample`). `keep_measures` keeps the stages' measures in the outputs, so that other limits can be tried without a
    second run. `stage_seconds`: CPU seconds that the stages of a pass, or the signing of a global step, may take for
    one document; one that takes more is removed (`stage_timeout`). A batch that takes more is run again document by
    document, so a stage that is slow by nature (a large model) needs a higher limit.
    """

    keep_removed: Literal["ids", "sample", "full"] = "sample"
    sample_rows: int = 20
    keep_measures: bool = False
    limit: int | None = None
    stage_seconds: float = STAGE_SECONDS

    def __post_init__(self) -> None:
        if not self.stage_seconds > 0:
            raise ValueError(f"stage_seconds is a time in CPU seconds, more than 0, not {self.stage_seconds}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit is how many documents of each input file are read, at least 1, not {self.limit}")


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe. `stages` are (name, all parameters); `imports` are modules that register more stages."""

    name: str
    stages: tuple[tuple[str, dict[str, Any]], ...]
    run: RunOptions = RunOptions()
    source: SourceOptions = field(default_factory=SourceOptions)
    imports: tuple[str, ...] = ()
    description: str = field(default="", compare=False)

    def content(self) -> dict[str, Any]:
        """Everything that decides the output, as plain JSON values."""
        return {
            "format": FORMAT,
            "run": _plain(_without_usual_limit(dataclasses.asdict(self.run))),
            "source": _plain(dataclasses.asdict(self.source)),
            "stages": [{"name": name, **_plain(values)} for name, values in self.stages],
        }

    def fingerprint(self) -> str:
        """Equal for two recipes exactly if they make the same output from the same input."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()[:32]

    def only(self, names: Sequence[str]) -> tuple[tuple[str, dict[str, Any]], ...]:
        """The stages with these names, in this order, and their parameters."""
        known = dict(self.stages)
        return tuple((name, known[name]) for name in names)

    @property
    def deduplicates(self) -> bool:
        """Whether a stage compares documents with each other."""
        return any(is_global(name) for name, _ in self.stages)

    @property
    def indexes(self) -> bool:
        """Whether a stage can compare documents with those of earlier runs."""
        return any("index" in values for _, values in self.stages)

    def build(self) -> list[Stage]:
        """Build the stages, ready to be called."""
        return [build(name, values) for name, values in self.stages]


def _without_usual_limit(run: dict[str, Any]) -> dict[str, Any]:
    """Runs from before there was a limit keep their fingerprint."""
    return {name: value for name, value in run.items() if (name, value) != ("stage_seconds", STAGE_SECONDS)}


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """List the differences between two recipes' contents, one per line: `quality_v1.min_words: 50 → 30`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{at}.{key}".lstrip("."))]
    if at == "stages":
        names = [[stage["name"] for stage in side] for side in (old, new)]
        if names[0] != names[1]:
            return [f"stages: {', '.join(names[0])} → {', '.join(names[1])}"]
        return [line for a, b in zip(old, new, strict=True) for line in differences(a, b, a["name"])]
    return [] if old == new else [f"{at}: {json.dumps(old)} → {json.dumps(new)}"]


def _plain(value: Any) -> Any:
    """The value as it will be read back from JSON: tuples become lists."""
    return json.loads(json.dumps(value))
