"""Laws of lost shards: a run ends without them if its user accepts it, the books say so, a later run fills the gap."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refinedweb.dedup.phase import PhaseWork
from refinedweb.engine.allowance import Allowance
from refinedweb.engine.pool import Work
from refinedweb.engine.run import RunResult
from refinedweb.ledger.gaps import lost_shards
from refinedweb.ledger.manifest import Ledger
from refinedweb.shard.local_step import LocalStep
from refinedweb.storage import open_store
from refinedweb.views.run import Run
from refinedweb.views.verify import verify
from stages.errors import ConfigError
from tests.refinedweb.engine import inline

ROTTEN = b"no format that we know " * 40
SHARDS, EACH = 5, 30
LOCAL = "quality_v1"
GLOBAL = ["exact_v1", "minhash_v1", "exact_v1,minhash_v1,quality_v1", "substring_v1"]
WORDS = ["river", "stone", "cloud", "winter", "garden", "letter", "market", "window", "summer", "forest"]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about power cuts."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def text(number: int) -> str:
    """Documents with equal numbers are equal; others share long passages with the next."""
    return " ".join(f"{WORDS[(number * 7 + at * at) % 10]}{(number + at) % 90}" for at in range(80)) + "."


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Shards that repeat documents of each other: a third of each is in the next one too."""
    numbers = [[shard * 20 + n for n in range(EACH)] for shard in range(SHARDS)]
    (tmp_path / "in").mkdir()
    return [write(tmp_path / "in" / f"{shard}.parquet", str(shard), each) for shard, each in enumerate(numbers)]


def write(path: Path, name: str, numbers: Iterable[int]) -> Path:
    docs = [{"id": f"{name}-{number:03d}", "text": text(number)} for number in numbers]
    pq.write_table(pa.Table.from_pylist(docs), path)
    return path


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "corpus").iterdir())}


def books_hold(out: Path, result: RunResult) -> None:
    """Every document that was counted was kept, removed or lost, and nothing else is wrong."""
    totals = result.totals
    removed = sum(n for reasons in totals.removed.values() for n in reasons.values())
    assert totals.rows_in == totals.rows_kept + removed + totals.rows_lost
    assert totals.rows_kept == len(inline.corpus(out))
    verdict = verify(str(out))
    assert verdict.problems == []
    assert verdict.pending == 0
    assert verdict.lost == result.lost == Run(str(out)).lost()
    assert result.exit_code == (3 if result.lost else 0)


@pytest.mark.parametrize("spec", [LOCAL, *GLOBAL])
def test_one_rotten_input_costs_itself_alone(files: list[Path], tmp_path: Path, spec: str) -> None:
    others = inline.ok(inline.run(spec, files[:2] + files[3:], tmp_path / "others"))
    files[2].write_bytes(ROTTEN)
    out = tmp_path / "out"
    refused = inline.run(spec, files, out)
    assert (refused.exit_code, list(refused.failed), refused.acceptable) == (3, [2], 1)
    assert not (out / "README.md").exists()
    result = inline.ok(inline.run(spec, files, out, accept=1))
    assert list(result.lost) == [2]
    assert "unknown format" in result.lost[2]
    books_hold(out, result)
    assert inline.answer(out) == inline.answer(tmp_path / "others")
    assert result.totals.rows_kept == others.totals.rows_kept
    card = (out / "README.md").read_text()
    assert "1 of the 5 input files could not be processed" in card
    assert f"- `{files[2]}`" in card


def test_the_repaired_input_fills_the_gap(files: list[Path], tmp_path: Path) -> None:
    """The corpus is that of a run that had the file from the start, byte for byte."""
    inline.ok(inline.run(LOCAL, files, tmp_path / "whole"))
    good, out = files[2].read_bytes(), tmp_path / "out"
    files[2].write_bytes(ROTTEN)
    inline.ok(inline.run(LOCAL, files, out, accept=1))
    again = inline.ok(inline.run(LOCAL, files, out))  # still rotten: still lost, and known to be
    assert (again.exit_code, list(again.lost)) == (3, [2])
    files[2].write_bytes(good)
    filled = inline.ok(inline.run(LOCAL, files, out))
    books_hold(out, filled)
    assert filled.lost == {}
    assert bytes_of(out) == bytes_of(tmp_path / "whole")
    assert (out / "README.md").read_text() == (tmp_path / "whole" / "README.md").read_text()


