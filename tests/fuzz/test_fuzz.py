"""Whatever bytes, addresses, recipes and arguments come: no crash, no hang, no traceback for a user's mistake.

`REFINEDWEB_FUZZ=50` tries fifty times as many cases as the default (`python -m pytest tests/fuzz`).
"""

# ruff: noqa: E501, PT017  (tables of strategies; most cases raise nothing)

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_targets import index, record_list
from refinedweb.cli import cli
from refinedweb.recipe import params
from refinedweb.recipe.load import _resolve, load_stages
from refinedweb.recipe.load import load as load_recipe
from refinedweb.sources import SourceOptions, open_reader
from refinedweb.sources.charset import decode
from refinedweb.sources.parts import parts_of
from refinedweb.sources.payload import decode_payload
from stages.base import build, registry
from stages.errors import ConfigError, RefinedWebError, ShardError
from stages.extract import Extract
from stages.kernels.buffers import utf8_views
from stages.schema import documents
from stages.urls.normalise import host_of, match_form, normalise_url
from tests.fuzz.arrow_files import check as check_tables
from tests.fuzz.arrow_files import tables
from tests.fuzz.parts import check as check_parts
from tests.fuzz.seeds import CUT, SEEDS, index_rows, record_places
from tests.refinedweb.sources.archives import http, rows_of, warc

TIMES = int(os.environ.get("REFINEDWEB_FUZZ", "1"))
SMALL = SourceOptions(max_bytes=5_000, batch_rows=7, batch_bytes=9_000)


def cases(number: int) -> Any:
    return settings(
        max_examples=number * TIMES, derandomize=TIMES == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )  # fmt: skip


# Readers ----------------------------------------------------------------------------------------------------------


EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.one_of(st.binary(max_size=40), st.sampled_from([b"\0" * 64, b"\r\n\r\n", b"WARC/1.0\r\n", b"PAR1", b"{" * 40]))),
    min_size=1, max_size=6,
)  # fmt: skip


