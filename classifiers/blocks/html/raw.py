"""Elements whose content is not markup: scripts, styles, the title and the like."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.blocks.features.evidence import collect
from classifiers.blocks.html.characters import write
from classifiers.blocks.html.layout import BLOCK, NODE, TITLE, Offset, ScannedPage
from classifiers.blocks.html.names import TAGS
from classifiers.blocks.html.stack import finish
from classifiers.blocks.html.syntax import after_tag, end_of_raw
from classifiers.kernels.arrays import Bytes
from classifiers.kernels.jit import kernel

_SCRIPT, _STYLE, _TITLE = (np.int64(TAGS[n]) for n in ("script", "style", "title"))


@kernel
def raw(data: Bytes, at: Offset, end: Offset, page: ScannedPage, tag: Any, unclosed: Any) -> Offset:
    """Read an element whose content is not markup; returns where it ends. A page's title is a block.

    Without an end tag, a script goes on to the page's end, and the start tag of any other such element is ignored.
    """
    state, close = page.state, end
    if not unclosed[tag]:
        close = end_of_raw(data, at, end, tag)
    if close == end:
        unclosed[tag] = True
        return end if tag in (_SCRIPT, _STYLE) else at
    if tag == _SCRIPT:
        collect(data, at, close, page)
    if tag == _TITLE and state[TITLE] < 0:
        finish(page, at)
        node = page.blocks[state[BLOCK], NODE]
        page.blocks[state[BLOCK], NODE] = 0
        block = state[BLOCK]
        while at < close:
            at = write(data, at, close, page.text, page.blocks, state, np.int64(0), True)
        finish(page, close)
        if state[BLOCK] > block:
            state[TITLE] = block
        page.blocks[state[BLOCK], NODE] = node
    return after_tag(data, close + 2, end)
