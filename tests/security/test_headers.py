"""What reads crawled headers and shows removed texts takes time as their length does, however they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from refinedweb.report import marks
from refinedweb.sources import charset, headers, labels, payload
from tests.security import hostile
from tests.security.growth import FACTORS, superlinear

SIZE = 4096
# Around the hostile part, where it stands in what the function is given.
Maker = Callable[[bytes], Any]


def text(maker: Callable[[str], Any] = str) -> Maker:
    return lambda hostile: maker(hostile.decode("latin-1"))


READERS: dict[str, tuple[Callable[[Any], object], list[Maker]]] = {
    "fields": (
        headers.parse_fields,
        [lambda h: h, lambda h: b"a: b\n " + h, lambda h: b"a: b\n" + h.replace(b"a", b"\n ")],
    ),
    "http": (headers.parse_http, [lambda h: b"HTTP/1.1 200 OK\r\n" + h, lambda h: b"HTTP/1.1 " + h, lambda h: h]),
    "arc": (headers.parse_arc_line, [lambda h: h, lambda h: b"http://a 1.1.1.1 20010101010101 a " + h]),
    "type": (headers.mime_and_charset, [text(), text(lambda h: "charset=" + h), text(lambda h: "a/b; charset" + h)]),
    "media": (headers.media_type, [text()]),
    "date": (headers.parse_date, [text(), text(lambda h: "2001-01-01T00:00:00" + h)]),
    "length": (headers.content_length, [text(lambda h: {"content-length": h})]),
    "label": (labels.codec_of_label, [text()]),
    "charset": (lambda h: charset.declared_codecs(h, None), [lambda h: b"<meta charset=" + h, lambda h: b"<?xml " + h]),
    "page": (charset.decode, [lambda h: h, lambda h: h + b"\xff", lambda h: b"<meta charset=" + h + b"\xff"]),
    "markup": (payload.is_markup, [lambda h: h, lambda h: b"<!" + h]),
    "codings": (
        lambda h: payload.decode_payload(b"x", {"content-encoding": h}, 1),
        [text(), text(lambda h: "gzip" + h)],
    ),
    "chunks": (lambda h: payload.dechunk(h, 1 << 20), [lambda h: h, lambda h: b"1" + h, lambda h: b"1\r\nx\r\n0;" + h]),
}
REASONS = [*marks.RULES, "top_3_grams", "top_3gram", "duplicate_5grams"]


def shapes(makers: list[Maker]) -> list[list[Any]]:
    """Hostile texts as the function takes them, each in all sizes."""
    made = [list(hostile.texts(rb"(?:ab|0+ |\r\n|1\r\nx\r\n)*", 0, SIZE * factor)) for factor in FACTORS]
    return [[maker(one) for one in sizes] for sizes in zip(*made, strict=True) for maker in makers]


@pytest.mark.parametrize("name", READERS)
def test_reading_is_linear(name: str) -> None:
    read, makers = READERS[name]
    assert [texts[0][:40] for texts in shapes(makers) if superlinear(read, texts)] == []


@pytest.mark.parametrize("reason", REASONS)
def test_marking_is_linear(reason: str) -> None:
    mark = lambda text: marks.spans(reason, text)  # noqa: E731
    assert [texts[0][:40] for texts in shapes([text()]) if superlinear(mark, texts)] == []


def test_a_field_is_cut_at_a_kilobyte() -> None:
    assert headers.mime_and_charset("a" * 5000) == ("a" * 1024, None)
    assert headers.mime_and_charset(f"text/html;{' ' * 900}charset = 'utf-8'") == ("text/html", "utf-8")
