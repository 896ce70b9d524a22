"""The planted pages: what a curation recipe must remove, merge, mend or leave alone.

`planted/*.toml` lists them. Keys of a `[[page]]`: `kind` and `url`. What it says: `title` with `text`, or `snippet` (+
`fill`), or `of` an article (+ `edits`, `quote`, `append`); or the whole page as `html`, or bytes as `raw`.
How it looks: `layout`, `site`. How it is sent: `charset`, `body`, `status`, `type`, `headers`.
How it becomes large: `repeat` (+ `join`), `digests`, `nest`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from refinedweb.sample.markup import Article, blocks
from refinedweb.sample.pages import HERE, SamplePage, Site, articles_of, load_toml, render, site_of, sites


@cache
def _snippets() -> dict[str, str]:
    return dict(load_toml("planted/copies.toml")["snippets"])


@cache
def _by_slug() -> dict[str, tuple[Site, Article]]:
    return {article.slug: (site, article) for site in sites() for article in articles_of(site.text)}


def _digests(count: int) -> str:
    names = [f"half-open-{n // 10}.{n % 10}.tar.gz" for n in range(count)]
    return "\n\n".join(f"{hashlib.sha256(name.encode()).hexdigest()} {name}" for name in names)


def _body(page: Mapping[str, Any], source: Article | None) -> str:
    """What the page says, in the notation of the text files."""
    if "digests" in page:
        return _digests(page["digests"])
    text: str = page.get("text", source.body if source is not None else "").strip("\n")
    if "snippet" in page:
        text = _snippets()[page["snippet"]].strip("\n").format(**page["fill"])
    if "quote" in page and source is not None:
        quoted = [blocks(source.body)[number] for number in page["quote"]]
        text = text.replace("{quote}", "\n\n".join(quoted))
    for old, new in page.get("edits", ()):
        if text.count(old) != 1:
            raise ValueError(
                f"planted page {page['url']}: {old!r} occurs {text.count(old)} times in it; edit one place"
            )
        text = text.replace(old, new)
    if "append" in page:
        text += "\n\n" + _snippets()[page["append"]].strip("\n")
    return str(page.get("join", "\n\n")).join([text] * page.get("repeat", 1))


def _article(page: Mapping[str, Any]) -> tuple[Site, Article]:
    """Site and article of a planted page, each taken from the original unless the page says otherwise."""
    origin, source = _by_slug()[page["of"]] if "of" in page else (None, None)
    site = next((site for site in sites() if site.host == page.get("site")), None)
    if site is None:
        site = origin if origin is not None else site_of(page["url"])
    title = page.get("title", source.title if source is not None else "")
    kept = {} if source is None or "text" in page else source.fields
    own = {key: page[key] for key in ("layout", "charset", "body") if key in page}
    if source is None and "layout" not in page:
        own["layout"] = "bare"
    slug = page["url"].rstrip("/").rpartition("/")[2] or "index"
    return site, Article(title, {**kept, **own, "slug": kept.get("slug", slug)}, _body(page, source))


def _group(page: Mapping[str, Any]) -> str | None:
    """The name that all copies of a text share."""
    if page["kind"] in ("exact_duplicate", "near_duplicate", "same_url"):
        return str(page["of"])
    return page.get("group")


def _raw(page: Mapping[str, Any]) -> SamplePage:
    """A response whose entity is given literally."""
    if "raw_base64" in page:
        payload = base64.b64decode(page["raw_base64"])
    else:
        payload = page.get("html", page.get("raw", "")).encode()
    language = page.get("language", "en") if "html" in page else None
    return SamplePage(page["kind"], page["url"], payload, language=language, declared="none")


def _written(page: Mapping[str, Any]) -> SamplePage:
    """A response that shows an article."""
    site, article = _article(page)
    content = None
    if "nest" in page:
        content = "<div><b><font>" * page["nest"] + "\0" + article.body + "<table><tr><td><select>" * 20
    language = page.get("language", site.language)
    return render(page["kind"], page["url"], site, article, content, language=language)


def _build(page: Mapping[str, Any]) -> SamplePage:
    built = _raw(page) if "html" in page or "raw" in page or "raw_base64" in page else _written(page)
    changes: dict[str, Any] = {
        key: page[key] for key in ("status", "headers", "body", "again", "phrase") if key in page
    }
    if "type" in page:
        changes["content_type"] = page["type"]
    return replace(built, group=_group(page), **changes)


def planted_pages() -> Iterator[SamplePage]:
    """Every planted page, in the order of the files."""
    for path in sorted((HERE / "planted").glob("*.toml")):
        for page in load_toml(f"planted/{path.name}")["page"]:
            yield _build(page)
