"""Scores of one label of a fastText classifier, for texts, or for pages line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.fasttext_files import linear_model
from classifiers.fasttext_files.embedding import embed
from classifiers.fasttext_files.linear_model import HIERARCHICAL_SOFTMAX, SOFTMAX
from classifiers.fasttext_files.model_file import UnsupportedModel
from classifiers.fasttext_files.output import classify, sigmoid_rows
from classifiers.kernels.arrays import Bytes, Float32s, Int64s, Offsets
from classifiers.normalise.normalise import LEAST, MOST, NormalisedLines, cut_lines, packed, whole

SHIPPED = Path(__file__).parent / "models" / "profanity_v1.ftz"


class ScoredLines(NamedTuple):
    """For each line: the label's probability (0 to 1; 0 for a line without a word) and the number of words."""

    scores: Float32s
    words: Int64s


class PageScores(NamedTuple):
    """The lines of each page, scored: those of page r are `rows[r]` to `rows[r + 1]`."""

    rows: Offsets
    scores: Float32s
    words: Int64s


@dataclass(frozen=True)
class Classifier:
    """A model that gives the probability of a label, with the normaliser it was trained with."""

    model: linear_model.LinearModel

    @property
    def labels(self) -> tuple[str, ...]:
        return self.model.labels

    def score_texts(self, texts: Sequence[str | None], label: str) -> Float32s:
        """The label's probability for each text, read in full."""
        return self.score_rows(*packed(texts), label).scores

    def score_rows(self, offsets: Offsets, data: Bytes, label: str) -> ScoredLines:
        """The same for rows `data[offsets[i]:offsets[i + 1]]` (UTF-8)."""
        if self.model.form == "plain":
            return self._score(offsets, data, label)
        lines = whole(offsets, data, self.model.form)
        return self._score(lines.offsets, lines.data, label)

    def score_lines(
        self, offsets: Offsets, data: Bytes, label: str, least: int = LEAST, most: int = MOST
    ) -> PageScores:
        """Score each row in lines of `least` to `most` words. A plain model cannot: it does not define its words."""
        if self.model.form == "plain":
            raise UnsupportedModel("the model takes texts as they are; only one trained by this package scores lines")
        lines: NormalisedLines = cut_lines(offsets, data, self.model.form, least, most)
        return PageScores(lines.rows, *self._score(lines.offsets, lines.data, label))

    def _score(self, offsets: Offsets, data: Bytes, label: str) -> ScoredLines:
        if label not in self.labels:
            raise UnsupportedModel(f"the model has no label {label!r}, but {', '.join(self.labels[:20])}")
        embedded, met = embed(self.model.arrays, max(1, self.model.word_ngrams), offsets, data)
        scores = self._probabilities(embedded, self.labels.index(label))
        scores[met == 0] = 0
        return ScoredLines(np.clip(scores, 0, 1), met)

    def _probabilities(self, embedded: Float32s, label: int) -> Float32s:
        model = self.model.arrays
        if self.model.loss in (SOFTMAX, HIERARCHICAL_SOFTMAX):
            return classify(model, embedded, np.array([label], np.int32)).share
        found = np.zeros(len(embedded), np.float32)
        sigmoid_rows(found, embedded, model.output, label)
        return found


def load(path: Path | None = None) -> Classifier:
    """The model in the file, or the shipped one, read once per process. Raises UnsupportedModel, FileNotFoundError."""
    return Classifier(linear_model.read(SHIPPED if path is None else path))
