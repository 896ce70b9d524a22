"""What `benchmarks.fuzz` tries with an input, for each of its targets, and valid inputs to start from."""

# ruff: noqa: PT017  (most cases raise nothing)

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

Try = Callable[[bytes], None]


def reader(name: str) -> Try:
    """A reader gives rows for which the laws hold, or raises the one error that it may raise."""
    from refinedweb.sources import SourceOptions, open_reader
    from stages.errors import ShardError
    from tests.refinedweb.sources.archives import rows_of

    options = SourceOptions(max_bytes=5_000, batch_rows=7, batch_bytes=9_000)

    def read(data: bytes) -> None:
        try:
            rows_of(open_reader(io.BytesIO(data), f"file.{name}", options))
        except ShardError as error:
            assert f"file.{name}" in str(error)

    return read


def payload() -> Try:
    """Decoding a payload names one of the known faults or none."""
    from refinedweb.sources.payload import decode_payload

    def decode(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        coding, _, transfer = head.decode("latin-1").partition(";")
        found = decode_payload(body, {"content-encoding": coding, "transfer-encoding": transfer}, 10_000)
        assert found.fault in (None, "cut", "large", "corrupt")

    return decode


def charset() -> Try:
    """Decoding a page gives UTF-8."""
    from refinedweb.sources.charset import decode

    def read(data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        found = decode(body, head.decode("latin-1") or None)
        found.html.decode()
        assert found.garbage >= 0

    return read


def extractor(name: Any) -> Try:
    """Does what the extraction child does with a page, in this process, so that coverage is seen. A library's exception
    is a finding.
    """
    from stages.extraction.engines import ExtractionSettings, Unparsable, engine

    extract = engine(ExtractionSettings(engine=name))

    def page(data: bytes) -> None:
        try:
            text, images = extract(data, "https://example.org/a/b")
        except Unparsable:
            return
        text.encode()
        assert "\n\n\n" not in text
        assert all(url.startswith(("http://", "https://")) for url, _ in images)

    return page


def url() -> Try:
    """Normalising a URL twice changes nothing."""
    from stages.urls.normalise import host_of, match_form, normalise_url

    def address(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        once = normalise_url(text)
        assert once is None or normalise_url(once) == once, once
        host_of(text)
        match_form(text)

    return address


def recipe() -> Try:
    """A recipe, with its assets, loads or is refused with a message, and leaves nothing next to them."""
    from refinedweb.recipe import params
    from refinedweb.recipe.load import load as load_recipe
    from refinedweb.recipe.load import load_stages
    from stages.errors import RefinedWebError

    load_stages()
    folder = Path(tempfile.mkdtemp())
    os.environ["REFINEDWEB_CACHE"] = str(folder / "cache" / "private")
    os.chdir(folder)
    Path("words").mkdir()
    Path("words", "en.txt").write_text("the\nof\n")
    file = Path("any.toml")

    def load(data: bytes) -> None:
        params.parse(data.decode("utf-8", "replace"))
        file.write_bytes(data.replace(b"s3://", b"s4://"))  # there is no network to be waited for
        try:
            load_recipe(str(file))
        except RefinedWebError as error:
            assert str(error)
        assert {path.name for path in folder.iterdir()} <= {"any.toml", "words", "cache"}
        assert [path.name for path in Path("words").iterdir()] == ["en.txt"]

    return load


def run_folder() -> Try:
    """Whatever one file of a run says, each view ends with a message. The first byte chooses the file."""
    metadata.entry_points = cache(metadata.entry_points)  # every command asks what is installed
    from tests.fuzz.run_folders import QUICK, VIEWS, attempt, made

    folder = Path(tempfile.mkdtemp())
    os.environ["REFINEDWEB_CACHE"] = str(folder / "cache")
    sound, tried = made(folder), Path(tempfile.mkdtemp())

    def look(data: bytes) -> None:
        views = QUICK if len(data) % 8 else VIEWS  # charts take ten times as long as all the others
        assert (found := attempt(sound, tried, data[0] if data else 0, data[1:], views)) == [], found

    return look


def model(name: str) -> Try:
    """A model file scores, or is refused by name. With NUMBA_BOUNDSCHECK=1, no kernel reads outside of it."""
    from classifiers.fasttext_files.model_file import UnsupportedModel
    from tests.security import models

    score = {"label": models.score_label, "language": models.score_language}[name]
    file = Path(tempfile.mkdtemp(), "model")

    def load(data: bytes) -> None:
        file.write_bytes(data)
        try:
            score(file)
        except UnsupportedModel as error:
            assert str(error)

    return load


def shuffle_object() -> Try:
    """A piece with a right checksum is a sound table of the schema, or is refused."""
    from refinedweb.dedup.shuffle import Damaged
    from tests.security.test_files import SCHEMA, forged, tables_of

    folder = Path(tempfile.mkdtemp())

    def read(data: bytes) -> None:
        try:
            (found,) = tables_of(folder, forged([(0, 10, data)]))
        except Damaged as error:
            assert str(error)
        else:
            assert found.schema == SCHEMA
            found.to_pylist()

    return read


def record_list(folder: Path | None = None) -> Try:
    """A list of records gives rows for which the laws hold, whatever it says of the files that it names."""
    from refinedweb.sources import SourceOptions, open_reader
    from stages.errors import ShardError
    from tests.fuzz.seeds import SEEDS
    from tests.refinedweb.sources.archives import rows_of

    folder = folder or Path(tempfile.mkdtemp())
    (folder / "x.warc.gz").write_bytes(SEEDS["warc.gz"])
    options = SourceOptions(max_bytes=5_000, batch_rows=7, batch_bytes=9_000, warc_base=str(folder))

    def read(data: bytes) -> None:
        if b"://" in data:  # there is no network to be waited for
            return
        try:
            rows_of(open_reader(io.BytesIO(data), "file.parquet", options))
        except ShardError as error:
            assert str(error)

    return read


def index(folder: Path | None = None) -> Try:
    """A file of a crawl's index gives places, or is refused by name."""
    from refinedweb.select.query import page_query
    from refinedweb.select.scan import IndexCost, index_files, places
    from stages.errors import ConfigError

    folder = folder or Path(tempfile.mkdtemp())
    query = page_query(["is"], ["example.org"], ["org"], ["/*"], [], [])

    def scan(data: bytes) -> None:
        (folder / "x.parquet").write_bytes(data)
        try:
            for table in places(index_files(str(folder), []), query, IndexCost()):
                table.to_pylist()
        except ConfigError as error:
            assert str(folder) in str(error)

    return scan


def parts() -> Try:
    """The parts of a file follow each other, and those of lines have the rows of the file."""
    from refinedweb.sources.parts import parts_of
    from stages.errors import ShardError
    from tests.fuzz.arrow_files import SMALL
    from tests.fuzz.parts import check

    def cut(data: bytes) -> None:
        for key, target in (("file.jsonl", 150), ("file.warc.gz", 900)):
            try:
                check(data, key, parts_of(io.BytesIO(data), key, len(data), target), SMALL)
            except ShardError as error:
                assert key in str(error)

    return cut


def layouts() -> Try:
    """Random JSON is read alike from lines, arrays and indented text. The input decides what is random."""
    from tests.refinedweb.sources.test_json_files import test_any_values_are_framed_alike

    return _driven(test_any_values_are_framed_alike)


def columns() -> Try:
    """Tables of any types are read whole and go into one schema. The input decides what is random."""
    from hypothesis import given
    from hypothesis import strategies as st

    from tests.fuzz.arrow_files import check, tables

    return _driven(given(st.lists(tables(), min_size=1, max_size=3))(check))


def _driven(test: Any) -> Try:
    run: Try = test.hypothesis.fuzz_one_input
    return run


def target(name: str) -> Try:
    """What a target tries with an input."""
    made: dict[str, Callable[[], Try]] = {"payload": payload, "charset": charset, "url": url, "recipe": recipe}
    made |= {"shuffle": shuffle_object, "run": run_folder, "list": record_list, "index": index, "parts": parts}
    made |= {"layouts": layouts, "columns": columns}
    if name in ("trafilatura", "resiliparse"):
        return extractor(name)
    if name in ("label", "language"):
        return model(name)
    return made[name]() if name in made else reader(name)


def seeds(name: str) -> list[bytes]:
    """Valid inputs to start from."""
    from refinedweb import sample
    from refinedweb.recipe.load import SHIPPED
    from tests.faults.poison import PAGES
    from tests.fuzz.run_folders import contents
    from tests.fuzz.seeds import ASSETS, CUT, SEEDS, index_rows, record_places
    from tests.refinedweb.sources.archives import http
    from tests.security import models
    from tests.security.test_files import piece

    readers = [data for kind, data in SEEDS.items() if name in kind.split(".")]
    pages = [make()[:2000] for make in PAGES.values()]
    found = {
        "payload": [b"gzip;chunked\n3\r\nabc\r\n0\r\n\r\n", b"br;\n\x0b\x02\x80abc\x03", b"deflate, gzip;\nabc"],
        "charset": [b"utf-8\n<p>a\xe2\x82\xac", b"shift_jis\n<meta charset=euc-jp>\xa4\xa2", b"\n\xff\xfea\0", *pages],
        "trafilatura": pages,
        "resiliparse": pages,
        "url": [b"http://u@example.org:80/a/../b?utm_source=x#y", "https://bücher.example/ü".encode(), b"//[::1]/%41"],
        "recipe": [*(path.read_bytes() for path in SHIPPED.glob("*.toml")), *ASSETS],
        "run": contents() if name == "run" else [],
        "label": [models.MODELS[kind][0]() for kind in ("norms", "word n-grams")],
        "language": [models.MODELS[kind][0]() for kind in ("softmax", "tree", "pruned")],
        "parts": [data for kind, data in SEEDS.items() if kind in CUT],
        "list": [record_places()],
        "index": [index_rows()],
        "layouts": [bytes(range(256)) * 4, b"\0" * 500],
        "columns": [bytes(range(256)) * 4, b"\0" * 500],
        "shuffle": [piece(Path(tempfile.mkdtemp()))],
    }
    return readers or found.get(name) or [http(), sample.crawl_files()[0].read_bytes()[:5000]]
