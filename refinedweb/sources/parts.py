"""One big file as many shards: its parts, each of which a worker reads by itself.

The parts depend on the files and on `part_bytes` alone, never on the machine: so every driver finds the same, and a run
goes on within a file. A file that cannot be cut (a single gzip stream, a JSON array) is one shard, as small files are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

import pyarrow.parquet as pq

from refinedweb.sources import cuts
from refinedweb.sources.base import Part, SourceOptions
from refinedweb.sources.compression import GZIP, ZSTD, codec_of
from refinedweb.sources.formats import format_of
from refinedweb.sources.framing import ARC, WARC
from refinedweb.sources.json_text import wide_encoding
from refinedweb.sources.json_values import is_in_lines
from refinedweb.sources.stream import CHUNK, ByteStream
from stages.errors import RefinedWebError, RetryError

MOST_PARTS = 4096  # of a run: so the files of a whole dump are not cut, which are many enough
_MISSES = 2  # cuts that are not found in a row: then the file has none
Cut = Callable[[BinaryIO, int, int], int | None]


def target_of(sizes: Sequence[int], options: SourceOptions) -> int:
    """Bytes that a part should have; 0 if files are not cut."""
    return max(options.part_bytes, sum(sizes) // MOST_PARTS) if options.part_bytes else 0


def parts_of(file: BinaryIO, key: str, size: int, target: int) -> list[tuple[Part, int]]:
    """The parts of a file, each with its bytes; none if it is too small or cannot be cut. Raises RetryError."""
    count = round(size / target) if target else 0
    if count < 2:
        return []
    try:
        file.seek(0)
        head = file.read(CHUNK)
        if head.startswith(b"PAR1"):
            return _row_groups(file, size, count)
        cut = _cut_of(file, head, key, size)
        return [] if cut is None else _byte_ranges(file, cut, size, count)
    except RetryError:
        raise
    except (RefinedWebError, OSError, ValueError):
        return []  # what is wrong with it, its reader says


def _row_groups(file: BinaryIO, size: int, count: int) -> list[tuple[Part, int]]:
    metadata = pq.read_metadata(file)
    # Not the sizes of columns: to read one of damaged metadata ends the process (see `tabular`).
    sizes = [max(1, metadata.row_group(group).total_byte_size) for group in range(metadata.num_row_groups)]
    total, before, start = sum(sizes), 0, 0
    parts: list[tuple[Part, int]] = []
    for group, about in enumerate(sizes):
        before += about
        if group + 1 == len(sizes) or before * count >= (len(parts) + 1) * total:
            share = size * sum(sizes[start : group + 1]) // total
            parts.append((Part(len(parts), "groups", start, group + 1), share))
            start = group + 1
    return parts if len(parts) > 1 else []


def _byte_ranges(file: BinaryIO, cut: Cut, size: int, count: int) -> list[tuple[Part, int]]:
    places, misses = [0], 0
    for number in range(1, count):
        wanted = number * size // count
        if wanted <= places[-1]:
            continue
        found = cut(file, wanted, size)
        misses = misses + 1 if found is None else 0
        if misses == _MISSES:
            break
        if found is not None and found > places[-1]:
            places.append(found)
    ends = [*places[1:], size]
    ranges = zip(places, ends, strict=True)
    parts = [(Part(n, "bytes", start, end), end - start) for n, (start, end) in enumerate(ranges)]
    return parts if len(parts) > 1 else []


def _cut_of(file: BinaryIO, head: bytes, key: str, size: int) -> Cut | None:
    """What finds a place to cut such a file; None if there is none."""
    codec = codec_of(head, file, key)
    file.seek(len(head))
    stream = ByteStream(file, codec, head)
    stream.need(CHUNK)
    begin = bytes(stream.buffer[:CHUNK])
    name = format_of(begin)
    if name == "JSON" and (wide_encoding(begin) is not None or not is_in_lines(stream, key, CHUNK)):
        return None
    if codec is None:
        return {"JSON": cuts.line_cut, "WARC": cuts.record_cut(WARC)}.get(name or "")
    if codec.name == ZSTD.name and name == "JSON" and (starts := cuts.frame_starts(file, size)) is not None:
        return cuts.table_cut(starts)
    if name is None or codec.name not in (GZIP.name, ZSTD.name):
        return None
    start = {"WARC": WARC.start, "ARC": ARC.start}.get(name)
    return cuts.member_cut(codec, cuts.is_text if start is None else lambda decoded: start.match(decoded) is not None)
