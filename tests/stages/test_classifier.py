"""`classifier_v1`: thresholds and Pareto sampling on the score of any fastText model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import lid, predict
from stages.assets import Asset
from stages.base import build
from stages.classifier import FastTextFilter, pareto_draws
from stages.errors import ConfigError
from stages.schema import documents

CLEAN = "The river rose again in the night, and by morning the lower meadow was under water."
PROFANE = "What the fuck is this shit, you stupid fucking asshole."
IDS = [f"id-{n}" for n in range(20_000)]


def judged(texts: list[str | None], **params: Any) -> list[dict[str, Any]]:
    docs = documents(text=texts, id=IDS[: len(texts)])
    found: list[dict[str, Any]] = FastTextFilter(**params)(docs).to_pylist()
    return found


@given(st.lists(st.sampled_from([CLEAN, PROFANE, "", None, f"{CLEAN}\n\n{PROFANE}"]), max_size=6), st.floats(0, 1))
def test_documents_under_the_threshold_go(texts: list[str | None], threshold: float) -> None:
    scores = predict.load().score_texts(texts, "clean")
    for row, score in zip(judged(texts, threshold=threshold), scores, strict=True):
        assert row["classifier_score"] == score
        assert row["drop"] == ("low_classifier_score" if score < np.float32(threshold) else None)


def test_any_label_of_any_model_can_be_the_filter() -> None:
    """lid.176 is a supervised model like any other: hierarchical softmax, quantised, no note after it."""
    model = Asset(str(lid.bundled_model()))
    rows = judged(
        [CLEAN, "Der Fluss ist in der Nacht\nwieder gestiegen.", None], model=model, label="en", column="en_score"
    )
    assert [row["drop"] for row in rows] == [None, "low_classifier_score", "low_classifier_score"]
    assert rows[0]["en_score"] == pytest.approx(float(lid.load().identify_texts([CLEAN]).scores[0]), abs=2e-5)
    with pytest.raises(ConfigError, match="has no label 'english'"):
        judged([CLEAN], model=model, label="english")


def test_tagging_drops_nothing() -> None:
    assert [row["drop"] for row in judged([PROFANE, CLEAN], mode="tag")] == [None, None]
    assert judged([PROFANE], mode="tag")[0]["classifier_score"] < 0.5


@pytest.mark.parametrize("shape", [1.0, 3.0, 9.0])
def test_draws_are_from_the_pareto_distribution(shape: float) -> None:
    draws = pareto_draws(pa.chunked_array([IDS]), shape, 0)
    assert (draws >= 0).all()
    for at in (0.05, 0.2, 0.5, 1.0):
        assert (draws > at).mean() == pytest.approx((1 + at) ** -shape, abs=0.012)


def test_sampling_keeps_what_the_draw_says_in_every_order_and_seed() -> None:
    texts = [[CLEAN, PROFANE][n % 2] for n in range(400)]
    docs = documents(text=texts, id=IDS[:400])
    stage = FastTextFilter(pareto=3.0, seed=5)
    kept = {row["id"] for row in stage(docs).to_pylist() if row["drop"] is None}
    backwards = docs.take(pa.array(np.arange(399, -1, -1)))
    assert kept == {row["id"] for row in stage(backwards).to_pylist() if row["drop"] is None}
    other = {row["id"] for row in FastTextFilter(pareto=3.0, seed=6)(docs).to_pylist() if row["drop"] is None}
    assert kept != other
    clean, profane = ({f"id-{n}" for n in range(k, 400, 2)} for k in (0, 1))
    assert len(kept & clean) > 190, "a score near 1 stays"
    assert 5 < len(kept & profane) < 60, "one near 0 stays with probability 2 ** -3"


@pytest.mark.parametrize("text", ["fuck " * 1_000_000, "x" * 5_000_000, "\x00\n\x07", "\U0001f600" * 1000])
def test_hostile_texts_come_through(text: str) -> None:
    assert 0 <= judged([text])[0]["classifier_score"] <= 1


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"threshold": 5}, "threshold is 5"),
        ({"pareto": -1.0}, "pareto is -1"),
        ({"pareto": float("nan")}, "pareto is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"mode": "x"}, 'mode must be "drop" or "tag"'),
        ({"column": "quality_v1.b"}, "neither a document column nor a measure has"),
        ({"column": "text"}, "neither a document column nor a measure has"),
    ],
)
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("classifier_v1", params)


def test_a_missing_model_is_an_error_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model or list at"):
        judged([CLEAN], model=Asset(str(tmp_path / "none.ftz")))
