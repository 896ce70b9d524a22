"""The canonical form of a URL's host: lower case, IDNA, one spelling per IP address.

Block lists, curated sources and URL deduplication compare hosts, so a host must have one spelling. The rules are those
of browsers (WHATWG URL, section 3.5 "host parsing"), and stricter if DNS is: a label has 1 to 63 bytes, a name 253.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

import idna

# WHATWG's "forbidden domain code points" are excluded; everything else (underscores, for example) does occur in DNS.
_LABEL = r"[^\x00-\x20\x7f-\U0010ffff#/:<>?@\[\\\]^|%.]{1,63}"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+")
_NUMBER = re.compile(r"0x(?P<hex>[0-9a-f]*)|0(?P<octal>[0-7]*)|(?P<decimal>[1-9][0-9]*)")
_MAX_NAME = 253  # bytes of a name (RFC 1035)
_MAX_INPUT = 2048  # characters; a longer host cannot become a name, and IDNA takes long over it


def canonical_host(host: str) -> str | None:
    """`host` as a browser would look it up, without a trailing dot: punycode, dotted IPv4 or bracketed IPv6.

    None if no browser could look it up: it is empty or an invalid IP address, has a forbidden character or a label that
    is too long.
    """
    if not host or len(host) > _MAX_INPUT:
        return None
    if host.startswith("["):
        return _ipv6(host)
    if "%" in host:
        try:
            host = unquote(host, errors="strict")
        except UnicodeDecodeError:
            return None
    name = (host.lower() if host.isascii() else idna_host(host)).removesuffix(".")
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        return None
    return _ipv4(name) if _ends_in_number(name) else name


@lru_cache(maxsize=1 << 14)
def idna_host(host: str) -> str:
    """`host` in ASCII: UTS 46 mapping, then IDNA 2008 for each label.

    A label that IDNA 2008 refuses but DNS carries (emoji, an underscore next to an umlaut) is punycoded as it is.
    """
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
    except idna.IDNAError:
        mapped = unicodedata.normalize("NFKC", host).lower()
    return ".".join(_ascii_label(label) for label in mapped.split("."))


def unicode_host(host: str) -> str:
    """A canonical host with its punycode labels decoded, so that words can be read; a broken label stays as it is."""
    return ".".join(_unicode_label(label) for label in host.split(".")) if "xn--" in host else host


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError:
        return "xn--" + label.encode("punycode", errors="replace").decode("ascii")


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, OverflowError):
        return label


def _ends_in_number(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.isdigit() or _NUMBER.fullmatch(last) is not None


def _ipv4(name: str) -> str | None:
    numbers = [_number(part) for part in name.split(".")]
    *high, last = numbers
    if len(numbers) > 4 or any(n is None or n > 255 for n in high):
        return None
    if last is None or last >= 256 ** (4 - len(high)):
        return None
    value = last + sum((n or 0) << 8 * (3 - place) for place, n in enumerate(high))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int | None:
    match = _NUMBER.fullmatch(part)
    if match is None:
        return None
    if match["hex"] is not None:
        return int(match["hex"] or "0", 16)
    return int(match["decimal"] or "0") or int(match["octal"] or "0", 8)


def _ipv6(host: str) -> str | None:
    if not host.endswith("]") or "%" in host:
        return None
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    except ValueError:
        return None
