"""Markdown that reads back as it was meant: what would be markup is escaped, and emphasis is put where it holds.

Emphasis is marked by control characters while a paragraph is read (no text has any), and becomes asterisks at its end,
when what stands on either side of each mark is known. Where CommonMark would not read the asterisks as emphasis, the
text stays without it.
"""

from __future__ import annotations

import re
import unicodedata

STRONG, EMPHASIS, DELETED = "\x01\x02", "\x03\x04", "\x05\x06"  # where each begins and ends
_MARKS = {STRONG: "**", EMPHASIS: "*", DELETED: "~~"}
_OPENING = {pair[0]: pair for pair in _MARKS}
_CLOSING = {pair[1]: pair for pair in _MARKS}
_ANY_MARK = re.compile("[\x01-\x06]")
_CONTROLS = re.compile("[\x00-\x08]")

_ALWAYS = re.compile(r"[\\`*](?!\s)|(?<!\s)\*|[\\`]|~~|<(?=[A-Za-z/!?])|&(?=#?\w{1,31};)|\](?=[(\[:])|!(?=\[)")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(
    r"#{1,6}(?=\s|$)|[-+*](?=\s|$)|>|~~~|=+\s*+$|--+\s*+$|(?:[-*_][ \t]*+){3,}$|\[(?=[ xX]\]\s)|\|"
)
_NUMBER_START = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_TICKS = re.compile("`+")


def without_controls(text: str) -> str:
    return _CONTROLS.sub("", text)


def escaped(text: str) -> str:
    """Text of a paragraph in which nothing is markup, wherever it stands in the line."""
    text = _ALWAYS.sub(lambda match: "\\" + match[0], text)
    return _UNDERSCORE.sub(r"\\_", text) if "_" in text else text


def line_escaped(line: str) -> str:
    """A line that does not begin a list, a heading, a quotation or the like."""
    if match := _NUMBER_START.match(line):
        return f"{match[1]}\\{line[match.end(1) :]}"
    return "\\" + line if _LINE_START.match(line) else line


def code(text: str) -> str:
    """Code in a line, between as many backticks as it needs."""
    ticks = "`" * (1 + max((len(run) for run in _TICKS.findall(text)), default=0))
    if set(map(len, _TICKS.findall(text))) - {len(ticks)} and "`" not in set(_TICKS.findall(text)):
        ticks = "`"
    edge = " " if text.startswith("`") or text.endswith("`") or (text[:1] == text[-1:] == " " and text.strip()) else ""
    return f"{ticks}{edge}{text}{edge}{ticks}" if text else ""


def with_emphasis(text: str) -> str:
    """The text with its marks of emphasis resolved."""
    if _ANY_MARK.search(text) is None:
        return text
    kept = _pairs(text)
    out, at = list[str](), 0
    for match in _ANY_MARK.finditer(text):
        out.append(text[at : match.start()])
        mark = kept.get(match.start())
        if mark is not None:
            out.append(mark)
        at = match.end()
    return "".join([*out, text[at:]])


def _pairs(text: str) -> dict[int, str]:
    """The marks that stay, by their place: those of pairs around something, not twice the same, where they hold."""
    kept: dict[int, str] = {}
    open_marks: list[tuple[str, int]] = []
    for match in _ANY_MARK.finditer(text):
        mark = match[0]
        if mark in _OPENING:
            open_marks.append((_OPENING[mark], match.start()))
            continue
        pair = _CLOSING[mark]
        if not any(kind == pair for kind, _ in open_marks):
            continue
        while open_marks:
            kind, start = open_marks.pop()
            if kind == pair:
                nested = any(each == pair for each, _ in open_marks)
                if not nested and _holds(text, start, match.start()):
                    kept[start] = kept[match.start()] = _MARKS[pair]
                break
    return kept


def _holds(text: str, start: int, end: int) -> bool:
    """Whether CommonMark would read marks at these places as emphasis: nothing but words or white space around them."""
    inside = _ANY_MARK.sub("", text[start:end])
    if not inside or inside[0].isspace() or inside[-1].isspace():
        return False
    before, after = text[:start][-1:], text[end + 1 :][:1]
    if (_ANY_MARK.match(before) and before in _CLOSING) or (_ANY_MARK.match(after) and after in _OPENING):
        return False
    opens = not _is_mark(inside[0]) or not before or before.isspace() or _is_mark(before)
    closes = not _is_mark(inside[-1]) or not after or after.isspace() or _is_mark(after)
    return opens and closes


def _is_mark(character: str) -> bool:
    """Whether it is punctuation or a symbol, which decides where emphasis may begin and end."""
    return character in _OPENING or character in _CLOSING or unicodedata.category(character)[0] in "PS"
