"""What the tests of the structure read: modules, their imports, sizes and classes, and the words of their prose."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("classifiers", "stages", "refinedweb", "jobs")


@dataclass(frozen=True)
class Module:
    """One source file under its import name."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def modules_below(*folders: str) -> list[Module]:
    """Every module below these folders of the checkout."""
    return [Module(name_of(path), path.read_text(encoding="utf-8")) for path in files_below(*folders)]


def files_below(*folders: str) -> list[Path]:
    """Every source file below these folders of the checkout."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    """The import name of a file of this checkout."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# Imports ---------------------------------------------------------------------------------------------------------


def imports_of(module: Module, names: Iterable[str]) -> set[str]:
    """The modules among `names` that a module imports: at its top, inside a function, or for type checkers only."""
    known = set(names)
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole if whole <= known else (whole & known) | {str(node.module)}
    return (found & known) - {module.name}


def packages_of(path: Path) -> set[str]:
    """The packages that a file imports, by the first word of their names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            found.add((node.module or "").partition(".")[0])
    return found


def graph_of(modules: list[Module]) -> dict[str, set[str]]:
    """Module to the modules that it imports."""
    names = [module.name for module in modules]
    return {module.name: imports_of(module, names) for module in modules}


def against_the_order(graph: dict[str, set[str]], package: str, order: tuple[str, ...]) -> list[str]:
    """The imports of one folder of `package` by another that stands to its left in `order`."""
    found = []
    for name, imported in graph.items():
        place = place_in(name, package, order)
        for other in sorted(imported):
            target = place_in(other, package, order)
            if place is not None and target is not None and target > place:
                found.append(f"{name} imports {other}")
    return found


def place_in(name: str, package: str, order: tuple[str, ...]) -> int | None:
    """The place of a module's folder in the order; None for a module directly in the package or outside of it."""
    top, _, rest = name.partition(".")
    folder = rest.partition(".")[0]
    return order.index(folder) if top == package and folder in order else None


# Sizes and names -------------------------------------------------------------------------------------------------

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function and method, named `module:function`."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield f"{module.name}:{node.name}", node


def lines_of(function: Function) -> int:
    """From `def` to the last line, docstring included, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters_of(function: Function) -> int:
    """All parameters but `self` and `cls`."""
    takes = function.args
    positional = [each.arg for each in (*takes.posonlyargs, *takes.args)]
    several = [each for each in (takes.vararg, takes.kwarg) if each is not None]
    own = positional[1:] if positional[:1] in (["self"], ["cls"]) else positional
    return len(own) + len(takes.kwonlyargs) + len(several)


def public_classes(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Class name to the modules that define a public class of this name."""
    found: dict[str, list[str]] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module.name)
    return found


def exported(module: Module) -> list[str] | None:
    """The `__all__` of a module; None if it has none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


# Prose -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prose:
    """A comment, a text of the code, or a page of the documentation, and the line where it begins."""

    line: int
    text: str


def comments_of(source: str) -> Iterator[Prose]:
    """Each block of comments on successive lines as one text."""
    block: list[str] = []
    begin = last = 0
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != last + 1:
            yield Prose(begin, "\n".join(block))
            block = []
        begin = begin if block else token.start[0]
        last = token.start[0]
        block.append(token.string.lstrip("#"))
    if block:
        yield Prose(begin, "\n".join(block))


def strings_of(source: str) -> Iterator[Prose]:
    """Every text of the code: docstrings, messages, and the fixed parts of f-strings; adjacent ones are one text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values]
            yield Prose(node.lineno, "".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Prose(node.lineno, node.value)


def docstrings_of(source: str) -> Iterator[Prose]:
    """The docstrings alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            text = ast.get_docstring(node)
            if text is not None:
                yield Prose(getattr(node, "lineno", 1), text)


def phrases_in(prose: Prose, banned: Iterable[re.Pattern[str]]) -> Iterator[tuple[int, str]]:
    """(line, phrase) of each banned phrase, whatever lines it is spread over."""
    for pattern in banned:
        for match in pattern.finditer(prose.text):
            if found := match["bad"]:
                yield prose.line + prose.text.count("\n", 0, match.start("bad")), " ".join(found.lower().split())


def pattern_of(phrase: str, *, but: str = "") -> re.Pattern[str]:
    """A phrase as whole words, in any case, with any space between them, except within what `but` matches."""
    bad = rf"(?P<bad>\b{phrase}\b)"
    return re.compile((rf"\b{but}\b|{bad}" if but else bad).replace(" ", r"\s+"), re.I)
