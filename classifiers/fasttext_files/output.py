"""From a text's embedding to probabilities: fastText's softmax, hierarchical softmax and independent labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from classifiers.fasttext_files.model_file import Arrays
from classifiers.kernels.arrays import Float32s, Int32s
from classifiers.kernels.jit import kernel


class TopLabels(NamedTuple):
    """For each row: number of the top label, its probability, the summed probability of the wanted labels."""

    top: Int32s
    score: Float32s
    share: Float32s


def classify(model: Arrays, embedded: Float32s, wanted: Int32s) -> TopLabels:
    """The labels' probabilities for each embedded text: they sum to 1 over the labels."""
    found = TopLabels(np.zeros(len(embedded), np.int32), *np.zeros((2, len(embedded)), np.float32))
    _classify_rows(*found, embedded, model.output, model.left, model.right, wanted)
    return found


@kernel
def dot(one: Float32s, at: Any, other: Float32s, other_at: Any) -> Any:
    total = np.float32(0)
    for k in range(one.shape[1]):
        total += one[at, k] * other[other_at, k]
    return total


@kernel
def _classify_rows(
    top: Int32s,
    score: Float32s,
    share: Float32s,
    embedded: Float32s,
    output: Float32s,
    left: Int32s,
    right: Int32s,
    wanted: Int32s,
) -> None:
    """Probabilities of the labels: by the tree of hierarchical softmax (in the log domain, as fastText) or softmax."""
    labels = len(left) + 1 if len(left) > 0 else len(output)
    values = np.zeros(2 * labels, np.float32)
    for row in range(len(embedded)):
        values[2 * labels - 2] = 0
        for inner in range(len(left) - 1, -1, -1):
            f = np.float32(1.0 / (1.0 + np.exp(-np.float64(dot(output, inner, embedded, row)))))
            values[left[inner]] = values[labels + inner] + np.log(1.0 - f + 1e-5)
            values[right[inner]] = values[labels + inner] + np.log(f + 1e-5)
        if len(left) == 0:
            for label in range(labels):
                values[label] = dot(output, label, embedded, row)
        best, total = 0, 0.0
        for label in range(labels):
            if values[label] > values[best]:
                best = label
        for label in range(labels):
            total += np.exp(values[label] - values[best])
        # The tree's probabilities are final; those of softmax are divided by their sum.
        scale = np.exp(values[best]) if len(left) > 0 else 1.0 / total
        top[row], score[row] = best, scale
        for label in wanted:
            share[row] += np.exp(values[label] - values[best]) * scale


@kernel
def sigmoid_rows(score: Float32s, embedded: Float32s, output: Float32s, label: Any) -> None:
    """Probability of a label among independent ones (one versus all, negative sampling), in fastText's 512 steps."""
    for row in range(len(embedded)):
        value = np.float64(dot(output, label, embedded, row))
        step = np.floor((min(max(value, -8.0), 8.0) + 8.0) * 32.0) / 32.0 - 8.0
        score[row] = 0.0 if value < -8.0 else 1.0 if value > 8.0 else np.float32(1.0 / (1.0 + np.exp(-step)))
