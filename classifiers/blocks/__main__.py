"""Trains the shipped model of blocks.

    python -m classifiers.blocks pages.parquet classifiers/models/blocks_v1.npz --crawl FOLDER --held-out TRUTH.json
                                                                             [--folds FOLDER]

`pages.parquet` (not shipped; sources in `classifiers/models/BLOCKS.md`) has pages and, for most of them, their main
text. Some are annotated (`annotated.jsonl`); the others are learnt from trafilatura's text. `--crawl` adds the pages of
a crawl that are annotated or have a true text, except for sites of the benchmark that `--held-out` names. With
`--folds` the models of the grouped folds are written too, for `benchmarks.extractor`. Needs lightgbm:
`uv sync --group train`.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from classifiers.blocks import model
from classifiers.blocks.training import crawl, data, train


def weak_text(html: bytes) -> str:
    """What trafilatura takes for main text, in its default setting; "" where it fails or finds nothing."""
    import trafilatura

    return trafilatura.extract(html.decode(errors="replace"), include_comments=False) or ""


def pages(file: Path, folder: Path | None, held_out: Path | None) -> list[data.TrainingPage]:
    """All pages to train on, in the order from which the folds are made."""
    rows, known = data.read(file)
    return rows if folder is None or held_out is None else rows + crawl.read(folder, held_out, known)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="pages.parquet")
    parser.add_argument("out", type=Path, help="the model to write (.npz)")
    parser.add_argument("--folds", type=Path, help="a folder for the models of the folds")
    parser.add_argument("--crawl", type=Path, help="a folder of WARC files and truth.parquet")
    parser.add_argument("--held-out", type=Path, help="a benchmark's ground-truth.json: its sites are left out")
    options = parser.parse_args()
    if options.crawl and not options.held_out:
        parser.error("--crawl needs --held-out, the benchmark whose sites are not to be trained on")
    parameters = train.BoostingOptions()
    rows = pages(options.data, options.crawl, options.held_out)
    found = train.samples(rows, weak_text, parameters.folds)
    whole, by_fold = train.fit(found, parameters, with_folds=options.folds is not None)
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
