"""Signers of the global steps, on which some texts have an effect that no real text should have."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from classifiers.kernels.arrays import UInt64s
from refinedweb.dedup import keys, paragraphs, substrings

SLOW, WRONG = "slow ", "wrong "  # how such texts begin
SECONDS = 5.0  # of CPU time; the first document of a process takes one or two, for kernels are loaded
_KEYS, _PARAGRAPH, _SUBSTRING = keys.signed_rows, paragraphs.sign, substrings.sign  # the real ones


def _affected(docs: pa.Table) -> None:
    texts = [str(text) for text in docs.column("text").to_pylist()]
    if any(text.startswith(WRONG) for text in texts):
        raise ArithmeticError("a text that no stage can sign")
    start = time.thread_time()
    while any(text.startswith(SLOW) for text in texts) and time.thread_time() - start < SECONDS:
        pass


def clustered(stage: Any, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    _affected(docs)
    return _KEYS(stage, docs, addresses)


def paragraph(stage: Any, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    _affected(docs)
    return _PARAGRAPH(stage, docs, addresses)


def substring(stage: Any, docs: pa.Table, addresses: UInt64s) -> pa.Table:
    _affected(docs)
    return _SUBSTRING(stage, docs, addresses)


Signer = Callable[[Any, pa.Table, UInt64s], pa.Table]
SIGNERS: dict[str, tuple[Any, str, Signer]] = {  # by stage: where its signer is named, and what takes its place
    "exact_v2": (keys, "signed_rows", clustered),
    "minhash_v2": (keys, "signed_rows", clustered),
    "paragraph_v2": (paragraphs, "sign", paragraph),
    "substring_v2": (substrings, "sign", substring),
}
