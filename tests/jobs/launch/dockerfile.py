"""A Dockerfile as a list of instructions, and as a script that builds the same thing in a folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """An instruction, such as ("RUN", "pip install x")."""

    name: str
    text: str


def parse(text: str) -> list[Instruction]:
    """The instructions, without comments and with continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Instruction(name.upper(), rest.strip()) for name, rest in words]


def options(text: str) -> tuple[dict[str, str], list[str]]:
    """The --name=value options of a COPY, and the rest: sources, then the target."""
    words = shlex.split(text)
    named = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    return named, [word for word in words if not word.startswith("--")]


def script(instructions: Sequence[Instruction], context: Path, root: Path, skip: Sequence[str]) -> str:
    """A bash script that carries the instructions out with `root` for /.

    It leaves out steps whose text has one of the words of `skip`, and copies between the stages, which share one root.
    """
    lines = ["set -euo pipefail"]
    for name, text in instructions:
        here = re.sub(r"(?<![\w.])/(opt|src|home)\b", rf"{root}/\1", text)
        if name == "ENV":
            lines.append(f"export {here}")
        elif name == "ARG" and "=" in here:
            lines.append(here)
        elif name == "WORKDIR":
            lines.append(f"mkdir -p {here} && cd {here}")
        elif name == "COPY" and "--from=" not in text:
            *sources, target = options(here)[1]
            lines.append(f"mkdir -p {target}")
            for source in sources:
                inner = "/." if (context / source).is_dir() else ""
                lines.append(f"cp -r {context / source}{inner} {target}/")
        elif name == "RUN" and not any(word in text for word in skip):
            lines.append(here)
    return "\n".join(lines)


def is_ignored(rules: str, path: str) -> bool:
    """Whether a .dockerignore keeps a file out of the context: the last line decides that matches the file or a folder
    above it.
    """
    parts = path.split("/")
    prefixes = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    ignored = False
    for line in rules.splitlines():
        rule = line.strip()
        if rule and not rule.startswith("#"):
            pattern = _pattern(rule.removeprefix("!"))
            if any(pattern.fullmatch(prefix) for prefix in prefixes):
                ignored = not rule.startswith("!")
    return ignored


def _pattern(rule: str) -> re.Pattern[str]:
    """Docker's own meaning of * and **."""
    made = re.escape(rule.strip("/")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.compile(made)
