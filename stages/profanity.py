"""`profanity_v1`: pages that swear, found by a classifier over their lines."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers import predict
from classifiers.fasttext_files.model_file import UnsupportedModel
from classifiers.pages import Aggregates, aggregate
from stages.assets import Asset, open_asset
from stages.base import Limit, check_numbers, drop_where, measure_column, set_column, stage, verdicts
from stages.errors import ConfigError, nearest
from stages.kernels.buffers import utf8_views
from stages.language import check_share
from stages.schema import documents
from stages.url import Url

SCORE = "profanity_score"
_SENTENCE = re.compile(r"\S[^.!?\n]*[.!?]*")
# The languages of the texts that the shipped model was trained on.
TRAINED = ("en", "de", "pl", "pt")


def classifier(model: Asset | None, label: str) -> predict.Classifier:
    """The model at the path, or the shipped one. Raises ConfigError if there is none, or if it lacks the label."""
    try:
        found = predict.load(None if model is None else open_asset(model))
    except (FileNotFoundError, UnsupportedModel) as error:
        raise ConfigError(str(error)) from error
    if label not in found.labels:
        raise ConfigError(f"{model or 'the shipped model'} has no label {label!r}: {nearest(label, found.labels)}")
    return found


@stage("profanity_v1")
class Profanity:
    """Drops `profane` pages: more than `threshold` of their words are in lines that the classifier finds profane.

    A line is 10 to 50 words of the text and ends where a line or a sentence ends. It is profane if its score (a
    probability, 0 to 1) is at least `line_threshold`. Measures: `share` of words in profane lines, `mean` of the lines'
    scores weighted by their words, `max` of the scores, `words`. The column `profanity_score` (float32) is the measure
    that `aggregate` names. It is compared with `threshold`, and it stays in the corpus, so that another threshold needs
    no second run. `mode="tag"` writes the columns and drops nothing.

    Only documents whose `language` is in `languages` are dropped: in others the shipped model's score says little.
    Documents without a language are treated as one of them. `url_threshold` is the threshold for pages whose URL has a
    word of `url_v1`'s adult lists, even a single soft one (None = the same as for all pages).

    `model` is any model that `refinedweb classifier train` wrote, and `label` is its label for profane text. The
    shipped model, its data and its errors are described in `classifiers/models/CARD.md`. It detects words, not hate in
    polite words.
    Source: Falcon's data was filtered for profanity by "ML classifiers" that were not published (MDR, section 10); this
    one is ours.
    """

    name: ClassVar[str]
    mode: Literal["drop", "tag"] = "drop"
    threshold: float = 0.15
    line_threshold: float = 0.9
    aggregate: Literal["share", "mean", "max"] = "share"
    languages: tuple[str, ...] = TRAINED
    url_threshold: float | None = None
    model: Asset | None = None
    label: str = "profane"

    def __post_init__(self) -> None:
        if self.mode not in ("drop", "tag"):
            raise ValueError(f'mode must be "drop" or "tag", not {self.mode!r}')
        if self.aggregate not in ("share", "mean", "max"):
            raise ValueError(f'aggregate must be "share", "mean" or "max", not {self.aggregate!r}')
        check_share("threshold", self.threshold)
        check_share("line_threshold", self.line_threshold)
        if self.url_threshold is not None:
            check_share("url_threshold", self.url_threshold)
        if not self.languages:
            raise ValueError('languages is empty, so nothing would be dropped; for that, set mode="tag"')

    def measure(self, docs: pa.Table) -> pa.Table:
        """Shares and scores (float32, 0 to 1), words (int64); all 0 for a page without words."""
        found = self._aggregated(docs)
        return pa.table(found._asdict())

    def _aggregated(self, docs: pa.Table) -> Aggregates:
        model = classifier(self.model, self.label)
        try:
            lines = model.score_lines(*utf8_views(docs.column("text")), self.label)
        except UnsupportedModel as error:
            raise ConfigError(f"profanity_v1: {error}") from error
        check_numbers("score of the lines, each a row,", pa.array(lines.scores))
        return aggregate(lines, self.line_threshold)

    def places(self, text: str) -> list[tuple[int, int]]:
        """The sentences that are profane when read alone; if none is, the one that comes nearest."""
        found = [match.span() for match in _SENTENCE.finditer(text)]
        if not found:
            return []
        sentences = documents(id=[str(n) for n in range(len(found))], text=[text[a:b] for a, b in found])
        scores = np.asarray(self._aggregated(sentences).max)
        return [
            span for span, score in zip(found, scores, strict=True) if score >= min(self.line_threshold, scores.max())
        ]

    def limits(self) -> tuple[Limit, ...]:
        return (Limit(self.aggregate, "profane", max=self.threshold),)

    def __call__(self, docs: pa.Table) -> pa.Table:
        measures = self.measure(docs)
        reasons: pa.Array | pa.ChunkedArray = verdicts(measures, self.limits())
        if self.url_threshold is not None:
            strict = verdicts(measures, [Limit(self.aggregate, "profane", max=self.url_threshold)])
            reasons = pc.if_else(_adult_urls(docs), strict, reasons)
        judged = self._judged(docs) if self.mode == "drop" else pa.scalar(False)
        out = drop_where(docs, pc.if_else(judged, reasons, pa.scalar(None, pa.string())))
        for name in measures.column_names:
            out = set_column(out, measure_column(self.name, name), measures.column(name))
        return set_column(out, SCORE, measures.column(self.aggregate))

    def _judged(self, docs: pa.Table) -> pa.ChunkedArray | pa.Array:
        if "language" not in docs.column_names:
            return pa.array(np.ones(docs.num_rows, bool))
        language = docs.column("language").cast(pa.string())
        wanted = pc.is_in(language, value_set=pa.array(self.languages, pa.string()))
        return pc.or_(wanted, pc.is_null(language))


def _adult_urls(docs: pa.Table) -> pa.ChunkedArray:
    """Per row, whether its URL has a word of the adult lists."""
    judged = Url(curated=False, soft_hits=1)(pa.table({"url": docs.column("url")}))
    return pc.fill_null(pc.equal(judged.column("drop"), "adult_url"), False)
