"""The house stays in order: few loose modules, no import circle, one order of folders, one name for one thing, small
functions and files, tested public names, and plain English.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tests.structure import (
    FLOORS,
    ROOT,
    Module,
    Prose,
    against_the_order,
    comments_of,
    docstrings_of,
    exported,
    files_below,
    functions_of,
    graph_of,
    lines_of,
    modules_below,
    parameters_of,
    pattern_of,
    phrases_in,
    public_classes,
    strings_of,
)

MOST_LOOSE_MODULES = 4  # files directly in refinedweb/
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_FILE = 300
MOST_PARAMETERS = 9
# Imports between these folders of refinedweb/ go only to the left.
ORDER = (
    "storage", "sources", "select", "recipe", "ledger", "shard", "dedup", "views", "engine", "report", "forecast",
    "inspector", "cli",
)  # fmt: skip
ALONE = {"sample"}  # folders outside of the order, which import no other folder of refinedweb/
# What may be larger: `module`, `module:function` or `module:function parameters`, with the reason.
LARGER: dict[str, str] = {}

MODULES = modules_below(*FLOORS)


def bad(source: str, name: str = "refinedweb.storage.bad") -> Module:
    """A made-up module."""
    return Module(name, source)


# The map ---------------------------------------------------------------------------------------------------------


def loose_modules(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py"))


def test_few_modules_lie_directly_in_the_package() -> None:
    assert len(loose_modules(ROOT / "refinedweb")) <= MOST_LOOSE_MODULES


def test_a_loose_module_is_seen(tmp_path: Path) -> None:
    for number in range(MOST_LOOSE_MODULES + 1):
        (tmp_path / f"module_{number}.py").touch()
    assert len(loose_modules(tmp_path)) > MOST_LOOSE_MODULES


def test_no_imports_go_in_a_circle() -> None:
    graph = graph_of(MODULES)
    assert sum(map(len, graph.values())) > 500, "the imports are seen"
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    "back",
    [
        "from refinedweb.storage import bad",
        "import refinedweb.storage.bad",
        "def f():\n    from refinedweb.storage.bad import g",
        "if TYPE_CHECKING:\n    from refinedweb.storage.bad import G",
    ],
)
def test_a_circle_is_seen(back: str) -> None:
    circle = [bad("from refinedweb.ledger.other import f"), bad(back, "refinedweb.ledger.other")]
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter(graph_of(circle)).static_order())


def test_folders_import_in_one_order() -> None:
    folders = {path.parent.name for path in (ROOT / "refinedweb").glob("*/__init__.py")}
    assert folders == {*ORDER, *ALONE}
    graph = graph_of(MODULES)
    assert against_the_order(graph, "refinedweb", ORDER) == []
    for name in ALONE:
        inside = {module for module in graph if module.startswith(f"refinedweb.{name}")}
        outside = {other for module in inside for other in graph[module] - inside}
        assert not [other for other in outside if other.startswith("refinedweb")]


def test_an_import_against_the_order_is_seen() -> None:
    above = bad("", "refinedweb.cli.run")
    below = bad("def f():\n    from refinedweb.cli import run\n", "refinedweb.storage.local")
    found = against_the_order(graph_of([above, below]), "refinedweb", ORDER)
    assert found == ["refinedweb.storage.local imports refinedweb.cli.run"]


# Names -----------------------------------------------------------------------------------------------------------


def twice(modules: list[Module]) -> dict[str, list[str]]:
    return {name: places for name, places in public_classes(modules).items() if len(places) > 1}


def test_no_public_class_name_stands_twice() -> None:
    assert twice(MODULES) == {}


def test_a_class_name_that_stands_twice_is_seen() -> None:
    modules = [bad("class Page: ...\nclass _Own: ...", name) for name in ("stages.a", "jobs.b")]
    assert twice(modules) == {"Page": ["stages.a", "jobs.b"]}


PUBLIC = {
    "refinedweb": ["explain", "open", "run", "run_stage"],
    "refinedweb.dedup": ["phases_of"],
    "refinedweb.ledger.manifest": ["Ledger", "Output", "Record", "Removed", "Totals", "chunks"],
    "refinedweb.sources": ["Damage", "Part", "Reader", "SourceOptions", "SourceReport", "decode_html", "open_reader"],
    "refinedweb.storage": [
        "Changed", "Exists", "Missing", "ObjectInfo", "Sink", "Store", "StoredObject", "open_store",
        "split_uri",
    ],
    "refinedweb.storage.s3": ["S3Store", "client"],
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert {module.name: names for module in MODULES if (names := exported(module)) is not None} == PUBLIC


def test_public_names_are_read() -> None:
    assert exported(bad("__all__ = ['a', 'b']")) == ["a", "b"]
    assert exported(bad("x = 1")) is None


# Sizes -----------------------------------------------------------------------------------------------------------


def too_large(modules: list[Module]) -> Iterator[str]:
    """Files, functions and lists of parameters beyond their limits."""
    for module in modules:
        if (lines := len(module.text.splitlines())) > MOST_LINES_OF_A_FILE:
            yield f"{module.name}: {lines} lines"
        for name, function in functions_of(module):
            if (lines := lines_of(function)) > MOST_LINES_OF_A_FUNCTION:
                yield f"{name}: {lines} lines"
            if (takes := parameters_of(function)) > MOST_PARAMETERS:
                yield f"{name}: {takes} parameters"


def test_functions_and_files_are_small() -> None:
    found = list(too_large(MODULES))
    assert [each for each in found if each.rpartition(": ")[0] not in LARGER] == []
    assert LARGER.keys() <= {each.rpartition(": ")[0] for each in found}, "exceptions that are not needed any more"


def test_what_is_too_large_is_seen() -> None:
    body = "\n".join(f"    x = {n}" for n in range(MOST_LINES_OF_A_FUNCTION))
    takes = ", ".join(f"p{n}" for n in range(MOST_PARAMETERS))
    methods = f"class A:\n    def wide(self, {takes}, *more): ...\n    def fits(self, {takes}): ...\n"
    assert list(too_large([bad(f"def long():\n{body}\n{methods}")])) == [
        "refinedweb.storage.bad:long: 41 lines",
        "refinedweb.storage.bad:wide: 10 parameters",
    ]
    assert list(too_large([bad("\n" * 301)])) == ["refinedweb.storage.bad: 301 lines"]


# English ---------------------------------------------------------------------------------------------------------

BANNED = [
    *map(pattern_of, (
        "beside", "behind", "so many", "whoever", "told", "shall", "deeds?", "befalls?", "ails", "by the dice",
        "dear to", "nothing appears", "the object appears", "of late", "to be had", "lest", "wherein", "hence",
        "as good as",
    )),
    pattern_of("is no", but="(?:there is no|is no longer)"),
    pattern_of(r"raises (?-i:[A-Z]\w+(?:,? (?:and |or )?[A-Z]\w+)*) where"),
]  # fmt: skip
# Phrases that are data (texts to be found, words of a model) and not ours: (file, phrase), with the reason.
DATA = {
    ("jobs/audit/form.py", "beside"): "a column of the form's CSV",
    ("refinedweb/storage/s3_sums.py", "beside"): "a value in the metadata of objects that are stored already",
}
CODE = ("refinedweb", "stages", "classifiers", "jobs", "benchmarks")
GENERATED = {"reference", "_build"}  # below docs/; made from docstrings, which are read here


def pages_of_prose() -> list[Path]:
    docs = ROOT / "docs"
    pages = [path for path in sorted(docs.rglob("*.md")) if not GENERATED & set(path.relative_to(docs).parts)]
    named = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")]
    return [*pages, *(path for path in named if path.exists())]


def in_code(source: str) -> list[tuple[int, str]]:
    """(line, phrase) of what is banned in comments and texts, and of docstrings that ask."""
    found = {each for prose in chain(comments_of(source), strings_of(source)) for each in phrases_in(prose, BANNED)}
    firsts = {(doc.line, first_sentence(doc.text)) for doc in docstrings_of(source)}
    return sorted(found | {(line, f"a question: {first}") for line, first in firsts if first.endswith("?")})


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s", " ".join(text.split()), maxsplit=1)[0]


@pytest.mark.parametrize("path", files_below(*CODE), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_speaks_plain_english(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    found = in_code(path.read_text(encoding="utf-8"))
    assert [f"{name}:{line}: {phrase}" for line, phrase in found if (name, phrase) not in DATA] == []


@pytest.mark.parametrize("path", pages_of_prose(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_documentation_speaks_plain_english(path: Path) -> None:
    found = phrases_in(Prose(1, path.read_text(encoding="utf-8")), BANNED)
    assert [f"{path.name}:{line}: {phrase}" for line, phrase in found] == []


@pytest.mark.parametrize(
    ("source", "line", "phrase"),
    [
        ("x = 1  # it stands beside the other", 1, "beside"),
        ("# there are so\n# many of them", 1, "so many"),
        ('"""One line.\n\nThe run is no\ncircle.\n"""', 3, "is no"),
        ("raise ValueError(f'{x} is ' 'no number')", 1, "is no"),
        ("raise ValueError(f'{x} was TOLD')", 1, "told"),
        ('def f():\n    """Raises ValueError where it is empty."""', 2, "raises valueerror where"),
        (
            'def f():\n    """Raises ValueError, OSError or ShardError where it ends."""',
            2,
            "raises valueerror, oserror or",
        ),
        ('def f():\n    """Is it there? If so, True."""', 1, "a question: Is it there?"),
    ],
)
def test_a_banned_phrase_is_seen(source: str, line: int, phrase: str) -> None:
    ((at, found),) = in_code(source)
    assert at == line
    assert phrase in found


@pytest.mark.parametrize(
    "source",
    [
        "# there is no other, and it is no longer here; a toldless word",
        '"""Raises ValueError if it is empty. It says where."""',
        "x = hence  # a name in the code is not prose",
        '"""Whether it is there."""',
    ],
)
def test_plain_english_passes(source: str) -> None:
    assert in_code(source) == []


def test_every_exception_is_needed() -> None:
    for name, phrase in DATA:
        found = in_code((ROOT / name).read_text(encoding="utf-8"))
        assert phrase in [each for _, each in found], f"{name} does not need its exception for {phrase!r}"


def test_the_source_of_this_test_is_read_whole() -> None:
    """Comments, docstrings and f-strings are all found: what is not found cannot fail."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert any("go only to the left" in each.text for each in comments_of(source))
    assert any("What is too large" not in each.text and "{} lines" in each.text for each in strings_of(source))
    assert ast.parse(source).body


def test_the_longest_files_of_tests_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
