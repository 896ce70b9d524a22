"""Extraction: the texts are the engines' own, in the form of the corpus; images; no page depends on another."""

from __future__ import annotations

import gzip
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import lxml.html
import pyarrow as pa
import pytest
import trafilatura
import trafilatura.xpaths
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text

from stages.extract import Extract
from stages.extraction import images
from stages.extraction.engines import Unparsable, well_formed
from stages.extraction.formatting import formatted, without_urls
from stages.extraction.parser import html_parser
from stages.extraction.xpath import Screened, screened
from stages.schema import documents
from tests.stages.extraction.pages import CONTENT, SENTENCE, page, paragraphs, spanned

ENGINES: list[dict[str, Any]] = [{}, {"fast": True}, {"favor": "recall"}, {"engine": "resiliparse"}]
engines = pytest.mark.parametrize("params", ENGINES, ids=str)


def outcome(html: bytes, url: str | None = "https://example.org/a/b", **params: Any) -> dict[str, Any]:
    row: dict[str, Any] = Extract(**params)(documents(html=[html], url=[url])).to_pylist()[0]
    return row


def plain(html: bytes, params: dict[str, Any]) -> str:
    """What the engine's own function extracts from the page, without any of our changes."""
    if params.get("engine") == "resiliparse":
        return str(extract_plain_text(html.decode(), main_content=True, alt_texts=False, comments=False))
    favor = params.get("favor", "precision")
    options = {"favor_precision": favor == "precision", "favor_recall": favor == "recall"}
    return trafilatura.extract(html.decode(), include_comments=False, fast=params.get("fast", False), **options) or ""


@pytest.fixture(scope="module")
def real_pages(shared_data: Path) -> list[bytes]:
    """Every ninth page of the article extraction benchmark."""
    folder = shared_data / "article-extraction"
    names = list(json.loads((folder / "ground-truth.json").read_text(encoding="utf-8")))[::9]
    packed = [(folder / "html" / f"{name}.html.gz").read_bytes() for name in names]
    return [gzip.decompress(data).decode(errors="replace").encode() for data in packed]


@engines
def test_the_text_is_the_engines_own_in_the_form_of_the_corpus(params: dict[str, Any], real_pages: list[bytes]) -> None:
    found = Extract(**params)(documents(html=real_pages)).column("text").to_pylist()
    assert [text or "" for text in found] == [formatted(plain(html, params)) for html in real_pages]


@engines
def test_a_page_does_not_depend_on_the_pages_before_it(params: dict[str, Any]) -> None:
    """Repeated segments in different orders: an engine that remembers them would give different texts."""
    pages = [page(paragraphs(n % 4 + 1)) for n in range(8)] * 2
    stage = Extract(**params)
    alone = {html: outcome(html, **params) for html in pages}
    for seed in range(3):
        order = random.Random(seed).sample(pages, len(pages))
        docs = documents(html=order, url=["https://example.org/a/b"] * len(order))
        assert stage(docs).to_pylist() == [alone[html] for html in order]


def expressions() -> list[Any]:
    lists = [value for value in vars(trafilatura.xpaths).values() if isinstance(value, list)]
    return [expression for found in lists for expression in found]


def test_the_costly_expressions_are_screened() -> None:
    names = ("OVERALL_DISCARD_XPATH", "REMOVE_COMMENTS_XPATH", "REMOVE_COMMENTS_AND_LISTS_XPATH")
    costly = [expression for name in names for expression in getattr(trafilatura.xpaths, name)]
    costly += [trafilatura.xpaths.BODY_XPATH[0], trafilatura.xpaths.RAW_TREE_PRUNE_XPATH[0]]
    assert all(isinstance(screened(expression), Screened) for expression in costly)


def test_a_screened_expression_finds_what_the_xpath_finds_on_real_pages(real_pages: list[bytes]) -> None:
    trees = [lxml.html.document_fromstring(well_formed(html), parser=html_parser()) for html in real_pages]
    for expression in expressions():
        faster = screened(expression)
        for tree in trees:
            assert faster(tree) == expression(tree), expression.path


TAGS = "div p span section ol ul li details article main a h1 header item list"
VALUES = (
    "comments Comment-x commentary nav-bar subnav Footer post entry main-content hidden share- social xad- ad- bottom "
    "teaser Teaser reply-1 infinitescroll story caption page-content"
)
names = st.sampled_from(TAGS.split())
values = st.sampled_from([*VALUES.split(), ""])
attributes = st.lists(
    st.tuples(st.sampled_from(["id", "class", "style", "role", "aria-hidden", "itemprop"]), values),
    unique_by=lambda pair: pair[0],
)


