"""The engine `blocks`: what it keeps, the form of its text, its parameters, and that no page harms it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.extractor_fuzz import mutated
from classifiers.blocks import model, trees
from classifiers.blocks.training import labels
from stages.extract import Extract
from stages.extraction import blocks
from stages.schema import documents
from tests.stages.extraction.pages import CONTENT, SENTENCE, page, paragraphs


def outcome(html: bytes, **params: Any) -> dict[str, Any]:
    docs = documents(html=[html], url=["https://example.org/a/b"])
    row: dict[str, Any] = Extract(engine="blocks", **params)(docs).to_pylist()[0]
    return row


def article(inside: str) -> bytes:
    menu = "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(12))
    rest = paragraphs(3).replace("Part", "Later")  # what a page contains twice is kept once
    return (
        f"<html><head><title>The flood - Valley News</title></head><body><nav class='menu'><ul>{menu}</ul></nav>"
        f"<main><article><h1>The flood</h1>{paragraphs(4)}{inside}{rest}</article></main>"
        f"<footer class='footer'><p>© 2026 Valley News. All rights reserved.</p><a href='/privacy'>Privacy</a></footer>"
    ).encode()


def test_the_article_is_kept_and_what_is_around_it_is_not() -> None:
    text = outcome(article(""))["text"]
    assert text.count("The river rose again") == 7
    assert "Section 3" not in text
    assert "All rights reserved" not in text


def test_tables_are_rows_and_code_keeps_its_lines() -> None:
    cells = "".join(f"<tr><td>{SENTENCE}</td><td>{n}: {SENTENCE}</td></tr>" for n in range(3))
    text = outcome(article(f"<table>{cells}</table><pre>if wet:\n    go_home()  # {SENTENCE}\n</pre>"))["text"]
    assert f"{SENTENCE.strip()} | 1: {SENTENCE.strip()}" in text
    assert "if wet:\n    go_home()" in text


def test_items_are_marked() -> None:
    text = outcome(article(f"<ul><li>First. {SENTENCE}</li><li>Second. {SENTENCE}</li></ul>"))["text"]
    assert f"\n- First. {SENTENCE.strip()}\n- Second." in text


def test_tables_and_comments_are_parameters() -> None:
    table = f"<table><tr><td>Cell. {SENTENCE}</td></tr></table>"
    assert "Cell." not in outcome(article(table), include_tables=False)["text"]
    comments = "<div class='comments'><p>What a splendid article, I have read it twice, thank you!</p></div>"
    html = article("").replace(b"</main>", f"{comments}</main>".encode())
    assert "splendid" in outcome(html, include_comments=True)["text"]


def test_images_are_those_among_the_text() -> None:
    html = f"<html><body>{CONTENT}</body></html>".encode()
    found = [url for url, _ in outcome(html)["image_urls"]]
    assert "https://example.org/flood.jpg" in found
    assert not {"https://example.org/menu.png", "https://example.org/logo.png"} & set(found)
    assert outcome(html, image_urls=False)["image_urls"] is None


def test_title_and_links_are_given_on_request() -> None:
    html = article("<p>More of it <a href='b?x=1&amp;y=2'>in <b>the</b> second\npart</a>, <a>not here</a>.</p>")
    html = html.replace(b"</head>", b"<base href='/news/'></head>")
    row = outcome(html, title=True, links=True)
    assert row["title"] == "The flood - Valley News"
    assert ["https://example.org/news/b?x=1&y=2", "in the second part"] in row["links"]
    assert [f"https://example.org/{n}" for n in range(12)] == [url for url, _ in row["links"][:12]]
    assert row["links"][-1] == ["https://example.org/privacy", "Privacy"]
    assert not {"title", "links"} & set(outcome(html))
    around = outcome(article("<a href='/c'><p>One.</p><p>Two.</p></a>"), links=True)["links"]
    assert ["https://example.org/c", "One. Two."] in around


def test_addresses_of_links_are_resolved_as_browsers_do_and_others_left_out() -> None:
    hrefs = ["#top", "", "mailto:a@example.org", "javascript:x()", " /a\n b ", "//c.example/d", "http://[", "e", "e"]
    inside = "".join(f"<a href='{href}'>x</a>" for href in hrefs)
    found = outcome(article(f"<p>{inside}</p>"), links=True)["links"][12:-1]
    wanted = ["https://example.org/a%20b", "https://c.example/d", "https://example.org/a/e"]
    assert [url for url, _ in found] == wanted


@pytest.mark.parametrize("name", ["title", "links"])
def test_other_engines_give_neither(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=true needs engine=blocks"):
        Extract(**{name: True})


def test_pages_without_text_or_tags_say_so() -> None:
    assert outcome(b"just text")["drop"] == "unparsable_html"
    assert outcome(b"")["drop"] == "unparsable_html"
    html = b"<html><body><nav><a href='/'></a></nav><script>let text = 'none';</script><p> </p></body></html>"
    assert outcome(html)["drop"] == "no_main_text"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    html = page(*[f"<p>Part {n}. {SENTENCE}</p>" for n in range(4)]).replace(b"meadow", b"mea\xffdow\xc3")
    assert "mea\ufffddow" in outcome(html)["text"]


def test_blocks_are_explained() -> None:
    scored = blocks.score(article(""))
    assert scored.title() == "The flood - Valley News"
    rows = list(scored.explained())
    assert {text for kept, _, text in rows if kept and "Section" in text} == set()
    assert sum(kept for kept, _, _ in rows) >= 7
    assert all(0 <= score <= 1 for _, score, _ in rows)
    assert 0 < scored.confidence <= 1


def test_the_shipped_model_is_small_and_of_these_features() -> None:
    assert model.SHIPPED.stat().st_size <= 2_000_000
    model.load()


def test_a_model_survives_its_file_byte_for_byte(tmp_path: Path) -> None:
    model.save(model.load(), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == model.SHIPPED.read_bytes()


def test_a_file_of_other_features_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", features=np.zeros(3, np.uint8))
    with pytest.raises(model.BadModel, match=r"classifiers\.blocks"):
        model.load(tmp_path / "other.npz")


def test_trees_answer_as_lightgbm_does() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2_000, 8)).astype(np.float32)
    wanted = (rows[:, 0] * rows[:, 1] > 0.1).astype(np.float32)
    options = {"objective": "cross_entropy", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "use_missing": False}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, wanted), num_boost_round=20)
    found = trees.probabilities(trees.from_dump(booster.dump_model()), rows)
    assert np.abs(found - booster.predict(rows)).max() < 1e-5


def test_a_page_that_holds_its_article_twice_gives_it_once() -> None:
    paragraphs = "".join(f"<p>Part {n}. {SENTENCE}</p>" for n in range(6))
    both = f"<main><div class='narrow'>{paragraphs}</div><div class='wide'>{paragraphs}</div></main>"
    text = outcome(f"<html><title>The flood</title><body>{both}".encode())["text"]
    assert [text.count(f"Part {n}.") for n in range(6)] == [1] * 6


def test_labels_are_shares_of_the_truth() -> None:
    truth = "The flood\nThe river rose again in the night and nobody came"
    found = ["Menu", "The flood", "The river rose again in the night", "Read more about the weather of today", "川は"]
    shares, sizes = labels.labelled(found, truth)
    assert shares.tolist() == [0, 1, 1, 0, 0]
    assert sizes.tolist() == [1, 2, 7, 7, 2]


def test_a_tag_of_one_long_word_is_read_once() -> None:
    """Quadratic time for a million characters would be hours."""
    word = "a-" * 500_000
    row = outcome(article(f"<p>See <img src=x.png {word}><a href=y {word}>it</a></p>"), links=True)
    assert ["https://example.org/a/y", "it"] in row["links"]
    assert ["https://example.org/a/x.png", ""] in row["image_urls"]


def test_mutated_pages_do_no_harm() -> None:
    """Pieces of pages are cut out, doubled and moved; `benchmarks.extractor fuzz` tries any number of them."""
    rng = random.Random(1)
    source = article("<table><tr><td>a<td>b</table><!-- x --><pre>\n y</pre><svg><path d='x'/></svg>&eacute;&#8217;")
    for _ in range(150):
        found = blocks.extract(mutated(source, rng), "https://example.org/", with_title=True, with_links=True)
        assert found.text == found.text.encode().decode()
        assert len(found.images) <= 1000
