"""One spelling per URL, as far as the standard lets us conclude that two spellings are one page.

`normalise_url` applies only what RFC 3986 (sections 6.2.2 and 6.2.3) calls equivalent, so two pages never become one.
Its only guess, stripping tracking parameters, is off unless requested. `match_form` is the looser form that block lists
and word tiers read: no scheme, lower case, percent-decoded. Both share one lenient parser, because crawled URLs are
what browsers accepted, not what RFC 3986 allows.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from stages.urls.hosts import canonical_host, unicode_host

_EDGE = "".join(map(chr, range(0x21)))
_INSIDE = {ord(c): None for c in "\t\n\r"}
_URL = re.compile(
    r"(?:(?P<scheme>https?):[/\\]*+|(?P<none>[/\\]{2})?+)"
    r"(?P<authority>[^/\\?#]*+)(?P<path>[^?#]*+)(?:\?(?P<query>[^#]*+))?+(?:#.*+)?+",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*+:(?://|(?!\d*+(?:[/\\?#]|$)))", re.IGNORECASE)
_PORT = re.compile(r":(\d*+)$")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%(?:([0-9A-Fa-f]{2}))?+")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE = "%/:@!$&'()*+,;=~?-._"
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|gclsrc|dclid|msclkid|yclid|igshid|mc_[ce]id|_ga|_hs(?:enc|mi)", re.IGNORECASE
)


class UrlParts(NamedTuple):
    """A parsed http(s) URL: canonical host, explicit non-default port or None, path and query as written."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str | None


class MatchForm(NamedTuple):
    """What block lists and word tiers read: the canonical host, the host in Unicode, and the decoded rest."""

    host: str
    readable_host: str
    rest: str


def split_url(url: str) -> UrlParts | None:
    """The parts of an http(s) URL; None if it has another scheme, no host, or an invalid host or port.

    A URL without a scheme (`example.com/page`, as lists and some corpora write it) is read as http if its host has a
    dot. As in browsers, user names, passwords and fragments are dropped, white space and control characters around the
    URL are stripped, and tabs and newlines inside it are removed.
    """
    url = url.strip(_EDGE).translate(_INSIDE)
    match = _URL.fullmatch(url)
    if match is None or (match["scheme"] is None and _OTHER_SCHEME.match(url)):
        return None
    scheme = (match["scheme"] or "http").lower()
    address = match["authority"].rpartition("@")[2]
    port = _PORT.search(address)
    host = canonical_host(address[: port.start()] if port else address)
    if host is None or (match["scheme"] is None and "." not in host and ":" not in host):
        return None
    number = int(port[1][-9:]) if port and port[1] else _DEFAULT_PORTS[scheme]
    if number > 0xFFFF:
        return None
    explicit = None if number == _DEFAULT_PORTS[scheme] else number
    return UrlParts(scheme, host, explicit, match["path"].replace("\\", "/"), match["query"])


def host_of(url: str) -> str | None:
    """The canonical host of an http(s) URL (see `stages.urls.hosts`), or None if it has none."""
    parts = split_url(url)
    return None if parts is None else parts.host


def normalise_url(url: str, *, keep_scheme: bool = True, strip_tracking: bool = False) -> str | None:
    """The one spelling of an http(s) URL, or None if it cannot be parsed.

    Scheme and host in lower case, host in punycode, no default port, no user name, no fragment, no dot segments, an
    empty path as `/`, no empty query; percent-encoding in upper case, and of exactly the characters that need it.
    Path and query keep their case, the query keeps its order, and `www.` stays, because servers may distinguish these.
    `keep_scheme=False` treats http and https as one; `strip_tracking` removes parameters like `utm_source`, `fbclid`.
    """
    parts = split_url(url)
    if parts is None:
        return None
    query = parts.query
    if query and strip_tracking:
        query = "&".join(p for p in query.split("&") if not _TRACKING.fullmatch(p.partition("=")[0]))
    path = _without_dots(_escape(parts.path)) or "/"
    port = "" if parts.port is None else f":{parts.port}"
    scheme = f"{parts.scheme}://" if keep_scheme else ""
    return f"{scheme}{parts.host}{port}{path}" + (f"?{_escape(query)}" if query else "")


def match_form(url: str) -> MatchForm | None:
    """What block lists and word tiers compare: the host, and the path with query, percent-decoded, in lower case.

    The lists in use are entirely in lower case, so the case of a path does not count here. None if `split_url` gives
    it.
    """
    parts = split_url(url)
    if parts is None:
        return None
    rest = parts.path if parts.query is None else f"{parts.path}?{parts.query}"
    decoded = unquote(rest, errors="replace") if "%" in rest else rest
    return MatchForm(parts.host, unicode_host(parts.host), decoded.lower())


def _escape(text: str) -> str:
    quoted = quote(text, safe=_SAFE, errors="replace")
    return _ESCAPE.sub(_canonical_escape, quoted) if "%" in quoted else quoted


def _canonical_escape(match: re.Match[str]) -> str:
    if match[1] is None:
        return "%25"
    byte = int(match[1], 16)
    return chr(byte) if byte in _UNRESERVED else match[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4, for a path that is empty or starts with `/`."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