def element(name: str, given: list[tuple[str, str]], inside: list[str]) -> str:
    listed = "".join(f' {key}="{value}"' for key, value in given)
    return f"<{name}{listed}>{''.join(inside)}</{name}>"


elements = st.recursive(
    st.just("text"),
    lambda inner: st.builds(element, names, attributes, st.lists(inner, max_size=4)),
    max_leaves=20,
)


@given(elements)
def test_a_screened_expression_finds_what_the_xpath_finds(body: str) -> None:
    tree = lxml.html.document_fromstring(f"<body><div>{body}</div></body>", parser=html_parser())
    for expression in expressions():
        assert screened(expression)(tree) == expression(tree), expression.path


@given(st.text())
def test_formatted_text_has_the_form_of_the_corpus(text: str) -> None:
    found = formatted(text)
    assert "\n\n\n" not in found
    assert found == unicodedata.normalize("NFC", found)
    assert found.encode().decode() == found
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in found)
    assert all(line == line.rstrip() for line in found.split("\n"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="/.")))
def test_text_without_urls_keeps_every_visible_character(text: str) -> None:
    wanted = unicodedata.normalize("NFC", text)
    dropped = {c for c in wanted if unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") or c in "\ufeff\ufffe\uffff"}
    visible = [c for c in wanted if c not in dropped]
    assert [c for c in formatted(text) if c not in dropped and not c.isspace()] == [
        c for c in visible if not c.isspace()
    ]


@given(st.text(), st.sampled_from(["http://", "https://", "ftp://", "www."]), st.text("ab.-/?=&%~_", min_size=1))
def test_no_url_is_left(around: str, scheme: str, rest: str) -> None:
    found = without_urls(f"{around}\nsee {scheme}x{rest} there\n{around.upper()}")
    assert f"{scheme}x{rest}" not in found
    assert "there" in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see https://a.example/b?c=d#e for more", "see for more"),
        ("read it (www.example.org).", "read it."),
        ("<https://example.org/x>, they say", ", they say"),
        ("first\nhttps://example.org\nlast", "first\nlast"),
        ("网址https://example.org/中文", "网址中文"),
        ("https://de.example.org/Über_uns heißt das", "heißt das"),
        ("https://example.org/a_(b) and on", "and on"),
        ("See http://spark.apache.org/docs?k=Kk for more", "See for more"),
        ("www.skåne.example/Åke och", "och"),
        ("Is it www.example.org? Yes!", "Is it? Yes!"),
        ("nothing here: print(x), 10.5 :// w.w.w", "nothing here: print(x), 10.5 :// w.w.w"),
        ("(a) [b] f() stay; www.x.org goes", "(a) [b] f() stay; goes"),
    ],
)
def test_urls_go_and_the_sentence_stays(text: str, wanted: str) -> None:
    assert without_urls(text) == wanted


@given(st.binary(max_size=300).map(lambda data: b"<p>" + data))
def test_well_formed_bytes_make_a_tree_of_valid_text(data: bytes) -> None:
    tree = lxml.html.document_fromstring(well_formed(data), parser=html_parser())
    for element in tree.iter():
        for text in (element.text, element.tail, *element.attrib.values()):
            element.text = text  # lxml refuses control characters here


@given(st.integers(0, 0x10FFFF), st.sampled_from(["&#{};", "&#x{:x};", "&#X{:X};", "&#000{} "]))
def test_references_to_control_characters_go_and_others_stay(point: int, form: str) -> None:
    reference = form.format(point)
    found = well_formed(f"<p>a{reference}b".encode()).decode()
    is_control = point in (0xFFFE, 0xFFFF) or (point < 32 and point not in (9, 10, 13))
    assert (reference in found) != is_control


def test_bytes_without_a_tag_are_no_page() -> None:
    with pytest.raises(Unparsable):
        well_formed(b"just text")
    assert outcome(b"just text")["drop"] == "unparsable_html"
    assert outcome(b"")["drop"] == "unparsable_html"


