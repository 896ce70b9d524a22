"""A small run for the tests of views: documents that end in every way, some of them hostile."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.refinedweb.engine.inline import ok, run, write_shards

RECIPE = "repetition_v1,quality_v1,minhash_v1,substring_v1"
PRESET = "minhash_v1.preset=fineweb"  # fewer hashes: faster
WORDS = (
    "river stone garden window morning letter market bridge winter summer village doctor "
    "teacher engine paper kitchen forest island machine picture question answer history science "
    "travel dinner music shoulder building student captain mountain valley harbour pencil journal "
    "orchard ladder blanket whistle candle ribbon saddle anchor basket "
)
HOSTILE = (
    "<script>document.title='owned'; window.owned=1</script><img src=x onerror=\"window.owned=1\"> "
    "</p></article></main></style></title>{{ 7 * 7 }} javascript:alert(1) ]]> --> \u202e "
)


def prose(seed: int, sentences: int = 14) -> str:
    """Sentences that the quality rules accept, no two of them equal."""
    chance = random.Random(seed)
    words = [chance.sample(WORDS.split(), 9) for _ in range(sentences)]
    return "\n".join(
        f"The {w[0]} of the {w[1]} and that {w[2]} {w[3]} {w[4]} have {w[5]} with {w[6]} {w[7]} {w[8]}." for w in words
    )


def pages() -> list[dict[str, Any]]:
    """Kept: 24 (4 of them hostile), too short: 8, repeated lines: 6, near duplicates: 4."""
    kept = [page(f"kept-{n}", prose(n)) for n in range(20)]
    hostile = [page(f"hostile-{n}{HOSTILE}", HOSTILE + prose(100 + n)) for n in range(4)]
    short = [page(f"short-{n}", f"Only {n} words. {HOSTILE if n == 0 else ''}") for n in range(8)]
    again = [page(f"again-{n}", prose(200 + n, 2) + "\nBuy this fine thing now.\n" * 30) for n in range(6)]
    twins = [page(f"twin-{n}", prose(n) + f"\nSeen {n} times.") for n in range(4)]
    return kept + hostile + short + again + twins


def page(name: str, text: str) -> dict[str, Any]:
    return {
        "id": name,
        "url": f"https://www.{name[:4]}.example/{name}",
        "text": text,
        "language": "en",
        "language_score": 0.9,
    }


def small_run(folder: Path, *settings: str, shards: int = 3) -> Path:
    """Make a run over the pages and return its output."""
    ok(run(RECIPE, write_shards(pages(), folder / "in", shards), folder / "out", PRESET, *settings))
    return folder / "out"
