"""URL stage: one spelling per host, lists that block exactly what they name, words that spare innocent URLs."""

from __future__ import annotations

import gzip
import pickle
import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.errors import ConfigError
from stages.schema import documents
from stages.url import CATEGORIES, Url
from stages.urls.blocklist import load_blocklist
from stages.urls.hashing import HashSet, contains
from stages.urls.lookup import listed_hosts
from stages.urls.normalise import host_of, match_form, normalise_url
from stages.urls.plain import encode_forms, plain_forms
from stages.urls.words import TIERS, load_tiers
from stages.wordlists import FOLDER, read_list
from tests.examples import examples

HOSTS = [
    ("http://Example.COM/", "example.com"),
    ("HTTPS://example.com.", "example.com"),
    ("http://user:pa@ss@example.com:8080/x@y", "example.com"),
    ("http://example.com:", "example.com"),
    ("http:\\\\example.com\\path", "example.com"),
    (" \x00http://exa\tmple.com\n", "example.com"),
    ("//example.com/x", "example.com"),
    ("example.com/page?q=http://other.org", "example.com"),
    ("example.com:80/x", "example.com"),
    ("http://example.com?x", "example.com"),
    ("http://example.com#x", "example.com"),
    ("http://foo_bar.example.com", "foo_bar.example.com"),
    ("http://localhost/", "localhost"),
    ("http://%65xample.com/", "example.com"),
    ("http://ＥＸＡＭＰＬＥ.com/", "example.com"),
    ("http://пример.рф/", "xn--e1afmkfd.xn--p1ai"),
    ("http://ПРИМЕР.РФ/", "xn--e1afmkfd.xn--p1ai"),
    ("http://XN--E1AFMKFD.xn--p1ai/", "xn--e1afmkfd.xn--p1ai"),
    ("http://%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80.рф/", "xn--e1afmkfd.xn--p1ai"),
    ("http://例え。テスト/", "xn--r8jz45g.xn--zckzah"),
    ("http://faß.de/", "xn--fa-hia.de"),
    ("http://i❤.ws/", "xn--i-7iq.ws"),
    ("http://a_b.é.com/", "a_b.xn--9ca.com"),
    ("http://192.168.0.1/", "192.168.0.1"),
    ("http://0xC0.0250.1/", "192.168.0.1"),
    ("http://3232235521./", "192.168.0.1"),
    ("http://１９２.168.0.1/", "192.168.0.1"),
    ("http://[2001:DB8:0::1]:8080/", "[2001:db8::1]"),
]
NO_HOST = [
    "", " ", "http://", "http:///", "https://?q", "/path/only", "mailto:a@example.com", "ftp://example.com/",
    "javascript:alert(1)//example.com", "data:text/html,x.y", "foo.bar://example.com", "tel:123", "localhost:8080",
    "#top", "http://a b.com/", "http://a..b.com/", "http://.com/", "http://a%2Fb.com/", "http://%ff.com/",
    "http://1.2.3.4.5/", "http://1.2.3.256/", "http://1.2.3.08/", "http://[::1/", "http://[fe80::1%25eth0]/",
    "http://[::g]/", "http://example.com:65536/", "http://example.com:8o/", "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 127 + "com/", "http://" + "é" * 3000 + ".com/", "http://a<b.com/", "http://a|b.com",
]  # fmt: skip


@pytest.mark.parametrize(("url", "host"), HOSTS)
def test_every_spelling_of_a_host_is_one_host(url: str, host: str) -> None:
    assert host_of(url) == host
    assert host_of(f"http://{host}/") == host


@pytest.mark.parametrize("url", NO_HOST)
def test_what_no_browser_could_fetch_has_no_host(url: str) -> None:
    assert (host_of(url), normalise_url(url), match_form(url)) == (None, None, None)
    assert drops([url]) == ["invalid_url"]


