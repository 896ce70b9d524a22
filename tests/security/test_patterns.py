"""No regular expression of the project takes more than linear time, whatever text it is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.security import hostile, patterns
from tests.security.growth import FACTORS, superlinear

SIZE = 1024


@pytest.fixture(scope="module")
def found() -> tuple[list[patterns.Pattern], list[str]]:
    return patterns.all_patterns()


def use(compiled: re.Pattern[str] | re.Pattern[bytes], way: str) -> Callable[[str | bytes], object]:
    """One use of the pattern, as the sources use it."""

    def find_all(text: str | bytes) -> None:
        for _ in compiled.finditer(text):  # type: ignore[arg-type]
            pass

    return find_all if way == "all" else getattr(compiled, way)


def slow_texts(pattern: str | bytes, flags: int, ways: tuple[str, ...]) -> Iterator[str]:
    """The ways and texts on which a pattern takes more than linear time."""
    compiled = re.compile(pattern, flags)
    shapes = list(zip(*(hostile.texts(pattern, flags, SIZE * factor) for factor in FACTORS), strict=True))
    for way in ways:
        call = use(compiled, way)
        for texts in shapes:
            if superlinear(call, texts):
                yield f"{way} {texts[0][:12]!r}…{texts[0][-8:]!r}"


def test_every_pattern_is_linear(found: tuple[list[patterns.Pattern], list[str]]) -> None:
    slow = {}
    for one in found[0]:
        text = next(slow_texts(one.pattern, one.flags, one.ways), None)
        if text is not None:
            slow[f"{one.where} {one.pattern[:100]!r}"] = text
    assert slow == {}


def test_every_pattern_is_found(found: tuple[list[patterns.Pattern], list[str]]) -> None:
    assert found[1] == [], "tests/security/recorded.py needs a call that compiles these"
    assert len(found[0]) > 100
    assert patterns.stale(found[0]) == []
    assert [(file, name) for file, tree in patterns.sources().items() for name in patterns.hidden(tree)] == []


SLOW = [
    (r"a+a+b", "match"),
    (r"\s+$", "search"),
    (r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", "search"),
    (rb"\r*\n\r*\n", "search"),
    (r"(x+x+)+y", "match"),
    (r"[^\n]*\S[^\n]*", "all"),
    (r"<[^>]*>", "all"),
    (r"(?:ab)+c", "search"),
    (r".*foo", "all"),
]
LINEAR = [r"\s++", r"(?<!\s)\s+$", r"charset\s*+=", r"a{1,30}b", r"\d+", r"^\s*x", r"[^<>]++>"]


@pytest.mark.parametrize(("pattern", "way"), SLOW)
def test_the_check_sees_what_it_looks_for(pattern: str | bytes, way: str) -> None:
    assert next(slow_texts(pattern, 0, (way,)), None) is not None


@pytest.mark.parametrize("pattern", LINEAR)
def test_the_check_lets_linear_ones_pass(pattern: str) -> None:
    assert list(slow_texts(pattern, 0, ("match",))) == []


def test_a_new_pattern_is_seen() -> None:
    source = "import re\nA: re.Pattern[str] = re.compile(r'x', re.I | re.M)\ndef f(s):\n    return re.sub('y', '', s)\n"
    first, second = patterns.calls("new.py", ast.parse(source))
    assert (first.name, first.pattern, first.flags) == ("A", "x", int(re.I | re.M))
    assert (second.function, second.pattern, second.flags) == ("sub", "y", 0)
    assert [*patterns.hidden(ast.parse("from re import compile\nimport re as r\nimport regex"))] != []
