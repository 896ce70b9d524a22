"""Language identification: accuracy per language, agreement with fastText itself, and speed.

    uv run python -m benchmarks.language [--model PATH] [--least 20]

The texts are those of `labels/langid_dev.parquet` (sentences of UDHR, Leipzig and WiLI in 144 languages); only texts in
languages that lid.176 knows count. `kept` is the share that a stage with `keep` = that language would keep (right, with
a score of 0.65 or more). Speed is measured on the main texts of the crawl, in CPU time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from fasttext.FastText import _FastText

from benchmarks import crawl
from classifiers import lid

MIN_SCORE = 0.65  # the default of `language_v1.min_score`


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--least", type=int, default=20, help="texts that a language must have to get a line")
    options = parser.parse_args()
    model = options.model or lid.bundled_model()
    report_accuracy(lid.load(model), options.least)
    report_agreement(lid.load(model), _FastText(model_path=str(model)))


def report_accuracy(identifier: lid.Identifier, least: int) -> None:
    """Print how many texts of each language are identified and kept."""
    table = pq.read_table(crawl.data() / "labels" / "langid_dev.parquet", columns=["text", "lang"])
    truth = np.array(table["lang"].to_pylist())
    found = identifier.identify_texts(table["text"].to_pylist())
    known = np.isin(truth, identifier.model.labels)
    right = np.array(found.codes) == truth
    kept = right & (found.scores >= np.float32(MIN_SCORE))
    print(f"{known.sum():,} texts in {len(set(truth[known]))} languages: {right[known].mean():.1%} right")
    print("| language | texts | right | kept | most frequent mistakes |")
    print("|---|---|---|---|---|")
    for code in sorted(set(truth[known])):
        rows = truth == code
        if rows.sum() >= least:
            wrong = mistakes(found.codes, rows & ~right)
            print(f"| {code} | {rows.sum()} | {right[rows].mean():.1%} | {kept[rows].mean():.1%} | {wrong} |")


def mistakes(codes: list[str | None], rows: npt.NDArray[np.bool_]) -> str:
    """The three most frequent codes of some rows, with their counts."""
    names, counts = np.unique(np.array([str(code) for code in codes])[rows], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:3]
    return ", ".join(f"{names[k]} {counts[k]}" for k in order)


def report_agreement(identifier: lid.Identifier, fasttext: _FastText) -> None:
    """Print the differences from fastText on the same texts, and both speeds."""
    table = pq.read_table(crawl.data() / "crawl" / "truth.parquet", columns=["expected_text"])
    texts = table["expected_text"].drop_null().to_pylist()
    identifier.identify_texts(texts[:1])
    start = time.process_time()
    found = identifier.identify_texts(texts)
    middle = time.process_time()
    labels, scores = fasttext.predict([text.replace("\n", " ") for text in texts])
    end = time.process_time()
    same = np.mean([f"__label__{code}" == label[0] for code, label in zip(found.codes, labels, strict=True)])
    apart = max(abs(min(float(b[0]), 1) - a) for a, b in zip(found.scores.tolist(), scores, strict=True))
    print(f"\n{len(texts)} main texts of {np.mean([len(text) for text in texts]):,.0f} characters:")
    print(f"{same:.2%} have fastText's label; scores differ by at most {apart:.1e}")
    print(f"{len(texts) / (middle - start):,.0f} texts/s, fastText {len(texts) / (end - middle):,.0f} texts/s")


if __name__ == "__main__":
    main()