@pytest.mark.parametrize("size", [63, 64])
def test_a_label_has_63_bytes_at_most(size: int) -> None:
    assert (host_of(f"http://{'a' * size}.com/") is None) == (size > 63)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.com", "http://example.com/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("http://u:p@example.com/A?B#c", "http://example.com/A?B"),
        ("http://example.com/a/./b/../../c/.", "http://example.com/c/"),
        ("http://example.com/../..", "http://example.com/"),
        ("http://example.com/%7euser/%e4?%2f", "http://example.com/~user/%E4?%2F"),
        ("http://example.com/é x", "http://example.com/%C3%A9%20x"),
        ("http://example.com/100%", "http://example.com/100%25"),
        ("http://example.com/?", "http://example.com/"),
        ("http://example.com/?b=2&a=1", "http://example.com/?b=2&a=1"),
        ("http://example.com/?utm_source=x", "http://example.com/?utm_source=x"),
        ("http://www.example.com/", "http://www.example.com/"),
    ],
)
def test_normal_form(url: str, normal: str) -> None:
    assert normalise_url(url) == normal


def test_normal_form_options() -> None:
    url = "https://example.com/a?utm_source=x&b=1&fbclid=2&futm_x=3"
    assert normalise_url(url, strip_tracking=True) == "https://example.com/a?b=1&futm_x=3"
    assert normalise_url("https://example.com/?gclid=1", strip_tracking=True) == "https://example.com/"
    assert normalise_url("https://example.com/a", keep_scheme=False) == "example.com/a"


SPELLINGS = (
    r"http https :// HTTP:// www. example .com xn--e1afmkfd XN- é %C3%A9 %2F % / \ ? # : :80 :99999 @ .. . - _ A 7"
)
PIECES = st.sampled_from([*SPELLINGS.split(), "0x7f", "[", "]", " ", "\t", "\x00", "&", "=", "~", "\U0001f600"])
URLS = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: "https://example.com" + "".join(pieces)),
    st.text(max_size=30),
)


@given(URLS)
def test_normalising_twice_is_normalising_once(url: str) -> None:
    once = normalise_url(url)
    if once is not None:
        assert normalise_url(once) == once
        assert host_of(once) == host_of(url)


@given(st.lists(URLS, min_size=1, max_size=8))
@settings(max_examples=examples(150))
def test_the_fast_path_agrees_with_the_reference(urls: list[str]) -> None:
    assert_fast_path_agrees(urls)


def assert_fast_path_agrees(urls: list[str]) -> float:
    """Compare the fast path with `match_form`; returns the share of URLs that took it."""
    encoded = [url.encode() for url in urls]
    ends = np.cumsum([len(url) for url in encoded])
    starts = ends - [len(url) for url in encoded]
    for need_scheme in (True, False):
        forms = plain_forms(np.frombuffer(b"".join(encoded), np.uint8), starts, ends, need_scheme=need_scheme)
        for row in np.flatnonzero(forms.host_ends >= 0):
            expected = match_form(urls[row])
            host = bytes(forms.data[forms.starts[row] : forms.host_ends[row]]).decode()
            rest = bytes(forms.data[forms.host_ends[row] : forms.ends[row]]).decode()
            assert expected is not None, urls[row]
            assert (host, host, rest) == expected, urls[row]
        if need_scheme:
            share = float((forms.host_ends >= 0).mean())
    return share


def test_real_urls_are_plain_for_the_most_part(shared_data: Path) -> None:
    urls = pq.read_table(shared_data / "crawl/truth.parquet", columns=["url"]).column("url").to_pylist()
    assert assert_fast_path_agrees(urls) > 0.9


@given(st.sets(st.integers(0, 2**64 - 1) | st.integers(2**60, 2**60 + 50), max_size=200), st.integers(0, 2**64 - 1))
def test_a_hash_set_is_a_set(members: set[int], stranger: int) -> None:
    found = HashSet.of([np.array(sorted(members)[::2], np.uint64), np.array(list(members), np.uint64)])
    assert found.hashes.tolist() == sorted(members)
    for value in {*members, stranger, stranger ^ 1, 0, 2**64 - 1}:
        assert contains(found, np.uint64(value)) == (value in members)


