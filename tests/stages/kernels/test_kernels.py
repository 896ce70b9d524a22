"""The basis of the kernels: views of Arrow columns, tables of code points, decoding, splitting, safety on bad bytes."""

from __future__ import annotations

import importlib
import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.kernels import jit
from classifiers.kernels.jit import digest_of, kernel
from classifiers.kernels.utf8 import decode
from classifiers.patches import name_cache
from stages.kernels import classes, words
from stages.kernels.buffers import utf8_views
from stages.kernels.classes import flags_of, folded, tables
from stages.kernels.fineweb import measure_fineweb
from stages.kernels.quality import measure_quality, stop_slots
from stages.kernels.quality_counts import COUNTS
from stages.kernels.repetition import MEASURES, measure_repetition
from stages.kernels.words import new_words, split_words
from tests.stages import oracle
from tests.stages.texts import texts

# All that Unicode assigns, and a sample of the private and unassigned planes.
POINTS = (*range(0xD800), *range(0xE000, 0x34000), *range(0x34000, 0xE0000, 61), *range(0xE0000, 0xE1000), 0x10FFFF)
EVERY_CHARACTER = list(map(chr, POINTS))
TYPES = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]
EVERY_END = np.ones(0x110000, np.bool_)
rows = st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=12)


def read(column: pa.Array | pa.ChunkedArray) -> list[bytes]:
    offsets, data = utf8_views(column)
    return [data[a:b].tobytes() for a, b in pairwise(offsets)]


def expected(values: list[str | None]) -> list[bytes]:
    return [(value or "").encode() for value in values]


@given(rows, st.sampled_from(TYPES), st.integers(0, 3), st.integers(0, 3))
def test_views_read_what_the_column_holds(values: list[str | None], kind: pa.DataType, before: int, after: int) -> None:
    array = pa.array([None if value is None else value.encode() for value in values], pa.binary()).cast(kind)
    part = array[before : max(before, len(values) - after)]
    assert read(part) == expected(values[before : max(before, len(values) - after)])
    assert read(pa.chunked_array([part, array, array[:0]], kind)) == read(part) + read(array)


@pytest.mark.parametrize(
    "column", [pa.nulls(3), pa.array(["a", None, "b"]).dictionary_encode(), pa.chunked_array([], pa.string())]
)
def test_views_of_other_encodings(column: pa.Array | pa.ChunkedArray) -> None:
    assert read(column) == expected(column.to_pylist())


def test_a_null_row_is_empty_even_if_it_hides_bytes() -> None:
    whole = pa.array(["seen", "hidden", "seen"])
    validity = pa.array([True, False, True]).buffers()[1]
    array = pa.Array.from_buffers(pa.string(), 3, [validity, *whole.buffers()[1:]])
    assert array.to_pylist() == ["seen", None, "seen"]
    assert read(array) == [b"seen", b"", b"seen"]


def test_views_are_of_one_type_and_copy_no_text() -> None:
    array = pa.chunked_array([["some text", "more"]])
    offsets, data = utf8_views(array.slice(1))
    assert offsets.dtype == np.int64
    assert data.dtype == np.uint8
    assert not offsets.flags.writeable
    assert not data.flags.writeable
    assert data.ctypes.data == array.chunk(0).buffers()[2].address


def test_views_refuse_other_columns() -> None:
    with pytest.raises(TypeError, match="column of text or bytes, got int64"):
        utf8_views(pa.array([1]))


@pytest.mark.parametrize(
    ("flag", "holds"),
    [
        (classes.SPACE, str.isspace),
        (classes.LETTER, str.isalpha),
        (classes.DIGIT, str.isdecimal),
        (classes.MARK, lambda c: unicodedata.category(c)[0] == "M"),
        (classes.NUMBER, lambda c: unicodedata.category(c)[0] == "N"),
        (classes.PUNCTUATION, lambda c: unicodedata.category(c)[0] == "P"),
        (classes.SYMBOL, lambda c: unicodedata.category(c)[0] == "S"),
        (classes.UPPER, lambda c: unicodedata.category(c) in ("Lu", "Lt")),
        (classes.LOWER, lambda c: unicodedata.category(c) == "Ll"),
        (classes.LINE_BREAK, lambda c: len(f"a{c}b".splitlines()) == 2),
    ],
)
def test_classes_are_pythons(flag: int, holds: object) -> None:
    table = tables()
    points = np.array([ord(character) for character in EVERY_CHARACTER])
    found = table.flags[table.page[points >> 8], points & 255] & flag != 0
    assert found.tolist() == list(map(bool, map(holds, EVERY_CHARACTER)))  # type: ignore[call-overload]


def test_scripts_without_spaces() -> None:
    table = tables()
    unspaced = {c for c in "aяא한ß。1中々ぁヶ゙ｶไກ។ខကབ𠀀𱍊" if flags_of(table, ord(c)) & classes.UNSPACED}
    assert unspaced == set("中々ぁヶｶไກខကབ𠀀𱍊")


