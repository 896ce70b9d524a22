"""What the writer makes of a piece of HTML of which every block was chosen."""

from __future__ import annotations

import numpy as np

from classifiers.blocks import model
from classifiers.blocks.features.read import read_blocks
from stages.extraction.blocks import ScoredPage
from stages.extraction.writing.writer import Format


def written(html: str, form: Format = "plain", left_out: tuple[int, ...] = ()) -> str:
    """The text of the HTML without the blocks `left_out`."""
    data = html.encode()
    blocks = read_blocks(data, model.load().cues)
    kept = np.ones(blocks.size, np.bool_)
    kept[list(left_out)] = False
    return ScoredPage(blocks, np.ones(blocks.size, np.float32), kept, 1.0).text(data, form)
