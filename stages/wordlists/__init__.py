"""Word and pattern lists as data files: one entry per line. `#` starts a comment; a header describes the list."""

from __future__ import annotations

from pathlib import Path

from stages.errors import ConfigError

FOLDER = Path(__file__).parent


def read_list(path: Path) -> tuple[str, ...]:
    """The entries of a list in file order, without comments, blank lines and surrounding white space.

    Raises ConfigError if the file is missing.
    """
    if not path.is_file():
        raise ConfigError(f"no list at {path}; a folder of lists needs every file that stages/wordlists has for them")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))
