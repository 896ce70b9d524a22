"""RefinedWeb: raw web crawls in, a clean, deduplicated, accounted-for training corpus out.

    import refinedweb as rw
    run = rw.open("OUT"); run.funnel(); run.sample(10, stage="quality_v1")
    rw.explain(page, url="https://…")
    rw.run_stage("quality_v1", table, min_words=30)
    rw.run("refinedweb", ["crawl/"], "OUT")

Imports are lazy, so `import refinedweb` is instant, and nothing here starts Ray.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from refinedweb.recipe.recipe import Recipe
    from refinedweb.views.explanation import Explanation
    from refinedweb.views.frame import Frame
    from refinedweb.views.run import Run

__all__ = ["explain", "open", "run", "run_stage"]


def open(out: str, *, trust: bool = False) -> Run:
    """The run below `out` (local or s3://). Raises ConfigError if there is none.

    `trust`: open the models, lists and indexes that the run of somebody else names outside of it.
    """
    from refinedweb.views.run import Run

    return Run(out, trust=trust)


def explain(page: str | bytes, *, url: str | None = None, recipe: str | Recipe = "refinedweb") -> Explanation:
    """What every stage of `recipe` says about one page (HTML), with each measure next to its limit."""
    from refinedweb.views.explanation import explain as explained

    return explained(page, url=url, recipe=recipe)


def run_stage(name: str, table: pa.Table | Frame, **params: Any) -> Frame:
    """Run the stage called `name` over a table of documents. All rows come back, with `drop` and measures set."""
    from refinedweb.recipe.load import load_stages
    from refinedweb.views.frame import Frame
    from stages.base import build

    load_stages()
    return Frame(build(name, params)(table.arrow if isinstance(table, Frame) else table))


def run(
    recipe: str | Recipe, inputs: Sequence[str], out: str, settings: Sequence[str] = (), index: Sequence[str] = (),
    accept_failed: int | str = 0,
) -> Run:  # fmt: skip
    """Run or resume `recipe` over `inputs` in this process, one task at a time, as `refinedweb run` does on all cores.

    `settings`: `stage.param=value`, as for `--set`; `index`: earlier runs, as for `--index`; `accept_failed`: how many
    failed shards to go on without, as for `--accept-failed` (`run.lost()` names them). Warns of files that are left
    out, and of inputs that are damaged or hold no document; prints (on stderr) which columns it took, and which stages
    had nothing to work on. Raises ConfigError for wrong use, ShardError if tasks failed for good.
    """
    from refinedweb.engine.allowance import Allowance
    from refinedweb.engine.inline import InlinePool
    from refinedweb.engine.run import carry_out
    from refinedweb.engine.settings import RunSettings
    from refinedweb.engine.start import begin
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.sources.inputs import InputSpecs
    from refinedweb.views.columns import column_notes, idle_stages
    from refinedweb.views.inputs import skipped_files, trouble_of
    from stages.errors import ShardError

    loaded = load_recipe(recipe, settings, index=index) if isinstance(recipe, str) else recipe
    accept = Allowance.parse(str(accept_failed))
    begun = begin(loaded, InputSpecs(tuple(inputs)), out, losses=accept != Allowance())
    _warn_of(skipped_files(begun.left_out, begun.reasons))
    _say(column_notes(loaded, begun.run.survey()))
    result = carry_out(InlinePool, loaded, begun.run, out, RunSettings(accept=accept), lambda progress: None)
    if result.failed:
        raise ShardError(
            f"{len(result.failed)} tasks of {result.failed_step} failed: {next(iter(result.failed.values()))}"
        )
    _say(idle_stages(loaded, result.totals))
    _warn_of(trouble_of(result.totals))
    return open(out)


def _say(texts: Sequence[str]) -> None:
    """Print what needs no warning."""
    for text in texts:
        print(text, file=sys.stderr)


def _warn_of(texts: Sequence[str]) -> None:
    """Warn the caller of `run`."""
    if texts:
        warnings.warn("\n".join(texts), stacklevel=3)


def _warn_of_shadows() -> None:
    """Warn if a folder next to a notebook has the name of one of our packages, which it would hide."""
    import importlib.util

    ours = Path(__file__).resolve().parent.parent
    for name in ("stages", "classifiers", "jobs"):
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent.parent
        if found != ours:
            at = f"is not the one in {ours}" if found is None else f"is taken from {found}, not from {ours}"
            warnings.warn(f"the package {name!r} {at}; rename your folder {name!r}", stacklevel=3)


_warn_of_shadows()