def test_the_bytes_are_utf8_whatever_the_page_says() -> None:
    html = page(paragraphs(3), "<p>Dieser Absatz hat Umlaute: äöü ÄÖÜ ß € – und das ist auch gut so, sagt man.</p>",
                head="<meta charset='iso-8859-1'>")  # fmt: skip
    for params in ENGINES:
        assert "äöü ÄÖÜ ß € –" in outcome(b"<?xml version='1.0' encoding='latin-1'?>" + html, **params)["text"]


def test_text_and_depth_beyond_libxml2s_usual_limits_are_read() -> None:
    deep = "<div>" * 300 + paragraphs(3) + "</div>" * 300
    assert "Part 2" in outcome(page(deep))["text"]
    long = page(paragraphs(2), f"<p>{'word ' * 2_200_000}</p>", "<p>The very last words of the page stand here.</p>")
    assert outcome(long, fast=True)["text"].endswith("The very last words of the page stand here.")


def test_comments_are_left_out_unless_asked_for() -> None:
    html = page(paragraphs(4)) + b"<div id='comments' class='comments'><p>What a splendid article, thank you!</p></div>"
    assert "splendid" not in outcome(html)["text"]


def test_images_are_those_of_the_main_content() -> None:
    wanted = [["https://example.org/flood.jpg", "the flooded meadow"], ["https://cdn.example.net/barn.jpg?w=1", ""]]
    html = f"<html><body>{CONTENT}</body></html>".encode()
    assert outcome(html)["image_urls"] == wanted
    assert outcome(html, engine="resiliparse")["image_urls"] == wanted
    with_base = f"<html><head><base href='https://other.example/x/'></head><body>{CONTENT}</body></html>".encode()
    assert outcome(with_base)["image_urls"][0][0] == "https://other.example/flood.jpg"
    assert outcome(html, image_urls=False)["image_urls"] is None
    assert outcome(page(paragraphs(3)))["image_urls"] == []


@given(st.text("<>imgscrpt!-/\"'= \nax", max_size=400), st.text(max_size=100))
def test_images_of_a_source_are_absolute_and_never_fail(html: str, text: str) -> None:
    found = images.from_source(f"<p>{SENTENCE}</p><img src=a.png>{html}", SENTENCE + text, "https://example.org/")
    assert all(url.startswith("https://example.org/") for url, _ in found)


def test_rows_that_have_no_page_pass_untouched() -> None:
    docs = documents(
        text=["WET text,  see https://example.org\n\n\n\nx", None, "kept", None],
        html=[None, page(paragraphs(3)), None, page(paragraphs(3))],
        drop=[None, None, "adult_domain", "adult_domain"],
    )
    found = Extract()(docs)
    assert "html" not in found.column_names
    assert found.column("text").to_pylist()[0] == "WET text,  see https://example.org\n\n\n\nx"
    assert "Part 2" in found.column("text").to_pylist()[1]
    assert found.column("text").to_pylist()[2:] == ["kept", None]
    assert found.column("drop").to_pylist() == [None, None, "adult_domain", "adult_domain"]


def test_a_table_with_only_a_page_is_enough() -> None:
    found = Extract()(pa.table({"html": pa.array([page(paragraphs(3))], pa.large_binary())}))
    assert set(found.column_names) == {"text", "image_urls", "drop"}
    assert found.column("drop").to_pylist() == [None]


@engines
def test_a_page_without_text_has_no_main_text(params: dict[str, Any]) -> None:
    html = b"<html><body><nav><a href='/'></a></nav><script>let text = 'none';</script><p> </p></body></html>"
    assert outcome(html, **params)["drop"] == "no_main_text"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"engine": "boilerpipe"}, "trafilatura"),
        ({"favor": "speed"}, "precision"),
        ({"deadline_seconds": 0}, "CPU seconds"),
        ({"deadline_seconds": float("nan")}, "CPU seconds"),
        ({"seconds_per_mb": -1.0}, "CPU seconds"),
        ({"memory_mb": 64}, "128"),
    ],
)
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Extract(**params)


def test_cells_that_span_more_than_any_table_are_cells_of_one_place() -> None:
    absurd = outcome(spanned(300, 9007199254740991))
    assert absurd["drop"] is None
    assert absurd["text"] == outcome(spanned(300, 1))["text"]


def test_spans_of_real_tables_stay() -> None:
    """The limit is 20 times the most that the crawl has."""
    assert outcome(spanned(20, 5))["text"] != outcome(spanned(20, 1))["text"]