@pytest.mark.parametrize("spec", ["exact_v1", "minhash_v1"])
def test_a_repaired_input_joins_a_deduplicated_corpus_as_a_part(files: list[Path], tmp_path: Path, spec: str) -> None:
    """What was decided without it stands: the same command changes nothing, and a part brings what the corpus lacks."""
    whole = inline.ok(inline.run(spec, files, tmp_path / "whole"))
    good, out, part = files[2].read_bytes(), tmp_path / "out", tmp_path / "part"
    files[2].write_bytes(ROTTEN)
    inline.ok(inline.run(spec, files, out, accept=1))
    before = bytes_of(out)
    files[2].write_bytes(good)
    again = inline.ok(inline.run(spec, files, out))
    assert (again.exit_code, list(again.lost), bytes_of(out)) == (3, [2], before)
    inline.ok(inline.run(spec, [files[2]], part, index=[out]))
    texts = [text for _, text in inline.corpus(out) + inline.corpus(part)]
    assert len(set(texts)) == len(texts)
    assert spec != "exact_v1" or len(texts) == whole.totals.rows_kept  # near duplicates form other clusters


@pytest.mark.parametrize("spoil", ["gone", "changed"])
def test_an_input_that_is_lost_in_mid_run(files: list[Path], tmp_path: Path, spoil: str) -> None:
    good, out = files[3].read_bytes(), tmp_path / "out"
    inline.ok(inline.run(LOCAL, files, tmp_path / "whole"))

    def before(work: Work) -> None:
        if spoil == "gone":
            files[3].unlink()
        else:
            files[3].write_bytes(good + b"\n")

    result = inline.ok(inline.run(LOCAL, files, out, accept=1, pool=inline.HookedPool(before)))
    assert ("though there was" if spoil == "gone" else "changed since") in result.lost[3]
    books_hold(out, result)
    files[3].write_bytes(good)
    inline.ok(inline.run(LOCAL, files, out))
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


def test_a_failed_input_is_taken_as_it_is_now(files: list[Path], tmp_path: Path) -> None:
    """Without any loss accepted: the user mends the file, whose etag is another then, and runs the command again."""
    good, out = files[1].read_bytes(), tmp_path / "out"
    inline.ok(inline.run("exact_v1", files, tmp_path / "whole"))
    files[1].write_bytes(ROTTEN)
    assert list(inline.run("exact_v1", files, out).failed) == [1]
    files[1].write_bytes(good)
    books_hold(out, inline.ok(inline.run("exact_v1", files, out)))
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


def test_a_shard_of_poison(files: list[Path], tmp_path: Path) -> None:
    import tests.refinedweb.toy_stages  # noqa: F401  (registers raiser_v1)

    write(files[4], "bad", range(130))
    victims = json.dumps([f"bad-{n:03d}" for n in range(130)])
    result = inline.ok(inline.run("raiser_v1", files, tmp_path / "out", f"raiser_v1.victims={victims}", accept=1))
    assert list(result.lost) == [4]
    books_hold(tmp_path / "out", result)


