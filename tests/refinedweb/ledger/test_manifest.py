"""Laws of the ledger: one record per task, sums that agree, rollups that add nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.ledger import manifest
from refinedweb.ledger.layout import task_name
from refinedweb.ledger.manifest import ROLLUP, Ledger, Output, Totals
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable
from stages.errors import ShardError
from tests.examples import examples
from tests.refinedweb.ledger.records import record


def test_a_record_survives_the_store(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    written = ledger.commit(record(7))
    assert ledger.record(7) == written
    assert ledger.committed() == {7}
    with pytest.raises(Missing):
        ledger.record(8)


def test_rows_that_vanish_are_refused(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    with pytest.raises(ShardError, match="11 rows in, but 6 kept and 4 removed"):
        ledger.commit(record(rows_in=11, removed={"s": {"r": 4}}))
    assert ledger.committed() == set()


def test_the_first_record_stays(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    first = ledger.commit(record(1, host="a"))
    assert ledger.commit(record(1, host="b")) == first
    with pytest.raises(ShardError, match="committed with other outputs"):
        ledger.commit(record(1, outputs=[Output("corpus/000001.parquet", 6, 501, "other")]))
    assert ledger.record(1) == first


def test_failures_are_noted_until_a_record_comes(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    ledger.fail(3, "it broke")
    assert ledger.failed() == {3: "it broke"}
    ledger.commit(record(3))
    assert ledger.failed() == {}


def test_rollups_change_no_sum(tmp_path_factory: pytest.TempPathFactory) -> None:
    ledger = Ledger(open_store(str(tmp_path_factory.mktemp("ledger"))), "00-x")
    for task in [*range(ROLLUP), ROLLUP + 5]:
        ledger.store.put(f"00-x/manifest/{task_name(task)}.json", record(task, rows_in=task % 7 + 6).to_json())
    committed = ledger.committed()
    before = ledger.totals(committed)
    assert ledger.roll_up(committed) == 1
    assert ledger.roll_up(committed) == 0
    assert ledger.totals(committed) == before
    assert before.tasks == ROLLUP + 1


def test_a_rollup_that_cannot_be_read_is_only_a_sum(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "ROLLUP", 8)
    ledger = Ledger(store, "00-x")
    for task in range(8):
        ledger.store.put(f"00-x/manifest/{task_name(task)}.json", record(task).to_json())
    committed = ledger.committed()
    whole = ledger.totals(committed)
    for data in (b"", b"{}", b'{"tasks": 3}', b'{"tasks": "1000"}', b"\0"):
        ledger.store.put("00-x/rollup/000000.json", data)
        assert ledger.totals(committed) == whole
        with pytest.raises(Unreadable, match="delete it: the records have the same sums"):
            ledger.rollup(0)
    ledger.store.delete("00-x/rollup/000000.json")
    ledger.store.put("00-x/manifest/000007.json", b"")
    assert ledger.roll_up(committed) == 0, "no sum is written that lacks a record"
    assert ledger.totals(committed).tasks == 7
    assert len(ledger.totals(committed).unreadable) == 1


def test_no_writer_replaces_a_record_that_cannot_be_read(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    store.put("00-x/manifest/000001.json", b"")
    with pytest.raises(Unreadable, match=r"000001\.json is empty .* delete it and run the same command again"):
        ledger.commit(record(1))
    assert store.get("00-x/manifest/000001.json")[0] == b""
    assert ledger.committed() == {1}
    store.put("00-x/manifest/000001.json", record(2).to_json())
    with pytest.raises(Unreadable, match="is the record of task 2"):
        ledger.record(1)


@pytest.mark.parametrize("data", [b"", b"{}", b"junk"])
def test_a_failure_whose_note_is_damaged_is_still_one(store: Store, data: bytes) -> None:
    ledger = Ledger(store, "00-x")
    store.put("00-x/failed/000004.json", data)
    store.put("00-x/failed/._000005.json", data)
    assert list(ledger.failed()) == [4]
    assert "the reason is lost" in ledger.failed()[4]


def test_the_records_of_an_older_and_a_newer_version_are_read(store: Store) -> None:
    ledger = Ledger(store, "00-x")
    whole = json.loads(record(0).to_json())
    optional = ("skipped", "damage", "quarantined", "facts", "seconds", "stage_seconds", "host", "driver", "token")
    older = {name: value for name, value in whole.items() if name not in optional}
    store.put("00-x/manifest/000000.json", json.dumps(older).encode())
    assert ledger.record(0).rows_in == 10
    newer = {**whole, "lost": "why", "outputs": [{**output, "parts": []} for output in whole["outputs"]]}
    store.put("00-x/manifest/000000.json", json.dumps(newer).encode())
    assert ledger.record(0).outputs == record(0).outputs


counts = st.dictionaries(st.sampled_from("abc"), st.integers(0, 50), max_size=3)


@settings(max_examples=examples(50))
@given(st.lists(st.dictionaries(st.sampled_from(["url_v1", "quality_v1"]), counts, max_size=2), max_size=6), st.data())
def test_totals_do_not_depend_on_grouping(removed: list[dict[str, dict[str, int]]], data: st.DataObject) -> None:
    records = []
    for task, reasons in enumerate(removed):
        out = sum(n for stage in reasons.values() for n in stage.values())
        records.append(record(task, rows_in=out + 5, kept=5, removed=reasons))
    at = data.draw(st.integers(0, len(records)))
    whole, left, right = Totals(), Totals(), Totals()
    for n, item in enumerate(records):
        item.check()
        whole.add(item)
        (left if n < at else right).add(item)
    left.merge(right)
    assert left == whole
    assert whole.rows_in == whole.rows_kept + sum(n for s in whole.removed.values() for n in s.values())
