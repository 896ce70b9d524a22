"""The fast path: canonical host and match form of plain URLs, in one pass over their bytes.

Nine of ten crawled URLs are plain: `http(s)://`, an ASCII host that is not a number, no user name, no percent sign, no
backslash. For these, the form that `stages.urls.normalise.match_form` gives is a matter of lower-casing and cutting,
which is done here. Every other URL is marked and left to that reference parser. A test checks that both agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.kernels.arrays import Bytes, Int, Offsets
from classifiers.kernels.jit import kernel
from stages.kernels.buffers import utf8_views

T = TypeVar("T", bound=np.generic)
_COLON, _SLASH, _QUERY, _HASH, _DOT, _PERCENT, _BACKSLASH = 58, 47, 63, 35, 46, 37, 92  # bytes: : / ? # . % \
_DASH, _UNDERSCORE = 45, 95  # bytes: - _
_MOST_LABEL, _MOST_NAME = 63, 253  # bytes of a label and of a host (RFC 1035)


class MatchForms(NamedTuple):
    """Match forms in one buffer: row r is `data[starts[r]:ends[r]]`, its host ends at `host_ends[r]`; -1 = no form."""

    data: Bytes
    starts: Offsets
    host_ends: Offsets
    ends: Offsets


def plain_forms(data: Bytes, starts: Offsets, ends: Offsets, *, need_scheme: bool) -> MatchForms:
    """The match forms of the plain URLs among `data[starts[r]:ends[r]]`; for the others, `host_ends` is -1.

    `need_scheme=False` reads list entries (`example.com/page`), which have no scheme.
    """
    host_ends, begins, stops = np.empty((3, len(starts)), np.int64)
    out = MatchForms(np.empty(len(data), np.uint8), begins, host_ends, stops)
    _scan(_read_only(data), _read_only(starts), _read_only(ends), need_scheme, out)
    return _frozen(out)


def encode_forms(parts: Sequence[tuple[str, str] | None]) -> MatchForms:
    """The match forms of parsed URLs, each given as its host and the rest; None = no form."""
    values = [part or ("", "") for part in parts]
    offsets, data = utf8_views(pa.array(["".join(value) for value in values], pa.string()))
    lengths = pc.binary_length(pa.array([value[0] for value in values], pa.string())).to_numpy()
    host_ends = np.where([part is None for part in parts], -1, offsets[:-1] + lengths)
    return _frozen(MatchForms(data, offsets[:-1], host_ends, offsets[1:]))


def _frozen(forms: MatchForms) -> MatchForms:
    data, starts, host_ends, ends = forms
    return MatchForms(_read_only(data), _read_only(starts), _read_only(host_ends), _read_only(ends))


def _read_only(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """A view like those of Arrow buffers, so that each kernel is compiled only once."""
    view = array.view()
    view.flags.writeable = False
    return view


@kernel
def _scan(data: Bytes, starts: Offsets, ends: Offsets, need_scheme: bool, out: MatchForms) -> None:
    for row in range(len(starts)):
        begin = _after_scheme(data, starts[row], ends[row]) if need_scheme else starts[row]
        host_end = _host_end(data, begin, ends[row]) if begin >= 0 else -1
        rest = _after_port(data, host_end, ends[row]) if host_end >= 0 else -1
        out.starts[row] = begin
        out.ends[row] = _copy(data, begin, host_end, rest, ends[row], out.data) if rest >= 0 else -1
        out.host_ends[row] = host_end if out.ends[row] >= 0 else -1


@kernel
def _copy(data: Bytes, begin: Int, host_end: Int, rest: Int, end: Int, out: Bytes) -> Int:
    """Copy host, path and query in lower case without a port; returns where the copy ends, or -1 for an odd URL."""
    for at in range(begin, host_end):
        out[at] = _lower(data[at])
    to = host_end
    for at in range(rest, end):
        byte = data[at]
        if byte == _HASH:
            break
        if byte <= 32 or byte >= 127 or byte in (_PERCENT, _BACKSLASH):
            return -1
        out[to] = _lower(byte)
        to += 1
    return to


@kernel
def _lower(byte: Int) -> Int:
    return byte | 32 if 65 <= byte <= 90 else byte


@kernel
def _after_scheme(data: Bytes, start: Int, end: Int) -> Int:
    """Where the host starts after `http://` or `https://`, or -1."""
    scheme = b"https"
    at = start
    while at < end and at - start < 5 and _lower(data[at]) == scheme[at - start]:
        at += 1
    if at - start < 4 or at + 3 > end:
        return -1
    return at + 3 if data[at] == _COLON and data[at + 1] == _SLASH and data[at + 2] == _SLASH else -1


@kernel
def _host_end(data: Bytes, start: Int, end: Int) -> Int:
    """Where a plain host ends: two or more labels of letters, digits, `-` and `_`, the last starting with a letter.

    -1 for any other host, and for one with an `xn--` label, whose words the reference parser decodes.
    """
    label, dots, at = start, 0, start
    while at < end and data[at] not in (_SLASH, _QUERY, _HASH, _COLON):
        byte = _lower(data[at])
        if byte == _DOT:
            if at == label or at - label > _MOST_LABEL:
                return -1
            label, dots = at + 1, dots + 1
        elif not _in_name(byte) or (at == label + 3 and _lower(data[label]) == 120 and byte == data[at - 1] == _DASH):
            return -1
        at += 1
    named = label < at <= label + _MOST_LABEL and 97 <= _lower(data[label]) <= 122
    return at if named and dots > 0 and at - start <= _MOST_NAME else -1


@kernel
def _in_name(byte: Int) -> bool:
    return bool(97 <= byte <= 122 or 48 <= byte <= 57 or byte in (_DASH, _UNDERSCORE))


@kernel
def _after_port(data: Bytes, at: Int, end: Int) -> Int:
    """Where path and query start after an optional port of one to four digits, or -1."""
    if at < end and data[at] == _COLON:
        at += 1
        first = at
        while at < end and at - first < 5 and 48 <= data[at] <= 57:
            at += 1
        if not 1 <= at - first <= 4 or (at < end and data[at] not in (_SLASH, _QUERY, _HASH)):
            return -1
    return at
