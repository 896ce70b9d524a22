"""Exact substring, from text to duplicated spans: ours compared with a suffix array (pydivsufsort), also span by span.

    uv run python -m benchmarks --only substring
    uv run python -m benchmarks.substring [--megabytes 100] [--length 50] [--runs 3] [--core N]   # memory, phase 2

The corpus is the main texts of the data folder, unchanged and then with the words of each shuffled (so that they repeat
nothing) until it is large enough. Passages of 20 to 300 words are copied from one document into every fifth other, and
a notice of 60 words is at the end of every twentieth. `suffix array of tokens` answers the same question and gets our
tokens as numbers, for free. `suffix array of bytes` is what Lee et al. 2022 do, for spans of as many bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import crawl, pairs
from benchmarks.peers.protocol import Answer
from benchmarks.suite import Answers, Contender, Run, Table, compare
from classifiers.kernels.arrays import Int64s, UInt64s
from classifiers.kernels.jit import kernel
from stages.kernels.modular import BASE_A, between
from stages.kernels.windows import cover
from stages.spans import spans_column
from stages.tokens import token_blocks

OURS, TOKENS, BYTES = "ours", "suffix array of tokens", "suffix array of bytes"
SUFFIX_ARRAY = ("pydivsufsort", "suffix_array_side.py")
RUST = "its suffix array is a Rust program of Google's, built from a checkout by cargo; not on PyPI"
LENGTH = 50  # tokens of a span, as in the paper
PARTITIONS = 8  # of the shuffles
GROUPED = 10_000_000  # rows when phase 2 is measured alone
BUDGET = 5  # MB/s


def suite(run: Run) -> Table:
    """Ours, and suffix arrays of tokens and of bytes."""
    texts = write_corpus(run.folder, run.size(30, 1) * 10**6)
    size = texts.nbytes / 1e6
    packages = {OURS: ("refinedweb", "substring_side"), TOKENS: SUFFIX_ARRAY, BYTES: SUFFIX_ARRAY}
    contenders = {
        name: run.contender(*packages[name], size, do, **request)
        for name, (do, request) in requests(texts, run.folder, LENGTH).items()
    }
    contenders["text-dedup"] = Contender.absent("text-dedup", "text_dedup_side.py", RUST)
    contenders["datatrove"] = Contender.absent("datatrove", "datatrove_side.py", RUST)
    return Table(
        "Exact substrings",
        f"{len(texts):,} documents, {size:.0f} MB, spans of {LENGTH} tokens or more, planted ones among them. The "
        f"suffix array of tokens gets our tokens for free. Our budget: {BUDGET} MB/s.",
        "MB", "spans", BYTES, compare(run, contenders, BYTES, partial(spans_found, texts, run.folder, LENGTH)),
    )  # fmt: skip


def spans_found(texts: pa.ChunkedArray, folder: Path, length: int, answers: Answers) -> dict[str, str]:
    """The number of our spans, and whether they are those of the suffix array of tokens."""
    if OURS not in answers or TOKENS not in answers:
        return {}
    ours, expected = both_spans(texts, folder, length)
    same = "the same" if ours.equals(expected) else "NOT the same"
    return {OURS: f"{len(ours.flatten()):,}, {same}", TOKENS: f"{len(expected.flatten()):,}"}


def requests(texts: pa.ChunkedArray, folder: Path, length: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """The request to each contender."""
    per_token = texts.nbytes / np.load(folder / "tokens.npy", mmap_mode="r").shape[0]
    seek: dict[str, dict[str, Any]] = {
        TOKENS: {"text": "tokens.npy", "length": length, "out": "them.npy"},
        BYTES: {"text": "bytes.npy", "length": round(length * per_token), "out": "bytes-found.npy"},
    }
    find = {"texts": f"{folder}/texts.parquet", "length": length, "out": f"{folder}/ours.parquet"}
    return {
        OURS: ("duplicate_spans", {**find, "partitions": PARTITIONS}),
        **{
            name: ("repeated", {**asked, "text": f"{folder}/{asked['text']}", "out": f"{folder}/{asked['out']}"})
            for name, asked in seek.items()
        },
    }


def main() -> None:
    options = pairs.arguments(__doc__, megabytes=100, length=LENGTH, runs=3)
    pairs.warn_where_noisy()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        texts = write_corpus(folder, options.megabytes * 10**6)
        us, them = pairs.ours(options.core, "substring_side"), pairs.peer(SUFFIX_ARRAY[1], options.core)
        contenders: dict[str, pairs.Contender] = {
            name: partial((us if name == OURS else them).ask, do, **request)
            for name, (do, request) in requests(texts, folder, options.length).items()
        }
        with us, them:
            report(pairs.in_turn(contenders, options.runs), texts, contenders)
            compare_spans(texts, folder, options.length)
            us.ask("group_alone", records=1000)
            alone(us.ask("group_alone", records=GROUPED))


def write_corpus(folder: Path, size: int) -> pa.ChunkedArray:
    """Write texts.parquet, bytes.npy and tokens.npy (a number per different token, a unique one after each text)."""
    text = pa.chunked_array([pa.array(planted(list(documents(size))), pa.large_string())])
    pq.write_table(pa.table({"text": text}), folder / "texts.parquet")
    np.save(folder / "bytes.npy", np.frombuffer("\0".join(text.to_pylist()).encode(), np.uint8))
    values = [token_values(tokens) for _, tokens in token_blocks(text, None)]
    _, numbers = np.unique(np.concatenate([part[0] for part in values]), return_inverse=True)
    counts = np.concatenate([part[1] for part in values])
    ends = np.cumsum(counts)
    ids = np.insert(numbers, ends, numbers.max() + 1 + np.arange(len(ends)))
    np.save(folder / "tokens.npy", ids.astype(np.uint32))
    return text


def documents(size: int) -> Iterator[list[str]]:
    """Documents as lists of words, split at spaces."""
    rng, written = np.random.default_rng(50), 0
    files = [crawl.data() / "crawl" / "truth.parquet", crawl.data() / "extraction-train" / "pages.parquet"]
    columns = [pq.read_table(file, columns=["expected_text"]).column(0).drop_null() for file in files]
    pages = [text.replace("\n", " \n").split(" ") for column in columns for text in column.to_pylist()]
    while written < size:
        for page in pages:
            words = page if written < sum(map(len, pages)) else [page[n] for n in rng.permutation(len(page))]
            written += sum(map(len, words)) + len(words)
            yield words
            if written >= size:
                return


def planted(words: list[list[str]]) -> list[str]:
    """The documents as texts, with the copied passages and notices."""
    rng = np.random.default_rng(51)
    notice = [f"notice{n}" for n in range(60)]
    for number in range(0, len(words), 5):
        source, start, size = (
            words[int(rng.integers(len(words)))],
            int(rng.integers(0, 200)),
            int(rng.integers(20, 300)),
        )
        at = int(rng.integers(0, len(words[number]) + 1))
        words[number] = words[number][:at] + source[start : start + size] + words[number][at:]
    return [" ".join(page + (notice if number % 20 == 0 else [])) for number, page in enumerate(words)]


def token_values(tokens: Any) -> tuple[Any, Any]:
    """A 61-bit value for each token, from the hashes of the prefixes around it, and the count of tokens in each row."""
    counts = np.diff(tokens.first)
    last = np.zeros(len(tokens.a), bool)
    last[tokens.first[1:] + np.arange(len(counts))] = True
    places = np.flatnonzero(~last)
    values = np.empty(len(places), np.uint64)
    _values(tokens.a, places, values)
    return values, counts


@kernel
def _values(prefixes: UInt64s, places: Int64s, out: UInt64s) -> None:
    for token in range(len(places)):
        out[token] = between(prefixes[places[token] + 1], prefixes[places[token]], BASE_A)


def report(answers: dict[str, list[Answer]], texts: pa.ChunkedArray, contenders: dict[str, pairs.Contender]) -> None:
    """Print speeds, memory and phases."""
    size = texts.nbytes / 1e6
    print(f"{len(texts):,} documents, {size:.0f} MB; medians of {len(answers[OURS])}; budget {BUDGET} MB/s")
    print("| contender | MB/s | MB per CPU second | fastest, slowest run | peak without the text, MB | per byte |")
    print("|---|---|---|---|---|---|")
    for name in contenders:
        runs = answers[name]
        added = max(run["peak"] - run["before"] for run in runs)
        speed = f"{size / pairs.median(runs):.1f} | {size / pairs.median(runs, 'process_seconds'):.1f}"
        print(f"| {name} | {speed} | {pairs.spread(runs)} | {added:.0f} | {added / size:.1f} |")
    ours = answers[OURS][0]
    names = ("sign", "group", "windows", "match", "spans")
    print(", ".join(f"{name} {seconds:.2f} s" for name, seconds in zip(names, ours["phases"], strict=True)))
    signed, resolved, checks, hashed = ours["records"]
    moved = sum(ours["bytes"]) / 1e6
    print(f"{signed:,} fingerprints, {resolved:,} resolved, {checks:,} checks, {hashed:,} windows")
    print(f"{moved:.0f} MB shuffled")


def both_spans(texts: pa.ChunkedArray, folder: Path, length: int) -> tuple[pa.Array, pa.Array]:
    """Our spans, and those of the suffix array of tokens."""
    found, at, theirs = np.load(folder / "them.npy"), 0, []
    for first, tokens in token_blocks(texts, None):
        counts = np.diff(tokens.first)
        row = np.repeat(np.arange(len(counts)), counts)
        here = at + np.arange(len(row)) + row
        hits = np.flatnonzero(found[here])
        start = hits - tokens.first[row[hits]]
        covered = cover(tokens, length, row[hits], start, np.ones(len(hits), np.int64))
        theirs.append(covered + np.array([[first], [0], [0]]))
        at += len(row) + len(counts)
    expected = spans_column(len(texts), *np.concatenate(theirs, axis=1))
    return pq.read_table(folder / "ours.parquet").column("spans").combine_chunks(), expected


def compare_spans(texts: pa.ChunkedArray, folder: Path, length: int) -> None:
    """Print whether our spans are those of the suffix array of tokens."""
    ours, expected = both_spans(texts, folder, length)
    same = "the same" if ours.equals(expected) else "NOT the same"
    count = len(ours.flatten())
    print(f"{count:,} spans by ours and {len(expected.flatten()):,} by the suffix array of tokens: {same}")


def alone(answer: Answer) -> None:
    """Print time and memory of phase 2 alone."""
    added = answer["peak"] - answer["before"]
    print(
        f"phase 2 alone, {GROUPED:,} rows ({answer['input']:.0f} MB): {answer['seconds']:.1f} s, "
        f"{added:.0f} MB in addition ({1 + added / answer['input']:.1f} × in all)"
    )


if __name__ == "__main__":
    main()
