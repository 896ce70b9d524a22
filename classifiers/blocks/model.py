"""The model: trees and the cues, in one file of plain arrays; and the choice of blocks by them."""

from __future__ import annotations

import io
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classifiers.blocks.columns import FEATURES
from classifiers.blocks.features import Blocks, read
from classifiers.blocks.layout import TITLE, TOKEN_SLOTS
from classifiers.blocks.measure import WORDS
from classifiers.blocks.trees import Floats, Trees, probabilities

SHIPPED = Path(__file__).parent.parent / "models" / "blocks_v1.npz"


class Model(NamedTuple):
    cues: Floats
    trees: Trees

    def scored(self, html: bytes | memoryview) -> tuple[Blocks, Floats]:
        """A page's blocks, and of each the probability that it is main text."""
        blocks = read(html, self.cues)
        return blocks, self.score(blocks)

    def score(self, blocks: Blocks) -> Floats:
        if not blocks.size:
            return np.zeros(0, np.float32)
        scores = probabilities(self.trees, blocks.features)
        title = int(blocks.page.state[TITLE])
        if title >= 0:
            scores[title] = 0
        return scores


class BadModel(ValueError):
    """A file that is no model of this version."""


def cut(scores: Floats, sizes: Floats) -> tuple[float, float]:
    """The score from which on blocks are kept, and the F1 that is to be expected of that: the highest there is.

    With p the chance that a word is main text, keeping a set K has an expected F1 of about 2 Σ_K p / (|K| + Σ p).
    """
    if not len(scores):
        return 1.0, 0.0
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum((scores * sizes)[order], dtype=np.float64)
    kept = np.cumsum(sizes[order], dtype=np.float64)
    expected = 2 * right / np.maximum(kept + right[-1], 1e-9)
    best = int(np.argmax(expected))
    return float(scores[order[best]]), float(expected[best])


def chosen(blocks: Blocks, scores: Floats) -> tuple[Any, float]:
    """Which blocks are main text (a boolean each), and how sure that is: the expected F1."""
    sizes = np.maximum(blocks.raw[:, WORDS], 1)
    threshold, confidence = cut(scores, sizes)
    return (scores >= threshold) & (scores > 0), confidence


def save(model: Model, path: Path) -> None:
    """The same model gives the same bytes."""
    arrays = {"cues": np.round(model.cues * 32).astype(np.int8)}
    arrays |= {f"trees.{name}": values for name, values in model.trees._asdict().items()}
    arrays["features"] = np.frombuffer(" ".join(FEATURES).encode(), np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, values in sorted(arrays.items()):
            packed = io.BytesIO()
            np.lib.format.write_array(packed, values, allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), packed.getvalue(), zipfile.ZIP_DEFLATED
            )


def rounded(cues: Floats) -> Floats:
    """Cues as the file holds them."""
    return (np.round(cues * 32) / 32).astype(np.float32)


@lru_cache(maxsize=4)
def load(path: Path = SHIPPED) -> Model:
    """Opens a model once per process. Raises BadModel for a file of other features."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    try:
        features = arrays["features"].tobytes().decode().split()
        cues = arrays["cues"].astype(np.float32) / 32
        trees = Trees(*(arrays[f"trees.{name}"] for name in Trees._fields))
    except (KeyError, UnicodeDecodeError) as error:
        raise BadModel(f"{path} is no model of blocks ({error}); make one with python -m classifiers.blocks") from error
    if features != [*FEATURES] or len(cues) != TOKEN_SLOTS:
        raise BadModel(f"{path} was trained on other features than this version has; train it again")
    return Model(cues, trees)
