"""The language gate: the visible text that it reads, and that it drops only what is clearly in another language."""

from __future__ import annotations

import html as html_module
import re
from itertools import pairwise
from typing import Any

import lxml.html
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extraction.visible import visible
from stages.language_gate import LanguageGate
from stages.schema import documents
from tests.stages.language_texts import TEXTS

LONG = {code: f"{text} {text}" for code, text in TEXTS.items()}


def text_of(html: str | bytes, run: int = 0, html_bytes: int = 1 << 20, text_bytes: int = 1 << 16) -> str:
    data = html.encode(errors="replace") if isinstance(html, str) else html
    offsets = np.array([0, len(data)], np.int64)
    ends, text = visible(offsets, np.frombuffer(data, np.uint8), html_bytes, text_bytes, run)
    assert ends[-1] == len(text) <= text_bytes
    return bytes(text).decode(errors="replace")


def page(*parts: str, lang: str = "en") -> bytes:
    inside = "".join(f"<p>{part}</p>" for part in parts)
    return f"<!doctype html><html lang={lang}><head><title>Title</title></head><body>{inside}</body></html>".encode()


def gate(html: bytes | None, **params: Any) -> str | None:
    reason: str | None = LanguageGate(**params)(documents(html=[html])).column("drop")[0].as_py()
    return reason


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("keep", [("en",), ("de", "fr"), ("latin-european",), ("all",)])
def test_plainly_other_languages_go(code: str, keep: tuple[str, ...]) -> None:
    stays = code in LanguageGate(keep=("en",)).keep or keep != ("en",)
    if keep == ("de", "fr"):
        stays = code in keep
    elif keep == ("latin-european",):
        stays = code in ("en", "de", "fr")
    assert gate(page(LONG[code], LONG[code]), keep=keep) == (None if stays else "gate_other_language")


def test_the_lang_attribute_decides_nothing() -> None:
    assert gate(page(LONG["en"], LONG["en"], lang="ru")) is None
    assert gate(page(LONG["ru"], LONG["ru"], lang="en")) == "gate_other_language"


def test_menus_scripts_and_links_decide_nothing() -> None:
    menu = "".join(f"<li><a href='/{n}'>{TEXTS['ru']}</a></li><li>Почта</li>" for n in range(50))
    script = f"<script>let text = '{LONG['ru'] * 20}';</script><!-- {LONG['ja'] * 20} --><style>{LONG['ru']}</style>"
    chrome = f"<head><title>{LONG['ru']}</title></head><ul>{menu}</ul>{script}<noscript>{LONG['ru']}</noscript>"
    assert gate(f"<html>{chrome}<p>{LONG['en']}</p></html>".encode()) is None


@pytest.mark.parametrize("html", [None, b"", b"<p>", b"plain", "<p>Привет</p>".encode(), b"<p>" + b"x " * 20])
def test_pages_with_too_little_to_judge_stay(html: bytes | None) -> None:
    assert gate(html) is None


def test_what_the_gate_saw_is_written_beside() -> None:
    docs = LanguageGate()(documents(html=[page(LONG["en"]), page(LONG["ru"]), None]))
    shares = docs.column("language_gate_v1.wanted_share").to_pylist()
    sizes = docs.column("language_gate_v1.text_bytes").to_pylist()
    assert shares[0] > 0.9 > 0.1 > shares[1]
    assert sizes[0] >= len(LONG["en"])
    assert (sizes[2], shares[2]) == (0, 0)


def test_the_limits_of_what_is_read_hold() -> None:
    html = page(LONG["ru"] * 5, LONG["en"] * 100)
    assert gate(html, max_html_bytes=800) == "gate_other_language"
    assert gate(html, max_text_bytes=500) == "gate_other_language"
    assert gate(html) is None


@given(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1), min_size=1))
def test_all_text_of_a_plain_page_is_visible(words: list[str]) -> None:
    text = " ".join(words)
    assert text_of(f"<body><p>{html_module.escape(text, quote=False)}</p>").split() == _roughly(text).split()


def _roughly(text: str) -> str:
    """The scan writes a space for an entity that is not a letter."""
    return re.sub("[<>&]", " ", text)


