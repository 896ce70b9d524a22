"""The block-level elements around the blocks of a page, as the writer asks for them."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from classifiers.blocks.features.measure import WORDS
from classifiers.blocks.features.read import PageBlocks
from classifiers.blocks.html.layout import END, HTML, HTML_END, NODE, NODE_HTML, NODES, PARENT, TAG, TITLE
from classifiers.blocks.html.names import TAGS, listed
from classifiers.kernels.arrays import Bools
from stages.extraction.writing import kernels
from stages.extraction.writing.markup import PHRASING

NAME_OF = {number: name for name, number in TAGS.items()} | {0: ""}
ITEMS = frozenset(TAGS[name] for name in listed("li dt dd"))
LISTS = frozenset(TAGS[name] for name in listed("ul ol dl menu dir"))
CELLS = frozenset((TAGS["td"], TAGS["th"]))
PRES = frozenset((TAGS["pre"], TAGS["listing"]))
HEADINGS = {TAGS[f"h{level}"]: level for level in range(1, 7)}
TABLE, TR, TH, CAPTION, QUOTE = (TAGS[name] for name in listed("table tr th caption blockquote"))
_STRUCTURE = ITEMS | CELLS | PRES | set(HEADINGS) | {TABLE, CAPTION, QUOTE}
_LI = TAGS["li"]
_PHRASING = frozenset(TAGS[name] for name in PHRASING)


class Around(NamedTuple):
    """An element that gives form to what is in it, and the next such element around it."""

    node: int
    tag: int
    outer: Around | None


class Outline:
    """A page's blocks, their nodes and its HTML as lists, and the answers to questions about them."""

    def __init__(self, html: bytes, blocks: PageBlocks, kept: Bools) -> None:
        page = blocks.page
        nodes = page.nodes[: page.state[NODES]]
        self.html = html
        self.kept: list[bool] = kept.tolist()
        self.parent: list[int] = nodes[:, PARENT].tolist()
        self.tag: list[int] = nodes[:, TAG].tolist()
        self.node_html: list[int] = nodes[:, NODE_HTML].tolist()
        rows = page.blocks[: blocks.size]
        self.spans: list[list[int]] = rows[:, : END + 1].tolist()
        self.begins: list[int] = rows[:, HTML].tolist()
        self._ends: list[int] = rows[:, HTML_END].tolist()
        self._data = np.frombuffer(html, np.uint8)
        self.node: list[int] = rows[:, NODE].tolist()
        self.title = int(page.state[TITLE])
        self.text = page.text[: self.spans[-1][1]].tobytes() if self.spans else b""
        self._raw = blocks.raw
        self._places: dict[int, Around | None] = {0: None}

    @cached_property
    def words(self) -> list[float]:
        found: list[float] = np.maximum(self._raw[:, WORDS], 1).tolist()
        return found

    @cached_property
    def last(self) -> list[int]:
        """The last node inside each node."""
        found: list[int] = kernels.last_inside(np.array(self.parent)).tolist()
        return found

    @cached_property
    def first_block(self) -> list[int]:
        """The first block inside each node, the number of blocks where there is none."""
        found: list[int] = kernels.first_inside(np.array(self.parent), np.array(self.node)).tolist()
        return found

    @cached_property
    def last_block(self) -> list[int]:
        """The last block inside each node, -1 where there is none."""
        found: list[int] = kernels.last_block_inside(np.array(self.parent), np.array(self.node)).tolist()
        return found

    def end(self, block: int) -> int:
        """The byte of HTML where a block ends: the scanner has the place after the `</` of an end tag."""
        end = self._ends[block]
        return end - 2 if self.html[end - 2 : end] == b"</" else end

    def has_signs(self, start: int, end: int) -> bool:
        """Whether the HTML between may hold a formula or ruby."""
        return bool(kernels.has_signs(self._data, start, end))

    def blocks_in(self, node: int) -> range:
        """The blocks inside an element: they follow one another. The page's title is in none but the page itself."""
        return range(self.first_block[node], self.last_block[node] + 1)

    def end_of(self, node: int) -> int:
        """The byte of HTML at which the element has ended: the next element or text after it."""
        behind = self.last[node] + 1
        inside = self.blocks_in(node)
        end = self.node_html[behind] if behind < len(self.node_html) else len(self.html)
        if inside and inside[-1] + 1 < len(self.begins):
            end = min(end, max(self.begins[inside[-1] + 1], self.end(inside[-1])))
        return end

    def start_tag(self, node: int) -> str:
        """The element's start tag, as far as its first thousand bytes."""
        at = self.node_html[node]
        end = self.html.find(b">", at, at + 1000)
        return self.html[at : end + 1 if end >= 0 else at + 1000].decode(errors="replace")

    def place(self, node: int) -> Around | None:
        """The innermost element of form around or at the node."""
        path = []
        while node not in self._places:
            path.append(node)
            node = self.parent[node]
        found = self._places[node]
        for each in reversed(path):
            if self.tag[each] in _STRUCTURE:
                found = Around(each, self.tag[each], found)
            self._places[each] = found
        return found

    def base(self, node: int) -> int:
        """The innermost element around or at the node that is not phrasing content."""
        while node and self.tag[node] in _PHRASING:
            node = self.parent[node]
        return node

    @cached_property
    def items_of(self) -> dict[int, list[int]]:
        """The items directly in each list."""
        found: dict[int, list[int]] = {}
        for node, tag in enumerate(self.tag):
            if tag == _LI:
                found.setdefault(self.parent[node], []).append(node)
        return found
