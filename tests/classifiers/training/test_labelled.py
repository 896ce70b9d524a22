"""Labelled texts: reading, weights, splits, near-duplicates across them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.normalise.normalise import normalised
from classifiers.training import labelled, overlap
from classifiers.training.labelled import BadLabels
from tests.examples import examples

ROWS = [(f"text number {n} of all", "yes" if n % 3 else "no", f"s{n % 4}", "en" if n % 2 else "de") for n in range(200)]


def table(rows: list[tuple[str, str, str, str]] = ROWS) -> pa.Table:
    return pa.table({name: [row[k] for row in rows] for k, name in enumerate(labelled.COLUMNS)})


def test_parquet_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in table().to_pylist()), encoding="utf-8")
    assert labelled.read([tmp_path / "a.parquet"]) == labelled.read([tmp_path / "a.jsonl"]) == table()
    assert labelled.read([tmp_path / "a.parquet"] * 2).num_rows == 400


def test_columns_may_have_other_names_or_be_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a", None, "b"], "y": [1, 0, 1]}), tmp_path / "a.parquet")
    found = labelled.read([tmp_path / "a.parquet"], {"text": "body", "label": "y"})
    assert found.to_pylist() == [{"text": text, "label": "1", "source": "", "lang": ""} for text in "ab"]
    with pytest.raises(BadLabels, match=r"a\.parquet has no column 'text', but body, y"):
        labelled.read([tmp_path / "a.parquet"])


def test_what_holds_no_labelled_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("not json", encoding="utf-8")
    with pytest.raises(BadLabels, match=r"a\.jsonl: .*give Parquet"):
        labelled.read([tmp_path / "a.jsonl"])
    with pytest.raises(BadLabels, match="no labelled texts"):
        labelled.read([])


def test_references_are_resolved() -> None:
    found = labelled.unescaped(table([("a &amp; b &#128514;", "yes", "s", "en")]))
    assert found["text"].to_pylist() == ["a & b \U0001f602"]


def test_weights_repeat_and_thin_out() -> None:
    found = labelled.weigh(table(), {"s0": 0, "s1": 3, "s2": 0.5, "s3:no": 0, "lang=de": 2}, 1)
    counts = {(s, lab): 0 for s in ("s0", "s1", "s2", "s3") for lab in ("yes", "no")}
    for row in found.to_pylist():
        counts[row["source"], row["label"]] += 1
    of = {key: sum((row[2], row[1]) == key for row in ROWS) for key in counts}
    assert counts["s0", "yes"] == counts["s0", "no"] == counts["s3", "no"] == 0
    assert counts["s1", "yes"] == 3 * of["s1", "yes"]
    assert counts["s3", "yes"] == of["s3", "yes"]
    assert counts["s2", "yes"] == of["s2", "yes"], "half of the rows, which are all German: twice"
    assert found != labelled.weigh(table(), {}, 1)


def test_weighing_is_a_function_of_texts_and_seed() -> None:
    weights = {"s1": 0.5}
    some = labelled.weigh(table(), weights, 1)
    assert some == labelled.weigh(table(), weights, 1)
    backwards = labelled.weigh(table(ROWS[::-1]), weights, 1)
    assert sorted(some["text"].to_pylist()) == sorted(backwards["text"].to_pylist())
    assert sorted(some["text"].to_pylist()) != sorted(labelled.weigh(table(), weights, 2)["text"].to_pylist())


@pytest.mark.parametrize("name", ["s9", "s1:maybe", "lang=fr"])
def test_a_weight_that_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(BadLabels, match=r"names no row; sources: s0, s1, s2, s3"):
        labelled.weigh(table(), {name: 2}, 1)


def test_a_held_out_source_is_never_trained_on() -> None:
    rest, test = labelled.held_out(table(), ["s1", "s3"])
    assert set(rest["source"].to_pylist()) == {"s0", "s2"}
    assert set(test["source"].to_pylist()) == {"s1", "s3"}
    assert rest.num_rows + test.num_rows == 200
    with pytest.raises(BadLabels, match="no rows of the source 's7' to hold out"):
        labelled.held_out(table(), ["s7"])


def test_the_same_words_go_to_the_same_side() -> None:
    rows = [(change(text), *row) for text, *row in ROWS for change in (str.upper, lambda t: f"{t}!", str)]
    rest, test = labelled.random_part(table(rows), 0.3, 1)
    sides = [set(normalised(side["text"].to_pylist())) for side in (rest, test)]
    assert not sides[0] & sides[1]
    assert rest.num_rows + test.num_rows == 600
    assert 0.2 < test.num_rows / 600 < 0.4


LONG = "the river rose again in the night and by morning the lower meadow was under water and nobody was surprised"


def test_near_duplicates_across_a_split_are_found() -> None:
    train = [LONG, "something else entirely, nothing to do with rivers", LONG.replace("river", "stream"), ""]
    test = [LONG.upper() + "!!", "", "quite another text about trains and their drivers"]
    assert overlap.overlap(train, test) == [(0, 0), (2, 0)]
    assert overlap.overlap(train, test, least=0.99) == [(0, 0)]
    rows = table([(text, "yes", "s", "en") for text in train])
    kept = overlap.without_overlap(rows, table([(text, "yes", "t", "en") for text in test]))
    assert kept["text"].to_pylist() == [train[1], ""]


@settings(max_examples=examples(30))
@given(st.lists(st.text("abcdef ", min_size=20, max_size=60), min_size=1, max_size=6))
def test_equal_texts_always_collide_and_similarity_is_jaccards(texts: list[str]) -> None:
    for row, text in enumerate(normalised(texts)):
        if text:
            assert (row, row) in overlap.overlap(texts, texts)
            assert overlap.similarity(text, text) == 1
