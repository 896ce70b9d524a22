"""`paragraph_v1`: it cuts what plain Python cuts, however the corpus is divided."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.dedup import OLD_ADDRESS
from stages.kernels.classes import fold
from stages.paragraph import COPIES, Paragraph, ParagraphV2, copies, duplicate_spans, sign, spans
from stages.schema import documents
from stages.spans import decisions_of, with_rows
from tests.examples import examples
from tests.stages.normal import PLAIN
from tests.stages.texts import texts

Found = list[list[dict[str, int]]]
lines = st.lists(st.sampled_from(["", "one", "One!", "two 12", "two 34", "--", " one\t", "drei", "é", "e"]), max_size=7)
columns = st.lists(st.one_of(st.none(), lines.map("\n".join), texts), max_size=5)


def normal(line: str) -> str:
    stays = [c for c in unicodedata.normalize("NFD", fold(line)) if unicodedata.category(c) != "Mn"]
    digits = ("0" if unicodedata.category(c) == "Nd" else c for c in stays if unicodedata.category(c)[0] != "P")
    return " ".join("".join(digits).split())


def oracle(column: list[str | None], min_words: int, normal: Callable[[str], str] = normal) -> Found:
    seen: set[str] = set()
    found: Found = []
    for text in column:
        found.append([])
        at = 0
        for line in (text or "").split("\n"):
            content, end = normal(line), at + len(line.encode())
            if len(content.split(" ")) >= min_words and content:
                if content in seen:
                    found[-1].append({"start": at, "end": end})
                seen.add(content)
            at = end + 1
    return found


def find(column: list[str | None], **params: Any) -> Found:
    found: Found = duplicate_spans(Paragraph(**params), documents(text=column)).to_pylist()
    return found


@settings(max_examples=examples(200))
@given(columns, st.integers(1, 3))
def test_copies_are_those_of_the_plain_reading(column: list[str | None], min_words: int) -> None:
    assert find(column, min_words=min_words) == oracle(column, min_words)


@settings(max_examples=examples(50))
@given(columns, st.integers(0, 5), st.integers(0, 99))
def test_batches_and_partitions_do_not_matter(column: list[str | None], cut: int, seed: int) -> None:
    docs, stage, rng = documents(text=column), Paragraph(), np.random.default_rng(seed)
    addresses = np.arange(docs.num_rows, dtype=np.uint64) + np.uint64(7 << 32)
    batches = [(docs.slice(0, cut), addresses[:cut]), (docs.slice(cut), addresses[cut:])]
    signed = pa.concat_tables([sign(stage, *batch) for batch in batches])
    signed = signed.take(pa.array(rng.permutation(signed.num_rows)))
    high = signed.column("key").to_numpy() >> np.uint64(62)
    found = pa.concat_tables([copies(signed.filter(pa.array(high == part))) for part in range(4)])
    assert found.schema == COPIES
    assert [row for batch in batches for row in spans(*batch, found).to_pylist()] == find(column)


@given(columns, columns, st.integers(1, 3))
def test_paragraphs_of_earlier_runs_came_first_and_stay(
    new: list[str | None], old: list[str | None], min_words: int
) -> None:
    stage, docs = Paragraph(min_words=min_words), documents(text=[*new, *old])
    addresses = np.arange(docs.num_rows, dtype=np.uint64)
    addresses[len(new) :] += np.uint64(OLD_ADDRESS)
    found = spans(docs, addresses, copies(sign(stage, docs, addresses))).to_pylist()
    assert found[: len(new)] == oracle([*old, *new], min_words)[len(old) :]
    assert found[len(new) :] == [[]] * len(old)


def test_blocks_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    column: list[str | None] = ["one\ntwo", None, "", "two\n", "one two three four", "\none"]
    monkeypatch.setattr("stages.tokens.BLOCK_BYTES", 8)
    assert find(column) == oracle(column, 1)
    assert sum(map(len, oracle(column, 1))) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [("Été 1999", "ETE 2024"), ("one, two", "one two."), ("٣ дома", "7 ДОМА"), ("a  b", "\ta b "), ("«x»", "x")],
)
def test_paragraphs_that_read_the_same(first: str, second: str) -> None:
    assert find([first, second]) == [[], [{"start": 0, "end": len(second.encode())}]]


@pytest.mark.parametrize(("first", "second"), [("one two", "onetwo"), ("a 1", "a 12"), ("a", "b"), ("--", "--")])
def test_paragraphs_that_do_not(first: str, second: str) -> None:
    assert find([first, second]) == [[], []]


def applied(column: list[str | None]) -> pa.Table:
    docs, stage = documents(text=column), Paragraph()
    found = duplicate_spans(stage, docs)
    return stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found))


def test_what_is_left() -> None:
    out = applied(["head\n\nbody\n\nfoot", "head\n\nother\n\nfoot\n", "Head!\nfoot", None, "", "---\nhead"])
    assert out.column("text").to_pylist() == ["head\n\nbody\n\nfoot", "other", "Head!\nfoot", None, "", "---"]
    assert out.column("drop").to_pylist() == [None, None, "only_duplicated_paragraphs", None, None, None]


@settings(max_examples=examples(100))
@given(columns)
def test_nothing_is_left_to_cut(column: list[str | None]) -> None:
    """Every paragraph that remains was in the text, in this order, and none occurs twice."""
    out = applied(column)
    for before, after in zip(column, out.column("text").to_pylist(), strict=True):
        left = iter((before or "").split())
        assert all(any(word == other for other in left) for word in (after or "").split())
    kept = out.filter(out.column("drop").is_null()).column("text").to_pylist()
    assert not any(find(kept))


def test_the_stage_signs_and_drops_nothing() -> None:
    out = Paragraph()(documents(text=["one\n\ntwo words", None, "--"]))
    lists = out.column("paragraph_v1.paragraphs").to_pylist()
    assert [[(p["start"], p["end"]) for p in row] for row in lists] == [[(0, 3), (5, 14)], [], []]
    assert out.column("drop").null_count == 3


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(Exception, match="min_words must be at least 1, not 0"):
        build("paragraph_v1", {"min_words": 0})


# paragraph_v2


@settings(max_examples=examples(100))
@given(columns, st.integers(1, 3))
def test_v2_copies_are_those_of_the_plain_reading(column: list[str | None], min_words: int) -> None:
    stage = ParagraphV2(min_words=min_words)
    assert duplicate_spans(stage, documents(text=column)).to_pylist() == oracle(column, min_words, PLAIN["text"])
    paper = ParagraphV2(min_words=min_words, normalise="paper")
    assert duplicate_spans(paper, documents(text=column)).to_pylist() == oracle(column, min_words)


def test_the_lines_of_a_table_stay() -> None:
    table = [f"{1990 + year} {812 + 7 * year}" for year in range(20)]
    column: list[str | None] = ["\n".join([*table, "A note.", "a NOTE!"]), "3.14\n314\n\n\nが\nか"]
    docs = documents(text=column)
    left = []
    for stage in (ParagraphV2(), Paragraph()):
        found = duplicate_spans(stage, docs)
        left.append(stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found)).column("text"))
    assert left[0].to_pylist() == ["\n".join([*table, "A note."]), column[1]]
    assert left[1].to_pylist() == ["1990 812\nA note.", "3.14\n\nが"]


def test_v2_parameters_and_columns() -> None:
    assert "paragraph_v2.paragraphs" in ParagraphV2()(documents(text=["one"])).column_names
    with pytest.raises(Exception, match='normalise must be "text" or "paper", not'):
        build("paragraph_v2", {"normalise": "bytes"})
