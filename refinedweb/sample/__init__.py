"""The sample crawl that ships with the package: a few hundred small pages, written for this project, as WARC files.

`refinedweb demo` and the tests run on it. `README.md` beside this file says what is in it and how it is rebuilt;
`truth.jsonl` says of every page what it is and, where that is certain, what the English recipe makes of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def crawl_files() -> list[Path]:
    """The WARC files, in order. Their paths are those of Common Crawl, so dump and segment can be read from them."""
    return sorted((HERE / "crawl-data").rglob("*.warc.*"))


def blocklist() -> Path:
    """A small domain blocklist in UT1 layout (`<category>/domains`, `<category>/urls`) that fits the sample crawl."""
    return HERE / "blocklist"


def truth() -> list[dict[str, Any]]:
    """One dict per response or revisit record. Keys: see `README.md`."""
    return [json.loads(line) for line in (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