LISTED = ["example.com", "sub.example.org", "bad.co.uk", "xn--e1afmkfd.xn--p1ai", "10.0.0.1", "com"]
LABELS = st.sampled_from(
    ["com", "example", "sub", "org", "bad", "co", "uk", "notexample", "www", "xn--p1ai", "xn--e1afmkfd"]
)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.write(text.encode())


@pytest.fixture(scope="module")
def blocklist(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("lists")
    write(root / "adult/domains.gz", "\n".join(LISTED))
    write(
        root / "adult/urls",
        "# comment\r\nEXAMPLE.net/Dir/\r\nwww.example.net/~user\r\nмир.рф/страница\r\nexample.net/page?id=3\r\n",
    )
    write(root / "malware/domains", "*.wild.example\n.dotted.example\nпример.испытание\nUPPER.example\n\n# only\n")
    write(root / "empty/domains", "")
    write(root / "hollow/usage", "black")
    write(root / "broken/domains", "no dots here\n<html>\n")
    return str(root)


def drops(urls: list[str | None], **params: object) -> list[str | None]:
    dropped: list[str | None] = Url(**params)(documents(url=urls)).column("drop").to_pylist()  # type: ignore[arg-type]
    return dropped


def verdict(url: str, blocklist: str, *categories: str) -> str | None:
    return drops([url], blocklist=blocklist, categories=categories or ("adult",), curated=False, word_tiers=())[0]


@given(st.lists(LABELS, min_size=1, max_size=5))
@settings(max_examples=examples(150))
def test_a_listed_domain_blocks_itself_and_its_sub_domains_only(labels: list[str]) -> None:
    hashes = load_blocklist_of(LISTED)
    host = ".".join(labels)
    above = [".".join(labels[at:]) for at in range(len(labels))]
    blocked = any(name in LISTED and "." in name for name in above)
    assert listed_hosts(hashes, encode_forms([(host, "/")])).tolist() == [blocked]


def load_blocklist_of(names: list[str]) -> HashSet:
    from stages.urls.lookup import host_hashes

    return HashSet.of([host_hashes(encode_forms([(name, "") for name in names]))])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "blocked_domain"),
        ("http://EXAMPLE.com.:80/", "blocked_domain"),
        ("http://a.b.example.com/", "blocked_domain"),
        ("http://notexample.com/", None),
        ("http://example.com.au/", None),
        ("http://example.org/", None),
        ("http://other.org/?example.com", None),
        ("http://example.com@other.org/", None),
        ("http://other.org@example.com/", "blocked_domain"),
        ("http://ПРИМЕР.рф/", "blocked_domain"),
        ("http://www.xn--e1afmkfd.xn--p1ai/", "blocked_domain"),
        ("http://167772161/", "blocked_domain"),
        ("http://1.10.0.0.1/", "invalid_url"),
        ("http://example.net/dir", "blocked_url"),
        ("https://www.EXAMPLE.net/DIR/deep?x#y", "blocked_url"),
        ("http://example.net/dir?x", "blocked_url"),
        ("http://example.net/directory", None),
        ("http://example.net/di", None),
        ("http://example.net/", None),
        ("http://sub.example.net/dir", None),
        ("http://example.net:8080/%64ir/", "blocked_url"),
        ("http://example.net/%7Euser/", "blocked_url"),
        ("http://example.net/page?id=3&x=1", "blocked_url"),
        ("http://example.net/page?id=31", None),
        ("http://xn--h1ahn.xn--p1ai/" + quote("страница") + "/1", "blocked_url"),
        ("http://upper.example/", None),
    ],
)
def test_block_list(url: str, reason: str | None, blocklist: str) -> None:
    assert verdict(url, blocklist) == reason


@pytest.mark.parametrize(
    "host", ["a.wild.example", "wild.example", "dotted.example", "xn--e1afmkfd.xn--80akhbyknj4f", "upper.example"]
)
def test_other_spellings_of_entries(host: str, blocklist: str) -> None:
    assert verdict(f"http://{host}/", blocklist, "malware") == "blocked_domain"


