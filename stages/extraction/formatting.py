"""The form of extracted text (RefinedWeb, section 3.1: at most two consecutive newlines, URLs removed).

In addition to the paper's rules, text is NFC and valid UTF-8, without control characters other than newline and tab
(C0, DEL, C1, noncharacters, byte order marks), and no line ends in white space. Every step is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Removed: C0 without \t \n \v \f \r, DEL, C1 without NEL, byte order mark, noncharacters, lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_LINE_BREAK = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ODD = re.compile(f"{_CONTROL.pattern}|[\r\v\f\x85\u2028\u2029]")
_NEWLINES = re.compile(r"\n{3,}")
_SPACES = re.compile(r"(?<=\S)[ \t]+(?=[ \t.,;:!?])")

# A URL ends at white space, quotes and angle brackets, where a script without spaces begins (Thai, Chinese, Japanese
# …), and at general punctuation (“ … ”). These are matched with their case, because they include capitals of k and å
# (the Kelvin and the Ångström sign). Nothing that follows a URL could make it shorter, so the loops are possessive: to
# go back in a URL of megabytes would take hundreds of megabytes.
_URL = re.compile(
    r"""(?P<open>[(\[<]?) (?<![a-z0-9]) (?P<url> (?:(?:https?|ftp)://|www\.) [a-z0-9\[]
    (?: (?-i: [A-Za-z0-9_\-.~:/?#\[\]@!$&'()*+,;=%]++ | (?![\u0e00-\u0eff\u1000-\u1dff\u2000-\uffff]) \w ) )*+ )
    (?P<close>>?)""",
    re.IGNORECASE | re.VERBOSE,
)
_CLOSER = {"(": ")", "[": "]", "<": ">"}


def _left_of_url(match: re.Match[str]) -> str:
    """What stays of a URL: punctuation that belongs to the sentence. Brackets that held only the URL are removed."""
    url, opener, close = match["url"], match["open"], match["close"]
    ending = ".,;:!?'" + "".join(closer for opener, closer in _CLOSER.items() if opener not in url)
    left = url[len(url.rstrip(ending)) :] + close
    if opener and left.startswith(_CLOSER[opener]):
        return left[1:]
    return opener + left


def _may_hold_url(text: str) -> bool:
    return "://" in text or "www." in text or "www." in text.lower()


def without_urls(text: str, as_rows: bool = False) -> str:
    """The text without its URLs, the double spaces that they leave, and the lines that held nothing else.

    `as_rows` keeps the indentation of every line, and each row of a table.
    """
    if not _may_hold_url(text):
        return text
    lines = []
    for line in text.split("\n"):
        cut = _URL.sub(_left_of_url, line) if _may_hold_url(line) else line
        if cut != line:
            cut = _SPACES.sub("", cut).strip()
            if not any(map(str.isalnum, cut)) and not (as_rows and "|" in cut):
                continue
            cut = line[: len(line) - len(line.lstrip())] + cut if as_rows else cut
        lines.append(cut)
    return "\n".join(lines)


def formatted(text: str) -> str:
    """Text in the form in which the corpus holds it."""
    text = without_urls(_clean(text))
    text = "\n".join(map(str.rstrip, text.split("\n"))).strip()
    return _NEWLINES.sub("\n\n", text) if "\n\n\n" in text else text


def formatted_parts(parts: Iterable[tuple[str, bool]]) -> str:
    """Pieces of text in that form, one after the other. Those that are code keep their URLs, blank lines and spaces."""
    out = list[str]()
    for piece, is_code in parts:
        text = _clean(piece)
        if not is_code:
            text = without_urls(text, as_rows=True)
            text = _NEWLINES.sub("\n\n", text) if "\n\n\n" in text else text
        out.append(text)
    return "\n".join(map(str.rstrip, "".join(out).split("\n"))).strip("\n")


def _clean(text: str) -> str:
    """The text in NFC, without what no reader sees."""
    if _ODD.search(text) is not None:
        text = _LINE_BREAK.sub("\n", _CONTROL.sub("", text))
    return unicodedata.normalize("NFC", text)
