"""Labelled rows that a small model learns to tell apart."""

from __future__ import annotations

import random

import pyarrow as pa


def rows(seed: int = 1, size: int = 600) -> pa.Table:
    draw = random.Random(seed)
    words = [a + b + c for a in "bdfgkl" for b in "aeiou" for c in "mnrst"]
    texts = [(" ".join(draw.choices(words, k=8)), draw.random() < 0.4) for _ in range(size)]
    made = [(f"{text.title()}, SWORE\n again!" if bad else f"{text.title()}.", bad) for text, bad in texts]
    columns = {"text": [text for text, _ in made], "label": ["bad" if bad else "good" for _, bad in made]}
    return pa.table({**columns, "source": ["s"] * size, "lang": ["en"] * size})
