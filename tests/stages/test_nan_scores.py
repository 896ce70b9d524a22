"""A model that gives NaN is an error that names the row: nothing is kept or dropped because of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from classifiers import lid, predict
from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.schema import documents

WORDS = "the river rose again in the night and by morning the lower meadow was under water for the second time " * 3


def identified(self: lid.Identifier, offsets: Any, *others: Any) -> lid.Identified:
    """The result of a model whose weights were damaged: the second row is NaN."""
    found = np.full(len(offsets) - 1, 0.9, np.float32)
    found[1] = np.nan
    return lid.Identified(["en"] * len(found), found, found)


def probabilities(self: predict.Classifier, embedded: Any, label: int) -> Any:
    found = np.full(len(embedded), 0.9, np.float32)
    found[1] = np.nan
    return found


@pytest.mark.parametrize("name", ["language_v1", "language_gate_v1", "classifier_v1", "profanity_v1"])
def test_a_score_that_is_no_number_is_an_error_that_names_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_stages()
    monkeypatch.setattr(lid.Identifier, "identify", identified)
    monkeypatch.setattr(predict.Classifier, "_probabilities", probabilities)
    docs = documents(text=[WORDS] * 3, html=[f"<p>{WORDS}</p>".encode()] * 3, url=["http://example.org/"] * 3)
    with pytest.raises(ValueError, match=r"is NaN in row [01]"):
        build(name)(docs)
