"""A model card in Markdown: what the file is, what it was measured on, its threshold table, by source and language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from classifiers.predict import Classifier
from classifiers.training.calibrate import table as threshold_table
from classifiers.training.evaluate import Metrics, Scores, Truth, by_group

THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def card(model: Classifier, rows: pa.Table, label: str, threshold: float, name: str) -> str:
    """The card of a model over labelled rows (columns of `labelled.py`). Rows it was trained on flatter it."""
    truth = truth_of(rows, label)
    scores = model.score_texts(rows["text"].to_pylist(), label)
    parts = [
        f"# {name}\n",
        f"fastText model, sha256 `{model.model.sha256}`, labels {', '.join(model.labels)}; texts are normalised as "
        f"`{model.model.form}`. Measured on {rows.num_rows:,} texts for the label `{label}`.\n",
        f"## By source\n\n{metrics_table('source', by_group(scores, truth, rows['source'].to_pylist(), threshold))}",
        f"## By language\n\n{metrics_table('language', by_group(scores, truth, rows['lang'].to_pylist(), threshold))}",
        f"Precision, recall and false alarms are at the threshold {threshold:g}.\n",
        f"## Thresholds\n\n{thresholds(scores, truth)}",
    ]
    return "\n".join(parts)


def truth_of(rows: pa.Table, label: str) -> Truth:
    """Which rows have the label."""
    return np.array([found == label for found in rows["label"].to_pylist()], bool)


def metrics_table(first: str, groups: Mapping[str, Metrics]) -> str:
    head = (first, "texts", "positive", "AUC", "average precision", "precision", "recall", "false alarms")
    rows = (
        (name or "(none)", f"{m.rows:,}", f"{m.positives:,}", *(_number(value) for value in m[2:]))
        for name, m in groups.items()
    )
    return markdown(head, rows)


def thresholds(scores: Scores, truth: Truth, prevalence: float | None = None) -> str:
    points = threshold_table(scores, truth, THRESHOLDS, prevalence) if 0 < truth.sum() < len(truth) else []
    return markdown(
        ("threshold", "precision", "recall", "false alarms"),
        ((f"{p.threshold:g}", *(_number(value) for value in p[1:])) for p in points),
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4f}"
