"""Preformatted text as its author wrote it: each line with its indentation, no line numbers; and its language."""

from __future__ import annotations

import re
from itertools import pairwise

from classifiers.blocks.html.names import listed
from stages.extraction.writing.markup import RAW, Token, ends, is_hidden, tokens
from stages.extraction.writing.outline import PRES, Outline

_GUTTERS = frozenset(
    listed(
        "gutter lineno linenos linenodiv line-numbers-rows line-number linenumber line-numbers-wrapper lnt ln lnlinks "
        "lnum rouge-gutter hljs-ln-numbers linenumbers react-syntax-highlighter-line-number blob-num line-num "
        "code-line-number"
    )
)
_LINE_ELEMENTS = frozenset(("div", "li", "p", "tr"))
_SHOWN_NOWHERE = frozenset(("button", "select", "svg", *(RAW - {"xmp", "textarea"})))
_LANGUAGE_CLASS = re.compile(
    r"(?:language|lang|highlight-source|highlight|brush|code|hl|prism)[-:]([\w+#.-]{1,40})\Z", re.IGNORECASE
)
_LANGUAGE_AROUND = re.compile(r"(?:language|highlight-source|highlight)-([\w+#.-]{1,40})\Z", re.IGNORECASE)
_NO_LANGUAGE = frozenset(("", *listed("none default text plaintext plain notranslate highlight block wrapper toolbar")))
_BRUSH = re.compile(r"\bbrush:\s*+([\w+#.-]+)", re.IGNORECASE)
_MARKED = ("highlight", "sourcecode", "prettyprint", "src")  # classes whose next word is the language
_WORD = re.compile(r"[A-Za-z][\w+#.-]{0,40}\Z")
_NUMBERS = re.compile(r"[\d\s]+\Z")
UP = 6  # elements around preformatted text whose classes may name its language


def read(html: str) -> str:
    """The code in the HTML of an element, its own tags included."""
    found = tokens(html)
    behind, out, at = ends(found), list[str](), 0
    fresh = True  # whether a line has just begun
    while at < len(found):
        token = found[at]
        if not token.name:
            text = token.text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").replace("\u200b", "")
            out.append(text)
            fresh = text.endswith("\n") if text else fresh
        elif token.name == "br":
            out.append("\n")
            fresh = True
        elif token.name in _LINE_ELEMENTS:
            if not fresh and out:
                out.append("\n")
                fresh = True
        elif not token.closing and is_furniture(token):
            at = behind[at]
            continue
        at += 1
    return trimmed("".join(out))


def is_furniture(token: Token) -> bool:
    """Whether an element in code does not belong to it: a line number, a button, what is hidden."""
    if token.name in _SHOWN_NOWHERE or is_hidden(token):
        return True
    inside = token.inside.lower()
    if "user-select" in inside and "user-select:none" in inside.replace(" ", ""):
        return True
    return "class" in inside and not _GUTTERS.isdisjoint(word.lower() for word in token.words())


def trimmed(text: str) -> str:
    """Code without empty lines at its ends and white space at the ends of lines."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def is_gutter(text: str) -> bool:
    """Whether text is nothing but line numbers: each one more than the one before."""
    if not text or _NUMBERS.match(text) is None:
        return False
    numbers = [int(number) for number in text.split()[:2000] if len(number) < 9]
    return bool(numbers) and all(b == a + 1 for a, b in pairwise(numbers))


def language(outline: Outline, pre: int, html: str) -> str:
    """The language that the classes of the code or of what is around it name; empty if they name none."""
    inner = html[: html.find("<", html.find("<code") + 1) if "<code" in html[:400] else 400]
    for token in tokens(inner):
        if token.name and not token.closing and (found := _of_token(token, _LANGUAGE_CLASS)):
            return found
    node = outline.parent[pre]
    for _ in range(UP):
        if not node or outline.tag[node] in PRES:
            break
        head = tokens(outline.start_tag(node))
        if head and (found := _of_token(head[0], _LANGUAGE_AROUND)):
            return found
        node = outline.parent[node]
    return ""


def _of_token(token: Token, pattern: re.Pattern[str]) -> str:
    attributes = token.attributes() if token.inside else {}
    for name in ("data-lang", "data-language", "lang" if token.name in ("pre", "code") else ""):
        if attributes.get(name, "").lower() not in _NO_LANGUAGE and _WORD.match(attributes[name]):
            return attributes[name].lower()
    words = attributes.get("class", "").split()
    if brush := _BRUSH.search(attributes.get("class", "")):
        return brush[1].lower()
    for word in words:
        named = pattern.match(word)
        if named and named[1].lower() not in _NO_LANGUAGE:
            return named[1].lower()
    for first, word in pairwise(words):
        if first.lower() in _MARKED and word.lower() not in _NO_LANGUAGE and _WORD.match(word):
            return word.lower()
    return ""


def fenced(text: str, name: str) -> str:
    """Code between fences longer than any run of backticks in it."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{name}\n{text}\n{fence}"


_TICKS = re.compile("`{3,}")
