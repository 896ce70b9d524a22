"""Laws of merged indexes: they answer as the runs do, cost what the part needs, forget what is erased, and resume."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from refinedweb.dedup import merging, planning
from refinedweb.dedup.merged import MergedIndex, merged_or_none, piece_rows
from refinedweb.dedup.phase import PhaseWork, folder_of
from refinedweb.engine import policy
from refinedweb.engine.inline import InlinePool
from refinedweb.engine.merge import merge_indexes
from refinedweb.engine.pool import Work
from refinedweb.engine.settings import RunSettings
from refinedweb.storage import open_store
from refinedweb.storage.local import LocalStore
from refinedweb.views.verify import verify
from stages.errors import ConfigError
from tests.refinedweb.cli.command import refinedweb
from tests.refinedweb.dedup.dedup_corpus import DOCUMENTS
from tests.refinedweb.engine.inline import HookedPool, corpus, ok, removed, run, write_shards

pytestmark = pytest.mark.usefixtures("no_waiting")

SPEC = "exact_v2,url_dedup_v1"
NEAR = "exact_v2,minhash_v2,url_dedup_v1"
DOCS = [doc for doc in DOCUMENTS if doc["text"]]


def part(
    folder: Path,
    docs: list[dict[str, Any]],
    index: Sequence[Path | str] = (),
    *given: str,
    spec: str = SPEC,
    shards: int = 2,
) -> Path:  # fmt: skip
    """A run that leaves its keys."""
    keys = [f"{stage}.write_index=true" for stage in spec.split(",")]
    if "minhash_v2" in spec:
        keys.append("minhash_v2.preset=fineweb")
    ok(run(spec, write_shards(docs, folder / "in", shards), folder / "out", *keys, *given, index=index))
    return folder / "out"


def merge(
    out: Path | str, sources: Sequence[Path], without: Sequence[str] = (), pool: InlinePool | None = None
) -> MergedIndex:
    """Merge in this process."""
    return merge_indexes(
        str(out), [*map(str, sources)], lambda _: pool or InlinePool(), RunSettings(), lambda _: None, without
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Three parts that know nothing of each other, with copies of each other's documents."""
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "TICK_SECONDS", 0.001)
        yield [part(folder / str(n), DOCS[40 * n : 40 * n + 60]) for n in range(3)]


def again(docs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**doc, "id": f"again-{doc['id']}"} for doc in docs]


def fates(out: Path) -> dict[str, tuple[str, bool]]:
    """Why each document was removed, and whether an old one is kept instead: several of them may be the same."""
    rows = removed(out).items()
    return {i: (reason, kept is not None and not kept.startswith("again")) for i, (reason, kept, _) in rows}


def objects(folder: Path) -> dict[str, bytes]:
    """What a merged index consists of."""
    paths = [folder / "index.json", *sorted((folder / "index").rglob("*.*"))]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def check_answers(parts: list[Path], folder: Path, two_levels: bool, spec: str) -> None:
    docs = [*again(DOCS[100:150]), *DOCS[150:200]]
    apart = part(folder / "apart", docs, parts, spec=spec)
    sources = parts
    if two_levels:
        merge(folder / "first", parts[:2])
        sources = [folder / "first", parts[2]]
    merge(folder / "merged", sources)
    together = part(folder / "together", docs, [folder / "merged"], spec=spec)
    assert corpus(together) == corpus(apart)
    assert fates(together) == fates(apart)
    assert any(old for _, old in fates(apart).values())
    assert not verify(str(together)).problems


@pytest.mark.parametrize("two_levels", [False, True])
def test_a_merged_index_answers_as_the_runs_do(parts: list[Path], tmp_path: Path, two_levels: bool) -> None:
    check_answers(parts, tmp_path, two_levels, SPEC)


