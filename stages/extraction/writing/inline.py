"""The text of one paragraph, read again from its HTML: white space as readers see it, each formula once, and in
Markdown emphasis and code.

Phrasing content never ends the paragraph; other elements do, so one piece of HTML may give several texts. Of ruby only
the base is written; what the page itself hides and twins of formulas are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stages.extraction.writing import escapes, formulas
from stages.extraction.writing.markup import BOUNDARIES, SKIPPED, Token, ends, is_hidden, tokens

_EMPHASIS = {
    "b": escapes.STRONG, "strong": escapes.STRONG, "i": escapes.EMPHASIS, "em": escapes.EMPHASIS,
    "cite": escapes.EMPHASIS, "dfn": escapes.EMPHASIS, "var": escapes.EMPHASIS, "s": escapes.DELETED,
    "del": escapes.DELETED, "strike": escapes.DELETED,
}  # fmt: skip
_CODE = frozenset(("code", "tt", "kbd", "samp"))
_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_SOFT = re.compile("[\u00ad\u200b\u2060\ufeff]")
_READINGS = frozenset(("rt", "rp", "rtc"))
_PERMALINKS = frozenset(("headerlink", "header-anchor", "anchorjs-link", "heading-anchor", "hash-link"))
BREAK = "\n"


class Inline:
    """Reads a piece of HTML; `texts` are the paragraphs in it."""

    def __init__(self, html: str, markdown: bool) -> None:
        self.found = tokens(escapes.without_controls(html))
        self.behind = ends(self.found)
        self.markdown = markdown
        self.texts: list[str] = []
        self.out: list[str] = []
        self.code = list[str]()  # the text of the open code element
        self.in_code = 0
        self.formula = ""  # the last formula, until text follows it
        self.pending = ""  # a formula from what a renderer wrote, while a script with its source may follow
        self._read()
        self._finish()

    def _read(self) -> None:
        at, container = 0, False
        while at < len(self.found):
            token = self.found[at]
            if not token.name:
                self._text(token.text, container)
                container = False
                at += 1
            elif token.closing:
                self._end(token)
                at += 1
            else:
                container = formulas.is_container(token)
                at = self._start(token, at)

    def _start(self, token: Token, at: int) -> int:
        """Begin an element. Returns the token to go on with."""
        name = token.name
        special = _SPECIAL.get(name.rpartition(":")[2])
        if special is not None:
            return special(self, token, at)
        if name in SKIPPED or (is_hidden(token) and not self._holds_formula(at)):
            return self.behind[at]
        if name in BOUNDARIES:
            self._finish()
        elif name in _EMPHASIS and self.markdown and not self.in_code:
            self.out.append(_EMPHASIS[name][0])
        elif name in _CODE and self.markdown:
            self.in_code += 1
        elif (formulas.is_preview(token) and self._script_follows(at)) or _is_permalink(token):
            return self.behind[at]
        return at + 1

    def _end(self, token: Token) -> None:
        name = token.name
        if name in BOUNDARIES:
            self._finish()
        elif name in _EMPHASIS and self.markdown and not self.in_code:
            self.out.append(_EMPHASIS[name][1])
        elif name in _CODE and self.in_code:
            self.in_code -= 1
            if not self.in_code:
                self._finish_code()
        elif name == "br":
            self._break()

    def _holds_formula(self, at: int) -> bool:
        """Whether a hidden element has the formula's source, as those for screen readers do."""
        return any(token.name.rpartition(":")[2] == "math" for token in self.found[at + 1 : at + 4])

    def _script_follows(self, at: int) -> bool:
        stop = self.behind[at]
        following = (token for token in self.found[stop : stop + 6] if token.name and not token.closing)
        return any(token.name == "script" and formulas.of_script(token) is not None for token in following)

    def _text(self, text: str, container: bool) -> None:
        text = _SPACE.sub(" ", _SOFT.sub("", text))
        if self.in_code:
            self.code.append(text)
            return
        if text.strip():
            self.formula = ""
        pieces = formulas.split(text)
        if container and len(pieces) == 1 and text.strip().startswith("$") and text.strip().endswith("$"):
            pieces = [(text.strip(), True)]
        for piece, is_formula in pieces:
            self.out.append(escapes.escaped(piece) if self.markdown and not is_formula else piece)

    def _formula(self, tex: str, display: bool) -> None:
        """Write a formula, unless it is a twin of the one before it."""
        text = formulas.written(tex, display)
        plain = formulas.cleaned(tex)
        if text and plain != self.formula:
            self.out.append(text)
            self.formula = plain

    def _math(self, token: Token, at: int) -> int:
        stop = self.behind[at]
        self._formula(*formulas.of_math(self.found[at:stop]))
        return stop

    def _script(self, token: Token, at: int) -> int:
        display = formulas.of_script(token)
        if display is not None and at + 1 < len(self.found) and not self.found[at + 1].name:
            self._formula(self.found[at + 1].text, display)
        return self.behind[at]

    def _image(self, token: Token, at: int) -> int:
        tex = formulas.of_image(token)
        if tex:
            self._formula(tex, "display" in token.attributes().get("class", ""))
        return at + 1

    def _reading(self, token: Token, at: int) -> int:
        """Skip a reading of ruby: to its end, or to the next part if its end tag is left out."""
        for place in range(at + 1, len(self.found)):
            each = self.found[place]
            if each.name in _READINGS and each.closing:
                return place + 1
            if each.name in _READINGS or each.name in ("rb", "ruby"):
                return place
        return len(self.found)

    def _line_break(self, token: Token, at: int) -> int:
        self._break()
        return at + 1

    def _break(self) -> None:
        (self.code if self.in_code else self.out).append(" " if self.in_code else BREAK)

    def _finish_code(self) -> None:
        text = "".join(self.code).strip()
        self.code.clear()
        self.out.append(escapes.code(text))
        self.formula = ""

    def _finish(self) -> None:
        """End the paragraph."""
        if self.in_code:
            self.in_code = 0
            self._finish_code()
        lines = [_SPACE.sub(" ", line).strip() for line in "".join(self.out).split(BREAK)]
        self.out.clear()
        text = BREAK.join(line for line in lines if line)
        if self.markdown:
            text = escapes.with_emphasis(_trimmed_marks(text))
        text = text.strip()
        if text:
            self.texts.append(text)


def _is_permalink(token: Token) -> bool:
    return token.name == "a" and not _PERMALINKS.isdisjoint(token.words())


_INNER_SPACE = re.compile("([\x01\x03\x05]+) | ([\x02\x04\x06]+)")


def _trimmed_marks(text: str) -> str:
    """Spaces inside the ends of emphasis are put outside."""
    moved = _INNER_SPACE.sub(lambda match: f" {match[1]}" if match[1] else f"{match[2]} ", text)
    return moved.replace("  ", " ")


_SPECIAL: dict[str, Callable[[Inline, Token, int], int]] = {
    "math": Inline._math,
    "script": Inline._script,
    "img": Inline._image,
    "rt": Inline._reading,
    "rp": Inline._reading,
    "rtc": Inline._reading,
    "br": Inline._line_break,
}
