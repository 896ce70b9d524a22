"""The laws of the contract, checked for every registered stage: rows stay, batches do not matter, nothing is random."""

from __future__ import annotations

import pickle
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from refinedweb.recipe.load import load_stages
from stages.base import Measured, build, drop_where, registry
from stages.dedup import Global
from stages.schema import documents, is_measure

load_stages()
NAMES = [name for name, cls in registry().items() if cls.__module__.startswith("stages.")]  # not the tests' toys
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("extract_v1", {"engine": "resiliparse"}),
    ("extract_v1", {"engine": "blocks"}),
    ("repetition_v1", {"dialect": "datatrove"}),
    ("quality_v1", {"dialect": "datatrove"}),
    ("language_v1", {"keep": ["all"], "by_language": {"ru": {"min_score": 0.2}, "Jpan": {"min_score": 1.0}}}),
    ("quality_v1", {"by_language": "prose_v1"}),
    ("repetition_v1", {"by_language": "prose_v1"}),
    ("repetition_v2", {"dialect": "datatrove"}),
    ("quality_v2", {"dialect": "datatrove"}),
    ("c4_v2", {"require_end_mark": False, "all_scripts": True, "min_sentences": 1}),
    ("minhash_v2", {"normalise": "paper"}),
    ("paragraph_v2", {"normalise": "paper"}),
    *(("exact_v2", {"same": same}) for same in ("text", "paper", "bytes")),
]

ENGLISH = (
    "The river rose again in the night, and by morning the lower meadow was under water. People came out to look at it "
    "with their coats over their shoulders. Nobody was surprised; it had done the same two years before, and they have "
    "built the new barn on the hill because of that."
)
GERMAN = (
    "Der Fluss ist in der Nacht wieder gestiegen, und am Morgen stand die untere Wiese unter Wasser. Die Leute kamen "
    "heraus, um es sich anzusehen. Niemand war überrascht, denn vor zwei Jahren war es genauso gewesen."
)
TEXTS = [
    ENGLISH,
    GERMAN,
    None,
    "",
    " \n\n \t",
    "word",
    "buy now " * 200,
    "# # # ... …\n• one\n• two\n",
    "\n\n".join([ENGLISH] * 4),
    ENGLISH + "\nread more…\n3 likes\nSHARE THIS WITH EVERYONE YOU KNOW\n" + GERMAN,
    "Почта: someone@example.org, 192.0.2.1. " + "Река снова поднялась ночью, и к утру луг был под водой. " * 5,
    "川はまた夜のうちに増水し、朝には下の牧草地が水に浸かっていた。" * 8,
    "e\u0301\u200d\U0001f469\u200d\U0001f680 \u202eabc\u0000\x07" * 30,
    "x" * 20_000,
]
URLS = [
    "https://news.example.org/a?b=c", "http://www.example.com:8080/", None, "", "not a url", "https://en.wikipedia.org/wiki/X",
    "https://casino-porn-xxx.example/", "http://[::1]/x", "https://bücher.example/ü", "ftp://example.org/x",
]  # fmt: skip


def page(text: str) -> bytes:
    paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
    chrome = "<nav><a href='/'>Home</a></nav>"
    return f"<html><head><title>T</title></head><body>{chrome}<article>{paragraphs}</article></body></html>".encode()


def corpus() -> pa.Table:
    rows = len(TEXTS) * 2
    texts = [*TEXTS, *([None] * len(TEXTS))]
    html = [*([None] * len(TEXTS)), *(None if text is None else page(text.replace("\0", "")) for text in TEXTS)]
    return documents(
        id=[f"id-{n}" for n in range(rows)],
        url=[URLS[n % len(URLS)] for n in range(rows)],
        text=texts,
        html=html,
        language=[["en", "de", None, "ja"][n % 4] for n in range(rows)],
        cluster_size=[1 + n % 7 for n in range(rows)],
    )


@pytest.fixture(scope="module")
def outputs() -> dict[str, pa.Table]:
    """Each variant's output over the whole corpus in one batch."""
    return {str(variant): build(*variant)(corpus()) for variant in VARIANTS}


variants = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v[0]}{v[1] or ''}")


@variants
def test_rows_and_their_order_stay(variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]) -> None:
    assert outputs[str(variant)].column("id") == corpus().column("id")


@variants
def test_an_empty_table_gives_the_same_columns(
    variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]
) -> None:
    empty = build(*variant)(corpus().slice(0, 0))
    assert empty.num_rows == 0
    assert empty.schema == outputs[str(variant)].schema


@variants
@pytest.mark.parametrize("seed", [1, 2])
def test_batches_do_not_matter(variant: tuple[str, dict[str, Any]], seed: int, outputs: dict[str, pa.Table]) -> None:
    docs, stage = corpus(), build(*variant)
    cuts = np.sort(np.random.default_rng(seed).integers(0, docs.num_rows, 4))
    edges = [0, *cuts.tolist(), docs.num_rows]
    parts = [stage(docs.slice(a, b - a)) for a, b in pairwise(edges)]
    assert pa.concat_tables(parts).combine_chunks() == outputs[str(variant)].combine_chunks()


@variants
def test_a_pickled_stage_does_the_same(variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]) -> None:
    stage = build(*variant)
    copy = pickle.loads(pickle.dumps(stage))
    assert copy == stage
    chunked = pa.concat_tables([corpus().slice(0, 5), corpus().slice(5)])
    assert copy(chunked).combine_chunks() == outputs[str(variant)].combine_chunks()


@variants
def test_a_reason_that_is_there_stays(variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]) -> None:
    docs = corpus()
    marked = drop_where(docs, pa.array(["seen_before"] * docs.num_rows, pa.string()))
    assert set(build(*variant)(marked).column("drop").to_pylist()) == {"seen_before"}
    assert "seen_before" not in outputs[str(variant)].column("drop").to_pylist()


@variants
def test_reasons_are_facts_in_snake_case(variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]) -> None:
    reasons = set(outputs[str(variant)].column("drop").drop_null().to_pylist())
    stage = variant[0].rpartition("_")[0]
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", reason) for reason in reasons)
    assert stage not in reasons


@variants
def test_measures_are_numbers_and_their_limits_exist(
    variant: tuple[str, dict[str, Any]], outputs: dict[str, pa.Table]
) -> None:
    out, stage = outputs[str(variant)], build(*variant)
    for name in filter(is_measure, out.column_names):
        assert name.startswith(f"{variant[0]}."), "a measure is named after its stage"
        values = out.column(name)
        assert values.null_count == 0
        if isinstance(stage, Global):  # not measures of a document, but keys that it shares with others
            assert pa.types.is_list(values.type)
            continue
        assert not pc.any(pc.is_nan(values.cast(pa.float64()))).as_py()
    if isinstance(stage, Measured):
        names = {name.partition(".")[2] for name in out.column_names if is_measure(name)}
        assert {limit.measure for limit in stage.limits()} <= names


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_is_removed_and_where_it_comes_from(name: str, outputs: dict[str, pa.Table]) -> None:
    doc = registry()[name].__doc__ or ""
    for variant, out in outputs.items():
        if variant.startswith(f"('{name}'"):
            missing = [r for r in set(out.column("drop").drop_null().to_pylist()) if r not in doc]
            assert not missing, f"{name}'s docstring does not name {missing}"
    assert re.search(r"et al\.|Source|source|MDR|RefinedWeb|C4|FineWeb|paper", doc), "name the source"
