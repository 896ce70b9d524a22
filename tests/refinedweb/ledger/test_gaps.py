"""Laws of lost shards in the ledger: a loss is a record like any other; only what fills the gap replaces it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.ledger.gaps import GapLedger, commit_filling, lose, lost_shards
from refinedweb.ledger.layout import task_name
from refinedweb.ledger.manifest import ROLLUP, Ledger, Output, Record, Totals
from refinedweb.storage import Missing, Store, open_store
from stages.errors import ShardError
from tests.examples import examples
from tests.refinedweb.ledger.records import record

RACERS = 8


def loss(task: int, rows: int = 0, **changes: object) -> Record:
    return record(task, rows_in=rows, kept=0, removed={}, outputs=[], lost="rotten", rows_lost=rows, **changes)


def test_a_loss_is_final_for_all_who_do_not_fill(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    lost = lose(ledger, loss(3))
    assert ledger.commit(record(3)) == lost
    assert lose(ledger, loss(3, host="other")) == lost
    assert lost_shards(ledger) == {3: lost}
    assert ledger.committed() == {3}


def test_nothing_that_is_done_can_be_lost(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    done = ledger.commit(record(3))
    assert lose(ledger, loss(3)) == done
    assert commit_filling(ledger, loss(3)) == done
    assert lost_shards(ledger) == {}


def test_a_gap_is_filled_once(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    lose(ledger, loss(3))
    filled = commit_filling(ledger, record(3))
    assert commit_filling(ledger, record(3, host="late")) == filled == ledger.record(3)
    assert lost_shards(ledger) == {}
    assert ledger.failed() == {}
    with pytest.raises(ShardError, match="committed with other outputs"):
        commit_filling(ledger, record(3, outputs=[Output("corpus/000003.parquet", 6, 501, "other")]))


def test_of_many_that_fill_one_wins_and_all_name_it(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    lose(ledger, loss(3))
    with ThreadPoolExecutor(RACERS) as pool:
        told = [*pool.map(lambda n: commit_filling(ledger, record(3, host=str(n))), range(RACERS))]
    assert {one.token for one in told} == {ledger.record(3).token}


def test_a_gap_counts_as_not_done_until_it_is(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    ledger.commit(record(1))
    for task in (3, 4):
        lose(ledger, loss(task))
    filling = GapLedger(store, "00-x", [3])
    assert (filling.committed(), filling.recorded([1, 3, 4])) == ({1, 4}, {1, 4})
    with pytest.raises(Missing):
        filling.record(3)
    commit_filling(ledger, record(3))
    assert (filling.committed(), filling.recorded([1, 3, 4])) == ({1, 3, 4}, {1, 3, 4})
    assert filling.record(3).lost == ""


def test_lost_rows_are_in_the_law(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    with pytest.raises(ShardError, match="9 rows in, but 0 kept and 0 removed"):
        ledger.commit(record(3, rows_in=9, kept=0, removed={}, rows_lost=10))
    ledger.commit(loss(3, 10))
    totals = ledger.totals({3})
    assert (totals.rows_in, totals.rows_kept, totals.rows_lost, totals.lost) == (10, 0, 10, 1)


@settings(max_examples=examples(5), deadline=None)
@given(st.sets(st.integers(0, ROLLUP - 1), max_size=5), st.data())
def test_a_rollup_holds_whatever_is_filled_after_it(
    tmp_path_factory: pytest.TempPathFactory, lost: set[int], data: st.DataObject
) -> None:
    ledger = Ledger(open_store(str(tmp_path_factory.mktemp("ledger"))), "00-x")
    for task in range(ROLLUP):
        one = loss(task) if task in lost else record(task, rows_in=task % 7 + 6)
        ledger.store.put(f"00-x/manifest/{task_name(task)}.json", one.to_json())
    assert ledger.roll_up(ledger.committed()) == 1
    filled = data.draw(st.sets(st.sampled_from(sorted(lost)))) if lost else set()
    for task in filled:
        commit_filling(ledger, record(task))
    summed = Totals()
    for one in ledger.records(range(ROLLUP)):
        summed.add(one)
    assert ledger.totals(ledger.committed()) == summed
    assert summed.lost == len(lost - filled)
