"""Training: grouped folds, lightgbm, the same bytes each time. Run `python -m classifiers.blocks`.

Class and id cues of a training page come from the other groups. One thread, fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifiers.blocks import trees
from classifiers.blocks.features.cues import CueCounts, CueTables
from classifiers.blocks.features.read import PageBlocks, featured
from classifiers.blocks.html import layout, scan
from classifiers.blocks.model import ALIVE, BlockModel, first_scores, rounded, sizes_of
from classifiers.blocks.second import around as scores_around
from classifiers.blocks.training import annotated, data, labels
from classifiers.blocks.trees import Trees
from classifiers.kernels.arrays import Bytes, Float32s

WEAK_WEIGHT = 0.25  # of a page that trafilatura labels; one with a truth has 1
NEGATIVES = 0.5  # share of the blocks without main text that is trained on; they count for the others too
Text = Callable[[bytes], str]


@dataclass(frozen=True)
class BoostingOptions:
    """Options of lightgbm. `folds` are folds of groups; `rounds` are trees of each stage."""

    folds: int = 3
    rounds: int = 120
    leaves: int = 31
    depth: int = 8
    learning_rate: float = 0.09
    least_rows: int = 60
    seed: int = 1


@dataclass
class LabelledPage:
    """A page with its labels. `weight` is the weight of the whole page, divided among its blocks."""

    page: layout.ScannedPage
    labels: Float32s
    sizes: Float32s
    weight: float
    group: int
    fold: int

    def weights(self) -> Float32s:
        """The weight of each block: more for long ones, but less than by length, so that menus are learnt too."""
        roots = np.sqrt(self.sizes + 1)
        return np.asarray(roots * (self.weight / max(roots.sum(), 1e-9)), np.float32)


def samples(rows: Sequence[data.TrainingPage], weak: Text, folds: int) -> list[LabelledPage]:
    """Pages with labels from their truth, or else from the text that `weak` finds. Pages with neither are left out."""
    numbers = data.groups(rows)
    by_fold = data.folds(numbers, folds)
    found = []
    for row, group, fold in zip(rows, numbers, by_fold, strict=True):
        page = trimmed(np.frombuffer(row.html, np.uint8))
        if labelled := _labelled(row, page, weak):
            found.append(LabelledPage(page, *labelled, group, fold))
    return found


def _labelled(row: data.TrainingPage, page: layout.ScannedPage, weak: Text) -> tuple[Float32s, Float32s, float] | None:
    """Labels and sizes of the blocks, and the page's weight; None for a page that teaches nothing."""
    if row.kept is not None:
        shares, sizes = annotated.labels(page, row.kept), labels.sizes(texts(page))
        return (shares, sizes, 1.0) if len(sizes) else None
    truth = row.truth or weak(row.html)
    if not truth:
        return None
    shares, sizes = labels.labelled(texts(page), truth)
    if page.state[layout.TITLE] >= 0:
        shares[page.state[layout.TITLE]] = sizes[page.state[layout.TITLE]] = 0
    # A truth that is not on the page (rendered by scripts, or another page's) teaches nothing.
    if len(shares) == 0 or (shares * sizes).sum() < 0.3 * len(labels.words(truth)):
        return None
    return shares, sizes, 1.0 if row.truth else WEAK_WEIGHT


def trimmed(html: Bytes) -> layout.ScannedPage:
    """The page as it was read, without unused room."""
    page = layout.new_page(html)
    scan.read(html, page)
    size, nodes = int(page.state[layout.SIZE]), int(page.state[layout.NODES])
    return page._replace(
        text=page.text[: page.state[layout.HERE] + 1].copy(),
        blocks=page.blocks[: size + 1].copy(),
        nodes=page.nodes[: nodes + 1].copy(),
        tokens=page.tokens[: nodes + 1].copy(),
    )


def texts(page: layout.ScannedPage) -> list[str]:
    data_of = page.text.tobytes()
    spans = page.blocks[: page.state[layout.SIZE], : layout.END + 1].tolist()
    return [data_of[start:end].decode(errors="replace") for start, end in spans]


def counted(found: Sequence[LabelledPage]) -> CueCounts:
    counts = CueCounts(1 + max((s.group for s in found), default=0))
    for s in found:
        counts.add(s.group, s.page, s.labels, s.sizes, s.weight)
    return counts


