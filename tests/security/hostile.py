"""Texts on which a regular expression takes longest, made from the expression itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

Nodes = Sequence[tuple[Any, Any]]

# One of each class of character that a pattern may tell apart.
CHARACTERS = " \t\n\r\x0b\x00a0AfxZ_-=<>\"'/.,;:!?#%&*+@[]{}()|\\~`^$\x7f\x85\xa0\xe9\u2026\u2022\u4e00\ud800"
PAIRS = "a 0 =\"' \t\n\r<>&;.,-_:/\\#[](){}!?*"
ENDS = ("", "\x00", "\n", "!a")
LONG = 40  # a repeat that may be so long counts as one without end
BODIES = 6


def texts(pattern: str | bytes, flags: int, size: int) -> Iterator[str | bytes]:
    """Texts of about `size` characters. Those of a pattern of bytes are bytes."""
    for unit, prefix, end in dict.fromkeys(_shapes(pattern, flags)):
        text = prefix + unit * (size // len(unit)) + end
        if isinstance(pattern, str):
            yield text
        elif max(text) < "\u0100":
            yield text.encode("latin-1")


def _shapes(pattern: str | bytes, flags: int) -> Iterator[tuple[str, str, str]]:
    """What is repeated, what stands before it, and what ends it."""
    for end in ENDS[:2]:
        yield from ((character, "", end) for character in CHARACTERS)
        yield from ((a + b, "", end) for a, b in zip(PAIRS, PAIRS[1:] + PAIRS[:1], strict=True))
    parsed = re._parser.parse(pattern, flags)  # type: ignore[attr-defined]
    maker = Maker(isinstance(pattern, bytes), parsed.state)
    for prefix, body in maker.repeats(list(parsed), ""):
        for unit in maker.bodies(body):
            for end in ENDS:
                yield unit, prefix, end
                yield unit, "", end
                yield prefix + unit, "", end
                yield unit + prefix, "", end
        if prefix:
            yield prefix, "", ""


class Maker:
    """Makes texts that parts of a parsed pattern match."""

    def __init__(self, is_bytes: bool, state: Any) -> None:
        self._is_bytes = is_bytes
        self._state = state
        self._known: dict[str, list[str]] = {}

    def repeats(self, nodes: Nodes, before: str) -> Iterator[tuple[str, Nodes]]:
        """Every long repeat: what has to stand before it, and what is repeated."""
        for kind, value in nodes:
            name = str(kind)
            if name.endswith("REPEAT"):
                _, most, body = value
                if most >= LONG:
                    yield before, list(body)
                yield from self.repeats(list(body), before)
            else:
                for inner in _inner(name, value):
                    yield from self.repeats(inner, before)
            before += self.witness([(kind, value)])

    def bodies(self, nodes: Nodes) -> list[str]:
        """Texts that a repeated part matches: of a class of characters several."""
        if len(nodes) == 1 and str(nodes[0][0]) in ("IN", "ANY", "NOT_LITERAL", "CATEGORY"):
            return self._members(nodes[0])[:BODIES]
        made = self.witness(nodes)
        return [made] if made else []

    def witness(self, nodes: Nodes) -> str:
        """A short text that the nodes match, what they assert aside."""
        return "".join(self._one(str(kind), kind, value) for kind, value in nodes)

    def _one(self, name: str, kind: Any, value: Any) -> str:
        if name == "LITERAL":
            return chr(value)
        if name in ("IN", "ANY", "NOT_LITERAL"):
            return next(iter(self._members((kind, value))), "")
        if name.endswith("REPEAT"):
            return self.witness(list(value[2])) * value[0]
        if name.startswith(("ASSERT", "AT", "GROUPREF")):
            return ""
        return next(map(self.witness, _inner(name, value)), "")

    def _members(self, node: tuple[Any, Any]) -> list[str]:
        known = self._known.get(repr(node))
        if known is None:
            part = re._parser.SubPattern(self._state, [node])  # type: ignore[attr-defined]
            one = re._compiler.compile(part, self._state.flags)  # type: ignore[attr-defined]
            given = (c.encode("latin-1", "replace") if self._is_bytes else c for c in CHARACTERS)
            known = [c for c, text in zip(CHARACTERS, given, strict=True) if one.fullmatch(text)]
            self._known[repr(node)] = known
        return known


def _inner(name: str, value: Any) -> Iterator[Nodes]:
    """The parts of a group, a branch or an assertion."""
    if name == "BRANCH":
        yield from (list(option) for option in value[1])
    elif name == "SUBPATTERN":
        yield list(value[3])
    elif name == "ATOMIC_GROUP":
        yield list(value)
    elif name.startswith("ASSERT"):
        yield list(value[1])
    elif name == "GROUPREF_EXISTS":
        yield from (list(option) for option in value[1:] if option is not None)
