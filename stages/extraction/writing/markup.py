"""Pieces of HTML as tokens: for what is read again after the scanner chose it, one paragraph or one block of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import NamedTuple

from classifiers.blocks.html import names
from stages.extraction.images import attributes_of

# Elements in which text is not shown, or is markup of another kind.
SKIPPED = frozenset(
    names.listed(
        "svg select datalist template object video audio canvas map iframe noembed noframes style script textarea title"
    )
)
# Phrasing content that the scanner takes for a boundary of blocks.
PHRASING = frozenset(
    names.listed(
        "custom svg button label select datalist template object video audio canvas picture map noscript option "
        "optgroup"
    )
)
BOUNDARIES = frozenset(names.BLOCK_TAGS) - PHRASING
VOID = frozenset(names.listed("area base br col embed hr img input link meta param source track wbr"))
RAW = frozenset(names.RAW_TAGS)

_TOKEN = re.compile(
    r"""<!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>)?)
    |<(?P<end>/?)(?P<name>[A-Za-z][^\s/>]*+)
      (?P<inside>(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')|["'=])*+)>?
    |<[!?/][^>]*+>?
    |(?P<text>[^<]++|<)""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A start tag, an end tag, or text (`name` is empty) with its references read. `inside` = a tag's attributes."""

    name: str
    closing: bool
    inside: str
    text: str

    def attributes(self) -> dict[str, str]:
        return _attributes(self.inside)

    def words(self) -> list[str]:
        """The words of its class."""
        return self.attributes().get("class", "").split() if "class" in self.inside.lower() else []


@lru_cache(maxsize=4096)
def _attributes(inside: str) -> dict[str, str]:
    return attributes_of(inside)


def tokens(html: str) -> list[Token]:
    """The tokens of a piece of HTML. The content of a script and the like is one token of text."""
    return list(_tokens(html))


def _tokens(html: str) -> Iterator[Token]:
    at, raw = 0, ""
    while at < len(html):
        if raw:
            stop = _end_of_raw(html, raw, at)
            if stop > at:
                yield Token("", False, "", html[at:stop] if raw in ("script", "style") else unescape(html[at:stop]))
            at, raw = stop, ""
            continue
        match = _TOKEN.match(html, at)
        if match is None:
            return
        at = match.end()
        if match["text"] is not None:
            yield Token("", False, "", unescape(match["text"]) if "&" in match["text"] else match["text"])
        elif match["name"] is not None:
            name, closing = match["name"].lower(), bool(match["end"])
            yield Token(name, closing, match["inside"], "")
            raw = name if name in RAW and not closing else ""


def _end_of_raw(html: str, name: str, at: int) -> int:
    """Where the end tag of a script or the like begins; the end of the piece if there is none."""
    found = _END_OF_RAW[name].search(html, at)
    return found.start() if found else len(html)


_END_OF_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in sorted(RAW)}


def ends(found: list[Token]) -> list[int]:
    """For each token the one after its element, which is after its end tag, or the end of all if it has none."""
    behind = [len(found)] * len(found)
    open_by_name: dict[str, list[int]] = {}
    for at, token in enumerate(found):
        name = token.name
        if not name or token.closing:
            opened = open_by_name.get(name) if name else None
            if opened:
                behind[opened.pop()] = at + 1
            behind[at] = at + 1
        elif name in VOID or (token.inside.endswith("/") and name in ("svg", "math")):
            behind[at] = at + 1
        else:
            open_by_name.setdefault(name, []).append(at)
    return behind


def is_hidden(token: Token) -> bool:
    """Whether the element's own start tag says that it is not for readers."""
    inside = token.inside.lower()
    if "hidden" not in inside and "display" not in inside:
        return False
    attributes = token.attributes()
    style = attributes.get("style", "").replace(" ", "").lower()
    return attributes.get("aria-hidden") == "true" or "display:none" in style or _IS_HIDDEN.search(inside) is not None


_IS_HIDDEN = re.compile(r"(?<![\w-])hidden(?![\w-])(?!\s*+[=:]\s*+[\"']?(?:until-found|false))")
