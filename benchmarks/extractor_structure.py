"""Whether code, tables, formulas and lists survive: the engine `blocks` in both formats on the structure set.

All 396 pages of the set are for development. Its own `score.py` scores what is extracted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import crawl
from stages.extraction import blocks
from stages.extraction.writing.writer import FORMATS


def run() -> None:
    """Print the scores by renderer, first of plain text, then of Markdown."""
    folder = crawl.data() / "structure"
    pages = pq.read_table(folder / "pages.parquet", columns=["id", "html"])
    with tempfile.TemporaryDirectory() as outputs:
        for form in FORMATS:
            texts = [_text(html, form) for html in pages.column("html").to_pylist()]
            output = Path(outputs) / f"{form}.parquet"
            pq.write_table(pa.table({"id": pages.column("id"), "text": texts}), output)
            print(f"{form}:", flush=True)
            subprocess.run([sys.executable, folder / "score.py", folder / "pages.parquet", output], check=True)


def _text(html: str | bytes, form: str) -> str:
    data = html.encode() if isinstance(html, str) else html
    return blocks.extract(data, None, image_urls=False, form="markdown" if form == "markdown" else "plain").text