def test_a_category_is_what_was_asked_for(blocklist: str) -> None:
    assert verdict("http://example.com/", blocklist, "malware", "empty") is None
    with pytest.raises(ConfigError, match=r"no category 'adlut'.*did you mean 'adult'"):
        verdict("http://example.com/", blocklist, "adlut")
    with pytest.raises(ConfigError, match="names a host"):
        verdict("http://example.com/", blocklist, "broken")
    with pytest.raises(ConfigError, match="holds no list"):
        verdict("http://example.com/", blocklist, "hollow")
    with pytest.raises(ConfigError, match="is not a folder"):
        verdict("http://example.com/", blocklist + "/adult/urls")
    with pytest.raises(ConfigError, match="no model or list at"):
        verdict("http://example.com/", blocklist + "/nowhere")


def test_the_first_reason_wins(blocklist: str) -> None:
    write(Path(blocklist) / "all/domains", "both.example\n")
    write(Path(blocklist) / "all/urls", "both.example/porn\npath.example/porn\ngithub.com/porn\n")
    urls = [
        "http://both.example/porn",
        "http://path.example/porn",
        "http://github.com/porn",
        "http://gist.github.com/porn",
        "http://x.example/porn",
    ]
    found = drops([*urls, None, ""], blocklist=blocklist, categories=("all",))
    assert found == ["blocked_domain", "blocked_url", "blocked_url", "curated_source", "adult_url", None, "invalid_url"]


def test_curated_sources() -> None:
    urls = [
        "https://en.wikipedia.org/wiki/X",
        "https://de.wikipedia.org/wiki/X",
        "http://old.reddit.com/",
        "http://notreddit.com/",
    ]
    assert drops(urls) == ["curated_source", None, "curated_source", None]
    assert drops(urls, curated=False) == [None] * 4


@pytest.mark.parametrize(
    ("tier", "path", "hit"),
    [
        ("strict", "my-xnxx-page", True),
        ("strict", "x.n-x.x", True),
        ("strict", "XNXX", True),
        ("strict", "x/nxx", False),
        ("strict", "freeporn4you", True),
        ("strict", "por-nada", False),
        ("strict", "stop-ornaments", False),
        ("strict", "button-up-skirt", False),
        ("strict", "upskirts", True),
        ("strict", "%E5%87%BA%E4%BC%9A%E3%81%84%E7%B3%BB-site", True),
        ("hard", "a/milf-b", True),
        ("hard", "milf", True),
        ("hard", "milford", False),
        ("hard", "a_milf?", True),
        ("hard", "порно", True),
        ("hard", quote("порно"), True),
        ("hard", quote("ПОРНО-фото"), True),
        ("hard", quote("бесспорно"), False),
        ("hard", quote("упорно-и-порно"), True),
        ("hard", quote("سكس"), True),
        ("hard", quote("أنجلوسكسوني"), False),
        ("hard", quote("चुदाई"), True),
        ("hard", quote("ｍｉｌｆ"), True),
        ("hard", quote("mi\u200dlf"), True),
        ("hard", quote("야동"), True),
        ("hard", quote("분야동향"), False),
        ("soft", "naked", False),
        ("soft", "naked-naked/naked", False),
        ("soft", "naked-nude/nudes", False),
        ("soft", "casino-poker", True),
        ("soft", "naked-boobs", True),
        ("soft", "naked/x?q=boobs", True),
        ("soft", "nakedboobs", False),
        ("soft", quote("секс") + "/" + quote("голые"), True),
        ("soft", quote("секс—секс"), False),
    ],
)
def test_word_tiers(tier: str, path: str, hit: bool) -> None:
    assert drops([f"http://example.org/{path}"], word_tiers=(tier,)) == ["adult_url" if hit else None]


def test_words_are_read_in_the_unicode_host() -> None:
    assert (
        drops(["http://порно.example/", "http://xn--m1abbbg.example/", "http://milf.example/"], word_tiers=("hard",))
        == ["adult_url"] * 3
    )


