"""The text of each kind of element in both formats, and laws over all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import pytest

from stages.extraction.writing.writer import MOST_AROUND, Format
from tests.stages.extraction.writing.written import written

ROWS = "<tr><th>Name<th>Born<th>City</tr><tr><td>Ann<td><td>Rome</tr><tr><td>Bo<td>1960<td></tr>"
TABLES = {
    "empty cells": (f"<table>{ROWS}</table>", ["| Name | Born | City |", "| Ann | | Rome |", "| Bo | 1960 | |"]),
    "paragraphs, lists and images in cells": (
        "<table><tr><th><p>a</p><th>b</th></tr><tr><td><p>c</p><p>d</p><td><ul><li>e<li>f</ul><img src=x></table>",
        ["a | b", "c d | e f"],
    ),
    "rowspan": (
        "<table><tr><th>a<th>b</tr><tr><td rowspan=2>c<td>d</tr><tr><td>e</tr></table>",
        ["a | b", "c | d", "c | e"],
    ),
    "colspan": ("<table><tr><th>a<th>b</tr><tr><td colspan=2>c</tr></table>", ["a | b", "c | c"]),
    "rowspan to the end": (
        "<table><tr><th>a<th>b<tr><td rowspan=0>c<td>d<tr><td>e</table>",
        ["a | b", "c | d", "c | e"],
    ),
    "absurd spans": (
        "<table><tr><th rowspan=65534 colspan=1000>a<th>b<tr><td>c<td>d</table>",
        ["| a | b | |", "| a | c | d |"],
    ),
    "one column": ("<table><tr><th>a<tr><td>b</table>", ["| a |", "| b |"]),
}


@pytest.mark.parametrize(("html", "rows"), TABLES.values(), ids=TABLES)
def test_rows_are_those_of_the_grid(html: str, rows: list[str]) -> None:
    assert written(html).split("\n") == rows
    head, rule, *rest = written(html, "markdown").split("\n")
    assert [head.strip("| "), *(row.strip("| ") for row in rest)] == [row.strip("| ") for row in rows]
    assert set(rule) == set("| -")
    assert rule.count("|") == head.count("|") == rest[-1].count("|")


def test_a_table_of_prose_is_layout() -> None:
    prose = "The river rose again in the night, and nobody was surprised. " * 8
    html = f"<table><tr><td><p>One</p><td><h2>Head</h2><p>{prose}</p></tr><tr><td>a<td>b</table>"
    assert "|" not in written(html)
    assert written(html, "markdown").split("\n\n")[:2] == ["One", "## Head"]
    inner = "<table><tr><td><table><tr><th>a<th>b<tr><td>c<td>d</table><td>e<tr><td>f<td>g</table>"
    assert written(inner).split("\n") == ["a | b", "c | d", "e", "f", "g"]


def test_a_table_is_written_whole_if_half_of_it_was_chosen() -> None:
    html = "<table><tr><th>a<th>b<tr><td>c<td>d<tr><td>e<td>f</table><p>g</p>"
    assert written(html, left_out=(3,)).split("\n")[:3] == ["a | b", "c | d", "e | f"]
    assert written(html, left_out=(0, 1, 3, 4, 5)).split("\n")[0] == "c | d"
    assert written(html, left_out=tuple(range(6))) == "g"


LISTS = {
    "nested": ("<ul><li>a<ul><li>b<ol><li>c</ol></ul><li>d</ul>", "- a\n  - b\n    1. c\n- d"),
    "paragraphs": ("<ul><li><p>a</p></li><li><div><p>b</p></div></li></ul>", "- a\n- b"),
    "start": ("<ol start=7><li>a<li>b</ol>", "7. a\n8. b"),
    "value": ("<ol><li>a<li value=5>b<li>c</ol>", "1. a\n5. b\n6. c"),
    "reversed": ("<ol reversed><li>a<li>b</ol>", "2. a\n1. b"),
    "no number": ("<ol start=x><li value=''>a</ol>", "1. a"),
    "no list": ("<li>a", "- a"),
    "item of a link": ("<ul><li><a href=x>a</a> b</ul>", "- a b"),
    "in a cell of layout": ("<table><tr><td><h2>x</h2><ul><li>a<ul><li>b</ul></ul></table>", "x\n\n- a\n  - b"),
}


@pytest.mark.parametrize(("html", "text"), LISTS.values(), ids=LISTS)
def test_items_have_their_marker_depth_and_number(html: str, text: str) -> None:
    assert written(html) == text
    assert written(html, "markdown").replace("## ", "") == text


def test_descriptions_are_items_below_their_term() -> None:
    html = "<dl><dt>a<dd>b<dd><p>c</p><dt>d<dd>e</dl>"
    assert written(html) == "a\n- b\n- c\nd\n- e"
    assert written(html, "markdown") == "a\n\n- b\n- c\n\nd\n\n- e"


def test_letters_and_roman_numerals_are_for_plain_text() -> None:
    html = "<ol type=a start=27><li>a</ol><ol type=I start=14><li>b</ol>"
    assert written(html) == "aa. a\nXIV. b"
    assert written(html, "markdown").startswith("27. a\n")


def test_an_item_goes_on_with_its_indentation() -> None:
    html = "<ol start=10><li><p>a</p><p>b</p><pre>c\n d</pre><li>e</ol>"
    assert written(html, "markdown") == "10. a\n\n    b\n\n    ```\n    c\n     d\n    ```\n\n11. e"
    assert written(html) == "10. a\n    b\n\nc\n d\n\n11. e"


CODE = {
    "lines": ("<pre>a\n\n\n  b\n</pre>", "a\n\n\n  b"),
    "addresses": ("<pre>  curl https://example.org/x  # y</pre>", "  curl https://example.org/x  # y"),
    "references": ("<pre>a &lt; b &amp;&amp; c</pre>", "a < b && c"),
    "breaks": ("<pre><span>a</span><br><span>  b</span><br></pre>", "a\n  b"),
    "lines in elements": ("<pre><code><div>a</div><div>  b</div></code></pre>", "a\n  b"),
    "gutter in a table": (
        "<table class=highlighttable><tr><td class=gutter><pre>1\n2</pre><td class=code><pre>a\n  b</pre></table>",
        "a\n  b",
    ),
    "gutter without a class": ("<table><tr><td><pre>9\n10</pre><td><pre>a\n  b</pre></table>", "a\n  b"),
    "numbers in lines": ("<pre><span class=lineno>1 </span>a\n<span class=lineno>2 </span>  b</pre>", "a\n  b"),
    "what cannot be selected": (
        "<pre><span style='user-select: none'>1 </span>a\n<button>Copy</button>b</pre>",
        "a\nb",
    ),
    "numbers are code": ("<pre>1\n2\n3</pre>", "1\n2\n3"),
}


@pytest.mark.parametrize(("html", "text"), CODE.values(), ids=CODE)
def test_code_is_what_its_author_wrote(html: str, text: str) -> None:
    assert written(f"<p>x</p>{html}<p>y</p>") == f"x\n\n{text}\n\ny"
    assert written(f"<p>x</p>{html}<p>y</p>", "markdown") == f"x\n\n```\n{text}\n```\n\ny"


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ("<pre><code class='language-rust hljs'>a</code></pre>", "rust"),
        ("<pre class='lang-c++'>a</pre>", "c++"),
        ("<div class='highlight-python notranslate'><div class=highlight><pre>a</pre></div></div>", "python"),
        ("<div class='highlight highlight-source-shell'><pre>a</pre></div>", "shell"),
        ("<figure class='highlight ruby'><table><tr><td class=code><pre>a</pre></table></figure>", "ruby"),
        ("<pre class='sourceCode haskell'>a</pre>", "haskell"),
        ("<pre class='brush: js; gutter: true'>a</pre>", "js"),
        ("<pre data-lang=go>a</pre>", "go"),
        ("<pre class='highlight'>a</pre>", ""),
        ("<pre class='language-none'>a</pre>", ""),
    ],
)
def test_a_fence_names_the_language(html: str, language: str) -> None:
    assert written(html, "markdown") == f"```{language}\na\n```"


def test_a_fence_is_longer_than_those_in_the_code() -> None:
    assert written("<pre>```\na\n```</pre>", "markdown") == "````\n```\na\n```\n````"


@pytest.mark.parametrize("name", ["button", "label", "custom-tag", "x-y"])
@pytest.mark.parametrize("parent", ["p", "li", "h2", "td", "dd", "blockquote", "div"])
def test_phrasing_content_does_not_end_a_paragraph(name: str, parent: str) -> None:
    text = written(f"<{parent}>One <{name}>x</{name}> two</{parent}>")
    assert text.removeprefix("- ") == "One x two"
    piece = f"<p>One <{name}>x</{name}> two</p>"
    assert written(piece, left_out=(1,)) == ("One two" if name in ("button", "label") else "One x two")


@pytest.mark.parametrize(
    "element",
    ["<svg><path/></svg>", "<svg/>", "<select><option>x</select>", "<video>x</video>", "<audio>x</audio>",
     "<object>x</object>", "<canvas>x</canvas>", "<picture><img src=x></picture>", "<template>x</template>", "<wbr>",
     "<!-- x -->", "<script>x</script>", "<map><area></map>", "<datalist><option>x</datalist>"],
)  # fmt: skip
def test_silent_phrasing_content_leaves_no_trace(element: str) -> None:
    for form in ("plain", "markdown"):
        assert written(f"<p>One{element}two {element} three</p>", form) == "Onetwo three"  # type: ignore[arg-type]


def test_two_line_breaks_are_a_paragraph() -> None:
    assert written("<p>a<br><br>b<br>c</p>").split("\n\n") == ["a", "b\nc"]
    assert written("<div>a<hr>b</div>") == "a\nb"


def test_only_the_base_of_ruby_is_written() -> None:
    for html in (
        "<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>は",
        "<ruby><rb>東<rb>京<rt>とう<rt>きょう</ruby>は",
        "<ruby>東<rt>とう</rt>京<rt>きょう</rt></ruby>は",
    ):
        assert written(f"<p>{html}</p>") == written(f"<p>{html}</p>", "markdown") == "東京は"


NESTED = {
    "items": "<ul><li>word here<p>text</p>",
    "quotations": "<blockquote>words of it ",
    "descriptions": "<dl><dt>term<dd>words",
    "layout tables": "<li><table><td>x",
    "tables": "<table><tr><td>a<td>b",
    "emphasis": "<p><b>x <em>y ",
}


@pytest.mark.parametrize("form", ["plain", "markdown"])
@pytest.mark.parametrize("unit", NESTED.values(), ids=NESTED)
def test_work_does_not_grow_with_the_square_of_the_depth(unit: str, form: Format) -> None:
    written(unit * 10, form)
    few, many = (calls(partial(written, unit * n, form)) for n in (300, 600))
    assert many <= 2.3 * few


def calls(work: Callable[[], object]) -> int:
    """The function calls of a piece of work: they do not depend on the machine."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    work()
    sys.setprofile(None)
    return count


def test_what_lies_deeper_than_shows_is_written_as_deep_as_the_last() -> None:
    lines = written("<ul><li>a" * 100).split("\n")
    assert [len(line) - len(line.lstrip()) for line in lines] == [2 * min(n, MOST_AROUND - 1) for n in range(100)]
    assert {line.strip() for line in lines} == {"- a"}
