"""Poison costs only itself: one document each, within its deadline, with a reason, and no document around it."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refinedweb import sample
from refinedweb.views.verify import verify
from stages.extract import Extract
from stages.schema import documents
from tests.conftest import ROOT
from tests.faults.poison import BEYOND_BELIEF, PAGES, RECORDS, SENTENCE, TEXTS, member, record
from tests.refinedweb.engine.inline import ok, rows_of, run, write_shards

FIRST = 100
KINDS = {f"00000000-0000-0000-0000-{n:012d}": name for n, name in enumerate([*PAGES, *RECORDS], FIRST)}
STRANGE_ID = "an id that climbs"
PEAK = 1536 << 20
RUN = """
import sys
from pathlib import Path
from refinedweb import sample
from tests.refinedweb.engine.inline import run
settings = [f"url_v1.blocklist={sample.blocklist()}", "minhash_v1.preset=fineweb"]
settings += ["extract_v1.deadline_seconds=0.5"]
for file, out in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    result = run("refinedweb", [Path(file)], out, *settings)
    assert not result.failed, result.failed
"""

# What must become of a kind that is not left to the recipe: its reason, or several possible ones.
FATES = {
    "nested tables": {"extract_timeout", "no_main_text"},
    "bytes that are not UTF-8": {"undecodable_payload"},
    "half surrogates in UTF-16": {"undecodable_payload"},
    "UTF-16 of odd length": {"undecodable_payload"},
    "NUL bytes": {"undecodable_payload"},
    "200 MB text node": {"too_large"},
    "gzip bomb": {"too_large"},
    "gzip bomb in gzip": {"too_large"},
    "brotli bomb": {"too_large"},
    "deflate bomb": {"too_large"},
    "endless chunk": {"truncated_record"},
    "length too short": {"truncated_record"},
    "length too long": {"truncated_record"},
    "length of a petabyte": {"truncated_record"},
    "length of 200 digits": {"invalid_record"},
    "length of -1": {"invalid_record"},
    "length in letters": {"invalid_record"},
}


def members(path: Path) -> Iterator[bytes]:
    """The packed records of a WARC file, one by one."""
    data = path.read_bytes()
    while data:
        unpacker = zlib.decompressobj(31)
        unpacker.decompress(data)
        yield data[: len(data) - len(unpacker.unused_data)]
        data = unpacker.unused_data


def write_input(path: Path, *, poisoned: bool) -> Path:
    """The first sample WARC, optionally with poison after each of its first records."""
    kinds = iter(enumerate([*PAGES, *RECORDS], FIRST) if poisoned else ())
    with path.open("wb") as file:
        for clean in members(sample.crawl_files()[0]):
            file.write(clean)
            for number, name in (pair for pair in [next(kinds, None)] if pair is not None):
                file.writelines(member(record(name, number)))
        if poisoned:
            file.writelines(member([BEYOND_BELIEF]))
    assert next(kinds, None) is None, "the sample is too short for all the poison"
    return path


def fates(out: Path) -> dict[str, list[tuple[str | None, str | None]]]:
    """(reason, text) of every row of a run, by id."""
    found: dict[str, list[tuple[str | None, str | None]]] = {}
    rows = [(row["drop"], row) for folder in sorted(out.glob("*/removed")) for row in rows_of(folder, ".")]
    for reason, row in [*rows, *((None, row) for row in rows_of(out, "corpus"))]:
        found.setdefault(row["id"], []).append((reason, row["text"]))
    return found


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The whole recipe over clean pages, and over the same with poison between them.

    Both run in another process, so that the peak of memory is theirs.
    """
    folder = tmp_path_factory.mktemp("poison")
    clean = write_input(folder / "clean.warc.gz", poisoned=False), folder / "clean"
    poisoned = write_input(folder / "poisoned.warc.gz", poisoned=True), folder / "poisoned"
    call = [sys.executable, "-c", RUN, *clean, *poisoned]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return clean[1], poisoned[1]


def first_record(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "00-filter/manifest/000000.json").read_bytes())
    return loaded