def fit(
    found: Sequence[LabelledPage], parameters: BoostingOptions = BoostingOptions(), with_folds: bool = False
) -> tuple[BlockModel, dict[int, BlockModel]]:
    """A model of all these pages and, if `with_folds`, for each fold a model of the pages outside of it."""
    counts = counted(found)
    folds = sorted({s.fold for s in found}) if with_folds else []
    by_fold = {fold: _model([s for s in found if s.fold != fold], counts, parameters) for fold in folds}
    return _model(found, counts, parameters), by_fold


def _model(found: Sequence[LabelledPage], counts: CueCounts, parameters: BoostingOptions) -> BlockModel:
    tables = counts.tables(s.group for s in found)
    pages = _featured(found, tables)
    rows = [blocks.features for blocks in pages]
    first = _trained(found, rows, _all(found), parameters)
    scores = _unseen(found, rows, parameters)
    around = [scores_around(b.page, each, sizes_of(b)) for b, each in zip(pages, scores, strict=True)]
    both = [np.concatenate(pair, axis=1) for pair in zip(rows, around, strict=True)]
    second = _trained(found, both, [each > ALIVE for each in scores], parameters)
    return BlockModel(rounded(tables.all()), first, second)


def _unseen(found: Sequence[LabelledPage], rows: Sequence[Float32s], parameters: BoostingOptions) -> list[Float32s]:
    """The first stage's scores of each page, by trees grown on the pages of the other folds."""
    folds = data.folds([s.group for s in found], parameters.folds)
    scores: dict[int, Float32s] = {}
    for fold in sorted(set(folds)):
        seen = [at for at in range(len(found)) if folds[at] != fold]
        part = [found[at] for at in seen]
        grown = _trained(part, [rows[at] for at in seen], _all(part), parameters)
        scores |= {at: first_scores(grown, found[at].page, rows[at]) for at in range(len(found)) if folds[at] == fold}
    return [scores[at] for at in range(len(found))]


def _all(found: Sequence[LabelledPage]) -> list[Any]:
    return [np.ones(len(s.labels), np.bool_) for s in found]


def _featured(found: Sequence[LabelledPage], tables: CueTables) -> list[PageBlocks]:
    known: dict[int, Float32s] = {}
    return [featured(s.page, _of_group(tables, s.group, known)) for s in found]


def _of_group(tables: CueTables, group: int, known: dict[int, Float32s]) -> Float32s:
    if group not in known:
        known[group] = rounded(tables.without(group))
    return known[group]


def _trained(
    found: Sequence[LabelledPage], rows: Sequence[Float32s], asked: Sequence[Any], parameters: BoostingOptions
) -> Trees:
    """Trees of the blocks that are `asked` (a boolean each)."""
    import lightgbm

    options: dict[str, Any] = {
        "objective": "cross_entropy",
        "num_leaves": parameters.leaves,
        "max_depth": parameters.depth,
        "learning_rate": parameters.learning_rate,
        "min_data_in_leaf": parameters.least_rows,
        "feature_fraction": 0.5,
        "max_bin": 63,
        "lambda_l2": 1.0,
        "seed": parameters.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        "use_missing": False,
    }
    taken = [_taken(s, parameters.seed + number) & asked[number] for number, s in enumerate(found)]
    weights = np.concatenate(
        [s.weights()[t] * np.where(s.labels[t] > 0, 1, 1 / NEGATIVES) for s, t in zip(found, taken, strict=True)]
    )
    dataset = lightgbm.Dataset(
        np.concatenate([r[t] for r, t in zip(rows, taken, strict=True)]),
        np.concatenate([s.labels[t] for s, t in zip(found, taken, strict=True)]),
        weight=weights * (len(weights) / weights.sum()),
        params=options,
    )
    booster = lightgbm.train(options, dataset, num_boost_round=parameters.rounds)
    return trees.from_dump(booster.dump_model())


def _taken(sample: LabelledPage, seed: int) -> Any:
    """All blocks of main text, and some of the others, which are many and alike."""
    return (sample.labels > 0) | (np.random.default_rng(seed).random(len(sample.labels)) < NEGATIVES)
