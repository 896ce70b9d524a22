"""What the benchmarks run over: WARC files and texts made from the crawl in the data folder.

The folder is `$REFINEDWEB_TEST_DATA`, or `../shared/data` beside the project.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType

ROOT = Path(__file__).resolve().parents[1]
FIVE_KB = range(4_000, 6_001)


def data() -> Path:
    """The data folder. Ends the benchmark with a message where there is none."""
    folder = Path(os.environ.get("REFINEDWEB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "crawl").is_dir():
        raise SystemExit(f"no crawl in {folder}; set REFINEDWEB_TEST_DATA to the folder that holds crawl/")
    return folder


def parts() -> list[Path]:
    """The crawl's WARC files."""
    return sorted((data() / "crawl").glob("*.warc.gz"))


def sample(path: Path, pages: int) -> int:
    """Writes a WARC file of at most `pages` pages, spread evenly over the whole crawl; how many they are.

    Each record gets the `WARC-Identified-Payload-Type` that Common Crawl's have. Without it datatrove asks libmagic,
    which takes 18 % of these pages for scripts or XML: skipped on its side, extracted on ours.
    """
    found = [page for part in parts() for page in packed_pages(part)]
    taken = found[:: -(-len(found) // pages)]
    path.write_bytes(b"".join(taken))
    return len(taken)


def packed_pages(part: Path) -> Iterator[bytes]:
    """The response records of a WARC file, one gzip member each."""
    with part.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=False, record_types=WarcRecordType.response):
            record.headers.append("WARC-Identified-Payload-Type", "text/html")
            plain = BytesIO()
            record.write(plain)
            yield gzip.compress(plain.getvalue(), mtime=0)


def repeated(path: Path, size: int) -> None:
    """Writes a WARC file of at least `size` packed bytes by repeating the crawl."""
    with path.open("wb") as file:
        for part in cycle(parts()):
            if file.tell() >= size:
                return
            file.write(part.read_bytes())


def texts(path: Path, most: int | None = None) -> int:
    """Writes a Parquet file (id, text) of the English main texts of 4 to 6 kB in the data folder; how many they are.

    `most`: of the first so many only.
    """
    files = [data() / "crawl" / "truth.parquet", data() / "extraction-train" / "pages.parquet"]
    found = {row["expected_text"]: None for file in files for row in rows_with_text(file)}
    chosen = [text for text in found if len(text.encode()) in FIVE_KB][:most]
    pq.write_table(pa.table({"id": [str(n) for n in range(len(chosen))], "text": chosen}), path)
    return len(chosen)


def rows_with_text(file: Path) -> list[dict[str, Any]]:
    """The English rows that have a main text."""
    rows = pq.read_table(file, columns=["expected_text", "lid_guess"]).to_pylist()
    return [row for row in rows if row["expected_text"] and row["lid_guess"] == "en"]