@pytest.mark.parametrize("spec", ["exact_v1", "minhash_v1", "minhash_v1:verify", "substring_v1"])
def test_a_kept_shard_that_is_lost_before_any_later_phase(files: list[Path], tmp_path: Path, spec: str) -> None:
    """Whenever it happens, the run ends, its documents are in the books as lost, and the other shards are whole."""
    name, _, more = spec.partition(":")
    settings = [f"{name}.verify=0.5"] if more else []
    phases: list[str] = []
    inline.ok(inline.run(name, files, tmp_path / "whole", *settings, pool=inline.HookedPool(noting(phases))))
    places = len(phases)
    assert places > 4
    for at in range(1, places):
        out = tmp_path / f"out-{at}"
        pool = inline.HookedPool(at_call(at, (out / "00-filter" / "kept" / "000002.parquet").unlink))
        result = inline.ok(inline.run(name, files, out, *settings, accept=1, pool=pool))
        assert list(result.lost) == [2]
        assert result.totals.rows_lost == EACH
        books_hold(out, result)
        assert not [key for key in bytes_of(out) if key == "000002.parquet"]
        Run(str(out)).pairs(name, 50)._repr_html_()


def noting(phases: list[str]) -> Callable[[Work], None]:
    return lambda work: phases.append(work.phase.name if isinstance(work, PhaseWork) else "pass")


def at_call(wanted: int, action: Callable[[], None]) -> Callable[[Work], None]:
    calls = count()

    def hook(work: Work) -> None:
        assert isinstance(work, PhaseWork | LocalStep)
        if next(calls) == wanted:
            action()

    return hook


def test_losing_a_kept_shard_needs_consent_and_names_it(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    pool = inline.HookedPool(at_call(1, (out / "00-filter" / "kept" / "000001.parquet").unlink))
    result = inline.run("exact_v1", files, out, pool=pool)
    assert (result.failed_step, result.acceptable) == ("01-exact_v1", 1)
    inline.ok(inline.run("exact_v1", files, out, accept=1))


def test_no_more_are_lost_than_accepted_and_never_all(files: list[Path], tmp_path: Path) -> None:
    for path in files[:3]:
        path.write_bytes(ROTTEN)
    out = tmp_path / "out"
    for accept in (1, 2):
        result = inline.run(LOCAL, files, out, accept=accept)
        assert (len(result.failed), result.lost, result.acceptable) == (3, {}, 3)
    inline.ok(inline.run(LOCAL, files, out, accept=3))
    for path in files:
        path.write_bytes(b"PAR1" + ROTTEN)  # what is no format at all is refused before any work
    everything = inline.run(LOCAL, files, tmp_path / "nothing", accept=100)
    assert (len(everything.failed), everything.acceptable) == (SHARDS, None)


@pytest.mark.parametrize("spec", [LOCAL, "exact_v1"])
def test_drivers_that_share_a_run_agree(files: list[Path], tmp_path: Path, spec: str) -> None:
    """Each comes to the same end, and a driver whose user accepts nothing takes what the others decided."""
    files[0].write_bytes(ROTTEN)
    out = tmp_path / "out"
    with ThreadPoolExecutor(3) as threads:
        results = [*threads.map(lambda _: inline.run(spec, files, out, accept=1), range(3))]
    for result in [*results, inline.run(spec, files, out)]:
        assert list(inline.ok(result).lost) == [0]
        assert result.exit_code == 3
    books_hold(out, results[0])
    ledger = Ledger(open_store(str(out)), Run(str(out)).file.steps[-1].name)
    assert list(lost_shards(ledger)) == [0]


@pytest.mark.parametrize(
    ("given", "of_1000", "of_5"),
    [("0", 0, 0), ("7", 7, 4), ("1%", 10, 0), ("0.5%", 5, 0), ("40%", 400, 2), ("100%", 999, 4)],
)
def test_an_allowance_is_a_number_or_a_share(given: str, of_1000: int, of_5: int) -> None:
    assert (Allowance.parse(given).of(1000), Allowance.parse(given).of(5)) == (of_1000, of_5)


@pytest.mark.parametrize("given", ["", "-1", "1.5", "%", "101%", "many", "1 %%", "٣"])
def test_nothing_else_is(given: str) -> None:
    with pytest.raises(ConfigError, match="give a number of shards, or a share"):
        Allowance.parse(given)
