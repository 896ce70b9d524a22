"""Whatever happens to drivers, disks and shuffle objects while global steps run, their answer is the same."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from refinedweb.dedup import planning
from refinedweb.dedup.phase import PhaseWork
from refinedweb.dedup.routes import Limits
from refinedweb.engine.pool import Work
from refinedweb.storage.json_objects import Unreadable
from refinedweb.storage.local import LocalSink
from refinedweb.views.verify import verify
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS, RECIPE, SETTINGS
from tests.refinedweb.engine.inline import HookedPool, answer, ok, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")


class Stop(BaseException):
    """The driver dies."""


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("after", [3, 11, 23, 40])
def test_a_driver_that_dies_between_any_tasks_resumes_to_the_same_answer(
    whole: Path, tmp_path: Path, after: int
) -> None:
    paths = write_shards(DOCUMENTS, tmp_path / "in", 3)
    left = [after]

    def die(outcome: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stop

    with pytest.raises(Stop):
        run(RECIPE, paths, tmp_path / "out", *SETTINGS, pool=HookedPool(after=die))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("manifest/*.json")}
    assert len(before) == after
    ok(run(RECIPE, paths, tmp_path / "out", *SETTINGS))
    assert answer(tmp_path / "out") == answer(whole)
    assert {path: path.read_bytes() for path in before} == before, "nothing that was committed was done again"
    assert not verify(str(tmp_path / "out")).problems


def damage_between_phases(how: str) -> Any:
    """A hook that damages every shuffle object that exists when a phase begins."""
    seen: set[Path] = set()

    def damage(work: Work) -> None:
        if not isinstance(work, PhaseWork):
            return
        for path in sorted(Path(work.phase.context.out).rglob("*.shuffle")):
            data = path.read_bytes()
            if path in seen:
                continue
            seen.add(path)
            if how == "flipped":
                at = len(data) // 2
                path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            elif how == "cut":
                path.write_bytes(data[: len(data) * 2 // 3])
            elif how == "empty":
                path.write_bytes(b"")
            else:
                path.unlink()

    damage.seen = seen  # type: ignore[attr-defined]
    return damage


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "gone"])
def test_damaged_shuffle_objects_are_written_anew_and_never_used(whole: Path, tmp_path: Path, how: str) -> None:
    hook = damage_between_phases(how)
    ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / "in", 3), tmp_path / "out", *SETTINGS, pool=HookedPool(hook)))
    assert len(hook.seen) > 20
    assert answer(tmp_path / "out") == answer(whole)


@pytest.mark.usefixtures("small_tasks")
def test_damage_before_several_merges_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that is run again may find that what it reads is damaged too."""
    paths = write_shards(DOCUMENTS[:100], tmp_path / "in", 2)
    ok(run("minhash_v1", paths, tmp_path / "sound", *SETTINGS))
    monkeypatch.setattr(planning, "LIMITS", Limits(direct=0, fan=2, merged=1 << 12))
    hook = damage_between_phases("gone")
    ok(run("minhash_v1", paths, tmp_path / "out", *SETTINGS, pool=HookedPool(hook)))
    assert any("-merge-2" in str(path) for path in hook.seen)
    assert answer(tmp_path / "out") == answer(tmp_path / "sound")


def test_an_object_that_stays_damaged_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = LocalSink.finish

    def rotten(sink: LocalSink) -> Any:
        if sink._final.endswith(".shuffle"):
            sink._file.seek(40)
            sink._file.write(b"rotten")
            sink._file.seek(0, 2)
        return finish(sink)

    monkeypatch.setattr(LocalSink, "finish", rotten)
    result = run("exact_v1", write_shards(DOCUMENTS, tmp_path / "in", 1), tmp_path / "out")
    assert result.exit_code == 3
    assert result.failed_step == "01-exact_v1"
    assert "1-sign/shuffle/signed/000000.shuffle: the checksum of partition 0 is wrong" in result.failed[0]
    assert not list((tmp_path / "out").glob("corpus/*"))


def test_a_plan_of_an_earlier_checkout_is_refused(tmp_path: Path) -> None:
    """What it began is not read as if it had routes: the message says what to delete."""
    paths = write_shards(DOCUMENTS[:20], tmp_path / "in", 1)
    plan = tmp_path / "out" / "01-exact_v1" / "plan.json"

    def die(outcome: object) -> None:
        if plan.exists():
            raise Stop

    with pytest.raises(Stop):
        run("exact_v1", paths, tmp_path / "out", pool=HookedPool(after=die))
    old = {name: value for name, value in json.loads(plan.read_text()).items() if name not in ("size", "limits")}
    plan.write_text(json.dumps(old))
    with pytest.raises(Unreadable, match=r"lacks limits, size; delete .*01-exact_v1/ as a whole"):
        run("exact_v1", paths, tmp_path / "out")


def test_a_full_disk_is_waited_for(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, failures = LocalSink.write, iter(range(12))

    def full(sink: LocalSink, data: bytes) -> int:
        if sink._final.endswith((".shuffle", ".parquet")) and next(failures, None) in (1, 4, 7, 11):
            raise OSError(errno.ENOSPC, "No space left on device", sink._final)
        return write(sink, data)

    monkeypatch.setattr(LocalSink, "write", full)
    result = ok(run(RECIPE, write_shards(DOCUMENTS, tmp_path / "in", 1), tmp_path / "out", *SETTINGS))
    assert result.attempts > len(list((tmp_path / "out").rglob("manifest/*.json")))
    assert answer(tmp_path / "out") == answer(whole)


def test_shuffle_objects_are_as_many_as_maps_and_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LEAST_PARTITION", 1 << 10)
    counts: list[int] = []
    hook = HookedPool(lambda work: counts.append(len(list((tmp_path / "out").rglob("1-sign/shuffle/signed/*")))))
    ok(run("exact_v1", write_shards(DOCUMENTS, tmp_path / "in", 4), tmp_path / "out", pool=hook))
    assert max(counts) == 1, "four small shards are one map"
    assert len(list((tmp_path / "out").rglob("2-group/manifest/*"))) > 3, "of several partitions"
    assert not list((tmp_path / "out").rglob("*.shuffle"))
