"""The forecast knows every way that rows go between the phases of a global step, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refinedweb.dedup.phase import PhaseWork, Shuffled
from refinedweb.engine.pool import Work
from refinedweb.forecast.flows import FLOWS
from refinedweb.ledger.layout import DECIDE
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS
from tests.refinedweb.engine.inline import HookedPool, ok, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting", "small_tasks")
RECIPES = {
    "exact_v2,minhash_v1,paragraph_v2,substring_v2,url_dedup_v1": ("minhash_v1.preset=fineweb",),
    "minhash_v2": ("minhash_v2.preset=fineweb", "minhash_v2.verify=0.8"),
}
KNOWN = {name for flow in FLOWS for name in (flow.source, flow.target)}
MERGE = re.compile(r"-[a-z]+-merge-[0-9]+$")


def test_every_flow_of_the_engine_is_in_the_forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: set[tuple[str, str, str]] = set()
    phase = [""]
    part = Shuffled._part

    def entered(work: Work) -> None:
        phase[0] = work.phase.name if isinstance(work, PhaseWork) else ""

    def noted(self: Shuffled, task: int, partition: int, number: int) -> object:
        source = MERGE.sub("", self.producer.name)
        if phase[0] in KNOWN and source in KNOWN and source != DECIDE:  # the others elect once more, in later steps
            found.add((source, phase[0], self.name))
        return part(self, task, partition, number)

    monkeypatch.setattr(Shuffled, "_part", noted)
    files = write_shards(DOCUMENTS[:120], tmp_path / "in", 6)
    for number, (recipe, settings) in enumerate(RECIPES.items()):
        ok(run(recipe, files, tmp_path / f"out-{number}", *settings, pool=HookedPool(entered)))
    assert found == {(flow.source, flow.target, flow.name) for flow in FLOWS}
