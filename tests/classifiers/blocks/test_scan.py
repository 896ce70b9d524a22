"""Reading HTML without a tree: blocks of written-out trees, malformed HTML, characters, and bytes of any kind."""

from __future__ import annotations

import html as html_module
import random
from html.entities import html5
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.blocks.html import layout, names, scan
from classifiers.blocks.html.names import FLAGS, TAGS
from tests.examples import examples


def page(html: bytes | str) -> layout.ScannedPage:
    data = np.frombuffer(html.encode() if isinstance(html, str) else html, np.uint8)
    found = layout.new_page(data)
    scan.read(data, found)
    return found


def texts(html: bytes | str) -> list[str]:
    found = page(html)
    spans = found.blocks[: found.state[layout.SIZE], : layout.END + 1].tolist()
    return [found.text[start:end].tobytes().decode() for start, end in spans]


def anchors(html: str) -> list[tuple[str, str]]:
    """Start tag and text of each link."""
    found, data = page(html), html.encode()
    spans = [mark for mark in found.marks[: found.state[layout.MARKS]].tolist() if mark[-1] != layout.IMAGE]
    return [(data[a:b].decode(), found.text[start:end].tobytes().decode().strip()) for a, b, start, end in spans]


def flags_of(html: str, block: int = 0) -> int:
    found = page(html)
    return int(found.nodes[found.blocks[block, layout.NODE], layout.NODE_FLAGS])


# Trees of block elements and text, written out by one function and read by another that knows no HTML.
Tree = tuple[str, list["Tree | str"]]
texts_of_trees = st.text(st.sampled_from("ab éà漢頠&<>\"' \n\u00a0"), max_size=8)
trees: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.sampled_from(["div", "section", "b", "span"]), st.lists(texts_of_trees, max_size=3)),
    lambda inner: st.tuples(
        st.sampled_from(["div", "section", "article", "blockquote", "ul", "span", "i"]),
        st.lists(inner | texts_of_trees, max_size=4),
    ),
    max_leaves=12,
)
INLINE = ("b", "span", "i")


def written(tree: Tree | str) -> str:
    if isinstance(tree, str):
        return html_module.escape(tree)
    name, inside = tree
    return f"<{name} class='x &gt; y'>{''.join(map(written, inside))}</{name}>"


def expected(tree: Tree | str) -> list[str]:
    """The text between boundaries of block elements, white space collapsed, without empty pieces."""
    pieces = [""]

    def walk(node: Tree | str) -> None:
        if isinstance(node, str):
            pieces[-1] += node
            return
        if node[0] not in INLINE:
            pieces.append("")
        for each in node[1]:
            walk(each)
        if node[0] not in INLINE:
            pieces.append("")

    walk(tree)
    return [" ".join(piece.split()) for piece in pieces if piece.split()]


@given(trees)
@settings(max_examples=examples(200))
def test_blocks_are_the_text_between_boundaries(tree: Tree) -> None:
    assert texts(written(tree)) == expected(tree)


@pytest.mark.parametrize(
    ("html", "expected_texts"),
    [
        ("<p>one<p>two", ["one", "two"]),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", ["a", "b", "c", "d", "e"]),
        ("<dl><dt>a<dd>b<dt>c</dl>", ["a", "b", "c"]),
        ("<table><tr><td>a<td>b<tr><th>c</table>d", ["a", "b", "c", "d"]),
        ("a</div>b", ["ab"]),
        ("<div>a</section>b</div>c", ["ab", "c"]),
        ("<h1>a</h2>b", ["a", "b"]),
        ("<h1>a<h2>b", ["a", "b"]),
        ("a<br>b<br/>c", ["a\nb\nc"]),
        ("a<br><br>b", ["a", "b"]),
        ("<pre>\n  if x:\n    y</pre>", ["  if x:\n    y"]),
        ("a < b <1", ["a < b <1"]),
        ("a<!-- b > c -->d<!-->e<!--->f<!doctype x>g<?php h?>i</ x>j", ["adefgij"]),
        ("a<!-- b", ["a"]),
        ("a<script>if (b < c) '</p>'</script>d<style>e</style>f", ["adf"]),
        ("a<textarea>b</textarea>c<noscript>d</noscript>", ["ac", "d"]),
        ("<div><template>a</template>b</div>c<svg/>d<svg><path/></svg>e", ["b", "c", "d", "e"]),
        ("a<textarea>b", ["ab"]),
        ("a<script>b", ["a"]),
        ("<a href='x>y' title=\"a>b\">c</a>d", ["cd"]),
        ("<p title=a>b>c", ["b>c"]),
        ("<p/class=x>b", ["b"]),
        ("a<svg><text>b</text></svg>c<select><option>d</select>e", ["a", "c", "e"]),
        ("<DIV>a</dIv>b", ["a", "b"]),
        ("<b", []),
        ("", []),
        ("just text", ["just text"]),
    ],
)
def test_malformed_html_is_read_by_rules(html: str, expected_texts: list[str]) -> None:
    assert texts(html) == expected_texts


@pytest.mark.parametrize(
    "name",
    [
        "amp;",
        "nbsp;",
        "eacute;",
        "copy",
        "reg",
        "notin;",
        "notit;",
        "hellip;",
        "lt",
        "unknown;",
        "#8364;",
        "#x1F600;",
        "#128;",
        "#0;",
        "#xD800;",
        "#99999999999;",
        "#;",
        "#x;",
        ";",
        "CounterClockwiseContourIntegral;",
    ],
)
def test_character_references_are_pythons(name: str) -> None:
    said = " ".join(html_module.unescape(f"a&{name} b").split())
    assert texts(f"a&{name} b") == [said]


