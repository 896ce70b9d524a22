"""Formulas, once each, as TeX: whatever renderer wrote them, and whatever twins it wrote for eyes or screen readers."""

from __future__ import annotations

import re

from classifiers.blocks.html.names import listed
from stages.extraction.writing import mathml
from stages.extraction.writing.markup import Token

_TEX_TYPES = ("math/tex", "math/latex", "text/tex", "application/x-tex", "text/x-latex", "application/x-latex")
_CONTAINERS = frozenset(("math", "arithmatex", "math-tex", "tex2jax_process", "js-inline-math", "js-display-math"))
_IMAGES = frozenset(
    listed("tex latex math mathtex mimetex ql-img-inline-formula ql-img-displayed-equation eqn equation")
)
_WRAPPED = re.compile(r"\A\{\\(?:displaystyle|textstyle|scriptstyle)\s*+(.*)\}\Z", re.DOTALL)
_DELIMITED = re.compile(
    r"\\\((?P<inline>(?:[^\\]|\\\\|\\(?![()\\]))*+)\\\)|\\\[(?P<display>(?:[^\\]|\\\\|\\(?![\[\]\\]))*+)\\\]"
    r"|\$\$(?P<dollars>[^$]++)\$\$"
)


def cleaned(tex: str) -> str:
    """The TeX of a formula in one line, without the wrapper that a wiki puts around it and without delimiters."""
    tex = " ".join(tex.split())
    wrapped = _WRAPPED.match(tex)
    if wrapped:
        tex = wrapped[1].strip()
    for opening, close in (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")):
        if tex.startswith(opening) and tex.endswith(close) and len(tex) > len(opening) + len(close):
            return tex[len(opening) : -len(close)].strip()
    return tex


def written(tex: str, display: bool) -> str:
    """A formula between its delimiters, empty if it is."""
    tex = cleaned(tex)
    return "" if not tex else f"$${tex}$$" if display else f"${tex}$"


def of_math(found: list[Token]) -> tuple[str, bool]:
    """The TeX of a `<math>` and whether it is displayed: its own TeX if it has any, else by rules."""
    attributes = found[0].attributes()
    display = attributes.get("display") == "block" or attributes.get("mode") == "display"
    inside = False
    source = ""
    for token in found:
        if token.name in ("annotation", "mml:annotation"):
            inside = not token.closing and "tex" in token.attributes().get("encoding", "").lower()
        elif inside and not token.name:
            source += token.text
    source = source or _alternative(attributes)
    return source or " ".join(mathml.tex(mathml.parsed(found)).split()), display


def _alternative(attributes: dict[str, str]) -> str:
    """The alternative text of a `<math>`, if it is TeX."""
    text = attributes.get("alttext", "")
    return text if any(sign in text for sign in "\\^_{") or len(text) == 1 else ""


def of_script(token: Token) -> bool | None:
    """Whether a script is a displayed formula; None if it is none."""
    kind = token.attributes().get("type", "").lower()
    if not kind.startswith(_TEX_TYPES):
        return None
    return "mode=display" in kind.replace(" ", "")


def of_image(token: Token) -> str:
    """The TeX that an image is of, by its alternative text; empty if it is of none."""
    attributes = token.attributes()
    text = attributes.get("alt", "").strip()
    words = set(attributes.get("class", "").lower().split())
    is_wiki = any(word.startswith("mwe-math") for word in words) or text.startswith(r"{\displaystyle")
    is_formula = is_wiki or not _IMAGES.isdisjoint(words)
    return text if is_formula else ""


def is_container(token: Token) -> bool:
    """Whether the text of the element is TeX between delimiters."""
    return token.name == "math-renderer" or not _CONTAINERS.isdisjoint(token.words())


def is_preview(token: Token) -> bool:
    """Whether the element is what MathJax shows in place of the script that follows it."""
    return any(word.startswith(("MathJax", "MJX", "mjx-")) for word in token.words())


def split(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is a formula: one between the delimiters of TeX in a text."""
    if "\\(" not in text and "\\[" not in text and "$$" not in text:
        return [(text, False)]
    pieces, at = list[tuple[str, bool]](), 0
    for match in _DELIMITED.finditer(text):
        tex = match["inline"] or match["display"] or match["dollars"] or ""
        pieces.append((text[at : match.start()], False))
        pieces.append((written(tex, match["inline"] is None), True))
        at = match.end()
    pieces.append((text[at:], False))
    return pieces


def with_dollars(text: str) -> str:
    """The text with `$` around the formulas that were in the delimiters of LaTeX."""
    return "".join(piece for piece, _ in split(text))
