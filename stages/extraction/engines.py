"""The extractors: a page in, its main text and images out. Runs in the child process only (see `child.py`).

`trafilatura` (Barbaresi 2021): one lxml tree per page, shared by the text and the images; no metadata, no comments, no
deduplication (its cache of repeated segments would let one page's text depend on the pages before it). Four settings
make it up to twice as fast and change nothing it answers: elements are made without a Python call each, its XPath
expressions are screened (`xpath.py`), jusText's stop words are found without being hashed anew, and its paragraphs
without joining the names of all their ancestors.

`resiliparse` (Bevendorff et al. 2018): main content by rules over a DOM of its own, several times as fast.

libxml2 reads at most 2,048 levels of nesting; what lies behind the first deeper element is not part of the tree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stages.extraction import images
from stages.extraction.formatting import formatted

LEAST_SECONDS = 1.0
MOST_SPANNED = 10_000  # places; the crawled page with the most has 500

EngineName = Literal["trafilatura", "resiliparse", "blocks"]
Favor = Literal["precision", "balanced", "recall"]

_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))
_FORM_FEED_IS_SPACE = bytes.maketrans(b"\f", b" ")
_CONTROL_REFERENCE = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01]|6553[45])(?!\d)|[xX]0*(?:[0-8bcefBCEF]|1[\da-fA-F]|[fF]{3}[efEF])(?![\da-fA-F]));?"
)


@dataclass(frozen=True)
class ExtractionSettings:
    """What an engine must know; equal settings share a child process."""

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
    """No parser makes a page of these bytes."""


Engine = Callable[[bytes, str | None], PageExtract]


def well_formed(html: bytes) -> bytes:
    """UTF-8 without control characters, written as bytes or as references: lxml refuses to hold them as text.

    Raises Unparsable where there is no tag at all.
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
    """The extraction function. Imports its library, so that the first page is as quick as the others."""
    return _resiliparse(settings) if settings.engine == "resiliparse" else _trafilatura(settings)


def _trafilatura(settings: ExtractionSettings) -> Engine:
    import lxml.html
    import trafilatura
    from trafilatura import utils

    _speed_up_trafilatura()
    sys.setrecursionlimit(20_000)
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
        utils.trim.cache_clear()
        utils.line_processing.cache_clear()
        return PageExtract(text, found)

    return extract


def without_absurd_spans(cells: list[Any]) -> None:
    """Takes their spans away from these cells where they span more than any real table has.

    trafilatura makes an element of every place that a cell spans, and each costs as much as its row is long.
    """
    if sum(_span(cell, "rowspan") * _span(cell, "colspan") for cell in cells) > MOST_SPANNED:
        for cell in cells:
            for name in ("rowspan", "colspan"):
                cell.attrib.pop(name, None)


def _span(cell: Any, name: str) -> int:
    """As trafilatura reads it: at most 100."""
    value = cell.get(name, "1")
    return min(int(value), 100) if len(value) < 20 and value.isdecimal() else 1


def html_parser() -> Any:
    """trafilatura's parser, with `huge_tree`: the limits are the child's deadline and memory, not libxml2's."""
    import lxml.html

    parser = lxml.html.HTMLParser(
        collect_ids=False,
        default_doctype=False,
        encoding="utf-8",
        huge_tree=True,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    parser.set_element_class_lookup(_element_classes())
    return parser


def _element_classes() -> Any:
    """Every element an HtmlElement, chosen in C (lxml.html chooses by a Python function, for forms and inputs)."""
    import lxml.html
    from lxml import etree

    return etree.ElementDefaultClassLookup(
        element=lxml.html.HtmlElement,
        comment=lxml.html.HtmlComment,
        pi=lxml.html.HtmlProcessingInstruction,
        entity=lxml.html.HtmlEntity,
    )


class Path:
    """Where jusText is in the tree. Its own joins the names of all ancestors at every paragraph, twice: the square of
    the depth. Its paragraphs want to know the names alone.
    """

    xpath = ""

    def __init__(self) -> None:
        self.above: list[int] = []
        self.dom = ""

    def append(self, name: str) -> None:
        self.above.append(len(self.dom))
        self.dom = f"{self.dom}.{name}" if self.dom else name

    def pop(self) -> None:
        self.dom = self.dom[: self.above.pop()]


class Stoplist(tuple[str, ...]):
    """jusText looks its stop words up in a cache, by a hash over all 100,000 of them; this one is known beforehand."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self)


def _speed_up_trafilatura() -> None:
    from justext import core
    from trafilatura import external, utils, xpaths

    from stages.extraction.xpath import screened

    utils.HTML_PARSER.set_element_class_lookup(_element_classes())
    for expressions in vars(xpaths).values():
        if isinstance(expressions, list):
            expressions[:] = [screened(expression) for expression in expressions]
    core.PathInfo = Path
    external.JT_STOPLIST = Stoplist(external.jt_stoplist_init())


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
