"""Turns docstrings, which are laid out for a terminal, into Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from inspect import cleandoc

_GAP = re.compile(r"\S {3,}(?=\S)")
_TERM = re.compile(r"`[^`]+` {2,}\S")


def prose(docstring: str) -> str:
    """Paragraphs and lists stay what they are; lines in aligned columns become tables, and indented lines code."""
    parts = (_paragraph(block.split("\n")) for block in cleandoc(docstring).split("\n\n"))
    return "\n\n".join(part for found in parts for part in found)


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring, up to its full stop or semicolon."""
    joined = " ".join(cleandoc(docstring).split("\n\n")[0].split())
    found = re.match(r"(.*?)[.;](?:\s|$)", joined)
    return f"{found[1] if found else joined}."


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's syntax."""
    lines = [_row(headers), _row(["---"] * len(headers)), *map(_row, rows)]
    return "\n".join(lines)


def described(text: str) -> str:
    """A help text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _paragraph(lines: list[str]) -> Iterator[str]:
    """The parts of a paragraph: runs of plain, of aligned and of indented lines."""
    if all(line.startswith("    ") for line in lines):
        yield "```text\n" + "\n".join(line[4:] for line in lines) + "\n```"
        return
    run: list[str] = []
    aligned = False
    for line in lines:
        is_aligned = _is_aligned(line) or (aligned and line.startswith("  "))
        if run and is_aligned != aligned:
            yield _part(run, aligned)
            run = []
        run.append(line)
        aligned = is_aligned
    yield _part(run, aligned)


def _is_aligned(line: str) -> bool:
    return _GAP.search(line) is not None or _TERM.match(line) is not None


def _part(lines: list[str], aligned: bool) -> str:
    return _table(lines) if aligned else "\n".join(_plain(lines))


def _plain(lines: list[str]) -> Iterator[str]:
    """A docstring starts a new line when it turns to another subject; in Markdown that becomes a new paragraph."""
    before = ""
    for line in lines:
        if before.endswith(".") and line.startswith(("`", "Source:", "Measures:", "Columns ")):
            yield ""
        yield line
        before = line


def _table(lines: list[str]) -> str:
    """Aligned lines as a table without a header. An indented line continues the cell under which it begins."""
    rows: list[list[str]] = []
    starts: list[int] = []
    for line in lines:
        if line.startswith(" ") and rows:
            indent = len(line) - len(line.lstrip())
            at = max(n for n, start in enumerate(starts) if start <= indent + 1)
            rows[-1][at] += " " + line.strip()
            continue
        found = [(m.start(), m[0]) for m in re.finditer(r"\S+(?: \S+)*", line)]
        starts = [start for start, _ in found]
        rows.append([cell for _, cell in found])
    width = max(map(len, rows))
    cells = [[described(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    return markdown_table([""] * width, cells)