@pytest.fixture
def many_objects(many_levels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of few documents, and many small pieces of keys, as an index of many runs has."""
    monkeypatch.setattr(planning, "LEAST_PARTITION", 1 << 9)
    monkeypatch.setattr(merging, "FILE_NUMBERS", 25)
    monkeypatch.setattr(merging, "PIECE_BYTES", 64)


@pytest.mark.slow
@pytest.mark.parametrize("two_levels", [False, True])
def test_many_files_and_pieces_make_no_difference(
    parts: list[Path], tmp_path: Path, many_objects: None, two_levels: bool
) -> None:
    check_answers(parts, tmp_path, two_levels, SPEC)
    merged = merge(tmp_path / "merged", [tmp_path / "first", parts[2]] if two_levels else parts)
    assert all(len(stage.numbers) > 3 and stage.segments > 2 and stage.pieces > 2 for stage in merged.stages)


def test_an_index_of_many_objects_can_be_merged_on(parts: list[Path], tmp_path: Path, many_objects: None) -> None:
    """Ranges of another index do not begin where its pieces do."""
    merge(tmp_path / "first", parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LEAST_PARTITION", 700)
        merge(tmp_path / "second", [tmp_path / "first"])
    keys = [keys_of(tmp_path / name) for name in ("first", "second")]
    assert keys[0] == keys[1]
    assert len(keys[0]) > 100


def keys_of(folder: Path) -> list[int]:
    merged = merged_or_none(open_store(str(folder)))
    assert merged is not None
    stage = merged.stage("exact_v2", "")
    rows = [piece_rows(open_store(str(folder)), stage, n, range(stage.pieces)) for n in range(stage.segments)]
    return sorted(key for segment in rows for table in segment for key in table.column("key").to_pylist())


@pytest.mark.slow
def test_an_index_on_s3_answers_as_one_on_disk(parts: list[Path], tmp_path: Path, s3_server: str) -> None:
    docs, answers = [*again(DOCS[100:130]), *DOCS[150:160]], []
    for out in (str(tmp_path / "merged"), f"{s3_server}/{uuid.uuid4().hex}"):
        merge(out, parts)
        new = part(tmp_path / str(len(answers)), docs, [out])
        answers.append((corpus(new), fates(new)))
    assert answers[0] == answers[1]


@pytest.mark.slow
@pytest.mark.parametrize("two_levels", [False, True])
def test_a_merged_index_of_near_duplicates_does_too(tmp_path: Path, two_levels: bool) -> None:
    parts = [part(tmp_path / str(n), DOCS[40 * n : 40 * n + 60], spec=NEAR) for n in range(3)]
    check_answers(parts, tmp_path, two_levels, NEAR)


@pytest.mark.parametrize("stop", ["1-documents", "2-erased", "3-keys", "01-url_dedup_v1/1-documents"])
def test_a_merge_that_was_stopped_goes_on_and_writes_the_same(parts: list[Path], tmp_path: Path, stop: str) -> None:
    def die(work: Work) -> None:
        if isinstance(work, PhaseWork) and folder_of(work.phase).endswith(stop):
            raise KeyboardInterrupt

    erased = [DOCS[3]["id"]]
    merge(tmp_path / "whole", parts[:2], erased)
    with pytest.raises(KeyboardInterrupt):
        merge(tmp_path / "cut", parts[:2], erased, HookedPool(before=die))
    assert not (tmp_path / "cut" / "index.json").exists()
    merge(tmp_path / "cut", parts[:2], erased)
    assert objects(tmp_path / "cut") == objects(tmp_path / "whole")
    with pytest.raises(ConfigError, match="a merge of something else"):
        merge(tmp_path / "cut", parts[:2])


@pytest.mark.parametrize("when", ["at once", "later"])
def test_erased_documents_leave_with_all_that_they_stood_for(parts: list[Path], tmp_path: Path, when: str) -> None:
    kept = {kept for _, kept, _ in removed(parts[0]).values() if kept}
    erased = [*sorted(kept & {i for i, _ in corpus(parts[0])})[:2], corpus(parts[0])[0][0]]
    gone = {*erased, *(i for i, (_, kept, _) in removed(parts[0]).items() if kept in erased)}
    assert len(gone) > len(erased)
    if when == "later":
        merge(tmp_path / "all", parts[:1])
    merged = merge(tmp_path / "merged", [tmp_path / "all"] if when == "later" else parts[:1], erased)
    assert [stage.documents for stage in merged.stages] != [stage.numbers[0] for stage in merged.stages]
    out = part(tmp_path / "new", again(DOCS[:60]), [tmp_path / "merged"])
    back = {i.removeprefix("again-") for i, _ in corpus(out)}
    assert back
    assert back <= gone
    assert not (tmp_path / "merged" / "merge.erased").exists()
    left = b"".join(objects(tmp_path / "merged").values())
    tables = [pq.read_table(path) for path in (tmp_path / "merged" / "index").rglob("*.parquet")]
    ids = {i for table in tables for name in ("id", "kept_id") for i in table.column(name).to_pylist()}
    assert not ids & set(erased)
    assert not any(i.encode() in left for i in erased)


def copied_part(source: Path, folder: Path, number: int) -> Path:
    """A part with as many other documents: a run whose keys and ids were replaced."""
    shutil.copytree(source, folder)
    for path in (folder / "index").rglob("*.parquet"):
        rows = pq.ParquetFile(path).read()
        for name in ("exact_v2.keys", "url_dedup_v1.keys"):
            if name in rows.column_names:
                column = rows.column(name).combine_chunks()
                keys = pc.add(column.flatten(), pa.scalar(number << 40, pa.uint64()))
                at = rows.schema.get_field_index(name)
                lists = pa.LargeListArray if pa.types.is_large_list(column.type) else pa.ListArray
                rows = rows.set_column(at, rows.schema.field(at), lists.from_arrays(column.offsets, keys))
        ids = pc.binary_join_element_wise(rows.column("id"), str(number), "-")
        pq.write_table(rows.set_column(0, rows.schema.field(0), ids), path, write_page_checksum=True)
    return folder


@pytest.mark.slow
def test_what_a_part_asks_for_does_not_grow_with_the_parts_before(tmp_path: Path) -> None:
    first = part(tmp_path / "first", DOCS[:40], shards=1)
    parts = [first, *(copied_part(first, tmp_path / f"copy-{n}", n) for n in range(1, 50))]
    docs, asked = [*again(DOCS[:10]), *DOCS[40:60]], {}
    for count in (1, 10, 50):
        assert merge(tmp_path / f"merged-{count}", parts[:count]).stages[0].documents == 40 * count
        with counted() as calls:
            out = part(tmp_path / f"new-{count}", docs, [tmp_path / f"merged-{count}"], shards=1)
        asked[count] = sum(calls.values())
        assert len(corpus(out)) <= 20
    assert asked[50] == asked[10] == asked[1]
    with counted() as calls:
        part(tmp_path / "apart", docs, parts[:10], shards=1)
    assert sum(calls.values()) > asked[10] + 3 * 10, "as runs, each part costs some requests"


class counted:
    """Counts the calls to stores."""

    def __enter__(self) -> Counter[str]:
        self._patch, calls = pytest.MonkeyPatch(), Counter[str]()
        for name in ("info", "get", "put", "put_new", "put_match", "open", "create", "delete", "list"):
            self._patch.setattr(LocalStore, name, self._counting(getattr(LocalStore, name), name, calls))
        return calls

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    @staticmethod
    def _counting(method: Any, name: str, calls: Counter[str]) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return method(*arguments, **named)

        return called


def test_what_cannot_be_merged_is_refused(parts: list[Path], tmp_path: Path) -> None:
    without_keys = tmp_path / "plain"
    ok(run("exact_v2", write_shards(DOCS[:5], tmp_path / "in", 1), without_keys))
    for sources, message in (
        ([*parts[:1], without_keys], "has keys of nothing"),
        ([tmp_path / "nothing"], "neither the output of a run nor a merged index"),
        ([parts[0], parts[0]], "named twice"),
    ):
        with pytest.raises(ConfigError, match=message):
            merge(tmp_path / "out", sources)
    with pytest.raises(ConfigError, match="is a run or a source itself"):
        merge(parts[0], parts[1:])
    assert not (tmp_path / "out").exists()


def test_who_needs_texts_or_other_keys_says_so(parts: list[Path], tmp_path: Path) -> None:
    merge(tmp_path / "merged", parts[:1])
    files = write_shards(DOCS[:5], tmp_path / "in", 1)
    for spec, setting, message in (
        ("substring_v2", "min_left=3", r"compares texts; name the runs.*substring_v2.index=\[\]"),
        ("minhash_v2", "preset=fineweb", r"has no keys of minhash_v2.*minhash_v2.index=\[\]"),
        ("exact_v2", "same=text", "keys with other parameters"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(spec, files, tmp_path / "out", f"{spec}.{setting}", index=[tmp_path / "merged"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "7"}, "another format"),
        ({"stages": [5]}, "was it written by hand"),
        ({"pieces": 1 << 40}, "out of range"),
        ({"segments": 0}, "out of range"),
        ({"numbers": [-1]}, "out of range"),
    ],
)
def test_an_index_file_that_cannot_be_right_is_refused(
    parts: list[Path], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    merge(tmp_path / "merged", parts[:1])
    path = tmp_path / "merged" / "index.json"
    plain = json.loads(path.read_text())
    (name,) = change
    (plain if name in plain else plain["stages"][0]).update(change)
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=message):
        merged_or_none(open_store(str(tmp_path / "merged")))


def test_a_merged_index_counts_for_those_who_come_again(tmp_path: Path) -> None:
    """A leaves for C, so B comes again; then it has the address of an old document."""
    page, site = "One two three four five six seven.", "https://site.example"
    old = [{"id": "old", "url": f"{site}/b", "text": "An old page."}]
    merge(tmp_path / "merged", [part(tmp_path / "old", old, shards=1)])
    docs = [{"id": name, "url": f"{site}/{name}", "timestamp": "2024-01-01T00:00:00Z", "text": page} for name in "ab"]
    docs.append({**docs[0], "id": "c", "timestamp": "2024-01-02T00:00:00Z", "text": "A newer page."})
    out = part(tmp_path / "new", docs, [tmp_path / "merged"], "exact_v2.keep=first")
    assert {name: kept for name, (_, kept, _) in removed(out).items()} == {"a": "c", "b": "old"}
    assert not verify(str(out)).problems


@pytest.mark.slow
def test_the_command_merges_and_leaves_out(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "erased.txt").write_text(f"{corpus(parts[0])[0][0]}\n\n")
    merge(tmp_path / "here", parts[:2], [corpus(parts[0])[0][0]])
    words = ("index", "merge", *parts[:2], tmp_path / "there", "--without", tmp_path / "erased.txt", "--workers", "1")
    assert "exact_v2: " in refinedweb(*words).stdout
    assert objects(tmp_path / "there") == objects(tmp_path / "here")
    assert "give at least one OUT" in refinedweb("index", "merge", parts[0], code=2).stderr