@pytest.mark.parametrize(("hits", "dropped"), [(1, True), (2, True), (3, False)])
def test_soft_hits(hits: int, dropped: bool) -> None:
    assert drops(["http://example.org/naked-boobs"], word_tiers=("soft",), soft_hits=hits) == [
        "adult_url" if dropped else None
    ]


INNOCENT = """
https://www.middlesex.ac.uk/study https://www.essex.ac.uk/ https://sussex-video.co.uk/ http://essexcamera.club/
https://wessexchat.uk/ https://scunthorpe-united.co.uk/ https://www.penistone-town.gov.uk/
https://analytics.example.org/ https://example.org/analysis-of-analogue http://example.org/cockpit-assassin-document
https://therapist.example/the-rapist https://expertsexchange.com/ https://example.org/titanic-titles
https://example.org/cumulative-circumstances https://example.org/same-sex-videos-marriage
https://example.org/pornography-law-2019 https://www.pornic.fr/ https://example.org/siriporn-and-pornchai
https://example.org/trump-or-not https://example.es/por-no-pagar-por-nada
https://example.org/national-sex-offender-register https://example.org/live-sextant
https://example.org/lives-explained-olive-sex-lives https://example.org/when-taiwan-then-tai-chi
https://youtube8.example/ https://example.org/netflix-videos-xbox-videos https://example.org/gang-bangkok-police
https://example.org/petit-job-interim-jobs-stagehand-jobs https://example.org/man-shot-milford
https://example.org/big-black-cockatoo https://example.org/blue-tits-and-great-tits https://example.org/moby-dick
https://example.org/ford-escort-1968 https://example.org/breast-cancer
https://example.org/sex-education-for-teen-girls https://example.org/gay-teen-health
https://example.org/hotel-casino-royale https://example.org/super-bowl-xxx
https://example.org/dickens-hancock-butterworth https://example.org/arsenal-classic-bass
https://example.org/naked-eye-astronomy https://example.org/alan-cumming https://example.org/shitake-mushrooms
https://example.org/document-shot-scum-bucket https://example.org/fujiwara-kajiwara https://example.org/limbo-kept
https://example.org/book-a-slot/slots https://example.org/webcam/live-cams
https://example.org/casino-gambling-bets-law https://example.org/lingerie/panties https://example.org/cocks/rooster-cock
https://example.de/staatsexamen https://example.de/essexport https://example.ru/упорно-бесспорно
https://example.com/感情色彩 https://example.kr/분야동향
""".split()  # noqa: SIM905


@pytest.mark.parametrize("url", INNOCENT)
def test_innocents_stay(url: str) -> None:
    assert drops([url]) == [None]


@pytest.mark.parametrize("tier", TIERS)
def test_every_entry_of_a_list_can_match(tier: str) -> None:
    words = [word for entry in read_list(FOLDER / f"url_{tier}.txt") for word in entry.split()]
    paths = [word.removeprefix("=") for word in words]
    found = drops([f"http://example.org/1/{quote(path)}/2" for path in paths], word_tiers=(tier,), soft_hits=1)
    assert [word for word, reason in zip(words, found, strict=True) if reason is None] == []
    assert len(set(words)) == len(words)
    assert all(word == word.lower() and not set("-. _") & set(word) for word in words)


def test_no_entry_is_idle() -> None:
    """A strict entry that contains another one, and a whole word that a strict entry finds, would never be needed."""
    strict = read_list(FOLDER / "url_strict.txt")
    plain = [word for word in strict if not word.startswith("=")]
    assert [(a, b) for a in plain for b in plain if a != b and a in b] == []
    entries = [*read_list(FOLDER / "url_hard.txt"), *read_list(FOLDER / "url_soft.txt")]
    whole = [word for entry in entries for word in entry.split()]
    bare = [word.removeprefix("=") for word in strict]
    assert [(a, b) for a in bare for b in whole if a in b] == []
    assert len(whole) == len(set(whole))


