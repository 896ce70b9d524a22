"""Cleaning up `.tmp/` takes away what dead writers left, and nothing that a live one uses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from refinedweb.storage import Changed, Exists, Store, open_store
from refinedweb.storage.partial import TEMPORARY

WRITERS, WRITES = 3, 40


def test_drivers_that_clean_up_disturb_no_writer_and_no_lock(tmp_path: Path) -> None:
    """Each put appears, each new key has one winner, and no increment by compare-and-swap is lost."""
    store = open_store(str(tmp_path / "out"))
    store.put("count", b"0")
    over = threading.Event()

    def clean() -> None:
        while not over.is_set():
            store.tidy()

    def write(writer: int) -> int:
        won = 0
        for number in range(WRITES):
            store.put(f"put/{writer}-{number}", b"data")
            won += _created(store, f"new/{number}", str(writer).encode())
            _increment(store)
        return won

    with ThreadPoolExecutor(WRITERS + 2) as threads:
        cleaners = [threads.submit(clean) for _ in range(2)]
        try:
            won = sum(threads.map(write, range(WRITERS)))
        finally:
            over.set()
        for cleaner in cleaners:
            cleaner.result()
    assert won == WRITES
    assert store.get("count")[0] == str(WRITERS * WRITES).encode()
    assert len([*store.list("put/")]) == WRITERS * WRITES
    store.tidy()
    assert not (tmp_path / "out" / TEMPORARY).exists()


def _created(store: Store, key: str, data: bytes) -> bool:
    try:
        store.put_new(key, data)
    except Exists:
        return False
    return True


def _increment(store: Store) -> None:
    while True:
        data, etag = store.get("count")
        try:
            store.put_match("count", str(int(data) + 1).encode(), etag)
        except Changed:
            continue
        return


def test_what_is_being_written_stays_and_what_a_dead_process_left_goes(tmp_path: Path) -> None:
    code = "import os, sys; from refinedweb.storage import open_store\n"
    code += "sink = open_store(sys.argv[1]).create('lost'); sink.write(b'x'); sink.flush(); os._exit(9)"
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == 9
    store = open_store(str(tmp_path))
    left = os.listdir(tmp_path / TEMPORARY)
    with store.create("live") as sink:
        sink.write(b"data")
        store.tidy()
        assert len(left) == 1
        assert len(os.listdir(tmp_path / TEMPORARY)) == 1
        assert os.listdir(tmp_path / TEMPORARY) != left
        sink.finish()
    assert store.get("live")[0] == b"data"
    store.tidy()
    assert not (tmp_path / TEMPORARY).exists()
