"""TeX of presentation MathML that has no TeX in it: each element becomes what an author would have written."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.extraction.writing.markup import VOID, Token
from stages.extraction.writing.symbols import ACCENTS, FUNCTIONS, LIMITS, TEX, VARIANTS

_BARE = frozenset("{}%#&$_⟨⟩‖∥⌊⌋⌈⌉")  # signs that take no space around them
DEEPEST = 60  # levels of elements; what lies deeper is read as if it were this deep


@dataclass
class Element:
    """An element of MathML: its children are elements, and its text is that of a leaf."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""


def parsed(found: list[Token]) -> Element:
    """The tree of the tokens of a `<math>`."""
    root = Element("mrow")
    path = [root]
    for token in found:
        name = token.name.rpartition(":")[2]
        if not name:
            path[-1].text += token.text
        elif token.closing:
            if any(each.name == name for each in path[1:]):
                while path.pop().name != name:
                    pass
        else:
            element = Element(name, token.attributes() if token.inside else {})
            if len(path) < DEEPEST:
                path[-1].children.append(element)
                if not token.inside.endswith("/") and name not in VOID:
                    path.append(element)
    return root


def tex(element: Element) -> str:
    """The TeX of an element."""
    kinds = _RULES.get(element.name)
    return kinds(element) if kinds else joined([tex(child) for child in element.children]) + _leaf(element)


def joined(pieces: list[str]) -> str:
    """Pieces in a row. A command that ends in a letter is not run together with a letter."""
    out = ""
    for piece in pieces:
        if out and piece and piece[0].isalpha() and _ends_in_command(out):
            out += " "
        out += piece
    return out


def _ends_in_command(text: str) -> bool:
    stem = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return len(stem) < len(text) and stem.endswith("\\") and not stem.endswith("\\\\")


def _leaf(element: Element) -> str:
    text = " ".join(element.text.split()) if not element.children else ""
    return joined([TEX.get(letter, letter) for letter in text])


def _group(text: str) -> str:
    """An argument: braces unless it is one letter or one command."""
    return text if len(text) == 1 else "{" + text + "}"


def _identifier(element: Element) -> str:
    text = "".join(element.text.split())
    variant = VARIANTS.get(element.attributes.get("mathvariant", ""))
    if variant:
        return f"\\{variant}" + "{" + _leaf(element) + "}"
    if text in FUNCTIONS:
        return "\\" + text + " "
    return _leaf(element) if len(text) < 2 else r"\mathrm{" + _leaf(element) + "}"


def _operator(element: Element) -> str:
    text = "".join(element.text.split())
    if text in FUNCTIONS:
        return "\\" + text + " "
    found = _leaf(element)
    is_command = found.startswith("\\") and len(text) == 1 and text not in _BARE
    return f" {found} " if is_command or text in ("=", "<", ">") else found


def _text(element: Element) -> str:
    return r"\text{" + " ".join(element.text.split()) + "}" if element.text.strip() else " "


def _parts(element: Element, count: int) -> list[str]:
    """The TeX of the first children, empty where there are fewer."""
    found = [tex(child).strip() for child in element.children[:count]]
    return found + [""] * (count - len(found))


def _fraction(element: Element) -> str:
    above, below = _parts(element, 2)
    kind = r"\binom" if element.attributes.get("linethickness", "").rstrip("ptxem") in ("0", "0.0") else r"\frac"
    return f"{kind}{{{above}}}{{{below}}}"


def _root(element: Element) -> str:
    inside, index = _parts(element, 2)
    return rf"\sqrt[{index}]{{{inside}}}"


def _square_root(element: Element) -> str:
    return r"\sqrt{" + joined([tex(child) for child in element.children]).strip() + "}"


def _base(text: str) -> str:
    """What bears an index: braces around more than one thing."""
    is_command = text.startswith("\\") and text[1:].isalpha()
    simple = len(text) <= 1 or is_command or (text.endswith("}") and text.count("{") == 1)
    return text if simple or text in (")", "]", r"\}") else "{" + text + "}"


def _power(element: Element) -> str:
    base, power = _parts(element, 2)
    return _base(base) + ("'" if power == "'" else f"^{_group(power)}")


def _index(element: Element) -> str:
    base, index = _parts(element, 2)
    return f"{_base(base)}_{_group(index)}"


def _both(element: Element) -> str:
    base, index, power = _parts(element, 3)
    return f"{_base(base)}_{_group(index)}^{_group(power)}"


def _under(element: Element) -> str:
    return _set_off(element, "_", "underset")


def _over(element: Element) -> str:
    return _set_off(element, "^", "overset")


def _set_off(element: Element, mark: str, command: str) -> str:
    """A base with an accent, with a limit after `mark`, or with something else that `command` sets above or below."""
    base, other = _parts(element, 2)
    sign = "".join(element.children[1].text.split()) if len(element.children) > 1 else ""
    if sign in ACCENTS:
        return f"{ACCENTS[sign]}{{{base}}}"
    return f"{base}{mark}{_group(other)}" if base in LIMITS else rf"\{command}{{{other}}}{{{base}}}"


def _under_over(element: Element) -> str:
    base, below, above = _parts(element, 3)
    return f"{base}_{_group(below)}^{_group(above)}"


def _matrix(element: Element) -> str:
    rows = [child for child in element.children if child.name in ("mtr", "mlabeledtr")]
    lines = [" & ".join(tex(cell).strip() for cell in row.children if cell.name == "mtd") for row in rows]
    return r"\begin{matrix}" + r" \\ ".join(lines) + r"\end{matrix}"


def _fenced(element: Element) -> str:
    opening, close = element.attributes.get("open", "("), element.attributes.get("close", ")")
    comma = (element.attributes.get("separators", ",").strip() or ",")[0]
    return _leaf_of(opening) + comma.join(tex(child).strip() for child in element.children) + _leaf_of(close)


def _leaf_of(text: str) -> str:
    return joined([TEX.get(letter, letter) for letter in text])


def _prescripts(element: Element) -> str:
    """`mmultiscripts`: the base, its indices and powers, and after `mprescripts` those on its left."""
    at = next((k for k, child in enumerate(element.children) if child.name == "mprescripts"), len(element.children))
    base = tex(element.children[0]).strip() if element.children else ""
    right = "".join(_scripts(element.children[1:at]))
    left = "".join(_scripts(element.children[at + 1 :]))
    return ("{}" + left if left else "") + base + right


def _scripts(children: list[Element]) -> list[str]:
    return [
        f"{'_' if k % 2 == 0 else '^'}{_group(tex(child).strip())}"
        for k, child in enumerate(children)
        if child.name != "none" and tex(child).strip()
    ]


def _nothing(element: Element) -> str:
    return ""


def _first(element: Element) -> str:
    return tex(element.children[0]) if element.children else ""


_RULES = {
    "mi": _identifier, "mo": _operator, "mtext": _text, "ms": _text, "mfrac": _fraction, "mroot": _root,
    "msqrt": _square_root, "msup": _power, "msub": _index, "msubsup": _both, "munder": _under, "mover": _over,
    "munderover": _under_over, "mtable": _matrix, "mfenced": _fenced, "mmultiscripts": _prescripts,
    "annotation": _nothing, "annotation-xml": _nothing, "mphantom": _nothing, "semantics": _first,
    "mspace": lambda element: " ", "none": _nothing, "maction": _first,
}  # fmt: skip
