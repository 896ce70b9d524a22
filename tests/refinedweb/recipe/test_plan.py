"""Which pass carries out what a global step decides, and which steps it carries out together."""

from __future__ import annotations

from refinedweb.recipe.load import load_stages
from refinedweb.recipe.plan import applied_by, group_of, steps_of


def test_neighbouring_global_steps_have_one_pass() -> None:
    """A step before another global step as well: what is lost to it is lost to the pass."""
    load_stages()
    steps = steps_of(["exact_v2", "minhash_v2", "pii_v1", "url_dedup_v1"])
    deciding = [step for step in steps if step.kind == "global"]
    assert [applied_by(steps, step).name for step in deciding] == ["03-filter", "03-filter", "05-corpus"]
    assert [[one.name for one in group_of(steps, step)] for step in deciding] == [
        ["01-exact_v2", "02-minhash_v2"],
        ["01-exact_v2", "02-minhash_v2"],
        ["04-url_dedup_v1"],
    ]
