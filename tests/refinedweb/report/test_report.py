"""The report: what it says is what the ledger says, nothing in it runs, and the same run gives the same bytes."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from selenium.webdriver.common.by import By

import refinedweb as rw
from refinedweb.cli import cli
from refinedweb.inspector import browse
from refinedweb.inspector.document import DocumentReader
from refinedweb.report import marks, sample, view
from refinedweb.report.environment import percent
from refinedweb.report.html import render, write_report
from refinedweb.views.run import Run
from stages.errors import ConfigError
from tests.refinedweb.inspector.browser import chromium
from tests.refinedweb.views.small_run import HOSTILE, small_run

VOID = {"meta", "br", "img", "input", "link", "hr"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"), "keep_measures=true")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pages, kept as by default, with another limit."""
    return small_run(tmp_path_factory.mktemp("bare"), "keep_removed=sample", "quality_v1.min_words=5")


@pytest.fixture(scope="module")
def html(out: Path) -> str:
    return render(rw.open(str(out)))


class Tags(HTMLParser):
    """The tags and addresses of an HTML document. It checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    return tags


def test_it_is_one_file_that_fetches_and_runs_nothing(html: str) -> None:
    tags = parsed(html)
    assert tags.open == [], "every tag is closed"
    assert not tags.seen & {"script", "iframe", "object", "embed", "link", "img", "form"}
    assert tags.addresses
    assert all(address.startswith("#") for address in tags.addresses), tags.addresses
    assert tags.handlers == []
    assert not re.search(r"url\((?!#)|@import", html)
    assert len(html.encode()) < 3_000_000
    targets = {address[1:] for address in tags.addresses}
    assert targets <= set(tags.ids), "every link leads somewhere"


def test_its_numbers_are_those_of_the_ledger(out: Path, html: str) -> None:
    run = rw.open(str(out))
    totals = run.totals()
    assert totals.removed == {
        "repetition_v1": {"duplicate_lines": 6},
        "quality_v1": {"too_few_words": 8},
        "minhash_v1": {"near_duplicate": 4},
    }
    assert f"{totals.rows_kept} of {totals.rows_in} documents were kept" in html
    for stage, reasons in totals.removed.items():
        for reason, n in reasons.items():
            assert re.search(rf"{stage}</(?:th|span)>.*?{reason}</td><td class=\"num\">{n}</td>", html, re.S)
    assert run.file.fingerprint in html


def test_hostile_pages_stand_there_as_text(html: str) -> None:
    assert "&lt;script&gt;document.title" in html
    assert "{{ 7 * 7 }}" in html
    assert "<script" not in html


def test_the_same_run_gives_the_same_bytes(out: Path, html: str) -> None:
    assert render(rw.open(str(out))) == html


def test_measures_are_those_that_were_stored_or_measured_again(out: Path, bare: Path) -> None:
    stored, again = view.gather(rw.open(str(out))), view.gather(rw.open(str(bare)))
    assert {m.stored for m in stored.measures} == {True}
    assert {m.stored for m in again.measures} == {False}
    for stage, name in (("quality_v1", "words"), ("repetition_v1", "duplicate_lines")):
        one = next(m for m in stored.measures if (m.stage, m.name) == (stage, name))
        other = next(m for m in again.measures if (m.stage, m.name) == (stage, name))
        limit, reason = one.limits[0], one.limits[0].reason
        reached = one.found.weights.sum()
        removed = stored.totals.removed[stage][reason]
        assert one.beyond(limit) == pytest.approx(removed / reached)
        assert other.found.weights.sum() == pytest.approx(reached)
        assert other.found.values.mean() == pytest.approx(one.found.values.mean(), rel=0.01)


def test_a_part_of_the_shards_stands_for_the_rest(out: Path) -> None:
    run = rw.open(str(out))
    part = sample.sample_of(run, most_shards=1)
    assert len(part.shards) == 1
    assert part.shards_all == 3
    assert not part.whole
    assert part.rows == part.kept + sum(n for reasons in part.removed.values() for n in reasons.values())
    every = sample.sample_of(run)
    assert every.whole
    assert every.shards[0] == part.shards[0]
    assert every.rows == every.rows_all


def test_a_run_that_is_not_over_says_so(out: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(out / "00-filter", part / "00-filter")
    shutil.copy(out / "run.json", part)
    (part / "00-filter" / "manifest" / "000002.json").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(out / "run.json", empty)
    for folder in (part, empty):
        page = render(rw.open(str(folder)))
        parsed(page)
        assert "This run is not finished: 0 of 4 steps are complete" in page
    run = rw.open(str(part))
    assert sample.sample_of(run).shards_all == 2
    for hit in browse.find_documents(run, browse.Query()).found:
        loaded = browse.load_document(run, hit.at)
        assert loaded is not None
        assert DocumentReader(run).view(*loaded).twins == []


def test_compare_lays_the_other_run_beside(out: Path, bare: Path) -> None:
    page = render(Run(str(out)), Run(str(bare)))
    parsed(page)
    assert "quality_v1.min_words: 5 → 50" in page
    assert "other run" in page
    assert re.search(r"too_few_words</td><td class=\"num\">8</td>.*?<td class=\"num\">\+\d</td>", page, re.S)


def test_the_command_writes_it_where_asked(out: Path, tmp_path: Path) -> None:
    assert write_report(str(out)) == str(out / "report.html")
    target = tmp_path / "deep" / "page.html"
    done = CliRunner().invoke(cli, ["report", str(out), "-o", str(target)], catch_exceptions=False)
    assert done.output.strip() == str(target)
    assert target.read_bytes() == (out / "report.html").read_bytes()
    with pytest.raises(ConfigError, match="no run at"):
        write_report(str(out), str(target), str(tmp_path))


def test_offending_places_are_marked() -> None:
    text = "One line.\nSame.\nOther words here.\nSame.\n"
    assert [text[a:b] for a, b in marks.spans("duplicate_lines", text)] == ["Same.", "Same."]
    text = "buy it now ok buy it now well"
    assert [text[a:b] for a, b in marks.spans("top_3gram", text)] == ["buy it now", "buy it now"]
    assert marks.spans("too_many_hashes", "a #b #") == [(2, 3), (5, 6)]
    assert marks.spans("too_few_words", "a b") == []
    pieces, left = marks.excerpt("x" * 1000 + "#" + "y" * 1000, [(1000, 1001)])
    assert [piece.text for piece in pieces if piece.marked] == ["#"]
    assert left + sum(len(piece.text.strip("… ")) for piece in pieces) == 2001


def test_marks_never_change_the_text(out: Path) -> None:
    for example in view.gather(rw.open(str(out))).removed:
        for shown in example.shown:
            text = "".join(piece.text for piece in shown.pieces).removeprefix("… ")
            assert len(text) <= marks.MOST_SHOWN + 4
    repeated = [e for e in view.gather(rw.open(str(out))).removed if e.reason == "duplicate_lines"]
    assert all(shown.marked for example in repeated for shown in example.shown)


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (1, "100 %"), (0.00001, "< 0.01 %"), (0.001, "0.10 %"), (0.123, "12.3 %")]
)
def test_shares_are_said_with_what_matters(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.slow
def test_in_a_browser_nothing_runs_and_everything_fits(out: Path, html: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    with chromium(tmp_path / "profile") as browser:
        browser.get(file.as_uri())
        assert "documents kept" in browser.title
        assert browser.execute_script("return window.owned") is None
        assert browser.get_log("browser") == [], "no error, nothing blocked"
        assert len(browser.find_elements(By.CSS_SELECTOR, "svg[role=img] > title")) > 5
        summary = browser.find_element(By.XPATH, "//summary[contains(., 'too_few_words')]")
        browser.execute_script("arguments[0].focus()", summary)
        summary.send_keys(" ")
        assert HOSTILE.split("\u202e")[0].strip() in browser.find_element(By.TAG_NAME, "main").text
        for width in (360, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        colours = {_background(browser, scheme) for scheme in ("light", "dark")}
        assert len(colours) == 2


def _background(browser: object, scheme: str) -> str:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})  # type: ignore[attr-defined]
    found: str = browser.execute_script("return getComputedStyle(document.body).backgroundColor")  # type: ignore[attr-defined]
    return found
