"""Run as a program: every regular expression that the packages compile, with the place that does, as JSON lines.

All modules are imported while `re` notes who calls it; then TRIGGERS makes the calls that no import makes. A pattern
of a constant inside a function needs no trigger: the test reads it from the source.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("classifiers", "stages", "refinedweb", "jobs")

_plain_compile = re._compile  # type: ignore[attr-defined]


def _noted(pattern: Any, flags: Any) -> Any:
    frame = sys._getframe(2)
    path = Path(frame.f_code.co_filename)
    inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    if inside.parts[0] in PACKAGES and not isinstance(pattern, re.Pattern):
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        site = {"file": str(inside), "line": frame.f_lineno}
        print(json.dumps({**site, "pattern": text, "bytes": isinstance(pattern, bytes), "flags": int(flags)}))
    return _plain_compile(pattern, flags)


def _triggers() -> None:
    """The calls whose pattern is made when they are called."""
    from jobs.launch.limits import _compiled
    from refinedweb.sources.compression import GZIP
    from refinedweb.sources.cuts import record_cut
    from refinedweb.sources.framing import ARC, WARC
    from refinedweb.sources.inputs import _glob
    from refinedweb.sources.stream import ByteStream
    from stages.extraction.xpath import _string_test
    from stages.lines.patterns import counter_pattern, edit_patterns

    # AWS's patterns, of values that the user gives: their length is checked before
    _compiled(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
    counter_pattern()
    edit_patterns()
    _string_test("re:test", "comment|^foo-?bar$", "i")  # others are trafilatura's, and run in the child
    for framing in (WARC, ARC):
        record_cut(framing)(io.BytesIO(b" \n"), 0, 2)
    ByteStream(io.BytesIO(), GZIP, b"")._scan(0, GZIP, lambda head: False)
    # Globs are a user's own, and keys have up to 1,024 bytes: with sets, or `*` after `**`, they may take the square.
    for pattern in ("a/**/b", "*.warc.gz", "a*b*c*d*e*f", "*?x" * 8, "*/" * 8 + "x", "**"):
        _glob(pattern)


def main() -> None:
    re._compile = _noted  # type: ignore[attr-defined]
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name != "__main__.py":
                importlib.import_module(name.removesuffix(".__init__"))
    _triggers()


if __name__ == "__main__":
    main()
