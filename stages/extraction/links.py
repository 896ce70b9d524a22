"""The links of a page, as [url, anchor text] (a column on request): all of them, including those of its menus."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stages.extraction.images import LONGEST_URL, absolute, attributes_of

Link = tuple[str, str]

_IN_ADDRESS = {ord("\t"): None, ord("\n"): None, ord("\r"): None, ord(" "): "%20"}  # as browsers read addresses
_BASE = re.compile(rb"<base\s[^<>]*>", re.IGNORECASE)


def resolved(tags: Iterable[tuple[str, str]], url: str | None, base: str | None) -> list[Link]:
    """The absolute URL and text of each start tag and text, once each, in order. Links to a place on the page itself
    and those that are not web addresses (`mailto:`, `javascript:`) are left out.
    """
    found: dict[Link, None] = {}
    for tag, text in tags:
        target = attributes_of(tag).get("href", "").strip()
        if not target or len(target) > LONGEST_URL or target.startswith("#"):
            continue
        if address := absolute(target.translate(_IN_ADDRESS), url, base):
            found[address, " ".join(text.split())] = None
    return list(found)


def base_of(html: bytes) -> str | None:
    """The address to which the page's `<base>` says that its addresses are relative."""
    tag = _BASE.search(html)
    return attributes_of(tag[0].decode(errors="replace")).get("href") if tag else None
