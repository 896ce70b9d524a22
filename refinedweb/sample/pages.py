"""Pages of the sample crawl: articles in the frames of their sites.

Everything that varies from page to page (date, author, comments, neighbours, how the charset is declared) is chosen by
a hash of the URL, so that a rebuild gives the same bytes.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any, TypeVar
from urllib.parse import urlsplit

from refinedweb.sample.markup import Article, articles, prose, to_html

HERE = Path(__file__).resolve().parent
_RTL = ("ar", "he")  # languages written from right to left
PHRASE = 60  # characters of a page's phrase, cut at a space: long enough to be unique in the crawl
PHRASE_WITHOUT_SPACES = 20  # characters, for languages that do not separate words
T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """An invented site. `text` is the file with its articles, "" for hosts that only planted pages use."""

    host: str
    name: str
    tagline: str = ""
    layout: str = "bare"
    scheme: str = "https"
    text: str = ""

    @property
    def language(self) -> str:
        return self.text.partition("/")[0] or "en"


@dataclass(frozen=True)
class SamplePage:
    """What one response record contains, before it is encoded for the wire. `payload` is the entity, in its charset."""

    kind: str
    url: str
    payload: bytes
    language: str | None = "en"
    content_type: str | None = "text/html"
    charset: str = "utf-8"
    declared: str = "none"
    body: str = "identity"
    status: str = "200 OK"
    headers: Sequence[str] = field(default=())
    group: str | None = None
    phrase: str | None = None
    again: bool = False


def draw(key: str) -> int:
    """A number that depends on nothing but `key`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])


def pick(items: Sequence[T], key: str, count: int) -> list[T]:
    """`count` of the items (or all), in an order that depends on nothing but `key` and their places."""
    order = sorted(range(len(items)), key=lambda index: draw(f"{key} {index}"))
    return [items[index] for index in order[:count]]


def load_toml(name: str) -> dict[str, Any]:
    """The content of a TOML file in this folder."""
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


@cache
def sites() -> tuple[Site, ...]:
    """The invented sites, in the order of `sites.toml`."""
    return tuple(Site(**site) for site in load_toml("sites.toml")["site"])


@cache
def articles_of(text: str) -> tuple[Article, ...]:
    """The articles of `text/<text>.txt`; none for ""."""
    return tuple(articles((HERE / "text" / f"{text}.txt").read_text(encoding="utf-8"))) if text else ()


def site_of(url: str) -> Site:
    """The site on the URL's host; a nameless one if there is none."""
    host = urlsplit(url).netloc
    return next((site for site in sites() if site.host == host), Site(host, host))


def url_of(site: Site, article: Article) -> str:
    """Where the site publishes the article."""
    return f"{site.scheme}://{site.host}/{article.slug}{'.html' if site.layout == 'old' else ''}"


@cache
def _template(layout: str) -> Template:
    return Template((HERE / "templates" / f"{layout}.html").read_text(encoding="utf-8"))


@cache
def _chrome() -> dict[str, Any]:
    return load_toml("chrome.toml")


def _items(texts: Sequence[str], tag: str = "li") -> str:
    return "".join(f"<{tag}>{text}</{tag}>" for text in texts)


def _related(site: Site, article: Article) -> str:
    others = [other for other in articles_of(site.text) if other.slug != article.slug]
    return _items([f'<a href="{url_of(site, o)}">{escape(o.title)}</a>' for o in pick(others, article.slug, 4)])


def frame(site: Site, article: Article, content: str, *, url: str, layout: str, language: str, meta: str) -> str:
    """The whole page: `content` (HTML) in the layout's frame, with that frame's words in the page's language."""
    words = _chrome().get(language, _chrome()["en"])
    return _template(layout).substitute(
        {key: escape(value) for key, value in words.items() if isinstance(value, str)},
        title=escape(article.title),
        slug=article.slug,
        url=escape(url),
        host=site.host,
        site=escape(site.name),
        tagline=escape(site.tagline),
        content=content,
        meta=meta,
        lang=language,
        dir="rtl" if language in _RTL else "ltr",
        date=f"202{4 + draw(url) % 3}-{draw(url) % 9 + 1:02}-{draw(url) % 28 + 1:02}",
        author=pick(words["authors"], url, 1)[0],
        price=article.fields.get("price", ""),
        related_title=words["related"],
        related=_related(site, article),
        nav=_items([f'<a href="/p{n}">{word}</a>' for n, word in enumerate(words["nav"])]),
        comments=_items(pick(words["comments"], url, draw(url) % 4), "p"),
    )


def declaration(url: str, charset: str | None) -> tuple[str, str]:
    """Charset, and where it is declared, from a line such as `koi8-r meta`. Without a line the charset is UTF-8,
    declared in one of three ways.
    """
    if charset is None:
        return "utf-8", ("header", "meta", "both")[draw(url) % 3]
    name, _, where = charset.partition(" ")
    return name, where


def encode(html: str, charset: str, declared: str) -> bytes:
    """The page in its charset, with a byte order mark if that is how the charset is declared."""
    if declared == "bom":
        html = "\ufeff" + html
    return html.encode("utf-16-le" if charset == "utf-16" else charset, "xmlcharrefreplace")


def render(kind: str, url: str, site: Site, article: Article, content: str | None = None, **more: Any) -> SamplePage:
    """An article as a page. `content`: its HTML, if the article's notation cannot express it; `more`: further fields of
    the SamplePage.
    """
    fields = article.fields
    charset, declared = declaration(url, fields.get("charset"))
    layout = fields.get("layout", site.layout)
    language = more.setdefault("language", site.language)
    meta = f'<meta charset="{charset}">' if declared in ("meta", "both") else ""
    old = layout == "old"
    if old and meta:
        meta = f'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset={charset}">'
    content = to_html(article.body, old=old) if content is None else content
    html = frame(site, article, content, url=url, layout=layout, language=language, meta=meta)
    payload = encode(html, charset, declared)
    body = fields.get("body", "identity")
    more.setdefault("phrase", phrase_of(article.body))
    return SamplePage(kind, url, payload, charset=charset, declared=declared, body=body, **more)


def phrase_of(body: str) -> str | None:
    """About the first 60 characters of the last paragraph, up to a space; 20 if there are no spaces."""
    text = prose(body)
    if " " in text[:PHRASE] and len(text) > PHRASE:
        return text[:PHRASE].rpartition(" ")[0] or None
    return text[:PHRASE_WITHOUT_SPACES] or None


def _kind(site: Site, article: Article) -> str:
    foreign = site.language != "en"
    if "charset" in article.fields:
        return "legacy_charset_other" if foreign else "legacy_charset"
    if "body" in article.fields and not foreign:
        return "encoded_body"
    special = {"forum": "forum_thread", "shop": "product"}
    return "other_language" if foreign else special.get(site.layout, "article")


def article_pages() -> Iterator[SamplePage]:
    """Every article of every text file, on its site."""
    for site in sites():
        for article in articles_of(site.text):
            yield render(_kind(site, article), url_of(site, article), site, article)
