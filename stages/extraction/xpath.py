"""trafilatura's XPath expressions, evaluated several times faster with the same answer.

Half of trafilatura's time goes into expressions like `.//*[self::div or self::p][re:test(@class, 'a|b') or @id='c']`:
libxml2 calls back into Python for every `re:test` of every element. But each test reads one attribute, and a page
repeats only a few values of it. So a screen with one verdict per distinct value finds the elements that can match, and
the expression itself decides only if the screen is not conclusive. `screened` parses the expressions of whichever
version of trafilatura is installed, and leaves those alone that it does not understand. Tests compare both on real
pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lxml import etree

NAMESPACES = {"re": "http://exslt.org/regular-expressions"}

MEMO = 10_000  # values of an attribute whose verdicts are remembered; then the memo is emptied
LONGEST = 500  # characters of a value that is remembered; longer ones are judged each time

NO, MAYBE, YES = 0, 1, 2  # verdicts, see `Memo`

_SPLIT = re.compile(r"""'[^']*'|"[^"]*"|[][]|[^][\'"]+""")
_TERM = re.compile(
    r"""\s* (?: (?P<function>re:test|starts-with|contains) \( \s* (?P<fold>translate\()?
    @(?P<one>[\w-]+) (?:\|@(?P<other>[\w-]+))? (?(fold) \s*,\s* '(?P<old>[^']*)' \s*,\s* '(?P<new>[^']*)' \s* \) )
    \s*,\s* (?P<quote>['"]) (?P<argument>.*?) (?P=quote) (?:\s*,\s* '(?P<flags>\w*)')? \s* \)
    | @(?P<name>[\w-]+) (?:\s*=\s* '(?P<equals>[^']*)')? ) \s* (?:or\b|$)""",
    re.VERBOSE | re.DOTALL,
)


class Term(NamedTuple):
    """A test of one attribute's value, or of the first of two attributes in the source (XPath's `@id|@class`)."""

    attributes: tuple[str, ...]
    test: Callable[[str], bool]


def brackets(path: str) -> tuple[str, list[str], str]:
    """The part of a step before its predicates, the predicates, and the part after them."""
    outside, inside, depth = ["", ""], [], 0
    for part in _SPLIT.findall(path.strip()):
        depth += (part == "[") - (part == "]")
        if part == "[" and depth == 1:
            inside.append("")
        elif depth > 0:
            inside[-1] += part
        elif part != "]":
            outside[bool(inside)] += part
    return outside[0].strip(), [text.strip() for text in inside], outside[1].strip()


def terms(predicate: str) -> list[Term] | None:
    """The terms of a predicate that consists only of `term or term …` on attributes; None for any other predicate."""
    found, at = [], 0
    while at < len(predicate):
        match = _TERM.match(predicate, at)
        if match is None or _holds_for_missing(match):
            return None
        found.append(_term(match))
        at = match.end()
    return found


def _term(match: re.Match[str]) -> Term:
    if match["name"] is not None:
        wanted = match["equals"]
        return Term((match["name"],), lambda value: wanted is None or value == wanted)
    attributes = tuple(name for name in (match["one"], match["other"]) if name is not None)
    test = _string_test(match["function"], match["argument"], match["flags"] or "")
    if match["fold"] is None:
        return Term(attributes, test)
    old, new = match["old"], match["new"]
    table = {ord(c): new[i] if i < len(new) else None for i, c in reversed(list(enumerate(old)))}
    return Term(attributes, lambda value: test(value.translate(table)))


def _holds_for_missing(match: re.Match[str]) -> bool:
    """Whether it holds for the empty string, XPath's value of a missing attribute.

    The screen would not see the elements without the attribute.
    """
    function = match["function"]
    return function is not None and _string_test(function, match["argument"], match["flags"] or "")("")


def _string_test(function: str, argument: str, flags: str) -> Callable[[str], bool]:
    if function == "contains":
        return lambda value: argument in value
    if function == "starts-with":
        return lambda value: value.startswith(argument)
    search = re.compile(argument, re.IGNORECASE if "i" in flags else 0).search
    return lambda value: search(value) is not None


class Memo(dict[str, int]):
    """Verdicts by the value of one attribute: YES = the predicate holds, MAYBE = if this attribute comes first, NO."""

    def __init__(self, tests: Sequence[Term]) -> None:
        super().__init__()
        self.tests = tests

    def __missing__(self, value: str) -> int:
        if len(self) >= MEMO:
            self.clear()
        verdicts = (YES if len(term.attributes) == 1 else MAYBE for term in self.tests if term.test(value))
        verdict = max(verdicts, default=NO)
        if len(value) <= LONGEST:
            self[value] = verdict
        return verdict


def only_tags(predicate: str) -> list[str]:
    """The tags of `self::a or self::b …`, or none if the predicate says anything else."""
    tags = [re.fullmatch(r"self::([\w-]+)", part.strip()) for part in re.split(r"\bor\b", predicate)]
    return [tag[1] for tag in tags if tag is not None] if None not in tags else []


class Screened:
    """Called like the `lxml.etree.XPath` it replaces: gives an element's matching descendants in document order."""

    def __init__(self, path: str, tags: Sequence[str], found: Sequence[Term], rest: Sequence[str], first: bool) -> None:
        self.path = path
        self.tags = tags or ["*"]
        self.first = first
        self.first_child = rest[-1:] == ["1"]
        self.conclusive = not [text for text in rest if text != "1"]
        self.confirm = etree.XPath(_on_self(path), namespaces=NAMESPACES)
        names = {name for term in found for name in term.attributes}
        self.memos = {name: Memo([term for term in found if name in term.attributes]) for name in names}

    def __call__(self, tree: Any) -> list[Any]:
        matching = self._matching(tree)
        if self.first:
            return [element for element, _ in zip(matching, range(1), strict=False)]
        return _first_children(matching) if self.first_child else list(matching)

    def _matching(self, tree: Any) -> Iterator[Any]:
        memos = self.memos
        for element in tree.iterdescendants(*self.tags):
            verdict = NO
            for name in element.keys():  # noqa: SIM118  (items() takes time quadratic in the number of attributes)
                if name in memos and (found := memos[name][element.get(name)]) > verdict:
                    verdict = found
            if verdict != NO and ((verdict == YES and self.conclusive) or self.confirm(element)):
                yield element


def _on_self(path: str) -> str:
    """The expression that decides for one element whether `path` would find it, apart from positions."""
    _, predicates, _ = brackets(path)
    return "self::*" + "".join(f"[{text}]" for text in predicates if text != "1")


def _first_children(found: Iterator[Any]) -> list[Any]:
    """The first element of each parent, which is what a `[1]` after a step selects."""
    first: dict[Any, Any] = {}
    for element in found:
        first.setdefault(element.getparent(), element)
    return list(first.values())


def screened(expression: Any) -> Any:
    """The faster equivalent of an `lxml.etree.XPath`, or the XPath itself if its form is not understood."""
    start, predicates, end = brackets(expression.path)
    if (start, end) not in {(".//*", ""), ("(.//*", ")")}:
        return expression
    first, rest = start.startswith("("), list(predicates)
    if first and rest[-1:] == ["1"]:
        rest.pop()
    tags = only_tags(rest[0]) if rest else []
    rest = rest[1:] if tags else rest
    found = terms(rest[0]) if rest else None
    if found is None:
        return expression
    return Screened(expression.path, tags, found, rest[1:], first)
