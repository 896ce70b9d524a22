"""Decides which candidates of `pii_v1` are addresses or numbers: the rules for IPv4, IPv6 and telephone numbers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import numpy as np

from classifiers.kernels.arrays import Bytes, Offsets
from stages.pii.kernel import ByteSpans, find_ipv4, find_ipv6_candidates

# The entries of the IANA special-purpose registries (RFC 6890) that are not globally reachable, and multicast.
_SPECIAL_IPV4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
)  # fmt: skip
_SPECIAL_IPV6 = ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
_GLOBAL_IPV6 = "2000::/3"
_LOCAL_IPV6 = ("fc00::/7", "fe80::/10")


def _networks(names: tuple[str, ...]) -> list[tuple[int, int]]:
    return [(int(net.network_address), int(net.netmask)) for net in map(ipaddress.ip_network, names)]


_SPECIAL_V4 = np.array(_networks(_SPECIAL_IPV4), np.uint32)
_SPECIAL_V6, _GLOBAL_V6, _LOCAL_V6 = _networks(_SPECIAL_IPV6), _networks((_GLOBAL_IPV6,)), _networks(_LOCAL_IPV6)

_GAP = rb"(?:[ ./()-]|\xc2\xa0|\xe2\x80[\x90-\x93])"
# The first character is tested before the characters that precede it, so that the search can skip to it.
_START = rb"[+(\d](?<![\w.,/@#=-].)(?:(?<=\d)|[+(]?\d)"
_RUN = re.compile(_START + rb"(?:" + _GAP + rb"{0,2}\d){6,16}+(?![\w@%]|[.,:/-]\d)")
_ABROAD = re.compile(rb"\(?(?:\+|00)\(?[1-9].*", re.DOTALL)
_LETTER = re.compile(rb"[\w\xc3-\xd4]")  # the range: the first byte of the letters from é to Cyrillic
_VERSION = re.compile(rb"\bversi[a-z\xc3\xb3]{1,4}[ :=]{0,2}\Z", re.IGNORECASE)
_DATE = re.compile(rb"\d{1,2}([./-])\d{1,2}\1\d{4}|\d{4}([./-])\d{1,2}\2\d{1,2}")
_AMERICAN = re.compile(rb"(?:1" + _GAP + rb")?\(?[2-9]\d\d\)?" + _GAP + rb"{1,2}\d{3}" + _GAP + rb"\d{4}")
_TRUNK = re.compile(rb"\(?0[1-9]\d{0,4}\)?(?:" + _GAP + rb"{1,2}\d+)+")


def ipv4_spans(data: Bytes, offsets: Offsets, public_only: bool) -> ByteSpans:
    """IPv4 addresses not preceded by the word "version"; with `public_only`, only those that are globally reachable."""
    spans, values = find_ipv4(data, offsets)
    floors = offsets[np.searchsorted(offsets, spans.start, side="right") - 1]
    before = [data[max(at - 12, floor) : at].tobytes() for at, floor in zip(spans.start, floors, strict=True)]
    wanted = np.array([_VERSION.search(text) is None for text in before], np.bool_)
    if public_only:
        wanted &= ~((values[:, None] & _SPECIAL_V4[:, 1]) == _SPECIAL_V4[:, 0]).any(axis=1)
    return ByteSpans(spans.start[wanted], spans.end[wanted])


def ipv6_spans(data: Bytes, offsets: Offsets, public_only: bool, mask: str) -> ByteSpans:
    """IPv6 addresses: global unicast; without `public_only`, also documentation, unique local and link-local ones.

    The mask itself always counts as one: its neighbours must not be read as part of something else.
    """
    return _spans(_ipv6(data, offsets, public_only, mask))


def phone_spans(data: Bytes, offsets: Offsets) -> ByteSpans:
    """Telephone numbers, row by row."""
    return _spans(_phones(data, offsets))


def _ipv6(data: Bytes, offsets: Offsets, public_only: bool, mask: str) -> Iterator[tuple[int, int]]:
    """The whole candidate if it is an address, or else what follows its first colon ("code:2001:…") if that is one."""
    spans = find_ipv6_candidates(data, offsets)
    rows = np.searchsorted(offsets, spans.start, side="right") - 1
    for start, end, floor, limit in zip(*spans, offsets[rows], offsets[rows + 1], strict=True):
        if end < limit and _LETTER.match(data[end : end + 1].data):
            continue
        run = data[start:end].tobytes()
        glued, past = data[max(start - 1, floor) : start].tobytes().isalnum(), run.find(b":") + 1
        for skip in (past,) if glued else (0, past):
            address = run[skip:].rstrip(b".")
            address = address if address.endswith(b"::") else address.rstrip(b":")
            if address == mask.encode() or _is_ipv6(address.decode(), public_only):
                yield int(start) + skip, int(start) + skip + len(address)
                break


def _is_ipv6(text: str, public_only: bool) -> bool:
    try:
        value = int(ipaddress.IPv6Address(text))
    except ValueError:
        return False
    if _within(value, _GLOBAL_V6):
        return not (public_only and _within(value, _SPECIAL_V6))
    return not public_only and _within(value, _LOCAL_V6)


def _within(value: int, networks: list[tuple[int, int]]) -> bool:
    return any(value & mask == network for network, mask in networks)


def _phones(data: Bytes, offsets: Offsets) -> Iterator[tuple[int, int]]:
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        for run in _RUN.finditer(data[start:end].data):
            if _is_phone(run[0]):
                yield start + run.start(), start + run.end()


def _is_phone(run: bytes) -> bool:
    digits = sum(48 <= byte <= 57 for byte in run)
    if _DATE.match(run.lstrip(b"(")):
        return False
    if _ABROAD.match(run):
        return 8 <= digits - 2 * (b"+" not in run) <= 15
    return _AMERICAN.fullmatch(run) is not None or (9 <= digits <= 11 and _TRUNK.fullmatch(run) is not None)


def _spans(pairs: Iterator[tuple[int, int]]) -> ByteSpans:
    bounds = np.array(list(pairs), np.int64).reshape(-1, 2)
    return ByteSpans(bounds[:, 0].copy(), bounds[:, 1].copy())
