"""What parent and child of the extraction say to each other: frames of a fixed head and its bytes.

A page goes as lengths of html and url and the bytes of both; the answer comes as status, flags, lengths of text and
images (JSON) and the bytes of both. Not Arrow IPC: the child then needs no pyarrow (40 MB and 0.2 s of every start),
and a page costs microseconds. Not pickle: what a hostile page might make the child say is checked bytes, never code.
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
NUMBER = struct.Struct("<q")  # of a process, or how it ended: all that the zygote says


class Status(IntEnum):
    EXTRACTED = 1
    UNPARSABLE = 2
    MEMORY = 3
    FAILED = 4


class Answer(NamedTuple):
    """`doubtful`: memory was or became scarce, so that the answer may depend on the pages before."""

    status: Status
    doubtful: bool
    text: str
    images: list[Image]


def request(html: bytes | memoryview, url: str | None) -> tuple[bytes, bytes | memoryview, bytes]:
    """The three parts to send, the html uncopied."""
    address = (url or "").encode(errors="replace")
    return REQUEST.pack(len(html), -1 if url is None else len(address)), html, address


def encoded(answer: Answer) -> bytes:
    text = answer.text.encode(errors="replace")
    images = json.dumps(answer.images).encode() if answer.images else b""
    return ANSWER.pack(answer.status, answer.doubtful, len(text), len(images)) + text + images


def answers(received: bytearray) -> Iterator[Answer]:
    """Takes the complete answers out of what was received so far."""
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
