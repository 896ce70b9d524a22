"""A small corpus with copies of every kind: of texts, of URLs, of paragraphs and passages, and near-duplicates."""

from __future__ import annotations

import random
from typing import Any

RECIPE = "exact_v1,minhash_v1,paragraph_v1,substring_v1,url_dedup_v1"
SETTINGS = ("minhash_v1.preset=fineweb",)
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "ra", "list", "mo", "tek", "")]


def text(chance: random.Random, words: int) -> str:
    """Sentences of made-up words, in lines."""
    chosen = chance.choices(WORDS, k=words)
    for at in range(7, words, 9):
        chosen[at] += "."
    for at in range(30, words, 40):
        chosen[at] += "\n"
    return " ".join(chosen)


def edited(chance: random.Random, original: str, share: float) -> str:
    """The text with this number of its words replaced."""
    words = original.split(" ")
    for at in chance.sample(range(len(words)), max(1, int(share * len(words)))):
        words[at] = chance.choice(WORDS)
    return " ".join(words)


def documents(count: int = 240, seed: int = 7) -> list[dict[str, Any]]:
    """In a mixed order, with ids that reveal nothing. A few have no text or no URL."""
    chance = random.Random(seed)
    passage = text(chance, 80)
    texts = [text(chance, chance.randint(60, 260)) for _ in range(count // 2)]
    for kind in range(count - len(texts)):
        original = texts[kind % 40]
        changed = [
            original.upper(),
            original,
            edited(chance, original, 0.01),
            edited(chance, original, 0.04),
            f"{text(chance, 60)} {passage} {text(chance, 60)}",
            f"{text(chance, 60)}\n{original[:700]}",
            "ha " * chance.randint(40, 300),
            "",
        ]
        texts.append(changed[kind % len(changed)])
    chance.shuffle(texts)
    return [_document(chance, number, body) for number, body in enumerate(texts)]


def _document(chance: random.Random, number: int, body: str) -> dict[str, Any]:
    url = f"https://site-{chance.randrange(6)}.example/{chance.randrange(80)}"
    return {
        "id": f"{chance.getrandbits(64):016x}",
        "url": None if number % 29 == 0 else url,
        "timestamp": f"2024-0{chance.randint(1, 9)}-11T00:00:{number % 60:02d}Z",
        "text": body,
    }


DOCUMENTS = documents()