def test_every_named_reference_of_one_code_point_is_known() -> None:
    for name, value in html5.items():
        if len(value) == 1 and not value.isspace() and name.endswith(";"):
            assert texts(f"x&{name}") == [f"x{value}"]


def test_the_title_is_a_block_of_its_own() -> None:
    found = page("<head><title>A &amp; B</title></head><body>c<svg><title>d</title></svg>")
    start, end = found.blocks[found.state[layout.TITLE], : layout.END + 1]
    assert found.text[start:end].tobytes() == b"A & B"
    assert page("<p>x").state[layout.TITLE] == -1


def test_flags_are_those_of_the_elements_around() -> None:
    assert flags_of("<nav><ul><li>x") & FLAGS["nav"]
    assert flags_of("<nav><ul><li>x") & FLAGS["list"]
    assert not flags_of("<nav>y</nav>x", 1) & FLAGS["nav"]
    assert flags_of("<div role=navigation><p>x") & FLAGS["nav"]
    assert flags_of("<div itemprop=articleBody><p>x") & FLAGS["body_text"]
    assert flags_of("<div style='color: red; display : none'>x") & FLAGS["hidden"]
    assert flags_of("<div class='post-comments'><p>x") & FLAGS["comment"]
    assert not flags_of("<div class='recommended'><p>x") & FLAGS["comment"]


def test_links_and_bold_are_counted_in_characters() -> None:
    """The space before a word is counted with it."""
    row = page("<p>ab <a href=x>cdé</a> <a name=y>e</a> <b>f</b>").blocks[0]
    found = row[[layout.CHARS, layout.LINKED, layout.LINKS, layout.BOLD]].tolist()
    assert found == [len("ab cdé e f"), len(" cdé"), 1, len(" f")]


def test_what_lies_deeper_than_the_stack_is_read_too() -> None:
    deep = layout.DEEPEST + 50
    assert texts("<div>" * deep + "x" + "</div>" * deep + "<p>y") == ["x", "y"]


def test_more_blocks_than_are_counted_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MOST", 4)
    assert texts("<p>a<p>b<p>c<p>d<p>e<p>f")[:3] == ["a", "b", "c"]
    assert texts("<p>a<p>b<p>c<p>d<p>e<p>f")[3].split() == ["d", "e", "f"]


@given(st.binary(max_size=200) | st.text("<>/!-ab='\"& ;#x\n", max_size=200).map(str.encode))
@settings(max_examples=examples(300))
def test_any_bytes_are_read_within_their_room(html: bytes) -> None:
    found = page(html)
    size, nodes = int(found.state[layout.SIZE]), int(found.state[layout.NODES])
    spans = found.blocks[:size, [layout.START, layout.END]].ravel().tolist()
    assert all(a <= b for a, b in pairwise(spans))
    assert found.state[layout.HERE] <= len(html) + 8
    assert 1 <= nodes <= len(found.nodes)
    assert (found.blocks[:size, layout.NODE] < nodes).all()
    assert all(found.nodes[node, layout.PARENT] < node for node in range(1, nodes))
    assert (found.blocks[:size, layout.LINKED] <= found.blocks[:size, layout.CHARS]).all()


def test_valid_text_stays_valid() -> None:
    rng = random.Random(1)
    for _ in range(200):
        html = "".join(
            rng.choice(["é", "à", "漢", "頠", "<p>", "&#x1F600;", "\u00a0", "<br>", "&eacute", "</b", ">"])
            for _ in range(40)
        )
        found = page(html)
        found.text[: found.state[layout.HERE]].tobytes().decode()


def test_names_do_not_collide() -> None:
    assert len({names.hashed(name) for name in TAGS}) == len(TAGS)
    assert len(names.ENTITY_HASHES) > 2000


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<a href=x>one</a> two", ["one"]),
        ("<a href=x>one<a href=y>two</a>three", ["one", "two"]),
        ("<p>a <a href=x>b</p>c</a>d", ["b"]),
        ("<a href=x><p>a</p><p>b</p></a>c", ["ab"]),
        ("<a name=x>one</a><a href=x></a>two", [""]),
        ("<pre>one <a href=x></pre>two</a>three", [""]),
        ("<pre><a href=x>one </a></pre>two", ["one"]),
        ("<a href=x>to the end", ["to the end"]),
    ],
)
def test_links_have_the_text_between_their_tags(html: str, wanted: list[str]) -> None:
    assert [text for _, text in anchors(html)] == wanted
    assert all(tag.startswith("<a ") and tag.endswith(">") for tag, _ in anchors(html))


@pytest.mark.parametrize("tag", list(TAGS))
def test_an_end_tag_without_its_element_closes_nothing(tag: str) -> None:
    for html in (f"</{tag}>", f"<p>a</p></{tag}></{tag}>", f"<table><tr><td></{tag}></table></{tag}>"):
        found = page(html)
        assert 0 <= found.state[layout.OPEN] <= found.state[layout.NODES], html
        assert found.state[layout.SCOPE] < max(found.state[layout.OPEN], 1), html
