"""How records of WARC and ARC files begin, and what a reader makes of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from refinedweb.sources.headers import BLANK_LINE, Fields, parse_arc_line, parse_fields

# `cut`: bytes are missing · `corrupt`: bytes are wrong · `header`: the header does not say how long the block is
Fault = Literal["cut", "corrupt", "header"] | None


@dataclass(frozen=True)
class Framing:
    """How the records of a format begin."""

    name: Literal["WARC", "ARC"]
    start: re.Pattern[bytes]  # matches at a record's first byte
    later: re.Pattern[bytes]  # finds the next record; its group 1 is the record's start
    header_end: re.Pattern[bytes]
    parse: Callable[[bytes], Fields]


_WARC_START = rb"(?i:WARC)/\d{1,2}\.\d{1,3}[ \t]*\r*\n"
_ARC_START = rb"(?:filedesc:|[A-Za-z][A-Za-z0-9+.\-]{1,30}:[^\r\n]{0,15000} \d{12,18} )[^\r\n]{0,1000}+\r*+\n"
WARC = Framing(
    "WARC", re.compile(_WARC_START), re.compile(rb"\n(" + _WARC_START + rb"[A-Za-z])"), BLANK_LINE, parse_fields
)
ARC = Framing(
    "ARC", re.compile(_ARC_START), re.compile(rb"\n(" + _ARC_START + rb")"), re.compile(rb"\n"), parse_arc_line
)


@dataclass(frozen=True)
class WarcRecord:
    """One record: its fields (lower-case names), the part of its block that was kept, and what is wrong with it."""

    fields: Fields
    block: bytes
    clipped: bool  # the block is longer than the part that was kept
    offset: int
    length: int | None
    fault: Fault
