"""The choice of what stays, in a run: which document, how many it stands for, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.errors import ConfigError
from tests.refinedweb.engine.inline import ok, removed, rows_of, run

pytestmark = pytest.mark.usefixtures("no_waiting")

TEXTS = ["one text", "one text", "ONE text!", "another", "another", "alone", "third"]


def docs() -> list[dict[str, Any]]:
    return [
        {"id": f"{n}", "url": "https://site.example/x" if n in (5, 6) else None, "text": text, "stars": n}
        for n, text in enumerate(TEXTS)
    ]


def parquet(rows: list[dict[str, Any]], folder: Path, shards: int = 1) -> list[Path]:
    """The documents as Parquet files, where every column is one of the document."""
    folder.mkdir()
    paths = [folder / f"part-{shard}.parquet" for shard in range(shards)]
    for shard, path in enumerate(paths):
        pq.write_table(pa.Table.from_pylist(rows[shard::shards]), path)
    return paths


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("shards", [1, 3])
def test_the_corpus_says_how_many_documents_each_stands_for(tmp_path: Path, shards: int) -> None:
    out, spec = tmp_path / "out", "exact_v1,pii_v1,url_dedup_v1,paragraph_v1,weight_v1"
    ok(run(spec, parquet(docs(), tmp_path / "in", shards), out, "exact_v1.keep=score:stars"))
    rows = {row["id"]: (row["cluster_size"], row["weight"]) for row in rows_of(out, "corpus")}
    last = next(i for i in rows if i in "56")
    assert rows == {"2": (3, 3.0), "4": (2, 2.0), last: (2, 2.0)}
    gone = len(removed(out))
    assert sum(size for size, _ in rows.values()) == len(TEXTS) == len(rows) + gone
    for path in (out / "corpus").iterdir():
        assert str(pq.read_schema(path).field("cluster_size").type) == "int64"


@pytest.mark.parametrize(("keep", "kept"), [("score:stars", "2"), ("longest", "2"), ("first", "0")])
def test_old_documents_still_stay(tmp_path: Path, keep: str, kept: str) -> None:
    same = [doc for doc in docs() if doc["id"] in "012"]
    paths = parquet(same, tmp_path / "in")
    ok(run("exact_v1", paths, tmp_path / "whole", f"exact_v1.keep={keep}", "exact_v1.write_index=true"))
    assert [row["id"] for row in rows_of(tmp_path / "whole", "corpus")] == [kept]
    better = parquet([{"id": "new", "text": "one  text !!!", "stars": 99}], tmp_path / "more")
    ok(run("exact_v1", better, tmp_path / "part", f"exact_v1.keep={keep}", index=[tmp_path / "whole"]))
    assert removed(tmp_path / "part")["new"][:2] == ("duplicate_text", kept)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("weight_v1,exact_v1", ()),
        ("exact_v1", ("exact_v1.keep=score:stares",)),
        ("exact_v1,weight_v1", ("weight_v1.column=x",)),
    ],
)
def test_a_column_that_nothing_writes_is_refused_before_any_work(
    tmp_path: Path, spec: str, given: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match="needs the column"):
        run(spec, parquet(docs(), tmp_path / "in"), tmp_path / "out", *given)
    assert not (tmp_path / "out" / "run.json").exists()
