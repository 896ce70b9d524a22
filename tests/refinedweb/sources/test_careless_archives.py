"""Archives that careless programs made: their pages are kept, and nothing that is cut passes for whole."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import pytest

from refinedweb.sources import SourceOptions
from tests.refinedweb.sources.archives import http, page, read, warc


def broken_lines(number: int) -> bytes:
    """A page with many CRLF line ends."""
    return page(number).replace(b" ", b"\r\n")


def folded(number: int) -> bytes:
    """A record whose line ends became LF after its length had been counted, as in ClueWeb."""
    return warc(http(broken_lines(number)), number=number, version="0.18").replace(b"\r\n", b"\n")


FOLDED = [folded(number) for number in range(6)]
PAGES = [broken_lines(number).replace(b"\r\n", b"\n") for number in range(6)]


@pytest.mark.parametrize("packed", [False, True])
def test_pages_of_folded_archives_are_whole(packed: bool) -> None:
    data = b"".join(gzip.compress(record, mtime=0) if packed else record for record in FOLDED)
    rows, report = read(data, "x.warc.gz")
    assert [(row["drop"], row["html"]) for row in rows] == [(None, html) for html in PAGES]
    assert report.damage == []


def test_a_record_that_is_cut_is_not_taken_for_a_folded_one() -> None:
    whole = warc(http(broken_lines(1)), number=1)
    cut = whole[: len(whole) - 200] + b"\r\n\r\n"
    rows, _ = read(cut + warc(http(page(2)), number=2), "x.warc")
    assert [row["drop"] for row in rows] == ["truncated_record", None]
    rows, _ = read(FOLDED[0].removesuffix(b"\n\n")[:-300] + b"\n\n" + FOLDED[1] + FOLDED[2], "x.warc")
    assert [row["drop"] for row in rows] == ["truncated_record", None, None]


def test_the_last_record_is_whole_if_it_ends_as_records_do() -> None:
    rows, _ = read(b"".join(FOLDED[:2])[:-300], "x.warc")
    assert [row["drop"] for row in rows] == [None, "truncated_record"]
    (row,), report = read(FOLDED[0], "x.warc")
    assert (row["html"], row["drop"], report.damage) == (PAGES[0], None, [])
    for row in read(b"".join(FOLDED), "x.warc")[0]:  # so each can be fetched again
        (again,), _ = read(b"".join(FOLDED)[row["offset"] : row["offset"] + row["length"]], "x.warc")
        assert (again["id"], again["html"]) == (row["id"], row["html"])


def heads(*lines: str) -> bytes:
    return ("".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


BODY = b"<html><p>hello</p></html>"
XHTML = (
    b'<?xml version="1.0"?>\n<!-- a page -->\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">\n'
    b'<html xmlns="http://www.w3.org/1999/xhtml"><p>hello</p></html>'
)
RESPONSES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a type in quotes": (heads("HTTP/1.1 200 OK", 'Content-Type: "text/html; charset=utf-8"') + BODY, {}),
    "two types": (heads("HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Type: text/html") + BODY, {}),
    "a type that is none": (heads("HTTP/1.1 200 OK", "Content-Type: text/html", "Content-Type: oops") + BODY, {}),
    "a small name": (heads("http/1.1 200 ok", "content-type: text/html") + BODY, {}),
    "no space": (heads("HTTP/1.1 200OK", "Content-Type: text/html") + BODY, {}),
    "an interim response": (heads("HTTP/1.1 100 Continue") + http(BODY), {}),
    "HTTP/2 as it came": (heads(":status: 200", "content-type: text/html") + BODY, {}),
    "two codings": (
        heads("HTTP/1.1 200 OK", "Content-Type: text/html", "Content-Encoding: gzip", "Content-Encoding: br")
        + brotli.compress(gzip.compress(BODY)),
        {},
    ),
    "XHTML as XML": (http(XHTML, content_type="application/xml"), {}),
    "XHTML as text/xml": (http(XHTML, content_type="text/xml; charset=utf-8"), {}),
    "octets that are a page": (
        http(BODY, content_type="application/octet-stream"),
        {"warc_identified_payload_type": "text/html"},
    ),
    "no head at all": (BODY, {}),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_that_browsers_show_are_pages(name: str) -> None:
    block, fields = RESPONSES[name]
    (row,), report = read(warc(block, **fields), "x.warc")
    assert row["drop"] is None
    assert b"hello" in row["html"]
    assert report.damage == []


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (heads("HTTP/1.1 200 OK", "Content-Type: text/html", "Content-Type: text/css") + BODY, "not_html"),
        (heads("HTTP/1.1 100 Continue") + http(status="404 Not Found"), "bad_status"),
        (heads("HTTP/1.1 2000 OK", "Content-Type: text/html") + BODY, "invalid_http"),
        (http(b"<?xml version='1.0'?><rss><title>html</title></rss>", content_type="application/xml"), "not_html"),
        (http(BODY, content_type="application/octet-stream"), "not_html"),
        (b"no page and no head", "invalid_http"),
    ],
)
def test_responses_that_are_no_pages_stay_out(block: bytes, reason: str) -> None:
    (row,), _ = read(warc(block), "x.warc")
    assert (row["drop"], row["html"]) == (reason, None)


def test_xhtml_is_not_taken_where_the_recipe_does_not_want_it() -> None:
    only_html = SourceOptions(mime_types=("text/html",))
    (row,), _ = read(warc(http(XHTML, content_type="application/xml")), "x.warc", only_html)
    assert row["drop"] == "not_html"


def test_arc_records_without_http_are_judged_by_type_and_body() -> None:
    def arc(mime: str, block: bytes) -> bytes:
        return f"http://example.org/ 192.0.2.1 20010216050221 {mime} {len(block)}\n".encode() + block + b"\n"

    words = b"a page of plain words"
    data = arc("text/html", BODY) + arc("text/html", words) + arc("no-type", BODY) + arc("no-type", words)
    rows, report = read(data + arc("image/gif", b"GIF89a") + arc("text/html", b"HTTP/1.1 nonsense"), "x.arc")
    reasons = [None, None, None, "invalid_http", "not_html", "invalid_http"]
    assert [row["drop"] for row in rows] == reasons
    assert rows[0]["html"] == BODY
    assert report.damage == []
