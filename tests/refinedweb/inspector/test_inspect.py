"""The inspector: what it finds, whom it lets in, what a browser makes of it, and the labels it writes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from click.testing import CliRunner
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import refinedweb as rw
from classifiers.training import labelled
from refinedweb.cli import cli
from refinedweb.inspector.browse import Query, find_documents, load_document
from refinedweb.inspector.document import DocumentReader
from refinedweb.inspector.labels import SCHEMA, Labels
from refinedweb.inspector.server import Inspector, address, bound
from stages.errors import ConfigError
from tests.refinedweb.engine.inline import ok, run
from tests.refinedweb.inspector.browser import chromium
from tests.refinedweb.sources.archives import http as response
from tests.refinedweb.sources.archives import warc
from tests.refinedweb.views.small_run import prose, small_run

FATES = {"corpus": 24, "quality_v1": 8, "repetition_v1": 6, "minhash_v1": 4}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("run"))


@contextmanager
def served(out: Path, labels: Path | None = None) -> Iterator[str]:
    """The address of the inspector of a run, as `refinedweb inspect` serves it."""
    inspector = Inspector(rw.open(str(out)), None if labels is None else Labels(str(labels)))
    with bound(0) as listening:
        config = uvicorn.Config(inspector.app(listening.getsockname()[1]), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address(inspector, listening, Query())
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize(("stage", "count"), FATES.items())
def test_filters_find_exactly_what_the_ledger_counts(out: Path, stage: str, count: int) -> None:
    run = rw.open(str(out))
    hits = find_documents(run, Query(stage=stage), 100)
    assert len(hits.found) == count
    assert not hits.more
    assert {hit.stage for hit in hits.found} == {stage}


def test_every_document_is_found_once_in_an_order_that_the_seed_gives(out: Path) -> None:
    run = rw.open(str(out))
    every = find_documents(run, Query(), 100).found
    assert len({hit.id for hit in every}) == len(every) == sum(FATES.values())
    assert find_documents(run, Query(), 100).found == every
    assert [hit.id for hit in find_documents(run, Query(seed=1), 100).found] != [hit.id for hit in every]
    parts = [find_documents(run, Query(skip=skip), 10) for skip in range(0, 50, 10)]
    assert [hit for part in parts for hit in part.found] == every
    assert [part.more for part in parts] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (Query(words="BUY THIS FINE"), 6),
        (Query(words="no such words"), 0),
        (Query(domain="agai.example"), 6),
        (Query(domain="example"), 42),
        (Query(domain="xample"), 0),
        (Query(language="en", reason="too_few_words"), 8),
        (Query(language="de"), 0),
        (Query(words="<script>"), 5),
    ],
)
def test_words_domains_languages_and_reasons_narrow_it(out: Path, query: Query, count: int) -> None:
    assert len(find_documents(rw.open(str(out)), query, 100).found) == count


@pytest.mark.parametrize(
    "at", ["", "x", "corpus/000000.parquet", "corpus/000000.parquet:999", "corpus/999999.parquet:0", "run.json:0",
           "../run.json:0", "00-filter/kept/000000.parquet:0", "corpus/../run.json:0", "corpus/000000.parquet:-1"],
)  # fmt: skip
def test_only_committed_documents_have_an_address(out: Path, at: str) -> None:
    assert load_document(rw.open(str(out)), at) is None


def test_duplicates_stand_beside_each_other_with_what_differs_marked(out: Path) -> None:
    run = rw.open(str(out))
    for hit in find_documents(run, Query(stage="minhash_v1"), 10).found:
        loaded = load_document(run, hit.at)
        assert loaded is not None
        (twins,) = DocumentReader(run).view(*loaded).twins
        for pieces, document in ((twins.removed, twins.pair.removed), (twins.kept, twins.pair.kept)):
            assert "".join(piece.text for piece in pieces) == document["text"]
        same = ["".join(p.text for p in side if not p.marked) for side in (twins.removed, twins.kept)]
        assert same[0] == same[1]
        marked = [p.text for side in (twins.removed, twins.kept) for p in side if p.marked]
        assert any("Seen" in text for text in marked)


def test_html_is_read_again_from_the_archive_and_explained(tmp_path: Path) -> None:
    body = f"<html><body><article><p>{prose(1)}</p></article></body></html>"
    file = tmp_path / "in.warc"
    file.write_bytes(warc(response(body.encode()), number=0))
    ok(run("extract_v1,quality_v1", [file], tmp_path / "out"))
    opened = rw.open(str(tmp_path / "out"))
    reader = DocumentReader(opened)
    (hit,) = find_documents(opened, Query(stage="corpus")).found
    loaded = load_document(opened, hit.at)
    assert loaded is not None
    page = reader.view(*loaded)
    assert page.html == body
    assert page.html_from == f"read again from {file}"
    explanation = reader.explain(*loaded)
    assert explanation.verdict == "kept"
    assert [step.stage for step in explanation.steps] == ["extract_v1", "quality_v1"]
    elsewhere = {**loaded[1], "source": str(tmp_path / "out" / "run.json")}
    assert reader.view(loaded[0], elsewhere).html == "", "only inputs of the run are read"


def asked(url: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, f"/{path}", body, {"Host": host, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_only_the_page_itself_gets_in(out: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.parquet"
    with served(out, labels) as url:
        status, headers, _ = asked(url)
        assert status == 200
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        origin, at = url[: url.index("/", 8)], find_documents(rw.open(str(out)), Query(stage="quality_v1")).found[0].at
        assert asked(url, Host="rebound.example")[0] == 421
        assert asked(f"{origin}/")[0] == 404
        assert asked(f"{origin}/wrong-token/")[0] == 404
        assert asked(f"{url}static/../../server.py")[0] == 404
        assert asked(f"{url}?at=run.json:0")[0] == 404
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        mark = urlencode({"at": at})
        assert asked(f"{url}mark", "POST", mark, **form)[0] == 403, "no origin"
        assert asked(f"{url}mark", "POST", mark, Origin="http://evil.example", **form)[0] == 403
        assert not labels.exists()
        assert asked(f"{url}mark", "POST", mark, Origin=origin, **form)[0] == 303
        assert asked(f"{url}mark", "POST", urlencode({"at": "x"}), Origin=origin, **form)[0] == 400
        assert len(Labels(str(labels))) == 1


def test_odd_parameters_are_answered(out: Path) -> None:
    with served(out) as url:
        for query in (
            "seed=x",
            "seed=9e9",
            "skip=-1",
            "stage=nothing",
            f"words={quote('%_[(' * 300)}",
            "at=%00",
            "explain=1",
        ):
            assert asked(f"{url}?{query}")[0] in (200, 404), query
        status, _, page = asked(f"{url}?words={quote('<script>alert(1)</script>')}")
        assert status == 200
        assert "<script>alert" not in page


@pytest.mark.parametrize("digits", [19, 5_000])
def test_an_address_of_too_many_digits_is_a_bad_request(out: Path, tmp_path: Path, digits: int) -> None:
    with served(out, tmp_path / "labels.parquet") as url:
        origin, many = url[: url.index("/", 8)], "9" * digits
        for at in (f"corpus/000000.parquet:{many}", f"corpus/{many}.parquet:0", f"{many}:{many}"):
            assert asked(f"{url}?at={at}")[0] in ((400,) if digits > 1000 else (400, 404))
            assert asked(f"{url}mark", "POST", urlencode({"at": at}), Origin=origin)[0] == 400
        assert asked(f"{url}?seed={many}&skip={many}")[0] == 200


def test_labels_are_rows_that_the_classifier_reads(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    labels = Labels(str(path))
    row: dict[str, str | None] = dict.fromkeys(SCHEMA.names, "x")
    row |= {"text": "A text.", "label": "keep", "id": "a", "run": "out"}
    labels.mark(row)
    labels.mark({**row, "id": "b", "label": "remove", "stage": "corpus", "reason": None})
    labels.mark({**row, "id": "b", "label": "remove", "stage": "corpus", "reason": None})
    read = labelled.read([path])
    assert read["label"].to_pylist() == ["keep", "remove"]
    assert Labels(str(path)).of("out", "a") == "keep"
    labels.unmark("out", "a")
    assert [labels.of("out", name) for name in ("a", "b")] == [None, "remove"]
    assert pq.ParquetFile(path).read()["id"].to_pylist() == ["b"]


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), other)
    with pytest.raises(ConfigError, match="choose a new file"):
        Labels(str(other))
    other.write_text("text")
    with pytest.raises(ConfigError, match="not a Parquet file"):
        Labels(str(other))


def test_the_terminal_form_stays(out: Path) -> None:
    def printed(*words: str) -> str:
        return CliRunner().invoke(cli, ["inspect", str(out), *words], catch_exceptions=False).output

    assert "too_few_words" in printed("--text", "--stage", "quality")
    assert len(printed("--json", "-n", "3").splitlines()) == 3
    assert "Jaccard" in printed("--text", "--stage", "minhash")
    with pytest.raises(ConfigError, match="goes with --stage"):
        printed("--no-browser", "--reason", "too_few_words")


@pytest.mark.slow
def test_in_a_browser(out: Path, tmp_path: Path) -> None:
    """Load, filter, flip by keys, search, help, mark, take back, explain; and nothing in a crawled page runs."""
    labels = tmp_path / "labels.parquet"
    with served(out, labels) as url, chromium(tmp_path / "profile") as browser:
        browser.get(url)
        assert len(listed(browser)) == sum(FATES.values())
        with changes(browser):
            Select(browser.find_element(By.ID, "stage")).select_by_value("quality_v1")
        assert len(listed(browser)) == FATES["quality_v1"]
        first = heading(browser)
        press(browser, "j")
        second = heading(browser)
        press(browser, "k")
        assert heading(browser) == first != second

        with changes(browser):
            browser.find_element(By.ID, "mark").click()
        assert "marked as wrong: keep" in browser.find_element(By.CSS_SELECTOR, ".label").text
        assert labelled.read([labels])["text"].to_pylist() == [browser.find_element(By.ID, "text").text]
        assert len(listed(browser)) == FATES["quality_v1"], "the list stays as it was"
        press(browser, "m")
        assert browser.find_elements(By.CSS_SELECTOR, ".label") == []
        assert len(Labels(str(labels))) == 0

        press(browser, "e")
        outside = browser.find_elements(By.CSS_SELECTOR, "tr.outside")
        assert any("words" in row.text and "too_few_words" in row.text for row in outside)

        body(browser).send_keys("?")
        dialog = browser.find_element(By.ID, "help")
        assert dialog.get_attribute("open") is not None
        assert "another random sample" in dialog.text
        webdriver.ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert dialog.get_attribute("open") is None

        browser.get(url)
        body(browser).send_keys("/")
        search = browser.switch_to.active_element
        assert search.get_attribute("id") == "words"
        with changes(browser):
            search.send_keys("window.owned", Keys.ENTER)
        assert len(listed(browser)) == 5
        for _ in range(4):
            assert browser.execute_script("return window.owned") is None
            assert "<script>" in browser.find_element(By.ID, "document").text
            press(browser, "j")
        press(browser, "r")
        assert "seed=1" in browser.current_url
        assert "words=window.owned" in browser.current_url
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []

        size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360


def listed(browser: webdriver.Chrome) -> list[Any]:
    return browser.find_elements(By.CSS_SELECTOR, "#list a")


def heading(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.CSS_SELECTOR, "main h2").text


def body(browser: webdriver.Chrome) -> Any:
    return browser.find_element(By.TAG_NAME, "body")


def press(browser: webdriver.Chrome, key: str) -> None:
    """Press a key that opens another address."""
    with changes(browser):
        body(browser).send_keys(key)


@contextmanager
def changes(browser: webdriver.Chrome) -> Iterator[None]:
    """Wait until what is done inside has loaded another address."""
    browser.execute_script("document.documentElement.dataset.before = '1'")
    yield
    script = "return document.readyState === 'complete' && !document.documentElement.dataset.before"
    WebDriverWait(browser, 60).until(lambda found: found.execute_script(script))
