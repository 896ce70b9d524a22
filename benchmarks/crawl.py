"""The input of the benchmarks: WARC files and texts made from the crawl in the data folder.

The folder is `$REFINEDWEB_TEST_DATA`, or `../shared/data` next to the project.
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
FIVE_KB = range(4_000, 6_001)  # bytes: the sizes of a text of about 5 kB, for which the budgets are


def data() -> Path:
    """The data folder. Ends the benchmark with a message if there is none."""
    folder = Path(os.environ.get("REFINEDWEB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "crawl").is_dir():
        raise SystemExit(f"no crawl in {folder}; set REFINEDWEB_TEST_DATA to the folder that holds crawl/")
    return folder


def parts() -> list[Path]:
    """The crawl's WARC files."""
    return sorted((data() / "crawl").glob("*.warc.gz"))


def sample(path: Path, pages: int) -> int:
    """Write a WARC file of at most `pages` pages, spread evenly over the whole crawl, and return their number.

    Each record gets the `WARC-Identified-Payload-Type` that Common Crawl's records have. Without it datatrove asks
    libmagic, which takes 18 % of these pages for scripts or XML: they would be skipped there and extracted here.
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
    """Write a WARC file of at least `size` compressed bytes by repeating the crawl."""
    with path.open("wb") as file:
        for part in cycle(parts()):
            if file.tell() >= size:
                return
            file.write(part.read_bytes())


def texts(path: Path, most: int | None = None) -> int:
    """Write a Parquet file (id, text) of the data folder's English main texts of 4 to 6 kB, and return their number.

    `most` limits it to the first ones.
    """
    files = [data() / "crawl" / "truth.parquet", data() / "extraction-train" / "pages.parquet"]
    found = {row["expected_text"]: None for file in files for row in rows_with_text(file)}
    chosen = [text for text in found if len(text.encode()) in FIVE_KB][:most]
    pq.write_table(pa.table({"id": [str(n) for n in range(len(chosen))], "text": chosen}), path)
    return len(chosen)


def rows_with_text(file: Path) -> list[dict[str, Any]]:
    """The rows of English pages with a main text."""
    rows = pq.read_table(file, columns=["expected_text", "lid_guess"]).to_pylist()
    return [row for row in rows if row["expected_text"] and row["lid_guess"] == "en"]
