"""What a language label means: its language, script and family, and so the keys under which its limits may stand.

A label is a code of lid.176 (`ja`), an ISO 639-3 code with or without its script (`jpn_Jpan`, as GlotLID writes it), or
a BCP-47 tag (`zh-Hant-TW`). A bare `als` is lid.176's Alemannic; with its script it is ISO's Tosk Albanian.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from stages.errors import ConfigError, nearest

_TABLE = Path(__file__).parent / "languages.tsv"
_SPLIT = re.compile(r"[-_]")
_SCRIPT = re.compile(r"[A-Z][a-z]{3}")
_CODE = re.compile(r"[a-z]{2,3}")
# Scripts that are parts of another for our purpose: FineWeb-2's names.
_SCRIPTS = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}


class KnownLanguage(NamedTuple):
    """A language in one of its scripts. `family` and `name` may be unknown (empty)."""

    language: str
    script: str
    family: str
    name: str


class KnownLanguages(NamedTuple):
    """The table, by ISO 639-3 code (the most common script first), and the short codes."""

    by_code: dict[str, list[KnownLanguage]]
    short: dict[str, KnownLanguage]


@lru_cache(maxsize=1)
def known_languages() -> KnownLanguages:
    """The 1,900 languages that have published limits, and four more."""
    known = KnownLanguages({}, {})
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            code, short, family, name = line.split("\t")
            language, script = code.split("_")
            row = KnownLanguage(language, script, family, name)
            known.by_code.setdefault(language, []).append(row)
            known.short.update((each, row) for each in short.split())
    return known


def meaning(label: str) -> KnownLanguage:
    """The language that a label names. What nobody knows has no script, family or name."""
    code, script = _parts(label)
    known = known_languages()
    if not script and code in known.short:
        return known.short[code]
    if code in known.short and code not in known.by_code:
        code = known.short[code].language
    rows = known.by_code.get(code, [])
    if not rows:
        return KnownLanguage(code, script, "", "")
    return next((row for row in rows if row.script == script), rows[0]._replace(script=script or rows[0].script))


@lru_cache(maxsize=4096)
def chain(label: str) -> tuple[str, ...]:
    """The keys whose parameters apply to a label, its own first: language and script, language, script, family."""
    found = meaning(label)
    both = f"{found.language}_{found.script}" if found.script else ""
    return tuple(filter(None, (both, found.language, found.script, found.family)))


def key_of(name: str) -> str:
    """The key that a table's name stands for: a label, a script (`Thai`) or a family (`Dravidian`).

    Raises ConfigError for a name that is none of them.
    """
    scripts, families = _groups()
    if _SCRIPT.fullmatch(name) or name in families:
        return _SCRIPTS.get(name, name)
    code, script = _parts(name)
    well_formed = _CODE.fullmatch(code) and name[:1].islower() and "" not in _SPLIT.split(name)
    if not well_formed:
        known = [*known_languages().short, *sorted(scripts), *sorted(families)]
        kinds = "a language (ja, jpn_Jpan), a script (Thai) or a family (Dravidian)"
        raise ConfigError(f"{name!r} is not {kinds}: {nearest(name, known)}")
    found = meaning(name)
    return f"{found.language}_{script}" if script else found.language


@lru_cache(maxsize=1)
def _groups() -> tuple[frozenset[str], frozenset[str]]:
    """All scripts and all families."""
    rows = [row for rows in known_languages().by_code.values() for row in rows]
    return frozenset(row.script for row in rows), frozenset(row.family for row in rows if row.family)


def _parts(label: str) -> tuple[str, str]:
    """The code of a label in lower case, and its script ("" if it names none)."""
    code, *rest = _SPLIT.split(label)
    scripts = [part.title() for part in rest if len(part) == 4 and _SCRIPT.fullmatch(part.title())]
    script = scripts[0] if scripts else ""
    return code.lower(), _SCRIPTS.get(script, script)
