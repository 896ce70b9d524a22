"""A crawl of several times the size: a sample for `refinedweb plan` whose global steps have something to do.

    uv run python -m benchmarks.varied OUT [--copies 8] [--same 0.3] [--seed 1]
    uv run refinedweb run dump OUT SAMPLE && uv run refinedweb plan --from SAMPLE --input 90000x1.1GB --instances 100

OUT gets the crawl of the data folder as WARC files, and `--copies` more of each. A page of a copy is the same with a
chance of `--same`; else the words of each of its texts are in another order, so that language, length and the shares of
its words stay, and hardly any five words in a row do. Every record has an id of its own.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import uuid
from io import BytesIO
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from benchmarks import crawl

TEXT = re.compile(rb">([^<>]{20,})<")  # between two tags


def mixed(page: bytes, chance: random.Random) -> bytes:
    """The page with the words of each text in another order."""

    def reordered(found: re.Match[bytes]) -> bytes:
        words = found[1].split(b" ")
        chance.shuffle(words)
        return b">" + b" ".join(words) + b"<"

    head, blank, body = page.partition(b"\r\n\r\n")
    return head + blank + TEXT.sub(reordered, body)


def copied(part: Path, target: Path, same: float, chance: random.Random) -> None:
    """Write a copy of a WARC file."""
    with part.open("rb") as file, target.open("wb") as out:
        for record in ArchiveIterator(file, parse_http=False, record_types=WarcRecordType.response):
            record.headers["WARC-Record-ID"] = f"<urn:uuid:{uuid.UUID(int=chance.getrandbits(128))}>"
            content = record.reader.read()
            record.set_bytes_content(content if chance.random() < same else mixed(content, chance))
            plain = BytesIO()
            record.write(plain)
            out.write(gzip.compress(plain.getvalue(), 6, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--same", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    chance = random.Random(options.seed)
    for number, part in enumerate(crawl.parts()):
        for copy in range(options.copies + 1):
            same = 1.0 if copy == 0 else options.same
            copied(part, options.out / f"part-{copy:02d}-{number:02d}.warc.gz", same, chance)


if __name__ == "__main__":
    main()