INLINE = st.sampled_from(["b", "em", "span", "font", "sup"])
BLOCK = st.sampled_from(["p", "div", "td", "li", "h1", "blockquote", "section"])
WORDS = st.text("abc ", min_size=1, max_size=30)
TREE = st.recursive(
    WORDS,
    lambda inner: st.builds(
        "<{0} class='x > y' id=z>{1}</{0}>".format, INLINE | BLOCK, st.lists(inner, max_size=4).map("".join)
    ),
    max_leaves=15,
)


@given(TREE)
def test_the_words_are_those_of_the_tree(body: str) -> None:
    tree = lxml.html.document_fromstring(f"<html><body><div>{body}</div></body></html>")
    assert text_of(f"<html><body>{body}</body></html>").replace(" ", "") == re.sub(r"\s", "", tree.text_content())


@given(TREE, st.integers(1, 60))
def test_short_runs_do_not_count(body: str, run: int) -> None:
    """The runs that stay are those between block tags with at least that many characters."""
    pieces = re.split(r"</?(?:p|div|td|li|h1|blockquote|section)\b[^<]*?(?<! )>", f"<div>{body}</div>")
    runs = [" ".join(re.sub(r"<[^<]*?(?<! )>", "", piece).split()) for piece in pieces]
    long = [found for found in runs if sum(c != " " for c in found) >= run]
    assert text_of(f"<div>{body}</div>", run).replace(" ", "") == "".join(long).replace(" ", "")


@given(st.binary(max_size=400), st.integers(0, 50), st.integers(1, 500), st.integers(4, 300))
def test_any_bytes_are_survived(data: bytes, run: int, html_bytes: int, text_bytes: int) -> None:
    text_of(data, run, html_bytes, text_bytes)


MARKUP = st.text("<>!-/abp&#;x1'\"= script", max_size=200)


@given(st.lists(MARKUP, max_size=4))
def test_rows_do_not_touch_each_other(pages: list[str]) -> None:
    rows = [part.encode() for part in pages]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    ends, text = visible(offsets, np.frombuffer(b"".join(rows), np.uint8), 1000, 1000, 0)
    found = [bytes(text[a:b]).decode() for a, b in pairwise(ends)]
    assert found == [text_of(part, 0, 1000, 1000) for part in pages]


@given(st.integers(33, 0x10FFFF).filter(lambda point: not 0xD800 <= point < 0xE000))
def test_numbered_entities_are_decoded(point: int) -> None:
    for entity in (f"&#{point};", f"&#x{point:x};", f"&#X{point:X};"):
        assert text_of(f"<p>a{entity}b") == f"a{chr(point)}b"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("caf&eacute; &szlig;&ntilde;", "cafe sn"),
        ("a&nbsp;b&amp;c &unknown", "a b c unknown"),
        ("&#0;&#xD800;&#x110000;&#-1;&#xZZ;x", "x"),
        ("1 < 2 <3 a<b", "1 < 2 <3 a"),
        ("a<br>b<wbr>c<img src=x>d", "abcd"),
        ("a<!-- x --><!doctype y><?php z ?>b", "a b"),
        ("a<SCRIPT>x</a>y</Script>b", "a b"),
        ("a<textarea><p>x</textarea>b", "a b"),
        ("<head><title>x</title><body>y", "y"),
        ("<a title='x > y'>link</a> text", "link text"),
        ("a<script>never closed", "a"),
        ("a<p title='never closed>b", "a"),
        ("a<!-->b<!--->c<!-- x --!>d<!-- never closed", "abcd"),
        ("a<!doctype 'y>b<?z \"z>c</ 'y>d", "a b c d"),
        ("a<script>w('</script' + '>')</script>b", "a b"),
        ("a<style='x'>b<i,j>c</span<br>d", "a b c d"),
    ],
)
def test_markup_as_it_comes(html: str, text: str) -> None:
    assert " ".join(text_of(html).split()) == text


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"min_share": 2}, "between 0 and 1"),
        ({"min_text_bytes": 0}, "positive"),
        ({"min_text_bytes": 9000}, "no less"),
        ({"min_run": -1}, "0 or more"),
        ({"max_html_bytes": 0}, "more than 0"),
    ],
)
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LanguageGate(**params)
