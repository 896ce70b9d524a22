"""One page per stage, the list of stages, and the list of reasons."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from generator.described import COLUMNS
from generator.fields import default_of, type_name
from generator.markup import first_sentence, markdown_table, prose
from refinedweb.recipe.load import load as load_recipe
from refinedweb.recipe.load import shipped
from refinedweb.recipe.plan import is_global
from refinedweb.shard import quarantine as careful
from refinedweb.sources import columns, warc
from stages import base

_NAME = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+|profane)`")


def stage_page(name: str, cls: type[Any]) -> str:
    """One stage: its docstring, its parameters, its limits, and where it is used."""
    parts = [f"# {name}", prose(cls.__doc__ or "")]
    parts += ["## Parameters", _parameters(name, cls)]
    limits = _limits(cls)
    if limits:
        rows = [[f"`{limit.measure}`", _bound(limit.min), _bound(limit.max), f"`{limit.reason}`"] for limit in limits]
        parts += [
            "## Limits",
            "The defaults, in the order in which they are checked. A document stays if `min ≤ measure ≤ max`.",
            markdown_table(["measure", "min", "max", "reason"], rows),
        ]
    parts += ["## Where it is used", _used(name)]
    return "\n\n".join(parts) + "\n"


def _parameters(name: str, cls: type[Any]) -> str:
    fields = dataclasses.fields(cls)
    if not fields:
        return "None."
    rows = [[f"`{f.name}`", type_name(f.type), default_of(f)] for f in fields]
    example = fields[0]
    hint = f'Set one with `--set {name}.{example.name}=…`, or in a recipe, below `name = "{name}"`.'
    return f"{hint}\n\n{markdown_table(['parameter', 'type', 'default'], rows)}"


def _used(name: str) -> str:
    recipes = [f"`{shipped}`" for shipped, stages in _shipped().items() if name in stages]
    where = "decides over the whole corpus, as a step of its own" if is_global(name) else "is fused into a pass"
    used = f"Recipes: {', '.join(recipes)}." if recipes else "No shipped recipe uses it."
    return f"{used} In a run it {where} ({{doc}}`/explanation/ledger`)."


@lru_cache(maxsize=1)
def _shipped() -> dict[str, list[str]]:
    """The stages of every shipped recipe."""
    return {name: [stage for stage, _ in load_recipe(name).stages] for name in shipped()}


def _limits(cls: type[Any]) -> list[base.Limit]:
    return list(cls().limits()) if hasattr(cls, "limits") else []


def reasons_of(cls: type[Any]) -> list[str]:
    """The reasons for which a stage drops documents, in the order in which it names them."""
    limits = _limits(cls)
    if limits:
        return list(dict.fromkeys(limit.reason for limit in limits))
    if isinstance(getattr(cls, "reason", None), str):
        return [cls.reason]
    fields = {f.name for f in dataclasses.fields(cls)}
    choices = {c for hint in get_type_hints(cls).values() for c in get_args(hint) if get_origin(hint) is Literal}
    written = _literals(cls.__module__) | _literals("stages.extraction.supervisor")
    named = dict.fromkeys(_NAME.findall(cls.__doc__ or ""))
    return [name for name in named if name in written - fields - choices - _NO_REASONS]


# Names that docstrings mention in the same form but that are columns, not reasons.
_NO_REASONS = {
    *COLUMNS, "profanity_score", "duplicate_spans", "cluster_size", "weight", "pii_emails", "pii_ips", "pii_phones",
}  # fmt: skip


def _literals(module: str) -> set[str]:
    """The string constants of a module. Docstrings are among them, but none consists of a name alone."""
    tree = ast.parse(Path(import_module(module).__file__ or "").read_text(encoding="utf-8"))
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def source_reasons() -> list[str]:
    """The reasons of the reader, which is the first stage of every funnel (`source`)."""
    documented = f"{warc.__doc__}\n{columns.__doc__}"
    named = [n for n in _NAME.findall(documented) if n not in {"image_urls", "max_bytes"}]
    return sorted(dict.fromkeys(named))


def quarantine_reasons() -> list[str]:
    """The reasons for which the engine sets documents aside (`quarantine`)."""
    return sorted(re.findall(r"worker_crash|stage_error|stage_timeout", careful.Careful.__doc__ or ""))


def stages_page(known: Iterable[str]) -> str:
    """All stages, one line each."""
    registry = base.registry()
    rows = []
    for name in known:
        kind = "corpus" if is_global(name) else "document"
        rows.append([f"[`{name}`]({name}.md)", first_sentence(registry[name].__doc__ or ""), kind])
    toc = "\n".join(known)
    return (
        "# Stages\n\nA stage gets a table of documents and returns it: rewritten, measured, or with a reason "
        "in `drop`. The last column says whether it decides by the document alone or by the whole corpus.\n\n"
        f"{markdown_table(['stage', 'what it does', 'decides by'], rows)}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    )


def reasons_page(known: Iterable[str]) -> str:
    """Every reason, with the stage that gives it."""
    registry = base.registry()
    rows = [[f"`{reason}`", "`source`, the reader of the input"] for reason in source_reasons()]
    rows += [
        [f"`{reason}`", f"[`{name}`](stages/{name}.md)"] for name in known for reason in reasons_of(registry[name])
    ]
    rows += [[f"`{reason}`", "`quarantine`, the engine"] for reason in quarantine_reasons()]
    quarantine = prose(careful.__doc__ or "")
    return (
        "# Reasons\n\nThese are the values of the column `drop` of removed documents, and the keys of the counts in a "
        "commit record. A reason is a fact about the document; the name of the folder says which stage found it.\n\n"
        f"{markdown_table(['reason', 'given by'], sorted(rows))}\n\n"
        f"## What the reader drops\n\n{prose(warc.__doc__ or '')}\n\n{prose(columns.__doc__ or '')}\n\n"
        f"## What the engine sets aside\n\n{quarantine}\n"
    )


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:,g}" if value < 1e6 else f"{value:,.0f}"
