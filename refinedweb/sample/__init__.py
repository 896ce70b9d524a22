"""The sample crawl that ships with the package: a few hundred small pages, written for this project, as WARC files.

`refinedweb demo` and the tests run on it. `README.md` in this folder says what is in it and how to rebuild it;
`truth.jsonl` says for every page what it is and, if that is certain, what the English recipe makes of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def crawl_files() -> list[Path]:
    """The WARC files, in order. Their paths are like Common Crawl's, so dump and segment can be read from them."""
    return sorted((HERE / "crawl-data").rglob("*.warc.*"))


def blocklist() -> Path:
    """A small domain blocklist in UT1 layout (`<category>/domains`, `<category>/urls`) that fits the sample crawl."""
    return HERE / "blocklist"


def truth() -> list[dict[str, Any]]:
    """One dict per response or revisit record. `README.md` describes the keys."""
    return [json.loads(line) for line in (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
