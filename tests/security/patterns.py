"""Every regular expression of the packages, found in their sources, with the methods by which it is used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.security.recorded import PACKAGES, ROOT

# What `re` itself calls them, and the ways in which they run over a text.
FUNCTIONS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
WAYS = {"match": "match", "fullmatch": "fullmatch", "search": "search"}  # the others find all there is
EVERY = {"match", "search", "all"}  # of a pattern that is handed on, unless it is one of HANDED_ON
# By file and the pattern's beginning: how a pattern is used that goes through other hands than the constant's.
HANDED_ON = {
    ("refinedweb/sources/framing.py", r"(?:filedesc:"): {"match"},  # Framing.start
    ("stages/lines/patterns.py", r"\W*+"): {"fullmatch"},  # counter_pattern(), of lines up to a length
}


@dataclass(frozen=True)
class Call:
    """A call of a function of `re`, in the lines first…last of a file. `name`: what a compiled pattern is assigned to;
    `pattern` and `flags`, if they are constants.
    """

    file: str
    first: int
    last: int
    function: str
    name: str | None
    pattern: str | bytes | None
    flags: int


@dataclass(frozen=True)
class Pattern:
    """A pattern, one place where it stands, and how it is used: match, fullmatch, search, all."""

    where: str
    pattern: str | bytes
    flags: int
    ways: tuple[str, ...]


def sources() -> dict[str, ast.Module]:
    """The parsed files of all packages."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def hidden(tree: ast.Module) -> Iterator[str]:
    """Imports by which a pattern could escape the search."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("re", "regex"):
            yield f"from {node.module} import"
        if isinstance(node, ast.Import):
            yield from (f"import {a.name} as {a.asname}" for a in node.names if a.name == "regex" or _renamed(a))


def _renamed(alias: ast.alias) -> bool:
    return alias.name == "re" and alias.asname is not None


def calls(file: str, tree: ast.Module) -> Iterator[Call]:
    """Every call `re.FUNCTION(…)` of a file."""
    names = {id(node.value): _target(node) for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)}
    used = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in FUNCTIONS:
            pattern, flags = _constant(node)
            name = names.get(id(node))
            function = used.get(id(node), node.func.attr)  # re.compile(…).match is a match
            yield Call(file, node.lineno, node.end_lineno or node.lineno, function, name, pattern, flags)


def _target(node: ast.Assign | ast.AnnAssign) -> str | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else None


def _constant(call: ast.Call) -> tuple[str | bytes | None, int]:
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str | bytes):
        return None, 0
    given = [k.value for k in call.keywords if k.arg == "flags"]
    if isinstance(call.func, ast.Attribute) and call.func.attr != "sub" and not given:
        given = call.args[1:2] if call.func.attr == "compile" else call.args[2:3]
    import re

    return first.value, int(eval(ast.unparse(given[0]), {"re": re})) if given else 0


def uses(trees: dict[str, ast.Module]) -> dict[tuple[str, str], set[str]]:
    """By file and the name of a constant, the methods that are called on it; "handed on" if it is used otherwise.

    A private name counts in its own file, unless another module takes it from there: files give the same private
    names to different things. All other names count wherever they stand (file "").
    """
    taken = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.alias)}
    found: dict[tuple[str, str], set[str]] = {}
    for file, tree in trees.items():
        methods = {id(n.value): n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                name = node.id if isinstance(node, ast.Name) else node.attr
                own = isinstance(node, ast.Name) and name.startswith("_") and name not in taken
                found.setdefault((file if own else "", name), set()).add(methods.get(id(node), "handed on"))
    return found


def recorded() -> list[dict[str, Any]]:
    """What `recorded.py` saw."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.security.recorded"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def all_patterns() -> tuple[list[Pattern], list[str]]:
    """Every pattern, and the calls of which none is known: `recorded.py` needs a trigger for them."""
    trees = sources()
    used, seen = uses(trees), recorded()
    patterns: dict[tuple[str | bytes, int], Pattern] = {}
    unknown = []
    for call in (call for file, tree in trees.items() for call in calls(file, tree)):
        found = [_text(row) for row in seen if row["file"] == call.file and call.first <= row["line"] <= call.last]
        if call.pattern is not None:
            found.append((call.pattern, call.flags))
        if not found:
            unknown.append(f"{call.file}:{call.first}")
        for pattern, flags in found:
            known = patterns.get((pattern, flags))
            ways = {*_ways(call, pattern, used), *(known.ways if known else ())}
            patterns[pattern, flags] = Pattern(f"{call.file}:{call.first}", pattern, flags, tuple(sorted(ways)))
    return list(patterns.values()), unknown


def _text(row: dict[str, Any]) -> tuple[str | bytes, int]:
    return row["pattern"].encode("latin-1") if row["bytes"] else row["pattern"], row["flags"]


def _ways(call: Call, pattern: str | bytes, used: dict[tuple[str, str], set[str]]) -> set[str]:
    """How the pattern of a call is run; every way if that cannot be seen."""
    if call.function != "compile":
        return {WAYS.get(call.function, "all")}
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    for (file, beginning), ways in HANDED_ON.items():
        if file == call.file and text.startswith(beginning):
            return ways
    methods = used.get((call.file, call.name), set()) | used.get(("", call.name), set()) if call.name else set()
    known = {WAYS.get(method, "all") for method in methods if method in FUNCTIONS}
    return known if known and methods <= {*FUNCTIONS, "pattern"} else EVERY | known


def stale(patterns: list[Pattern]) -> list[str]:
    """Entries of HANDED_ON that are of no pattern any more."""
    known = [(one.where.partition(":")[0], one.pattern) for one in patterns]
    texts = [(file, p if isinstance(p, str) else p.decode("latin-1")) for file, p in known]
    return [b for file, b in HANDED_ON if not any(f == file and text.startswith(b) for f, text in texts)]
