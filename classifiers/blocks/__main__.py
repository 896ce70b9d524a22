"""Trains the shipped model of blocks.

    python -m classifiers.blocks pages.parquet classifiers/models/blocks_v1.npz [--folds FOLDER]

`pages.parquet` (not shipped; sources in `classifiers/models/BLOCKS.md`) has pages and, for most, their main text; the
others are learnt from trafilatura's. With `--folds` the models of the grouped folds are written too, for
`benchmarks.extractor`. Needs lightgbm: `uv sync --group train`.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from classifiers.blocks import data, model, train


def weak_text(html: bytes) -> str:
    """What trafilatura takes for main text, in its default setting; "" where it fails or finds nothing."""
    import trafilatura

    return trafilatura.extract(html.decode(errors="replace"), include_comments=False) or ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="pages.parquet")
    parser.add_argument("out", type=Path, help="the model to write (.npz)")
    parser.add_argument("--folds", type=Path, help="a folder for the models of the folds")
    options = parser.parse_args()
    parameters = train.Training()
    found = train.samples(data.read(options.data), weak_text, parameters.folds)
    whole, by_fold = train.fit(found, parameters)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    model.save(whole, options.out)
    if options.folds:
        options.folds.mkdir(parents=True, exist_ok=True)
        for fold, part in by_fold.items():
            model.save(part, options.folds / f"fold-{fold}.npz")
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    blocks = sum(len(s.labels) for s in found)
    groups = len({s.group for s in found})
    print(f"{digest}  {options.out}  ({len(found):,} pages of {groups:,} groups, {blocks:,} blocks)")


if __name__ == "__main__":
    main()
