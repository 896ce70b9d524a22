"""What strangers wrote is text wherever it is shown: in HTML, in Markdown and in CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from markdown_it import MarkdownIt

from jobs.audit.form import form, sheet
from jobs.audit.samples import Item
from refinedweb.engine.card import card
from refinedweb.ledger.record import Totals
from refinedweb.ledger.run_file import open_run
from refinedweb.views.frame import Frame
from refinedweb.views.funnel import FunnelRow
from refinedweb.views.html import cut_html, documents_html, funnel_html, pair_html
from refinedweb.views.records import CutDocument, DuplicatePair
from tests.conftest import ROOT
from tests.refinedweb.engine.inline import ok, run, write_shards

HOSTILE = (
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](http://e.example/x.png) http://e.example/ www.e.example a@e.example",
    "</script></pre></style></title><script>alert(1)</script>",
    "\" onmouseover=alert(1) x='",
    "`` ` ``` </code> | a | b |\n# head\n\n```\n<img src=x onerror=alert(1)>",
    "a;=cmd()\n;＝cmd();+1\t;@x,－1\r=2",
    "＝HYPERLINK(1)",
    "\x1b[2J\x00 {{ 7 * 7 }} {% x %} ]]> --> &lt;script&gt; <!channel> \u202e",
)
# Every place that makes HTML, Markdown or CSV of what it is given; `test_no_producer_is_missing` finds them.
PRODUCERS = {
    "refinedweb/views/html.py",
    "refinedweb/views/frame.py",
    "refinedweb/views/rethreshold.py",
    "refinedweb/report/environment.py",  # Jinja with autoescape: its templates are checked below
    "refinedweb/inspector/server.py",
    "refinedweb/cli/inspect_page.py",  # shows an address that it made itself
    "refinedweb/engine/card.py",
    "refinedweb/sample/pages.py",  # our own texts, as pages to be crawled
    "refinedweb/sample/markup.py",
    "jobs/audit/form.py",
}
MAKES = re.compile(r"^(?:from html import|import (?:html|csv)\b|from (?:csv|jinja2) import)|\|---", re.MULTILINE)


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def check_page(html: str, scripts: int = 0) -> None:
    """Nothing of it runs, leads or loads anything."""
    page = Page(html)
    assert page.tags.count("script") == scripts
    assert not set(page.tags) & {"img", "a", "iframe", "object", "embed", "link", "h1"}, page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not [value for name, value in page.attributes if name in ("href", "src")]
    assert "\x1b" not in html
    assert "\x00" not in html


def item_of(text: str) -> Item:
    """A document of an audit. Its number is ours."""
    given: dict[str, Any] = {field.name: text if field.type == "str" else 1 for field in dataclasses.fields(Item)}
    return Item(**{**given, "item": "1"})


def test_no_producer_is_missing() -> None:
    sources = (path for folder in ("refinedweb", "jobs", "stages") for path in (ROOT / folder).rglob("*.py"))
    found = {path.relative_to(ROOT).as_posix() for path in sources if MAKES.search(path.read_text(encoding="utf-8"))}
    reads = {  # they unescape, read CSV, and hold a table in a docstring
        "stages/extraction/images.py",
        "stages/extraction/writing/markup.py",
        "refinedweb/sources/separated.py",
        "stages/extraction/writing/__init__.py",
    }
    assert found - reads == PRODUCERS


@pytest.mark.parametrize("text", HOSTILE)
def test_html(text: str) -> None:
    document = dict.fromkeys(("id", "url", "text", "drop", "kept_id", "language"), text)
    other = {**document, "text": f"another {text} text"}
    check_page(documents_html([{**document, "language_score": 0.5}], 1))
    check_page(pair_html(DuplicatePair(text, text, 2, document, other, 0.5, [1], False)))
    check_page(cut_html(CutDocument(text, text, document, [text, text])))
    check_page(funnel_html([FunnelRow(text, 2, {text: 1}, 0.5, None)]))
    check_page(Frame(pa.table({text: [text]}))._repr_html_())
    check_page(form([item_of(text)], text), scripts=1)


@pytest.mark.parametrize("template", sorted(ROOT.glob("refinedweb/*/templates/*.html")), ids=lambda path: path.name)
def test_templates_escape_all_that_they_show(template: Path) -> None:
    """Jinja escapes for text and for quoted attributes, but not within scripts, styles and addresses."""
    if "sample" in template.parts:
        return
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup", source)
    assert not re.search(r"=\s*\{\{", source), "an attribute without quotes"
    assert not re.search(r"<(?:script|style)[^>]*>[^<]*\{[{%]", re.sub(r"\{% include [^%]*%\}", "", source))
    addresses = re.findall(r"(?:href|src|action|formaction)=\"([^\"]*\{\{[^\"]*)\"", source)
    assert all(re.fullmatch(r"\{\{ link\(.*\) \}\}(?:#\w+)?", address) for address in addresses), addresses


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    ok(
        run(
            "url_dedup_v1",
            write_shards([{"id": "1", "text": "a", "url": "http://e.example/"}], folder / "in", 1),
            folder / "out",
        )
    )
    return folder / "out"


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown(text: str, finished: Path) -> None:
    """The card: the names of recipe, columns, inputs and reasons are those of others."""
    given = open_run(str(finished))
    inputs = [
        item._replace(uri=text) if hasattr(item, "_replace") else dataclasses.replace(item, uri=text)
        for item in given.inputs
    ]
    run_file: Any = dataclasses.replace(given, recipe_name=text, fingerprint=text, inputs=inputs)
    run_file.recipe["stages"][0]["index"] = [text]
    totals = Totals(rows_in=3, rows_kept=1, removed={"url_dedup_v1": {text: 2}})
    inner = pa.struct([(text, pa.int64())])
    shown = card(run_file, totals, pa.schema([(text, inner), (f"{text}.{text}", pa.int64())]), lost=[0])
    _, front, body = shown.split("---\n", 2)
    assert "\n#" not in front
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(body)
    usual = MarkdownIt("gfm-like", {"linkify": False}).render(
        card(given, Totals(), pa.schema([("text", pa.string())])).split("---\n", 2)[2]
    )
    page = Page(rendered)
    assert not set(page.tags) & {"a", "img", "script"}, page.tags
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == Page(usual).tags.count("h2") + 1
    assert page.tags.count("table") == 2
    columns = rendered.split("<table>")[1].split("</table>")[0]
    assert [row.count("<td") for row in columns.split("<tr>")[2:]] == [3, 3]


@pytest.mark.parametrize("text", HOSTILE)
def test_csv(text: str) -> None:
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(sheet([item_of(text)])), delimiter=delimiter):
            for cell in row:
                assert not cell.lstrip(" \"'\t").startswith(("=", "+", "@", "＝", "＋", "＠")) or cell.lstrip(
                    ' "\t'
                ).startswith("'"), cell
