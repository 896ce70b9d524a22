"""No document takes a global step hostage: one that cannot be signed is removed, and compared with nothing."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refinedweb.dedup.phase import PhaseWork
from refinedweb.engine.pool import Work
from refinedweb.recipe.load import load_stages
from refinedweb.views.verify import verify
from stages.base import build, registry
from stages.dedup import Clustered, Global
from tests.refinedweb.engine.inline import HookedPool, corpus, ok, removed, rows_of, run, write_shards
from tests.security import slow_signers

WORDS = np.random.default_rng(1).integers(0, 10**9, (4, 80)).astype(str)
TEXTS = [" ".join(words) for words in WORDS]


def documents(*beginnings: str) -> list[dict[str, str]]:
    """Twice each text, and one for each of `beginnings` that goes on like the first of them."""
    texts = [*TEXTS, *(beginning + TEXTS[0] for beginning in beginnings), *TEXTS]
    return [{"id": f"id-{n}", "text": text} for n, text in enumerate(texts)]


def verdicts(out: Path) -> dict[str, str]:
    """Why each document was removed ("" if it was kept), of all documents that came out."""
    return {**{name: why for name, (why, *_) in removed(out).items()}, **{name: "" for name, _ in corpus(out)}}


def before(phase: str, do: Any) -> HookedPool:
    """A pool that does something once, before the tasks of a phase."""
    done: list[bool] = []

    def hook(work: Work) -> None:
        if isinstance(work, PhaseWork) and work.phase.name == phase and not done:
            done.append(True)
            do(Path(work.phase.context.out))

    return HookedPool(hook)


def lose_what_was_signed(out: Path) -> None:
    """The task that signed must run again; what it then meets must not be tried again."""
    for path in out.glob("01-*/1-sign/**/*.shuffle"):
        path.unlink()


def test_every_way_to_sign_is_tried() -> None:
    """Stages of keys are all signed by one function; another kind of stage needs a signer of its own."""
    load_stages()
    ours = {name: build(name) for name, cls in registry().items() if cls.__module__.startswith("stages.")}
    own = {
        name.rpartition("_")[0]
        for name, one in ours.items()
        if isinstance(one, Global) and not isinstance(one, Clustered)
    }
    assert own <= {name.rpartition("_")[0] for name in slow_signers.SIGNERS}
    assert any(isinstance(build(name), Clustered) for name in slow_signers.SIGNERS)


@pytest.mark.slow  # each of the tries has a process of its own
@pytest.mark.parametrize(
    ("stage", "beginning"),
    [(stage, how) for stage in slow_signers.SIGNERS for how in (slow_signers.SLOW, slow_signers.WRONG)],
)
def test_a_document_that_cannot_be_signed_is_removed_and_compared_with_nothing(
    stage: str, beginning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = documents(beginning)
    poison = docs[len(TEXTS)]["id"]
    (file,) = write_shards([doc for doc in docs if doc["id"] != poison], tmp_path / "usual-in", 1)
    ok(run(stage, [file], tmp_path / "usual"))
    (file,) = write_shards(docs, tmp_path / "in", 1)
    monkeypatch.setattr(*slow_signers.SIGNERS[stage])
    second = "3-windows" if stage == "substring_v2" else "9-decide"
    limit = ["stage_seconds=2"] if beginning == slow_signers.SLOW else []
    result = ok(run(stage, [file], tmp_path / "out", *limit, pool=before(second, lose_what_was_signed)))
    found = verdicts(tmp_path / "out")
    assert found.pop(poison) == ("stage_timeout" if beginning == slow_signers.SLOW else "stage_error")
    assert found == verdicts(tmp_path / "usual"), "the others come out as they would without it"
    assert (result.totals.quarantined, result.exit_code) == (1, 3)
    assert not verify(str(tmp_path / "out")).problems
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("stage", slow_signers.SIGNERS)
def test_what_the_record_names_is_refused_when_the_task_runs_again(stage: str, tmp_path: Path) -> None:
    """And so are the copies of its text that are not signed, because they are copies."""
    docs = documents()
    (file,) = write_shards(docs, tmp_path / "in", 1)

    def refuse(out: Path) -> None:
        (path,) = out.glob("01-*/1-sign/manifest/*.json")
        record = json.loads(path.read_text())
        record["quarantined"] = [{"address": "1", "id": "id-1", "reason": "stage_timeout", "error": "too long"}]
        path.write_text(json.dumps(record))
        lose_what_was_signed(out)

    indexed = isinstance(build(stage), Clustered)
    settings = [f"{stage}.write_index=true"] if indexed else []
    result = ok(run(stage, [file], tmp_path / "out", *settings, pool=before("2-group", refuse)))
    found = verdicts(tmp_path / "out")
    assert set(found) == {doc["id"] for doc in docs}
    copied = stage == "minhash_v2"  # the others sign copies too, and could sign this one
    assert sorted(name for name, why in found.items() if why == "stage_timeout") == ["id-1", "id-5"][: 1 + copied]
    kept = sorted(docs[int(name.partition("-")[2])]["text"] for name, why in found.items() if not why)
    if stage == "substring_v2":  # keeps no copy at all
        assert kept == [TEXTS[1]]
    else:
        assert kept == sorted(text for text in TEXTS if not (copied and text == TEXTS[1]))
    if indexed:
        known = {row["id"] for row in rows_of(tmp_path / "out", f"index/{stage}")}
        assert known == {name for name, why in found.items() if why != "stage_timeout"}
    assert result.exit_code == 3
    assert not verify(str(tmp_path / "out")).problems
