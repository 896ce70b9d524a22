"""`substring_v1`: the spans are those of a dictionary of all windows, however the corpus is cut into shards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.dedup import OLD_ADDRESS, is_old
from stages.kernels.modular import PRIME, product
from stages.schema import documents
from stages.spans import decisions_of, with_rows
from stages.substring.phases import CHECKS, RUNS, SIGNED, duplicate_spans, group, match, sign, spans, windows
from stages.substring.stage import Substring
from tests.examples import examples
from tests.stages.texts import SCRIPTS, word

Found = list[list[dict[str, int]]]
PARTITIONS = 8
TOKEN = re.compile(r"\w+|[^\w\s]")


def oracle(texts: list[str | None], length: int, keep_first: bool, old: int = 0) -> Found:
    """Every window in a dictionary, for texts of words and ASCII punctuation. The first `old` are of earlier runs."""
    where = defaultdict(list)
    tokens = [list(TOKEN.finditer(text or "")) for text in texts]
    for row, matches in enumerate(tokens):
        content = [match.group() for match in matches]
        for start in range(len(content) - length + 1):
            where[tuple(content[start : start + length])].append((row, start))
    covered: list[set[int]] = [set() for _ in texts]
    for places in where.values():
        first_stays = keep_first or len(places) == 1
        for row, start in places[1:] if first_stays and places[0][0] >= old else places:
            covered[row].update(range(tokens[row][start].start(), tokens[row][start + length - 1].end()))
    covered[:old] = [set()] * len(covered[:old])
    return [intervals(text or "", inside) for text, inside in zip(texts, covered, strict=True)]


def intervals(text: str, characters: set[int]) -> list[dict[str, int]]:
    """The maximal runs of character numbers, in bytes."""
    edges = sorted(at for at in range(len(text) + 1) if ((at in characters) != (at - 1 in characters)))
    bytes_at = [len(text[:at].encode()) for at in edges]
    return [{"start": a, "end": b} for a, b in zip(bytes_at[::2], bytes_at[1::2], strict=True)]


def find(texts: list[str | None], **params: Any) -> Found:
    found: Found = duplicate_spans(Substring(**params), documents(text=texts)).to_pylist()
    return found


def in_phases(stage: Substring, texts: list[str | None], seed: int) -> Found:
    """Run the phases as the engine does: documents in shards and batches, records shuffled and partitioned."""
    rng = np.random.default_rng(seed)
    docs = documents(text=texts)
    cuts = [0, *sorted(rng.integers(0, len(texts) + 1, 3).tolist()), len(texts)]
    shards = [docs.slice(a, b - a) for a, b in pairwise(cuts)]
    batches = list(batched(shards, rng))
    signed = pa.concat_tables([sign(stage, *batch) for batch in batches])
    resolved, checks = zip(*(group(stage, part) for part in partitions(signed, rng)), strict=True)
    hashed = pa.concat_tables([windows(stage, *batch, pa.concat_tables(checks)) for batch in batches])
    runs = pa.concat_tables([*resolved, *(match(stage, part) for part in partitions(hashed, rng))])
    runs = runs.take(pa.array(rng.permutation(runs.num_rows)))
    return [row for batch in batches for row in spans(stage, *batch, runs).to_pylist()]


def batched(shards: list[pa.Table], rng: np.random.Generator) -> Iterator[tuple[pa.Table, Any]]:
    for number, shard in enumerate(shards):
        rows = (np.uint64(number) << np.uint64(32)) | np.arange(shard.num_rows, dtype=np.uint64)
        cut = int(rng.integers(0, shard.num_rows + 1))
        yield shard.slice(0, cut), rows[:cut]
        yield shard.slice(cut), rows[cut:]


def partitions(records: pa.Table, rng: np.random.Generator) -> list[pa.Table]:
    """Partitions by the high bits of the first column, each with its records in any order."""
    records = records.take(pa.array(rng.permutation(records.num_rows)))
    of = records.column(0).to_numpy() >> np.uint64(61)
    return [records.filter(pa.array(of == part)) for part in range(PARTITIONS)]


@st.composite
def corpora(draw: st.DrawFn) -> list[str | None]:
    """Texts of few different tokens: passages from one source, runs of one token, periods, Thue-Morse, random."""
    letters = draw(st.sampled_from(["ab", "abc.", "abcdefgh,", SCRIPTS["cyrillic"]]))
    source = draw(st.lists(st.sampled_from(letters), min_size=8, max_size=40))
    passage = st.tuples(st.integers(0, 30), st.integers(0, 40)).map(lambda at: source[at[0] : sum(at)])
    run = st.tuples(st.sampled_from(letters), st.integers(0, 25)).map(lambda of: [of[0]] * of[1])
    period = st.tuples(st.integers(1, 5), st.integers(0, 8)).map(lambda of: source[: of[0]] * of[1])
    chance = st.lists(st.sampled_from(letters), max_size=12)
    pieces = st.lists(st.one_of(passage, run, period, chance, st.just(thue_morse(letters[:2], 5))), max_size=5)
    texts = st.one_of(st.none(), pieces.map(lambda parts: " ".join(token for part in parts for token in part)))
    return draw(st.lists(texts, max_size=6))


def thue_morse(letters: str, doublings: int) -> list[str]:
    bits = [0]
    for _ in range(doublings):
        bits += [1 - bit for bit in bits]
    return [letters[bit] for bit in bits]


@settings(max_examples=examples(300))
@given(texts=corpora(), length=st.integers(1, 12), keep_first=st.booleans())
def test_spans_are_those_of_a_dictionary_of_windows(texts: list[str | None], length: int, keep_first: bool) -> None:
    assert find(texts, length=length, keep_first=keep_first) == oracle(texts, length, keep_first)


@settings(max_examples=examples(60))
@given(texts=corpora(), length=st.integers(2, 8), keep_first=st.booleans(), seed=st.integers(0, 99))
def test_shards_batches_and_partitions_do_not_matter(
    texts: list[str | None], length: int, keep_first: bool, seed: int
) -> None:
    stage = Substring(length=length, keep_first=keep_first)
    assert in_phases(stage, texts, seed) == oracle(texts, length, keep_first)


def find_after(texts: list[str | None], old: int, **params: Any) -> tuple[Found, pa.Table]:
    """The spans, if the first `old` texts are of earlier runs; and the runs, which name who has the same."""
    stage, docs = Substring(**params), documents(text=texts)
    addresses = np.arange(len(texts), dtype=np.uint64)
    addresses[:old] |= np.uint64(OLD_ADDRESS)
    resolved, checks = group(stage, sign(stage, docs, addresses))
    runs = pa.concat_tables([resolved, match(stage, windows(stage, docs, addresses, checks))])
    return spans(stage, docs, addresses, runs).to_pylist(), runs


@settings(max_examples=200)
@given(texts=corpora(), old=st.integers(0, 4), length=st.integers(1, 12), keep_first=st.booleans())
def test_texts_of_earlier_runs_came_first_and_stay(
    texts: list[str | None], old: int, length: int, keep_first: bool
) -> None:
    found, runs = find_after(texts, old, length=length, keep_first=keep_first)
    assert found == oracle(texts, length, keep_first, old)
    assert not is_old(runs.column("address").to_numpy()).any()


@pytest.mark.parametrize("keep_first", [False, True])
def test_what_an_earlier_run_had_names_it(keep_first: bool) -> None:
    _, runs = find_after(["a b c d", "x", "a b c d", "a b c d"], 2, length=3, keep_first=keep_first)
    assert set(runs.column("other").to_pylist()) == {OLD_ADDRESS}


def planted(seed: int, documents: int = 60) -> list[str | None]:
    """Documents of random words, with passages of 30 to 200 tokens copied between them, and their texts."""
    rng = np.random.default_rng(seed)
    words = [[word("latin", int(n)) for n in rng.integers(0, 3000, rng.integers(0, 500))] for _ in range(documents)]
    for _ in range(documents):
        of, to = rng.integers(0, documents, 2)
        start, size = int(rng.integers(0, 300)), int(rng.integers(30, 200))
        passage = words[of][start : start + size]
        at = int(rng.integers(0, len(words[to]) + 1))
        words[to][at:at] = passage
    return [" ".join(tokens) + "." for tokens in words]


@pytest.mark.parametrize("keep_first", [False, True])
def test_planted_passages_of_the_default_length(keep_first: bool) -> None:
    texts = planted(1)
    want = oracle(texts, 50, keep_first)
    assert 10 < sum(map(len, want)) < 200
    assert find(texts, keep_first=keep_first) == want
    assert in_phases(Substring(keep_first=keep_first), texts, 2) == want


@pytest.mark.parametrize("keep_first", [False, True])
def test_blocks_of_rows_do_not_matter(keep_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*planted(3, 20), None, "", *planted(3, 5)]
    monkeypatch.setattr("stages.tokens.BLOCK_BYTES", 1500)
    assert find(texts, keep_first=keep_first) == oracle(texts, 50, keep_first)


def test_exactly_the_length_is_enough_and_one_less_is_not() -> None:
    passage = [word("latin", n) for n in range(50)]
    other = [word("latin", n) for n in range(100, 180)]
    texts: list[str | None] = [" ".join(other[:40] + passage + other[40:]), " ".join(["x", *passage, "y"])]
    shared = " ".join(passage)
    assert [[slice_of(text, span) for span in row] for text, row in zip(texts, find(texts), strict=True)] == [
        [shared],
        [shared],
    ]
    assert find(texts, length=51) == [[], []]


def slice_of(text: str | None, span: dict[str, int]) -> str:
    return (text or "").encode()[span["start"] : span["end"]].decode()


def signed(texts: list[str], **params: Any) -> tuple[Substring, pa.Table]:
    stage = Substring(**params)
    return stage, sign(stage, documents(text=texts), np.arange(len(texts), dtype=np.uint64))


def chance_text(seed: int, size: int) -> str:
    return " ".join(word("latin", int(n)) for n in np.random.default_rng(seed).integers(0, 9999, size))


def test_two_in_twenty_seven_positions_are_signed_and_spread_over_partitions() -> None:
    _, records = signed([chance_text(5, 40_000)])
    assert records.num_rows == pytest.approx(40_000 * 2 / 27, rel=0.03)
    counts = np.bincount(records.column("fingerprint").to_numpy() >> np.uint64(61), minlength=PARTITIONS)
    assert counts.min() > 0.8 * records.num_rows / PARTITIONS
    assert records.schema == SIGNED


@pytest.mark.parametrize("keep_first", [False, True])
def test_many_copies_cost_a_check_for_each_context_only(keep_first: bool) -> None:
    """5,000 copies between different words: each occurrence at an edge has its own context, those inside share one."""
    passage = chance_text(6, 120)
    texts = [f"{word('greek', n)} {passage} {word('cyrillic', n)}" for n in range(5_000)]
    stage, records = signed(texts, keep_first=keep_first)
    resolved, checks = group(stage, records)
    inner = records.num_rows / len(texts) - 2  # all but the first and the last occurrence of a text
    assert resolved.num_rows == pytest.approx(inner * len(texts), rel=0.01)
    assert checks.num_rows <= 2 * len(texts)
    whole = documents(text=texts)
    lists = duplicate_spans(stage, whole).to_pylist()
    assert {slice_of(text, span) for text, row in zip(texts, lists, strict=True) for span in row} == {passage}
    assert sum(map(len, lists)) == len(texts) - keep_first


def test_the_same_text_many_times_needs_no_check() -> None:
    stage, records = signed([chance_text(7, 300)] * 50)
    resolved, checks = group(stage, records)
    assert (resolved.num_rows, checks.num_rows) == (records.num_rows, 0)
    assert (resolved.schema, checks.schema) == (RUNS, CHECKS)


@given(st.integers(0, int(PRIME) - 1), st.integers(0, int(PRIME) - 1))
def test_products_modulo_the_prime(a: int, b: int) -> None:
    assert int(product(np.uint64(a), np.uint64(b))) == a * b % int(PRIME)


@pytest.mark.parametrize("change", [lambda text: text[:-9], lambda text: ""])
def test_documents_that_were_not_signed_are_refused(change: Callable[[str], str]) -> None:
    texts = [chance_text(8, 90), chance_text(8, 90) + " end"]
    stage, records = signed(texts)
    rows, changed = np.arange(2, dtype=np.uint64), documents(text=list(map(change, texts)))
    resolved, checks = group(stage, records)
    assert min(resolved.num_rows, checks.num_rows) > 0
    runs = checks.append_column("other", checks.column("address")).select(RUNS.names)
    with pytest.raises(ValueError, match="give the documents that were signed"):
        spans(stage, changed, rows, pa.concat_tables([resolved, runs]))
    with pytest.raises(ValueError, match="give the documents that were signed"):
        windows(stage, changed, rows, checks)


# What is done with spans


def applied(texts: list[str | None], **params: Any) -> pa.Table:
    stage, docs = Substring(**params), documents(text=texts)
    found = duplicate_spans(stage, docs)
    return stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found))


@settings(max_examples=examples(150))
@given(texts=corpora(), length=st.integers(2, 6), keep_first=st.booleans())
def test_what_is_left_of_a_text_are_its_other_tokens(texts: list[str | None], length: int, keep_first: bool) -> None:
    cut = applied(texts, length=length, keep_first=keep_first, min_left=0).column("text").to_pylist()
    for before, after, row in zip(texts, cut, find(texts, length=length, keep_first=keep_first), strict=True):
        if before is None:
            assert after is None
            continue
        outside = [match.group() for match in TOKEN.finditer(before) if not covers(row, before, match)]
        assert TOKEN.findall(after) == outside
        assert row or after == before


def covers(row: list[dict[str, int]], text: str, match: re.Match[str]) -> bool:
    at = len(text[: match.start()].encode())
    return any(span["start"] <= at < span["end"] for span in row)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("one a b c two", "one two"),
        ("a b c two", "two"),
        ("one a b c", "one"),
        ("one\na b c\ntwo", "one\ntwo"),
        ("one\n\na b c\n\ntwo", "one\n\ntwo"),
        ("one a b c\n\ntwo", "one\n\ntwo"),
        ("one\na b c two", "one\ntwo"),
        ("one\n\n\n\na b c two", "one\n\ntwo"),
        ("one(a b c)two", "one()two"),
        ("(a b c)", "()"),
        ("one\u3000a b c\u3000two", "one\u3000two"),
        ("one a b c two a b c three", "one two three"),
        ("one a b c\na b c two", "one\ntwo"),
    ],
)
def test_what_stands_around_a_cut_is_joined(text: str, left: str) -> None:
    assert applied([text, "a b c"], length=3, min_left=0).column("text").to_pylist() == [left, ""]


def test_words_around_a_cut_do_not_fuse() -> None:
    dashes = "-" * 6
    assert applied([f"one{dashes}two", dashes], length=6, min_left=0).column("text")[0].as_py() == "one two"
    assert applied([f"犬{dashes}猫", dashes], length=6, min_left=0).column("text")[0].as_py() == "犬猫"


def reason(texts: list[str | None], shared: int = 3, **params: Any) -> str | None:
    """The reason for the first text, with spans of this many words `word`."""
    alone = re.search(r"[一-龥]|[^\w\s]", texts[0] or "") is not None  # a token per character, else per word
    found: str | None = applied(texts, length=4 * shared if alone else shared, **params).column("drop")[0].as_py()
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_too_little_left(script: str) -> None:
    """Words of four characters: five of them are 20, because white space does not count."""
    shared, own = (" ".join(word(script, n) for n in numbers) for numbers in (range(3), range(10, 15)))
    assert reason([f"{shared} {own}", shared]) is None
    assert reason([f"{shared} {own[:-1]}", shared]) == "mostly_duplicated_text"
    assert reason([f"{shared} {own[:-1]}", shared], min_left=19) is None
    assert reason([own[:4]], shared=1) is None, "a short text without a span stays"


@pytest.mark.parametrize("script", SCRIPTS)
def test_too_much_duplicated(script: str) -> None:
    """3 of 15 words are just 20 %."""
    words = [word(script, n) for n in range(15)]
    shared = " ".join(words[:3])
    assert reason([" ".join(words), shared], mode="drop_partial") is None
    assert reason([" ".join(words[:-1]), shared], mode="drop_partial") == "partly_duplicated_text"
    assert reason([" ".join(words), shared], mode="drop_partial", max_share=0.19) == "partly_duplicated_text"
    assert reason([" ".join(words), shared], mode="drop_any") == "has_duplicated_text"
    assert reason([" ".join(words), "other"], mode="drop_any") is None


def test_modes_that_do_not_cut_leave_the_text() -> None:
    texts: list[str | None] = ["one a b c two", None, "", "a b c"]
    for mode in ("mask", "drop_partial", "drop_any"):
        assert applied(texts, length=3, mode=mode).column("text").to_pylist() == texts
    masked = applied(texts, length=3, mode="mask")
    assert masked.column("duplicate_spans").to_pylist() == [[{"start": 4, "end": 9}], [], [], [{"start": 0, "end": 5}]]
    assert masked.column("drop").null_count == 4


def test_a_removed_document_keeps_its_text_and_an_older_reason_stays() -> None:
    docs = documents(text=["one a b c", "a b c"], drop=["seen", None])
    stage = Substring(length=3)
    found = duplicate_spans(stage, docs)
    out = stage.apply(with_rows(docs), decisions_of(docs, stage.reasons(docs, found), found))
    assert out.column("drop").to_pylist() == ["seen", "mostly_duplicated_text"]
    assert out.column("text").to_pylist() == ["one a b c", "a b c"]


def test_the_stage_signs_and_drops_nothing() -> None:
    texts = [chance_text(9, 200), None, "", "short"]
    out = Substring()(documents(text=texts))
    _, records = signed([text or "" for text in texts])
    lists = out.column("substring_v1.fingerprints").to_pylist()
    assert [len(row) for row in lists] == [records.num_rows, 0, 0, 0]
    assert [row["fingerprint"] for row in lists[0]] == records.column("fingerprint").to_pylist()
    assert out.column("drop").null_count == 4


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"length": 0}, "length must be 1 to 65535 tokens, not 0"),
        ({"length": 70_000}, "length must be 1 to 65535"),
        ({"mode": "remove"}, 'mode must be "cut", "mask"'),
        ({"min_left": -1}, "min_left and max_share must be at least 0"),
        ({"max_share": float("nan")}, "min_left and max_share must be at least 0"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        build("substring_v1", params)
