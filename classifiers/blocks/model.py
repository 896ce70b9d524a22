"""The model: trees and the cues, in one file of plain arrays; and the choice of blocks by them."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classifiers.blocks.cut import best_cut, once
from classifiers.blocks.features.columns import FEATURES
from classifiers.blocks.features.measure import WORDS
from classifiers.blocks.features.read import PageBlocks, read_blocks
from classifiers.blocks.html.layout import TITLE, TOKEN_SLOTS, ScannedPage
from classifiers.blocks.second import SECOND
from classifiers.blocks.second import around as scores_around
from classifiers.blocks.trees import Trees, check, pieces, probabilities
from classifiers.kernels.arrays import Float32s
from classifiers.path_cache import cached_by_path

_STAGES = ("first", "second")
_FEATURES = (*FEATURES, *SECOND)
SHIPPED = Path(__file__).parent.parent / "models" / "blocks_v1.npz"
LIKELY = 0.5  # a page with main text has a block with at least this score
MOST_BYTES = 64 << 20  # of all arrays; those that ship have half a megabyte
_DAMAGE = (KeyError, ValueError, OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
ALIVE = 0.02  # blocks with a lower score of the first stage are not shown to the second


class BlockModel(NamedTuple):
    """`first` sees a block's features; `second` also sees the first's scores of the page, and decides."""

    cues: Float32s
    first: Trees
    second: Trees

    def scored(self, html: bytes | memoryview) -> tuple[PageBlocks, Float32s]:
        """A page's blocks, and for each the probability that it is main text."""
        blocks = read_blocks(html, self.cues)
        return blocks, self.score(blocks)

    def score(self, blocks: PageBlocks) -> Float32s:
        scores = first_scores(self.first, blocks.page, blocks.features)
        alive = np.flatnonzero(scores > ALIVE)
        if len(alive):
            around = scores_around(blocks.page, scores, sizes_of(blocks))
            for rows in pieces(alive):
                both = np.concatenate([blocks.features[rows], around[rows]], axis=1)
                scores[rows] = probabilities(self.second, both)
        return scores


def first_scores(trees: Trees, page: ScannedPage, features: Float32s) -> Float32s:
    """The page's title is never main text."""
    scores = probabilities(trees, features)
    title = int(page.state[TITLE])
    if title >= 0:
        scores[title] = 0
    return scores


class BadModel(ValueError):
    """The file is not a model of this version."""


def chosen(blocks: PageBlocks, scores: Float32s) -> tuple[Any, float]:
    """Which blocks are main text (a boolean each), and how sure that is: the expected F. None of a page whose blocks
    are all more likely not to be main text.
    """
    sizes = sizes_of(blocks)
    least, confidence = best_cut(scores, sizes)
    kept = (scores >= least) & (scores > 0) & (scores.max(initial=0) >= LIKELY)
    once(blocks.hashes, sizes, kept)
    return kept, confidence


def sizes_of(blocks: PageBlocks) -> Float32s:
    """The weight of each block: its number of words, at least 1."""
    return np.asarray(np.maximum(blocks.raw[:, WORDS], 1), np.float32)


def save(model: BlockModel, path: Path) -> None:
    """The same model gives the same bytes."""
    arrays = {"cues": np.round(model.cues * 32).astype(np.int8)}
    for stage in _STAGES:
        arrays |= {f"{stage}.{name}": values for name, values in getattr(model, stage)._asdict().items()}
    arrays["features"] = np.frombuffer(" ".join(_FEATURES).encode(), np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, values in sorted(arrays.items()):
            packed = io.BytesIO()
            np.lib.format.write_array(packed, values, allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), packed.getvalue(), zipfile.ZIP_DEFLATED
            )


def rounded(cues: Float32s) -> Float32s:
    """Cues as the file holds them."""
    return (np.round(cues * 32) / 32).astype(np.float32)


def load(path: Path = SHIPPED) -> BlockModel:
    """Opens a model once per process. Raises BadModel if the file has other features."""
    return _load(path)


@cached_by_path(maxsize=4)
def _load(path: Path) -> BlockModel:
    try:
        arrays = _arrays(path)
        features = arrays["features"].tobytes().decode().split()
        cues = arrays["cues"].astype(np.float32) / 32
        first, second = (Trees(*(arrays[f"{stage}.{name}"] for name in Trees._fields)) for stage in _STAGES)
        same_features = features == [*_FEATURES] and cues.shape == (TOKEN_SLOTS,)
        if same_features:
            check(first, len(FEATURES))
            check(second, len(_FEATURES))
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise BadModel(
            f"{path} is not a model of blocks ({error}); make one with python -m classifiers.blocks"
        ) from error
    if not same_features:
        raise BadModel(f"{path} was trained on other features than this version has; train it again")
    return BlockModel(cues, first, second)


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of the file, none of which may be larger than it says, and all of them together than MOST_BYTES."""
    found, left = {}, MOST_BYTES
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            left -= info.file_size
            if left < 0:
                raise ValueError(f"more than {MOST_BYTES} bytes of arrays")
            with archive.open(info) as member:
                data = io.BytesIO(member.read(info.file_size))
            version = np.lib.format.read_magic(data)
            if version != (1, 0):
                raise ValueError(f"{info.filename} has the version {version}")
            shape, _, dtype = np.lib.format.read_array_header_1_0(data)
            if math.prod(shape) * dtype.itemsize > info.file_size:
                raise ValueError(f"{info.filename} is said to have {shape} values, in {info.file_size} bytes")
            data.seek(0)
            found[info.filename.removesuffix(".npy")] = np.lib.format.read_array(data, allow_pickle=False)
    return found