def test_folding_is_lower_case_one_for_one() -> None:
    table = tables()
    points = np.array([ord(character) for character in EVERY_CHARACTER])
    found = points + table.fold[table.fold_page[points >> 8], points & 255]
    one_for_one = [character.lower()[0].replace("ς", "σ") for character in EVERY_CHARACTER]
    assert found.tolist() == [ord(character) for character in one_for_one]
    assert chr(folded(table, ord("Ж"))) == "ж"


def test_sentence_ends_of_many_scripts() -> None:
    ends = set(map(chr, classes.sentence_ends()))
    assert set(".!?。！？।۔።։؟") <= ends
    assert not ends & set(",;:…”)\"'")


def test_decoding_every_plane() -> None:
    for character in [
        *EVERY_CHARACTER[::997],
        "\0",
        "\x7f",
        "\x80",
        "\u07ff",
        "\u0800",
        "\ud7ff",
        "\ue000",
        "\U0010ffff",
    ]:
        encoded = np.frombuffer(character.encode() + b"\x80", np.uint8)
        assert decode(encoded, 0) == (ord(character), len(character.encode()))


@pytest.mark.parametrize(
    "wrong",
    [b"\x80", b"\xc0\x80", b"\xc3", b"\xe2\x82", b"\xe2\x28\xa1", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xff"],
)
def test_bytes_that_are_not_utf8_are_one_replacement_each(wrong: bytes) -> None:
    assert decode(np.frombuffer(wrong, np.uint8), 0) == (0xFFFD, 1)


def words_of(text: str, unspaced: bool) -> list[str]:
    data = text.encode()
    out = new_words(len(data))
    words, _, characters = split_words(np.frombuffer(data, np.uint8), tables(), unspaced, out)
    assert characters == len(text)
    return [data[a:b].decode() for a, b in zip(out.start[:words], out.end[:words], strict=True)]


@given(texts, st.booleans())
def test_words_are_those_of_plain_python(text: str, unspaced: bool) -> None:
    assert words_of(text, unspaced) == oracle.words_of(text, unspaced)


def test_letters_of_scripts_without_spaces_are_words() -> None:
    split = ["我", "爱", "NLP。", "で", "す\u3099", "か", "ก", "ำ", "ลั", "ง", "한국어"]
    assert words_of("我爱NLP。です\u3099か กำลัง 한국어", True) == split
    assert words_of("我爱NLP。です\u3099か กำลัง 한국어", False) == ["我爱NLP。です\u3099か", "กำลัง", "한국어"]


random_bytes = st.lists(st.binary(max_size=40), max_size=4)


@given(random_bytes, st.booleans(), st.booleans())
def test_random_bytes_are_measured(documents: list[bytes], other: bool, unspaced: bool) -> None:
    column = pa.chunked_array([pa.array(documents, pa.binary())])
    stops, rows = np.stack([stop_slots(("the",))]), np.zeros(len(documents), np.int64)
    repetition = measure_repetition(column, other, unspaced)
    quality = measure_quality(column, stops, rows, other, unspaced)
    fineweb = measure_fineweb(column, EVERY_END, 30, unspaced)
    assert np.isfinite(repetition).all()
    assert (repetition >= 0).all()
    assert (quality >= 0).all()
    assert (fineweb >= 0).all()
    alone = [measure_repetition(column[row : row + 1], other, unspaced) for row in range(len(documents))]
    assert np.array_equal(np.concatenate([np.zeros((0, len(MEASURES))), *alone]), repetition)
    assert len(COUNTS) == quality.shape[1]


def test_a_kernel_without_a_place_for_its_cache_still_compiles() -> None:
    names: dict[str, object] = {}
    exec(compile("def double(x): return 2 * x", "<nowhere>", "exec"), names)
    assert kernel(names["double"])(21) == 42  # type: ignore[type-var, operator]


def test_the_cache_belongs_to_all_sources_of_a_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's machine code includes that of functions it calls: if their file changes, the cache's name does."""
    assert digest_of(Path(words.__file__)) in split_words._cache._cache_file._index_name  # type: ignore[attr-defined]
    package = tmp_path / "called"
    package.mkdir()
    sources = {"__init__": "", "deep": "LEVEL = 3", "near": "from called.deep import LEVEL", "unrelated": "x = 1"}
    sources["kernels"] = "from called import (\n    near,\n)\n"
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(jit, "OURS", (*jit.OURS, "called"))
    importlib.import_module("called.kernels")

    def digest() -> str:
        jit._source.cache_clear()
        return digest_of(package / "kernels.py")

    before = digest()
    (package / "unrelated.py").write_text("x = 2")
    assert digest() == before
    (package / "deep.py").write_text("LEVEL = 4")
    assert digest() != before


def test_another_cache_of_numba_is_refused_with_a_message() -> None:
    with pytest.raises(ImportError, match=r"numba .* keeps its cache in another way .*install numba"):
        name_cache(object(), "digest")
