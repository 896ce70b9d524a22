"""`extract_v1`: main text and images of a page (RefinedWeb, section 3.1: trafilatura, main content, no comments)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Int64s
from stages.base import JudgedPart, drop_where, set_column, stage
from stages.extraction import blocks
from stages.extraction.engines import EngineName, ExtractionSettings, Favor
from stages.extraction.process import Page
from stages.extraction.supervisor import PageOutcome, supervisor
from stages.extraction.writing.writer import FORMATS, Format
from stages.kernels.buffers import utf8_views
from stages.schema import IMAGE_URLS, LINKS

ENGINES = ("trafilatura", "resiliparse", "blocks")
FAVORS = ("precision", "balanced", "recall")
ON_REQUEST = {"title": pa.string(), "links": LINKS}
_FIELDS = {"image_urls": "images"}  # fields of an outcome by column, if the names differ
LEAST_MEMORY_MB = 128  # MiB that the extractor takes before it sees a page


@stage("extract_v1")
class Extract:
    """Replaces the column `html` by the main text in `text` and the images of the main content in `image_urls`.

    Text has at most two newlines in a row and no URLs (RefinedWeb, section 3.1), but for code as `blocks` writes it.
    Drops pages without main text
    (`no_main_text`) or without a tag (`unparsable_html`), pages that take too long (`extract_timeout`) or more than
    `memory_mb` MiB of private memory (`extract_memory`), and pages on which the extractor fails (`extract_crash`). Rows
    without html but with text (WET, plain text) and rows already dropped pass through untouched.

    A page may take one second of CPU time plus `seconds_per_mb` for each 10⁶ bytes of html, but at most
    `deadline_seconds`: the slowest of 1,541 crawled pages took 0.2 times that, and a page made to hang takes all of it
    (benchmarks/poison.py). If the cells with a `rowspan` on a page cover more than 10,000 places (500 on the worst page
    of the crawl), each of them counts as one place.

    `blocks` is ours: a small model scores blocks of text (classifiers/models/BLOCKS.md). It runs in this process,
    because it takes linear time and bounded memory on any page. It uses only the parameters `include_tables`,
    `include_comments`, `image_urls` and `format`. Tables are rows of cells with `|` between them, items have their
    marker or number, formulas are TeX between `$`, and code keeps its lines, spaces and URLs. `format="markdown"`
    writes CommonMark with GFM's tables: headings, emphasis and fences with the language too. It is the only engine that
    gives `title`, a column of what the page calls itself, and `links`, a column of all its links, including those of
    menus, as [url, anchor text].

    The other engines run in a child process, one for each worker process and setting, so a page can only harm itself.
    `favor` and `fast` (no comparison with readability and jusText) are trafilatura's. Without `image_urls` that column
    stays null, which saves about a tenth of the time. Measured on 181 pages, 4-gram F1 against the texts as published,
    including URLs: trafilatura precision 0.962, resiliparse 0.924 (benchmarks/extraction.py).
    """

    engine: EngineName = "trafilatura"
    favor: Favor = "precision"
    fast: bool = False
    include_tables: bool = True
    include_comments: bool = False
    image_urls: bool = True
    title: bool = False
    links: bool = False
    format: Format = "plain"
    deadline_seconds: float = 30.0
    memory_mb: int = 1024
    seconds_per_mb: float = 2.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(f"engine is {self.engine!r}; choose one of {', '.join(ENGINES)}")
        if self.favor not in FAVORS:
            raise ValueError(f"favor is {self.favor!r}; choose one of {', '.join(FAVORS)}")
        if self.engine != "blocks" and (self.title or self.links):
            name = "title" if self.title else "links"
            raise ValueError(f"{name}=true needs engine=blocks, and engine is {self.engine}; change one of them")
        if self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}; choose one of {', '.join(FORMATS)}")
        if self.engine != "blocks" and self.format != "plain":
            raise ValueError(f"format={self.format} needs engine=blocks, not {self.engine}; change one of them")
        if not self.deadline_seconds > 0:
            raise ValueError(f"deadline_seconds is {self.deadline_seconds}; give the CPU seconds that a page may take")
        if not self.seconds_per_mb >= 0:
            raise ValueError(
                f"seconds_per_mb is {self.seconds_per_mb}; give the CPU seconds that each 10⁶ bytes may take"
            )
        if self.memory_mb < LEAST_MEMORY_MB:
            raise ValueError(f"memory_mb is {self.memory_mb}; the extractor alone needs {LEAST_MEMORY_MB} MiB")

    def settings(self) -> ExtractionSettings:
        return ExtractionSettings(
            self.engine,
            self.favor,
            self.fast,
            self.include_tables,
            self.include_comments,
            self.image_urls,
            float(self.deadline_seconds),
            self.memory_mb,
            float(self.seconds_per_mb),
        )

    def __call__(self, docs: pa.Table) -> pa.Table:
        rows = _rows(docs)
        on_request = {name: kind for name, kind in ON_REQUEST.items() if getattr(self, name)}
        filled = _with_empty_columns(docs, on_request)
        if len(rows):
            outcomes = self._outcomes(_pages(docs, rows))
            filled = _filled(filled, rows, outcomes, [*(["image_urls"] if self.image_urls else []), *on_request])
        return filled.drop_columns(["html"]) if "html" in filled.column_names else filled

    def parts(self, docs: pa.Table) -> list[list[JudgedPart]]:
        """The blocks of the pages that `blocks` would extract, with their scores. The other engines give none."""
        found: list[list[JudgedPart]] = [[] for _ in range(docs.num_rows)]
        if self.engine == "blocks":
            rows = _rows(docs)
            for row, (html, _) in zip(rows.tolist(), _pages(docs, rows), strict=True):
                scored = blocks.score(html, self.include_tables, self.include_comments)
                found[row] = [JudgedPart(text, kept, round(score, 4)) for kept, score, text in scored.explained()]
        return found

    def _outcomes(self, pages: list[Page]) -> list[PageOutcome]:
        """The outcome of each page. `blocks` cannot hang or crash on a page, so it needs no child process."""
        if self.engine == "blocks":
            return [self._by_blocks(*page) for page in pages]
        return supervisor(self.settings()).extract(pages)

    def _by_blocks(self, html: bytes | memoryview, url: str | None) -> PageOutcome:
        if b"<" not in bytes(html):
            return PageOutcome("", [], "unparsable_html")
        text, images, title, links = blocks.extract(
            html, url, self.include_tables, self.include_comments, self.image_urls, self.title, self.links, self.format
        )
        return PageOutcome(text, images, None if text else "no_main_text", title, links)


def _rows(docs: pa.Table) -> Int64s:
    """The numbers of the rows to extract: those with html that are not dropped yet."""
    if "html" not in docs.column_names:
        return np.zeros(0, dtype=np.int64)
    wanted = pc.is_valid(docs.column("html"))
    if "drop" in docs.column_names:
        wanted = pc.and_(wanted, pc.is_null(docs.column("drop")))
    rows: Int64s = pc.indices_nonzero(wanted).to_numpy().astype(np.int64)
    return rows


def _pages(docs: pa.Table, rows: Int64s) -> list[Page]:
    """The html (not copied) and url of each row."""
    offsets, data = utf8_views(docs.column("html"))
    html = data.data
    urls = docs.column("url").take(pa.array(rows)).to_pylist() if "url" in docs.column_names else [None] * len(rows)
    return [(html[offsets[row] : offsets[row + 1]], url) for row, url in zip(rows.tolist(), urls, strict=True)]


def _with_empty_columns(docs: pa.Table, on_request: dict[str, pa.DataType]) -> pa.Table:
    """`docs` with the columns that this stage fills. A row with neither html nor text has no main text."""
    for name, kind in {"text": pa.string(), "image_urls": IMAGE_URLS, **on_request}.items():
        if name not in docs.column_names:
            docs = docs.append_column(name, pa.nulls(docs.num_rows, kind))
    nothing = pc.is_null(docs.column("text"))
    if "html" in docs.column_names:
        nothing = pc.and_(nothing, pc.is_null(docs.column("html")))
    return drop_where(docs, pc.if_else(nothing, "no_main_text", pa.scalar(None, pa.string())))


def _filled(docs: pa.Table, rows: Int64s, outcomes: list[PageOutcome], others: list[str]) -> pa.Table:
    """The table with the text of these rows, and with the `others` of their columns."""
    columns: dict[str, list[Any]] = {
        name: [getattr(o, _FIELDS.get(name, name)) if o.drop is None else None for o in outcomes]
        for name in ("text", *others)
    }
    columns |= {"image_urls": columns.get("image_urls", [None] * len(outcomes)), "drop": [o.drop for o in outcomes]}
    for name, values in columns.items():
        docs = set_column(docs, name, _scattered(docs.column(name), rows, values))
    return docs


def _scattered(column: pa.ChunkedArray, rows: Int64s, values: list[Any]) -> pa.ChunkedArray:
    """The column with `values` at `rows`."""
    new = pa.array(values, column.type)
    if len(rows) == len(column):
        return pa.chunked_array([new])
    source = np.arange(len(column))
    source[rows] = len(column) + np.arange(len(rows))
    return pa.chunked_array([*column.chunks, new], column.type).take(pa.array(source))