def damaged(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """The data with pieces cut out and others put in."""
    for share, size, piece in edits:
        at = int(share * len(data))
        data = data[:at] + piece + data[at + size :]
    return data


def read(data: bytes, name: str) -> None:
    """All rows of the file (whose laws `rows_of` checks), or the one error that a reader may raise."""
    try:
        rows_of(open_reader(io.BytesIO(data), f"file.{name}", SMALL))
    except ShardError as error:
        assert f"file.{name}" in str(error)


@pytest.mark.parametrize("name", SEEDS)
@cases(60)
@given(edits=EDITS)
def test_readers_take_any_damage(name: str, edits: list[tuple[float, int, bytes]]) -> None:
    read(damaged(SEEDS[name], edits), name)


def test_parquet_metadata_that_pyarrow_does_not_survive() -> None:
    """Found by benchmarks/fuzz.py: asked for such a column (with a list of two under another field), pyarrow aborts."""
    data = SEEDS["parquet"].replace(b"\x3c\x16\x10\x19\x06", b"\x3c\x01\x00\x19\x06")
    assert data != SEEDS["parquet"]
    reader = open_reader(io.BytesIO(data), "file.parquet", SMALL)
    assert rows_of(reader) == []
    assert "histogram size mismatch" in reader.report.damage[0].error


@pytest.mark.parametrize("name", ["warc", "warc.gz", "warc.zst", "arc", "jsonl", "json", "csv", "parquet", "unknown"])
@cases(40)
@given(data=st.binary(max_size=400))
def test_readers_take_any_bytes(name: str, data: bytes) -> None:
    for start in (
        b"",
        b"WARC/1.0\r\n",
        b"\x1f\x8b\x08",
        b"(\xb5/\xfd",
        b"PAR1",
        b'{"text":',
        b"[",
        b"\xff\xfe[\0",
        b"text,url\n",
    ):
        read(start + data, name)


@pytest.mark.parametrize("name", CUT)
@cases(40)
@given(edits=EDITS, target=st.integers(100, 2_000))
def test_parts_take_any_damage(name: str, edits: list[tuple[float, int, bytes]], target: int) -> None:
    data, key = damaged(SEEDS[name], edits), f"file.{name}"
    try:
        check_parts(data, key, parts_of(io.BytesIO(data), key, len(data), target), SMALL)
    except ShardError as error:
        assert key in str(error)


@cases(50)
@given(given_tables=st.lists(tables(), min_size=1, max_size=3))
def test_sound_files_with_columns_of_any_type_are_read_whole(given_tables: list[pa.Table]) -> None:
    check_tables(given_tables)


@cases(80)
@given(edits=EDITS)
def test_lists_of_records_take_any_damage(
    edits: list[tuple[float, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    record_list(tmp_path_factory.getbasetemp())(damaged(record_places(), edits))


@cases(80)
@given(edits=EDITS)
def test_indexes_of_a_crawl_take_any_damage(
    edits: list[tuple[float, int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "index"
    folder.mkdir(exist_ok=True)
    index(folder)(damaged(index_rows(), edits))


@cases(150)
@given(body=st.binary(max_size=300), coding=st.text("gzipdeflatbrzstd, x-", max_size=20), chunked=st.booleans())
def test_payloads_take_any_bytes(body: bytes, coding: str, chunked: bool) -> None:
    fields = {"content-encoding": coding, "transfer-encoding": "chunked" if chunked else ""}
    for data in (body, b"3\r\n" + body, gzip.compress(body)[:-9] + body):
        payload = decode_payload(data, fields, 1000)
        assert payload.fault in (None, "cut", "large", "corrupt")
        decode(payload.body, coding).html.decode()
    rows_of(open_reader(io.BytesIO(warc(http(body, content_encoding=coding))), "x.warc", SMALL))


# Addresses --------------------------------------------------------------------------------------------------------

ADDRESS = st.one_of(st.text(max_size=80), st.text("htps:/.@[]%?#&=\\\0\t xn--ü１。", max_size=60))


@cases(400)
@given(tail=ADDRESS, scheme=st.sampled_from(["", "http://", "https://user@", "//", "http:\\\\", "data:"]))
def test_addresses_of_any_kind(tail: str, scheme: str) -> None:
    url = (scheme + tail).encode("utf-8", "replace").decode()
    once = normalise_url(url)
    assert once is None or normalise_url(once) == once
    host_of(url)
    match_form(url)
    docs = build("url_v1")(documents(url=[url, None], text=["a", "b"]))
    assert docs.num_rows == 2


# Pages and texts --------------------------------------------------------------------------------------------------

TAGS = st.sampled_from(["<p>", "</p>", "<table>", "<td colspan=99999>", "<!--", "-->", "<![CDATA[", "<script>", "&#0;", "&x;", "<a href='", "'>", "<svg>", "<math>", "<template>", "\0", "<body>", "</html>"])  # fmt: skip
PAGE = (
    st.lists(st.one_of(TAGS, st.text(max_size=20)), max_size=30)
    .map("".join)
    .map(lambda t: t.encode("utf-8", "replace"))
)


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
@cases(15)
@given(pages=st.lists(st.one_of(PAGE, st.binary(max_size=200)), min_size=1, max_size=20))
def test_the_html_child_takes_any_page(engine: Any, pages: list[bytes]) -> None:
    found = Extract(engine=engine)(documents(html=pages))
    assert found.num_rows == len(pages)
    reasons = set(found.column("drop").to_pylist())
    assert reasons <= {None, "no_main_text", "unparsable_html"}, reasons


LOCAL = ("quality_v1", "repetition_v1", "lines_v1", "pii_v1", "c4_v1", "fineweb_v1", "c4_v2", "fineweb_v2", "exact_v1", "minhash_v1", "paragraph_v1", "substring_v1", "exact_v2", "minhash_v2", "paragraph_v2", "substring_v2")  # fmt: skip


@cases(60)
@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=8), seed=st.integers(0, 2**32 - 1), high=st.booleans())
def test_kernels_take_any_bytes_in_a_string_column(lengths: list[int], seed: int, high: bool) -> None:
    """Bytes that are no UTF-8 cannot come from a reader; a kernel must not leave its buffers even then."""
    load_stages()
    ends = np.cumsum([0, *lengths]).astype(np.int32)
    data = np.random.default_rng(seed).integers(128 if high else 0, 256, int(ends[-1]), np.uint8)
    buffers = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(data.tobytes())]
    text = pa.StringArray.from_buffers(len(lengths), buffers[1], buffers[2])
    docs = documents(text=[""] * len(lengths))
    docs = docs.set_column(docs.schema.get_field_index("text"), "text", text)
    utf8_views(docs.column("text"))
    for name in ("quality_v1", "repetition_v1"):
        assert build(name)(docs).num_rows == len(lengths)


@cases(40)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=6), times=st.integers(1, 40))
def test_every_local_stage_takes_any_text(texts: list[str], times: int) -> None:
    load_stages()
    docs = documents(text=[text.encode("utf-8", "replace").decode() * times for text in texts])
    for name in LOCAL:
        assert build(name)(docs).num_rows == len(texts)


# Recipes and arguments --------------------------------------------------------------------------------------------

load_stages()
FIELDS = sorted({field for cls in registry().values() for field in cls.__dataclass_fields__} - {"name"})
VALUE = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.text(max_size=12), st.just("\0"),
    st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3)), max_size=3), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
