"""The messages between parent and child of the extraction: frames that consist of a fixed head and bytes.

A page is sent as the lengths of its html and url and the bytes of both. The answer comes back as a status, flags, the
lengths of text and images (JSON) and the bytes of both. It is not Arrow IPC, so the child needs no pyarrow (40 MB and
0.2 s of every start), and a page costs microseconds. It is not pickle, so whatever a hostile page makes the child send
is checked bytes, never code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from stages.extraction.images import Image

REQUEST = struct.Struct("<Qi")
ANSWER = struct.Struct("<BBQQ")
NUMBER = struct.Struct("<q")  # the number of a process, or its exit code: all that the zygote sends


class Status(IntEnum):
    """What became of a page."""

    EXTRACTED = 1
    UNPARSABLE = 2
    MEMORY = 3
    FAILED = 4


class Answer(NamedTuple):
    """What the child says about a page. `doubtful`: memory was scarce, so it may depend on the pages before."""

    status: Status
    doubtful: bool
    text: str
    images: list[Image]


def request(html: bytes | memoryview, url: str | None) -> tuple[bytes, bytes | memoryview, bytes]:
    """The three parts to send; the html is not copied."""
    address = (url or "").encode(errors="replace")
    return REQUEST.pack(len(html), -1 if url is None else len(address)), html, address


def encoded(answer: Answer) -> bytes:
    text = answer.text.encode(errors="replace")
    images = json.dumps(answer.images).encode() if answer.images else b""
    return ANSWER.pack(answer.status, answer.doubtful, len(text), len(images)) + text + images


def answers(received: bytearray) -> Iterator[Answer]:
    """Take the complete answers out of what has been received so far."""
    while len(received) >= ANSWER.size:
        status, doubtful, text, images = ANSWER.unpack_from(received)
        middle = ANSWER.size + text
        if len(received) < middle + images:
            return
        found = json.loads(received[middle : middle + images]) if images else []
        extracted = received[ANSWER.size : middle].decode()
        answer = Answer(Status(status), bool(doubtful), extracted, [(url, alt) for url, alt in found])
        del received[: middle + images]
        yield answer
