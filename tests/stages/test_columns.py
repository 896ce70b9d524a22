"""Laws of `columns_v1`: the columns of documents and measures stay; of the others, those remain that were asked for."""

from __future__ import annotations

import pyarrow as pa
import pytest
import xxhash

from stages.base import build
from stages.columns import Columns
from stages.errors import ConfigError, WrongUse
from stages.schema import DOCUMENT, documents


def docs() -> pa.Table:
    table = documents(id=["a", "b"], text=["one", None], stars=[1, 2], topic=["x", "y"], junk=[0, 0])
    return table.append_column("quality_v1.words", pa.array([1, 2]))


def others(stage: Columns) -> list[str]:
    names = stage(docs()).column_names
    assert names[: len(DOCUMENT)] == DOCUMENT.names
    assert "quality_v1.words" in names
    return [name for name in names if name not in DOCUMENT.names and "." not in name]


def test_keep_drop_and_rename() -> None:
    assert others(Columns()) == ["stars", "topic", "junk"]
    assert others(Columns(drop=("junk",))) == ["stars", "topic"]
    assert others(Columns(keep=("topic",))) == ["topic"]
    assert others(Columns(keep=())) == []
    assert others(Columns(keep=("topic", "stars"), drop=("stars",), rename=("topic=label",))) == ["label"]
    assert others(Columns(drop=("junk",), rename=("stars=junk", "topic=stars"))) == ["junk", "stars"]


def test_values_go_with_their_names() -> None:
    assert Columns(rename=("stars=topic", "topic=stars"))(docs()).column("topic").to_pylist() == [1, 2]


def test_a_content_id_is_that_of_the_text() -> None:
    found = Columns(content_id="content")(docs()).column("content").to_pylist()
    assert found == [xxhash.xxh3_128_hexdigest(b"one"), None]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"drop": ["text"]}, "text is a column of every document"),
        ({"rename": ["stars=url"]}, "url is a column of every document"),
        ({"rename": ["stars"]}, "old=new"),
        ({"rename": ["stars=a_v1.b"]}, "with a stage's name and a dot"),
        ({"rename": ["stars=a", "topic=a"]}, "cannot have one name"),
        ({"content_id": "id"}, "id is a column of every document"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("columns_v1", wrong)


def test_columns_that_are_missing_or_in_the_way_are_named() -> None:
    with pytest.raises(WrongUse, match="did you mean 'stars'"):
        Columns(drop=("star",))(docs())
    with pytest.raises(WrongUse, match="a column 'topic' already"):
        Columns(rename=("stars=topic",))(docs())
