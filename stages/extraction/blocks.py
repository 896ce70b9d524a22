"""The engine `blocks`: main text by a model's scores of a page's blocks (see `classifiers.blocks`), in this process.

No tree is built and no child process is needed: reading, features and decision trees take time linear in the page and
memory bounded by its size, whatever the page is. Blocks become lines: a line per paragraph or heading, list items after
a dash, the cells of a table row in one line, code with its line breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from classifiers.blocks import model
from classifiers.blocks.features.measure import SENTENCES, WORDS
from classifiers.blocks.features.read import PageBlocks
from classifiers.blocks.html.layout import (
    CHARS,
    END,
    IMAGE,
    LINKED,
    MARK_TEXT_END,
    MARKS,
    NODE,
    NODE_FLAGS,
    START,
    TITLE,
    ScannedPage,
)
from classifiers.blocks.html.names import FLAGS
from classifiers.kernels.arrays import Bools, Float32s, Int64s
from stages.extraction import images, links
from stages.extraction.formatting import formatted_parts
from stages.extraction.writing.outline import Outline
from stages.extraction.writing.writer import Format, Writer

IMAGE_REACH = 3  # blocks that may lie between an image and the main text on either side of it
COMMENT_WORDS = 8  # a reader's comment has as many words, or a sentence


@dataclass(frozen=True)
class ScoredPage:
    """A page's blocks and the model's opinion: `kept` and `scores` by block, `confidence` = the expected F1."""

    blocks: PageBlocks
    scores: Float32s
    kept: Bools
    confidence: float

    def text(self, html: bytes | memoryview, form: Format = "plain") -> str:
        """The kept blocks written down; `html` is the page that was scored."""
        outline = Outline(bytes(html), self.blocks, self.kept)
        return formatted_parts(Writer(outline, form == "markdown").text_parts())

    def title(self) -> str:
        at = int(self.blocks.page.state[TITLE])
        return "" if at < 0 else " ".join(_text(self.blocks, at).split())

    def explained(self) -> Iterator[tuple[bool, float, str]]:
        """Whether it is kept, the score and the text of each block, without the page's title."""
        for at in range(self.blocks.size):
            if at != int(self.blocks.page.state[TITLE]):
                yield bool(self.kept[at]), float(self.scores[at]), _text(self.blocks, at)


def score(html: bytes | memoryview, include_tables: bool = True, include_comments: bool = False) -> ScoredPage:
    """Judge which blocks of a page are main text. `html` is UTF-8; other bytes are replaced in what is kept."""
    blocks, scores = _model().scored(html)
    kept, confidence = model.chosen(blocks, scores)
    if blocks.size:
        flags = _flags(blocks)
        if not include_tables:
            kept &= (flags & FLAGS["table"]) == 0
        if include_comments:
            kept |= _comments(blocks, flags)
    return ScoredPage(blocks, scores, kept, confidence)


class BlocksExtract(NamedTuple):
    """What the engine extracts. `title` and `links` are None unless requested."""

    text: str
    images: list[images.Image]
    title: str | None
    links: list[links.Link] | None


def extract(
    html: bytes | memoryview,
    url: str | None,
    include_tables: bool = True,
    include_comments: bool = False,
    image_urls: bool = True,
    with_title: bool = False,
    with_links: bool = False,
    form: Format = "plain",
) -> BlocksExtract:
    """The main text and the images in it; on request also the page's title and its links."""
    scored = score(html, include_tables, include_comments)
    text = scored.text(html, form)
    found = _images(html, scored, url) if image_urls and text else []
    return BlocksExtract(
        text, found, scored.title() if with_title else None, _links(html, scored, url) if with_links else None
    )


@lru_cache(maxsize=1)
def _model() -> model.BlockModel:
    return model.load()


def _flags(blocks: PageBlocks) -> Int64s:
    """The flags of each block's node."""
    page = blocks.page
    flags: Int64s = page.nodes[page.blocks[: blocks.size, NODE], NODE_FLAGS]
    return flags


def _comments(blocks: PageBlocks, flags: Int64s) -> Bools:
    """Which blocks are readers' comments: sentences inside an element that is named a comment."""
    rows = blocks.page.blocks[: blocks.size]
    prose = (blocks.raw[:, WORDS] >= COMMENT_WORDS) | (blocks.raw[:, SENTENCES] >= 1)
    plain = 2 * rows[:, LINKED] < rows[:, CHARS]
    outside = (flags & (FLAGS["form"] | FLAGS["hidden"] | FLAGS["nav"])) == 0
    comments: Bools = ((flags & FLAGS["comment"]) != 0) & prose & plain & outside
    return comments


def _text(blocks: PageBlocks, at: int) -> str:
    start, end = blocks.page.blocks[at, : END + 1].tolist()
    return blocks.page.text[start:end].tobytes().decode(errors="replace")


def _images(html: bytes | memoryview, scored: ScoredPage, url: str | None) -> list[images.Image]:
    """The images among kept blocks: with one within `IMAGE_REACH` before them and another after, or around them."""
    page, kept = scored.blocks.page, scored.kept
    found: list[bytes] = []
    for start, end, block in _marks(page, True)[:, :MARK_TEXT_END].tolist():
        before, after = kept[max(block - IMAGE_REACH, 0) : block], kept[block : block + IMAGE_REACH]
        if before.any() and after.any() and not _is_furniture(scored.blocks, block):
            found.append(bytes(html[start:end]))
    return images.from_tags((tag.decode(errors="replace") for tag in found), url)


def _links(html: bytes | memoryview, scored: ScoredPage, url: str | None) -> list[links.Link]:
    page, text = scored.blocks.page, scored.blocks.page.text
    begins = page.blocks[: scored.blocks.size, START]

    def anchor(start: int, end: int) -> str:
        """The text of a link, with a space between the blocks if it surrounds several."""
        inner = begins[np.searchsorted(begins, start, "right") : np.searchsorted(begins, end)].tolist()
        pieces = zip([start, *inner], [*inner, end], strict=True)
        return " ".join(text[a:b].tobytes().decode(errors="replace") for a, b in pieces)

    spans = _marks(page, False).tolist()
    tags = ((bytes(html[a:b]).decode(errors="replace"), anchor(start, end)) for a, b, start, end in spans)
    return links.resolved(tags, url, links.base_of(bytes(html))) if spans else []


def _marks(page: ScannedPage, of_images: bool) -> Int64s:
    """The start tags of images, or of links."""
    found = page.marks[: page.state[MARKS]]
    marks: Int64s = found[(found[:, MARK_TEXT_END] == IMAGE) == of_images]
    return marks


def _is_furniture(blocks: PageBlocks, block: int) -> bool:
    """Whether the block is part of the navigation, a footer, an aside, a form or a button."""
    page = blocks.page
    flags = int(page.nodes[page.blocks[min(block, len(page.blocks) - 1), NODE], NODE_FLAGS])
    return bool(flags & (FLAGS["nav"] | FLAGS["footer"] | FLAGS["aside"] | FLAGS["form"] | FLAGS["button"]))
