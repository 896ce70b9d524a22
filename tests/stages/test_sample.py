"""Laws of `sample_v1`: the share is met, larger samples contain smaller ones, seeds are independent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stages.base import build
from stages.errors import ConfigError, WrongUse
from stages.sample import Sample, chance, draws
from stages.schema import documents

ROWS = 20_000
IDS = [f"<urn:{n}>" for n in range(ROWS)]


def stays(stage: Sample, **columns: object) -> np.ndarray:
    kept: np.ndarray = stage(documents(id=IDS, **columns)).column("drop").is_null().to_numpy()
    return kept


@pytest.mark.parametrize("share", [0.0, 0.01, 0.37, 1.0])
def test_the_share_is_met(share: float) -> None:
    assert abs(stays(Sample(share=share)).mean() - share) <= 5 * np.sqrt(share * (1 - share) / ROWS)


def test_a_larger_share_contains_a_smaller_one() -> None:
    assert not (stays(Sample(share=0.2)) & ~stays(Sample(share=0.3))).any()


def test_seeds_and_the_two_draws_are_independent() -> None:
    one, other = stays(Sample(share=0.5)), stays(Sample(share=0.5, seed=1))
    assert abs((one & other).mean() - 0.25) < 0.02
    ids = pa.array(IDS)
    assert abs(np.corrcoef(draws(ids, "share 0"), draws(ids, "pareto 0"))[0, 1]) < 0.03


@pytest.mark.parametrize("score", [0.0, 0.5, 0.9, 1.0, 2.0])
def test_pareto_keeps_what_numpys_draws_keep(score: float) -> None:
    """GPT-3: `np.random.pareto(9) > 1 - score` (Brown et al. 2020, appendix A)."""
    expected = (np.random.default_rng(3).pareto(9, 200_000) > 1 - score).mean()
    assert abs(chance(np.array([score]), 9.0)[0] - expected) < 0.005
    kept = stays(Sample(by="score", pareto=9.0), score=[score] * ROWS).mean()
    assert abs(kept - expected) < 0.02


def test_documents_without_a_score_have_a_reason_of_their_own() -> None:
    docs = documents(id=["a", "b"], score=[1.0, None])
    assert Sample(by="score", pareto=9.0)(docs).column("drop").to_pylist() == [None, "no_score"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 1.5}, "from 0 to 1"),
        ({"share": float("nan")}, "from 0 to 1"),
        ({"by": "score"}, "belong together"),
        ({"pareto": 9}, "belong together"),
        ({"by": "score", "pareto": 0}, "above 0"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("sample_v1", wrong)


def test_a_column_that_does_not_fit_is_named() -> None:
    with pytest.raises(WrongUse, match="did you mean 'score'"):
        Sample(by="scores", pareto=9.0)(documents(id=["a"], score=[0.5]))
    with pytest.raises(WrongUse, match="of the type string"):
        Sample(by="score", pareto=9.0)(documents(id=["a"], score=["high"]))
