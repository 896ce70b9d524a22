"""What a page's metadata says of its main text, and how blocks are compared with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.blocks.features.columns import EVIDENCE_AT, FEATURES, REGION_AT
from classifiers.blocks.features.read import read_blocks
from classifiers.blocks.html import layout
from tests.examples import examples

CUES = np.zeros(layout.TOKEN_SLOTS, np.float32)
BODY = "The river rose again in the night. “Nobody” was surprised: the meadow is wet — and 水が増えた, said Zoë."


def supported(html: str) -> list[float]:
    found = read_blocks(html.encode(), CUES)
    return [round(float(share), 3) for share in found.features[:, EVIDENCE_AT]]


def script(body: str, **options: bool) -> str:
    data = json.dumps({"@type": "Article", "articleBody": body}, **options)
    return f'<script type="application/ld+json">{data}</script>'


@pytest.mark.parametrize(
    "body",
    [BODY, BODY.replace(". ", ".\n\n"), f"<p class='x'>{BODY}</p>", BODY.replace("“", "&ldquo;"), f'"{BODY}\\'],
    ids=["as it is", "lines", "tags", "references", "quoted"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_block_of_the_article_body_is_supported_and_others_are_not(body: str, ascii_only: bool) -> None:
    html = f"{script(body, ensure_ascii=ascii_only)}<p>{BODY}</p><p>Most read: seven ways to dry a cellar</p>"
    assert supported(html) == [1, 0]


def test_a_heading_is_known_by_what_follows_it() -> None:
    html = f"{script('Flood ' + BODY)}<h2>Flood</h2><p>{BODY}</p><h2>Flood</h2><p>Quite another text</p>"
    assert supported(html) == [1, 1, 0, 0]


def test_a_page_without_an_article_body_supports_nothing() -> None:
    assert supported(f"<script>let article = 1</script><p>{BODY}") == [0]
    assert supported(f'<script>{{"articleBody": null}}</script><p>{BODY}') == [0]
    assert supported(f'<p>"articleBody": "{BODY}"') == [0]


def test_a_body_that_does_not_end_is_read_to_its_scripts_end() -> None:
    cut = script(BODY).replace('"}</script>', "</script>")
    assert supported(f"{cut}<p>{BODY}</p><p>another text about something else") == [1, 0]


PIECES = ['"articleBody"', ":", '"', "\\", "\\u", "00e9", "<b", ">", "&amp", "a b c d", "水", " "]


@given(st.lists(st.sampled_from(PIECES)))
@settings(max_examples=examples(100))
def test_any_script_is_read_within_its_room(pieces: list[str]) -> None:
    found = supported(f"<script>{''.join(pieces)}</script><p>a b c d 水")
    assert all(0 <= share <= 1 for share in found)


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("", 0),
        ("<meta property='og:type' content='article'>", 2),
        ("<meta content=Article property=og:type>", 2),
        ("<meta property='og:type' content='video.movie' />", 4),
        ("<meta property='og:title' content='article'>", 0),
    ],
)
def test_the_page_says_what_it_is(tag: str, kind: int) -> None:
    found = read_blocks(f"<head>{tag}</head><body><p>{BODY}".encode(), CUES)
    assert found.page.state[layout.KIND] == kind
    assert "page_kind" in FEATURES[REGION_AT:]
