"""Who runs which code, for the audit trail: user, host, command line, versions. No value of a secret is in it."""

from __future__ import annotations

import getpass
import platform
import re
import socket
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from refinedweb.ledger.holder import this_process
from refinedweb.storage.keys import masked

MOST_WORDS, MOST_WORD = 200, 1000  # of a command line: thousands of inputs are in `inputs` anyway
_NAME = r"-*[\w.-]{0,80}(?:secret|token|passw|credential|api_?key)[\w.-]{0,80}"
_VALUE = re.compile(rf"(?i)^({_NAME}=).{{1,{MOST_WORD}}}$", re.S)
_OPTION = re.compile(rf"(?i)-{_NAME}")  # whose value is the next word


@lru_cache(maxsize=1)
def user() -> str:
    """The name of the user; empty if the system has none for this process (a container with a bare number)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def origin() -> dict[str, str | list[str] | dict[str, str]]:
    """Who runs this process, where, how, and with which versions of the packages that it needs."""
    return {
        "user": user(),
        "host": socket.gethostname(),
        "process": this_process(),
        "command": safe_words([Path(sys.argv[0]).name, *sys.argv[1:MOST_WORDS]]),
        "python": platform.python_version(),
        "packages": _versions(),
    }


def safe_words(words: Sequence[str]) -> list[str]:
    """A command line without secrets: passwords in URLs, signed URLs, values of what is called token, secret …"""
    before = ["", *words[:-1]]
    return ["…" if _OPTION.fullmatch(last) else _safe(word) for last, word in zip(before, words, strict=False)]


def _safe(word: str) -> str:
    return _VALUE.sub(r"\1…", masked(word[:MOST_WORD]))


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    try:
        required = metadata.requires("refinedweb") or []
    except metadata.PackageNotFoundError:
        return {}
    names = [found[0] for line in required if "extra ==" not in line and (found := re.match(r"[\w.-]+", line))]
    return {name: version for name in sorted(names) if (version := _version(name))}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
