"""One large file on one worker and on two, and a run of it that is killed in the middle and resumed.

    uv run python -m benchmarks.big_file --megabytes 2000              (speed-up from one worker to two: ≥ 1.8)
    uv run python -m benchmarks.big_file --megabytes 12 --part 2 --kind jsonl --inline

The file is Parquet, or JSON lines in frames of zstd with a table of them (`zstd-seekable`). A run takes its parts as
shards. All three runs must write the same bytes, and the resumed one must keep what was committed. The time of a run is
that from its first task to its last commit: starting Ray is not in it. `--inline` starts drivers of one process each,
without Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
import zstandard

from benchmarks.crawl import ROOT

MB = 1_000_000  # bytes
STAGES = "repetition_v1,quality_v1,language_v1"
WORDS = 800  # of a document: about 5 kB
STORED = 2_500  # bytes of it as stored
SHORT = ("the", "of", "and", "to", "in", "is", "that", "for", "with", "as", "was", "on", "be", "by", "this", "it")
INLINE = "import sys, refinedweb as rw; rw.run(sys.argv[1], [sys.argv[2]], sys.argv[3], sys.argv[4:])"


def documents(batch: int, seed: int = 1) -> Iterator[list[dict[str, str]]]:
    """Batches of texts of made-up words and real short ones, without end."""
    random = np.random.default_rng(seed)
    letters = random.integers(97, 123, (5000, 12), np.uint8)
    made = [bytes(row[: 3 + at % 9]).decode() for at, row in enumerate(letters)]
    words = np.array([*made, *SHORT * 200])
    for first in count(0, batch):
        texts = [" ".join(row) + "." for row in words[random.integers(0, len(words), (batch, WORDS))]]
        yield [{"id": f"d{n}", "url": f"http://e.org/{n}", "text": text} for n, text in enumerate(texts, first)]


def write_parquet(file: BinaryIO, size: int, batch: int) -> None:
    """A row group per batch."""
    batches = documents(batch)
    first = pa.Table.from_pylist(next(batches))
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        while file.tell() < size:
            writer.write_table(pa.Table.from_pylist(next(batches)))


def write_jsonl(file: BinaryIO, size: int, batch: int) -> None:
    """A frame per batch, and the table of a seekable file at the end."""
    table = b""
    for docs in documents(batch):
        lines = b"".join(json.dumps(doc).encode() + b"\n" for doc in docs)
        frame = zstandard.compress(lines)
        table += struct.pack("<II", len(frame), len(lines))
        file.write(frame)
        if file.tell() >= size:
            break
    table += struct.pack("<IBI", len(table) // 8, 0, 0x8F92EAB1)
    file.write(struct.pack("<II", 0x184D2A5E, len(table)) + table)


KINDS: dict[str, tuple[str, Callable[[BinaryIO, int, int], None]]] = {
    "parquet": ("x.parquet", write_parquet),
    "jsonl": ("x.jsonl.zst", write_jsonl),
}


def written(kind: str, folder: Path, size: int, part: int) -> Path:
    """Write a file of this size, which can be cut into such parts and a little finer."""
    name, write = KINDS[kind]
    with (folder / name).open("wb") as file:
        write(file, size, min(2000, max(10, part // 4 // STORED)))
    return folder / name


@dataclass(frozen=True)
class BigFile:
    """A large file, and how it is run."""

    path: Path
    part: int
    stages: str
    inline: bool

    def start(self, out: Path, workers: int) -> list[psutil.Popen]:
        """Start the drivers of a run."""
        settings = [f"source.part_bytes={self.part}"]
        call = [sys.executable, "-c", INLINE, self.stages, str(self.path), str(out), *settings]
        if not self.inline:
            call = [sys.executable, "-m", "refinedweb", "run", self.stages, str(self.path), str(out)]
            call += ["--set", *settings, "--workers", str(workers)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        environment.pop("REFINEDWEB_ADDRESS", None)
        drivers = workers if self.inline else 1
        return [psutil.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) for _ in range(drivers)]

    def run(self, out: Path, workers: int) -> float:
        """Carry out a run. Returns its seconds, from the first task to the last commit."""
        codes = [process.wait() for process in self.start(out, workers)]
        if any(codes):
            raise SystemExit(f"drivers ended with {codes}")
        ends = {path: path.stat().st_mtime for path in records(out)}
        starts = [end - float(json.loads(path.read_bytes())["seconds"]) for path, end in ends.items()]
        return max(ends.values()) - min(starts)

    def kill(self, out: Path, workers: int, after: int) -> dict[Path, bytes]:
        """Start a run, and end all its processes once this many tasks are committed. Returns their records."""
        drivers = self.start(out, workers)
        while len(records(out)) < after:
            if all(process.poll() is not None for process in drivers):
                raise SystemExit("the run ended before it could be killed; make the file larger")
            time.sleep(0.005)
        for process in [*drivers, *(child for driver in drivers for child in children(driver))]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in drivers:
            process.wait()
        return {path: path.read_bytes() for path in records(out)}


def children(driver: psutil.Popen) -> list[psutil.Process]:
    """The processes that a driver started."""
    try:
        return list(driver.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def records(out: Path) -> list[Path]:
    """The records of committed tasks."""
    return sorted(out.glob("*/manifest/*.json"))


def checksums(out: Path) -> dict[str, str]:
    """What a run wrote: its corpus and the rows that it removed."""
    files = sorted([*out.glob("corpus/*.parquet"), *out.glob("*/removed/**/*.parquet")])
    return {str(path.relative_to(out)): xxhash.xxh3_128_hexdigest(path.read_bytes()) for path in files}


def compared(big: BigFile, folder: Path) -> dict[str, float | int | bool]:
    """Run with one worker and with two, kill a run and resume it. Returns what was found."""
    one, two = (big.run(folder / f"{workers}", workers) for workers in (1, 2))
    tasks = len(records(folder / "1"))
    before = big.kill(folder / "killed", 2, max(1, tasks // 4))
    big.run(folder / "killed", 2)
    wanted = checksums(folder / "1")
    return {
        "MB": round(big.path.stat().st_size / MB), "parts": tasks, "one worker, s": round(one, 1),
        "two workers, s": round(two, 1), "speed-up": round(one / two, 2), "committed before the kill": len(before),
        "kept": all(path.read_bytes() == record for path, record in before.items()),
        "same bytes": bool(wanted) and all(checksums(folder / name) == wanted for name in ("2", "killed")),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--megabytes", type=float, default=2000, help="size of the file as stored")
    options.add_argument("--part", type=float, default=64, help="megabytes of a part")
    options.add_argument("--kind", action="append", choices=sorted(KINDS), help="[default: both]")
    options.add_argument("--stages", default=STAGES)
    options.add_argument("--inline", action="store_true")
    options.add_argument("--folder", type=Path, help="where the file and the runs are [default: a temporary folder]")
    given = options.parse_args()
    good = True
    for kind in given.kind or KINDS:
        folder = Path(tempfile.mkdtemp(dir=given.folder))
        part = int(given.part * MB)
        try:
            path = written(kind, folder, int(given.megabytes * MB), part)
            found = compared(BigFile(path, part, given.stages, given.inline), folder)
        finally:
            shutil.rmtree(folder)
        print(json.dumps({"kind": kind, **found}), flush=True)
        good = good and bool(found["kept"] and found["same bytes"])
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