def test_word_lists_can_be_replaced(tmp_path: Path) -> None:
    for name, words in (("strict", "# mine\nbadsite"), ("hard", "worse"), ("soft", "a\nb"), ("innocent", "notbadsite")):
        (tmp_path / f"url_{name}.txt").write_text(words)
    urls = [f"http://example.org/{path}" for path in ("bad-site", "worse", "a-b", "a", "not-badsite", "xnxx")]
    with pytest.raises(ConfigError, match="no list at"):
        drops(urls, words=str(tmp_path / ".."))
    found = drops(urls, words=str(tmp_path))
    assert found == ["adult_url", "adult_url", "adult_url", None, None, None]


def test_tables_of_any_shape(blocklist: str) -> None:
    stage = Url(blocklist=blocklist, categories=("adult",))
    urls = [
        "http://example.com/",
        None,
        "http://example.org/ok",
        "bad url",
        "http://github.com/x",
        "http://x.org/naked-boobs",
    ] * 3
    whole = stage(documents(url=urls))
    assert (
        whole.column("drop").to_pylist()
        == ["blocked_domain", None, None, "invalid_url", "curated_source", "adult_url"] * 3
    )
    assert stage(whole.slice(0, 0)).num_rows == 0
    wide = documents(url=urls).set_column(1, "url", pa.chunked_array([urls[:4], [], urls[4:]], pa.large_string()))
    assert stage(wide).column("drop").to_pylist() == whole.column("drop").to_pylist()
    sliced = [stage(documents(url=urls).slice(at, 1)).column("drop")[0].as_py() for at in range(len(urls))]
    assert sliced == whole.column("drop").to_pylist()
    assert pickle.loads(pickle.dumps(stage)) == stage
    marked = documents(url=urls[:1], drop=["earlier"])
    assert stage(marked).column("drop").to_pylist() == ["earlier"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"soft_hits": 0}, "at least 1"),
        ({"word_tiers": ("sotf",)}, "did you mean 'soft'"),
        ({"blocklist": "x", "categories": ()}, "empty"),
    ],
)
def test_refused_parameters(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("url_v1", params)


def test_hostile_urls_are_cheap() -> None:
    urls = [
        "http://" + "a." * 250_000,
        "http://a/" + "%" * 250_000,
        "http://" + "@" * 250_000,
        "." * 250_000,
        "http://" + ":" * 250_000,
    ]
    urls += [
        "x" * 250_000 + ":",
        "http://a.b/" + "/.." * 75_000,
        "http://xn--" + "9" * 60 + ".com/",
        "http://" + "１" * 250_000,
    ]
    assert drops(urls)[-1] == "invalid_url"
    assert normalise_url(urls[6]) == "http://a.b/"


def test_every_listed_domain_is_blocked(shared_data: Path) -> None:
    """With the real lists, every entry is found, and pages of the corpus that share no domain with them stay."""
    root = str(shared_data / "blocklists")
    with gzip.open(shared_data / "blocklists/gambling/domains.gz", "rt", encoding="utf-8") as file:
        names = file.read().split()
    assert set(drops([f"http://{name}/" for name in names], blocklist=root)) == {"blocked_domain"}
    truth = pq.read_table(shared_data / "crawl/truth.parquet", columns=["url"]).column("url").to_pylist()
    listed: set[str] = set()
    for category in CATEGORIES:
        with gzip.open(shared_data / f"blocklists/{category}/domains.gz", "rt", encoding="utf-8") as file:
            listed.update(file.read().split())
    hosts = [host_of(url) or "" for url in truth]
    expected = [any(host.split(".", at)[-1] in listed for at in range(host.count(".") + 1)) for host in hosts]
    found = drops(truth, blocklist=root)
    assert [reason == "blocked_domain" for reason in found] == expected
    assert sum(expected) > 10


def test_lists_are_opened_once(blocklist: str) -> None:
    assert load_blocklist(blocklist, ("adult",)) is load_blocklist(blocklist, ("adult",))
    assert load_tiers(None, TIERS) is load_tiers(None, TIERS)


def test_headers_say_what_the_lists_are() -> None:
    for path in FOLDER.glob("*.txt"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert re.match(r"# \w.{30,}", first), f"{path.name} starts with {first!r}"
