"""Looks hosts and paths up in sets of hashes, and hashes the entries of such sets.

A host is hashed from its end, so that one pass meets every domain above it; a URL is hashed from its start, so that one
pass meets every path above it.
"""

from __future__ import annotations

import numpy as np

from classifiers.kernels.arrays import Bools, Bytes, Int, UInt64s
from classifiers.kernels.hash import FNV_SEED, fnv, scrambled
from classifiers.kernels.jit import kernel
from stages.urls.hashing import HashSet, contains, hash_range
from stages.urls.plain import MatchForms

_DOT, _SLASH, _QUERY, _AND = 46, 47, 63, 38  # bytes: . / ? &


@kernel
def listed_hosts(domains: HashSet, forms: MatchForms) -> Bools:
    """Per row, whether its host or a domain above it is in the set (of `host_hashes`)."""
    found = np.zeros(len(forms.starts), np.bool_)
    for row in range(len(found)):
        if forms.host_ends[row] < 0:
            continue
        state = FNV_SEED
        for at in range(forms.host_ends[row] - 1, forms.starts[row] - 1, -1):
            if forms.data[at] == _DOT and contains(domains, scrambled(state)):
                found[row] = True
                break
            state = fnv(state, forms.data[at])
        else:
            found[row] = contains(domains, scrambled(state))
    return found


@kernel
def listed_urls(urls: HashSet, hosts: HashSet, forms: MatchForms) -> Bools:
    """Per row, whether it or a path above it is in the set. `urls` and `hosts` are made from `url_hashes`."""
    found = np.zeros(len(forms.starts), np.bool_)
    for row in range(len(found)):
        host_end, end = forms.host_ends[row], forms.ends[row]
        if host_end < 0:
            continue
        state = FNV_SEED
        for at in range(_after_www(forms.data, forms.starts[row], host_end), host_end):
            state = fnv(state, forms.data[at])
        if not contains(hosts, scrambled(state)):
            continue
        at = host_end
        while at <= end and not found[row]:
            if at == end or forms.data[at] in (_SLASH, _QUERY, _AND):
                found[row] = contains(urls, scrambled(state))
            if at < end:
                state = fnv(state, forms.data[at])
            at += 1
    return found


@kernel
def host_hashes(forms: MatchForms) -> UInt64s:
    """The hashes of the hosts, except those without a dot: such an entry would block a whole top-level domain."""
    out = np.empty(len(forms.starts), np.uint64)
    filled = 0
    for row in range(len(out)):
        state = FNV_SEED
        dotted = False
        for at in range(forms.host_ends[row] - 1, forms.starts[row] - 1, -1):
            state = fnv(state, forms.data[at])
            dotted |= forms.data[at] == _DOT
        if dotted:
            out[filled] = scrambled(state)
            filled += 1
    return out[:filled]


@kernel
def url_hashes(forms: MatchForms) -> tuple[UInt64s, UInt64s]:
    """The hashes of host and path without a trailing slash, and of the host alone; both without `www.`."""
    urls, hosts = np.empty(len(forms.starts), np.uint64), np.empty(len(forms.starts), np.uint64)
    filled = 0
    for row in range(len(urls)):
        host_end, end = forms.host_ends[row], forms.ends[row]
        if host_end < 0:
            continue
        start = _after_www(forms.data, forms.starts[row], host_end)
        while end > host_end and forms.data[end - 1] == _SLASH:
            end -= 1
        urls[filled] = hash_range(forms.data, start, end)
        hosts[filled] = hash_range(forms.data, start, host_end)
        filled += 1
    return urls[:filled], hosts[:filled]


@kernel
def _after_www(data: Bytes, start: Int, host_end: Int) -> Int:
    www = b"www."
    if host_end - start <= 4:
        return start
    for at in range(4):
        if data[start + at] != www[at]:
            return start
    return start + 4