@pytest.mark.slow
def test_every_kind_of_poison_costs_one_document_with_its_reason(outs: tuple[Path, Path]) -> None:
    clean, poisoned = fates(outs[0]), fates(outs[1])
    strange = [key for key in poisoned if key not in clean and key not in KINDS]
    assert len(strange) == 1, "the id of 60 kB was replaced by a hash"
    assert len(strange[0]) == 32
    by_kind = {KINDS[key]: poisoned[key] for key in KINDS if key in poisoned} | {STRANGE_ID: poisoned[strange[0]]}
    assert by_kind.keys() == {*PAGES, *RECORDS}
    assert {name: len(rows) for name, rows in by_kind.items() if len(rows) != 1} == {}
    wrong = {name: by_kind[name][0][0] for name, reasons in FATES.items() if by_kind[name][0][0] not in reasons}
    assert wrong == {}


@pytest.mark.slow
def test_the_documents_around_poison_fare_as_without_it(outs: tuple[Path, Path]) -> None:
    clean, poisoned = fates(outs[0]), fates(outs[1])
    assert len(clean) > 60
    assert any(rows == [(None, text)] for rows in clean.values() for _, text in rows), "some are kept"
    assert {key: poisoned.get(key) for key in clean} == clean


@pytest.mark.slow
def test_the_ledger_holds_and_memory_stays_bounded(outs: tuple[Path, Path]) -> None:
    for out in outs:
        assert verify(str(out), quick=False).problems == []
    record = first_record(outs[1])
    places = [place["error"] for place in record["damage"]]
    assert any("whose header does not end" in error for error in places), places
    assert record["peak_memory"] < PEAK
    assert first_record(outs[0])["damage"] == []


GLOBAL = ("exact_v1", "minhash_v1", "paragraph_v1", "substring_v1", "url_dedup_v1")
LOCAL = ("repetition_v1", "quality_v1", "lines_v1", "pii_v1", "c4_v1", "fineweb_v1", "language_v1")


@pytest.fixture(scope="module")
def hostile_texts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every hostile text twice, short and long, and an empty one, in two shards."""
    made = [(f"{name} {scale} {k}", make(scale)) for name, make in TEXTS.items() for scale in (1, 40) for k in range(2)]
    docs = [{"id": name, "url": f"http://example.org/{name}", "text": text} for name, text in made]
    return write_shards([*docs, {"id": "empty", "text": ""}], tmp_path_factory.mktemp("texts") / "in", 2)


WORDLESS = "Unicode spaces"


@pytest.mark.parametrize("steps", [*GLOBAL, ",".join(LOCAL)])
def test_hostile_texts_go_through_every_step(steps: str, hostile_texts: list[Path], tmp_path: Path) -> None:
    result = ok(
        run(steps, hostile_texts, tmp_path / "out", *(["minhash_v1.preset=fineweb"] if "minhash" in steps else []))
    )
    total = 4 * len(TEXTS) + 1
    assert result.totals.rows_in == total
    found = fates(tmp_path / "out")
    assert len(found) == total
    assert all(len(rows) == 1 for rows in found.values())
    assert verify(str(tmp_path / "out"), quick=False).problems == []
    if steps in ("exact_v1", "minhash_v1"):  # no text that has a word is so odd that its copy escapes
        kept = {name: sum(found[f"{name} 40 {k}"][0][0] is None for k in range(2)) for name in TEXTS}
        assert {name for name, copies in kept.items() if copies > 1} == {WORDLESS}


@pytest.mark.slow
def test_pages_of_poison_do_the_engine_blocks_no_harm() -> None:
    """In this process, between good pages, which are extracted as always."""
    good = b"<html><body><h1>Dogs</h1>" + b"".join(b"<p>%d. %s</p>" % (n, SENTENCE.encode()) for n in range(5))
    pages = [html for make in PAGES.values() for html in (good, make().decode("utf-8", "replace").encode())]
    rows = Extract(engine="blocks")(documents(html=pages, url=["https://example.org/"] * len(pages))).to_pylist()
    assert {row["text"] for row in rows[::2]} == {rows[0]["text"]}
    assert SENTENCE.strip() in rows[0]["text"]
    for name, row in zip(PAGES, rows[1::2], strict=True):
        assert (row["text"] is None) == (row["drop"] is not None), name
        assert row["drop"] in (None, "no_main_text", "unparsable_html"), name
