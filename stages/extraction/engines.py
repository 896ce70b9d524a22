"""The extractors: they take a page and give its main text and images. Run only in the child process (see `child.py`).

`trafilatura` (Barbaresi 2021): one lxml tree per page, shared by the text and the images; no metadata, no comments, no
deduplication (its cache of repeated segments would let the text of a page depend on the pages before it). Four changes
make it up to twice as fast without changing its results (`stages.patches`): elements are made without a Python call
each, its XPath expressions are screened (`xpath.py`), jusText's stop words are found without being hashed again, and
its paragraphs without joining the names of all their ancestors.

`resiliparse` (Bevendorff et al. 2018): main content by rules over its own DOM, several times as fast.

libxml2 reads at most 2,048 levels of nesting; whatever follows the first deeper element is not part of the tree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stages.extraction import images
from stages.extraction.formatting import formatted
from stages.extraction.parser import html_parser
from stages.patches import forget_page, speed_up_trafilatura

LEAST_SECONDS = 1.0  # CPU seconds that a page of any size may take
MOST_SPANNED = 10_000  # places that a page's cells with a rowspan cover; the crawled page with the most has 500
MOST_SPAN = 100  # rows or columns of a cell; trafilatura reads more as this many
RECURSION_LIMIT = 20_000  # Python frames: trafilatura recurses along a tree of up to 2,048 levels

EngineName = Literal["trafilatura", "resiliparse", "blocks"]
Favor = Literal["precision", "balanced", "recall"]

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))
_FORM_FEED_IS_SPACE = bytes.maketrans(b"\f", b" ")
_CONTROL_REFERENCE = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01]|6553[45])(?!\d)|[xX]0*(?:[0-8bcefBCEF]|1[\da-fA-F]|[fF]{3}[efEF])(?![\da-fA-F]));?"
)


@dataclass(frozen=True)
class ExtractionSettings:
    """The settings of an engine. Equal settings share a child process."""

    engine: EngineName = "trafilatura"
    favor: Favor = "precision"
    fast: bool = False
    include_tables: bool = True
    include_comments: bool = False
    image_urls: bool = True
    deadline_seconds: float = 30.0
    memory_mb: int = 1024
    seconds_per_mb: float = 2.0

    def seconds(self, html_bytes: int) -> float:
        """CPU seconds that a page of this size may take."""
        return min(self.deadline_seconds, LEAST_SECONDS + self.seconds_per_mb * html_bytes / 1e6)


class PageExtract(NamedTuple):
    text: str
    images: list[images.Image]


class Unparsable(ValueError):
    """No parser can make a page of these bytes."""


Engine = Callable[[bytes, str | None], PageExtract]


def well_formed(html: bytes) -> bytes:
    """UTF-8 without control characters, whether written as bytes or as references, because lxml refuses them in text.

    Raises Unparsable if there is no tag at all.
    """
    if b"<" not in html:
        raise Unparsable("no tag")
    try:
        html.decode()
    except UnicodeDecodeError:
        html = html.decode(errors="replace").encode()
    html = html.translate(_FORM_FEED_IS_SPACE, _CONTROLS)
    if b"\xef\xbf" in html:
        html = html.replace(b"\xef\xbf\xbe", b"").replace(b"\xef\xbf\xbf", b"")
    return _CONTROL_REFERENCE.sub(b" ", html) if b"&#" in html else html


def engine(settings: ExtractionSettings) -> Engine:
    """The extraction function. Imports its library, so that the first page takes no longer than the others."""
    return _resiliparse(settings) if settings.engine == "resiliparse" else _trafilatura(settings)


def _trafilatura(settings: ExtractionSettings) -> Engine:
    import lxml.html
    import trafilatura

    speed_up_trafilatura()
    sys.setrecursionlimit(RECURSION_LIMIT)
    parser = html_parser()
    spanning = lxml.etree.XPath("//*[@rowspan]")
    options: dict[str, Any] = {
        "fast": settings.fast,
        "favor_precision": settings.favor == "precision",
        "favor_recall": settings.favor == "recall",
        "include_comments": settings.include_comments,
        "include_tables": settings.include_tables,
    }

    def extract(html: bytes, url: str | None) -> PageExtract:
        try:
            tree = lxml.html.document_fromstring(well_formed(html), parser=parser)
        except lxml.etree.ParserError as error:
            raise Unparsable(str(error)) from error
        without_absurd_spans(spanning(tree))
        text = formatted(trafilatura.extract(tree, **options) or "")
        found = images.from_tree(tree, text, url) if settings.image_urls else []
        forget_page()
        return PageExtract(text, found)

    return extract


def without_absurd_spans(cells: list[Any]) -> None:
    """Removes the spans of these cells if together they cover more places than any real table has.

    trafilatura makes an element for every place that a cell covers, and each costs time in proportion to its row.
    """
    if sum(_span(cell, "rowspan") * _span(cell, "colspan") for cell in cells) > MOST_SPANNED:
        for cell in cells:
            for name in ("rowspan", "colspan"):
                cell.attrib.pop(name, None)


def _span(cell: Any, name: str) -> int:
    """A cell's rowspan or colspan as trafilatura reads it: at most 100."""
    value = cell.get(name, "1")
    return min(int(value), MOST_SPAN) if len(value) < 20 and value.isdecimal() else 1


def _resiliparse(settings: ExtractionSettings) -> Engine:
    from resiliparse.extract.html2text import extract_plain_text

    skip = None if settings.include_tables else ["table"]

    def extract(html: bytes, url: str | None) -> PageExtract:
        if b"<" not in html:
            raise Unparsable("no tag")
        page = html.decode(errors="replace")
        text = formatted(
            extract_plain_text(
                page, main_content=True, alt_texts=False, comments=settings.include_comments, skip_elements=skip
            )
        )
        return PageExtract(text, images.from_source(page, text, url) if settings.image_urls else [])

    return extract
