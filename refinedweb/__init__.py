"""RefinedWeb: raw web crawls in, a clean, deduplicated, accounted-for training corpus out.

    import refinedweb as rw
    run = rw.open("OUT"); run.funnel(); run.sample(10, stage="quality_v1")
    rw.explain(page, url="https://…")
    rw.run_stage("quality_v1", table, min_words=30)

What is not needed is not imported: `import refinedweb` is instant, and nothing here starts Ray.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from refinedweb.explain import Explanation
    from refinedweb.frame import Frame
    from refinedweb.notebook import Run
    from refinedweb.recipe import Recipe

__all__ = ["explain", "open", "run_stage"]


def open(out: str) -> Run:
    """The run below `out` (local or s3://). Raises ConfigError where there is none."""
    from refinedweb.notebook import Run

    return Run(out)


def explain(page: str | bytes, *, url: str | None = None, recipe: str | Recipe = "refinedweb") -> Explanation:
    """One page (HTML) through every stage of `recipe`, with each measure beside its limit."""
    from refinedweb.explain import explain as explained

    return explained(page, url=url, recipe=recipe)


def run_stage(name: str, table: pa.Table | Frame, **params: Any) -> Frame:
    """The stage called `name` over a table of documents: all rows come back, with `drop` and measures set."""
    from refinedweb.frame import Frame
    from refinedweb.recipe import load_stages
    from stages.base import build

    load_stages()
    return Frame(build(name, params)(table.arrow if isinstance(table, Frame) else table))


def _warn_of_shadows() -> None:
    """A folder called `stages` or `jobs` beside a notebook would hide ours."""
    import importlib.util

    ours = Path(__file__).resolve().parent.parent
    for name in ("stages", "classifiers", "jobs"):
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent.parent
        if found != ours:
            at = "is missing" if found is None else f"is taken from {found}"
            warnings.warn(f"the package {name!r} {at}, not from {ours}; rename your folder {name!r}", stacklevel=3)


_warn_of_shadows()