RAW = st.dictionaries(
    st.sampled_from(["name", "description", "run", "source", "stage", "stages", "x"]),
    st.one_of(
        VALUE,
        st.dictionaries(st.sampled_from(["limit", "keep_removed", "max_bytes", "batch_rows", "statuses", "x"]), VALUE),
        st.lists(st.one_of(VALUE, st.dictionaries(st.sampled_from(["name", *FIELDS]), VALUE), st.fixed_dictionaries({"name": st.sampled_from(sorted(registry()))}, optional=dict.fromkeys(FIELDS, VALUE))), max_size=3),
    ),
)  # fmt: skip


@cases(300)
@given(raw=RAW)
def test_a_recipe_of_anything_loads_or_is_refused_with_a_message(raw: dict[str, Any]) -> None:
    try:
        _resolve(raw, ())
    except RefinedWebError as error:
        assert str(error)


@cases(200)
@given(text=st.text(max_size=80), override=st.text("stage.param=[]\"'\\0,urlvq_1", max_size=30))
def test_toml_and_overrides_of_anything(text: str, override: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, encoding="utf-8", errors="replace")
    for spec, overrides in ((str(file), []), ("refinedweb", [override]), (text, [])):
        try:
            load_recipe(spec, overrides)
        except RefinedWebError as error:
            assert str(error)
    params.parse(text)


@pytest.mark.parametrize("value", ["[" * 5_000, "9" * 5_000, "{a=" * 2_000], ids=["brackets", "digits", "tables"])
def test_values_that_end_the_toml_parser(value: str, tmp_path: Path) -> None:
    assert params.parse(value) == value
    file = tmp_path / "deep.toml"
    file.write_text(f"x = {value}")
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*deep\.toml"):
        load_recipe(str(file))


WORD = st.one_of(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12),
    st.sampled_from(["--json", "--limit", "-n", "--set", "--stage", "--recipe", "--schema", "falcon", "-1", "1e9", "--help", "exact_v1", "quality_v1", "/nonexistent", "s3://", "--import", "os", "--index", "--workers", "0"]),
)  # fmt: skip
COMMANDS = ["status", "verify", "inspect", "explain", "stages", "export", "run", "nonsense", ""]


@cases(250)
@given(command=st.sampled_from(COMMANDS), words=st.lists(WORD, max_size=5))
def test_arguments_of_anything(
    command: str, words: list[str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the errors that the command line shows as a message. None of these words names a file that is there."""
    folder = tmp_path_factory.getbasetemp() / "empty"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli, [command, *words], input=b"")
    shown = done.exception is None or isinstance(done.exception, SystemExit | RefinedWebError | OSError)
    assert shown, (command, words, done.exception)
