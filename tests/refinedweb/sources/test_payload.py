"""Transfer and content codings of HTTP payloads, as declared and as they really are."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from refinedweb.sources.payload import dechunk, decode_payload, is_binary, is_markup
from tests.examples import examples

PAGE = b"<!doctype html><html><body>" + b"<p>some text that repeats</p>" * 50 + b"</body></html>"
LIMIT = 100_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


CODED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def chunked(data: bytes, size: int = 100, end: bytes = b"0\r\n\r\n", line: bytes = b"\r\n") -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x" % len(piece) + line + piece + line for piece in pieces) + end


def decoded(body: bytes, limit: int = LIMIT, **fields: str) -> tuple[bytes, str | None]:
    payload = decode_payload(body, {name.replace("_", "-"): value for name, value in fields.items()}, limit)
    return payload.body, payload.fault


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("transfer", [False, True])
def test_codings_are_undone(coding: str, transfer: bool) -> None:
    body = CODED[coding](PAGE)
    if transfer:
        assert decoded(chunked(body), content_encoding=coding, transfer_encoding="chunked") == (PAGE, None)
    else:
        assert decoded(body, content_encoding=coding) == (PAGE, None)


@pytest.mark.parametrize("coding", CODED)
def test_a_coding_that_was_undone_before_is_not_undone_again(coding: str) -> None:
    assert decoded(PAGE, content_encoding=coding, transfer_encoding="chunked") == (PAGE, None)


@pytest.mark.parametrize("field", ["", "none", "identity", "utf-8", "UTF-8", "text/html", "gzip, nonsense"])
def test_gzip_is_known_by_its_bytes_whatever_the_header_says(field: str) -> None:
    assert decoded(gzip.compress(PAGE), content_encoding=field) == (PAGE, None)
    assert decoded(gzip.compress(gzip.compress(PAGE)), content_encoding=field) == (PAGE, None)


def test_several_codings_are_undone_in_order() -> None:
    assert decoded(gzip.compress(brotli.compress(PAGE)), content_encoding="br, gzip") == (PAGE, None)
    assert decoded(gzip.compress(PAGE[:500]) + gzip.compress(PAGE[500:]), content_encoding="gzip") == (PAGE, None)


@pytest.mark.parametrize("coding", CODED)
def test_the_limit_holds_for_every_coding(coding: str) -> None:
    body, fault = decoded(CODED[coding](b"<p>" + bytes(4_000_000)), limit=1000, content_encoding=coding)
    assert fault == "large"
    assert len(body) == 1001
    assert decoded(CODED[coding](PAGE), limit=len(PAGE), content_encoding=coding) == (PAGE, None)
    assert decoded(CODED[coding](PAGE), limit=len(PAGE) - 1, content_encoding=coding)[1] == "large"


@pytest.mark.parametrize("coding", CODED)
def test_a_cut_coding_gives_what_is_there_and_says_so(coding: str) -> None:
    whole = CODED[coding](PAGE)
    body, fault = decoded(whole[: len(whole) * 2 // 3], content_encoding=coding)
    assert fault == "cut"
    assert PAGE.startswith(body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_bytes_that_are_not_in_their_coding_are_corrupt(coding: str) -> None:
    assert decoded(b"\xfe\xdc" * 500, content_encoding=coding)[1] in (
        "corrupt",
        None if coding == "gzip" else "corrupt",
    )
    spoilt = bytearray(CODED[coding](PAGE))
    spoilt[len(spoilt) // 2] ^= 0xFF
    spoilt[len(spoilt) // 2 + 1] ^= 0x5A
    body, fault = decoded(bytes(spoilt), content_encoding=coding)
    assert fault is not None or body != PAGE


# Chunks ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=500), st.integers(1, 60))
def test_chunks_are_joined(data: bytes, size: int) -> None:
    assert dechunk(chunked(data, size), LIMIT) == (data, "whole")


@pytest.mark.parametrize(
    "end",
    [b"0\r\n\r\n", b"0\r\n", b"", b"000\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"0;x=y\r\n\r\n", b"0\r\n\r\njunk"],
)
def test_chunks_end_as_servers_end_them(end: bytes) -> None:
    assert dechunk(chunked(PAGE, end=end), LIMIT) == (PAGE, "whole")
    assert dechunk(chunked(PAGE, end=end, line=b"\n"), LIMIT) == (PAGE, "whole")


def test_chunks_without_a_header_are_known_by_a_complete_walk() -> None:
    assert decoded(chunked(PAGE)) == (PAGE, None)
    text = b"4\r\n is a number, not the size of a chunk\r\n0\r\n"
    assert decoded(text) == (text, None)


def test_a_cut_or_broken_chunk() -> None:
    assert decoded(chunked(PAGE)[:250], transfer_encoding="chunked")[1] == "cut"
    body, fault = decoded(chunked(PAGE, end=b"not a size at all, and more\r\n"), transfer_encoding="chunked")
    assert (body, fault) == (PAGE, "corrupt")
    assert decoded(b"ffffffffffffff\r\n<p>", transfer_encoding="chunked") == (b"<p>", "cut")


@settings(max_examples=examples(200))
@given(
    st.binary(max_size=300),
    st.sampled_from(["", "gzip", "deflate", "br", "zstd", "gzip, br"]),
    st.sampled_from(["", "chunked"]),
)
def test_any_bytes_are_answered(body: bytes, coding: str, transfer: str) -> None:
    payload = decode_payload(body, {"content-encoding": coding, "transfer-encoding": transfer}, 1000)
    assert payload.fault in (None, "cut", "large", "corrupt")
    if payload.fault != "large":
        assert len(payload.body) <= 1000


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        b"\xef\xbb\xbf <HTML>",
        b"<!-- x --><p>",
        b'<?xml version="1.0"?><html>',
        "<html>".encode("utf-16"),
        b"<h1>x",
    ],
)
def test_pages_look_like_markup(page: bytes) -> None:
    assert is_markup(page)
    assert not is_binary(page)


@pytest.mark.parametrize("other", [b"", b"text", b"{}", b"a < b", b"<svg>", b"\x89PNG\r\n\x1a\n"])
def test_other_content_does_not(other: bytes) -> None:
    assert not is_markup(other)
