"""Recipes, columns, records and exit codes."""

from __future__ import annotations

import dataclasses
import re
from inspect import cleandoc, getsource
from typing import Any

from generator.described import COLUMNS, ENGINE_COLUMNS, RECORD, RUN_FILE
from generator.fields import default_of, type_name
from generator.markup import described, markdown_table, prose
from refinedweb import cli, sources
from refinedweb.ledger import manifest, run_file
from refinedweb.recipe import recipe
from refinedweb.recipe.load import SHIPPED, shipped
from refinedweb.recipe.load import load as load_recipe
from refinedweb.sources import places, survey, unify
from refinedweb.views import funnel
from stages import dedup, errors, schema

_COMMENT = re.compile(r"^\s*#\s?(.*)$")


def recipes_page() -> str:
    """The keys of a recipe file, and the recipes that ship."""
    parts = ["# Recipes", prose(recipe.__doc__ or ""), "A value on the command line (`--set`) wins over the file's."]
    parts += ["## `[run]`", prose(recipe.RunOptions.__doc__ or ""), _options_table(recipe.RunOptions)]
    parts += ["## `[source]`", "How the inputs are read.", _options_table(sources.SourceOptions)]
    parts += [
        "## `[[stage]]`",
        "One table per stage, in the order in which they run: `name`, and any of its parameters ({doc}`stages/index`).",
        "## Top level",
        markdown_table(["key", ""], [["`name`", "What the run is called."], ["`description`", "For readers."]]),
        "## Shipped recipes",
    ]
    for name in shipped():
        loaded = load_recipe(name)
        parts += [f"### {name}", loaded.description, f"```toml\n{(SHIPPED / f'{name}.toml').read_text()}```"]
    rows = [[f"`{stage}`", f"{share:.2%}"] for stage, share in funnel.PAPER.items()]
    parts += [
        "## The paper's funnel",
        "Share of the crawl's documents left after the stage, as RefinedWeb's figure 2 and section 4 give it. It is "
        "shown next to a run's numbers if the recipe is `refinedweb`.",
        markdown_table(["after", "left"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def _options_table(cls: type[Any]) -> str:
    comments = field_comments(cls)
    rows = [
        [f"`{f.name}`", type_name(f.type), default_of(f), described(comments.get(f.name, ""))]
        for f in dataclasses.fields(cls)
    ]
    headers = ["key", "type", "default", ""]
    if not comments:
        headers, rows = headers[:3], [row[:3] for row in rows]
    return markdown_table(headers, rows)


def field_comments(cls: type[Any]) -> dict[str, str]:
    """The comment lines above each field of a dataclass. A comment applies to all fields that directly follow it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    fresh = False
    for line in getsource(cls).splitlines():
        if match := _COMMENT.match(line):
            comment = [match[1]] if not fresh else [*comment, match[1]]
            fresh = True
        elif (field := re.match(r"^    (\w+): ", line)) and comment:
            found[field[1]] = " ".join(comment)
            fresh = False
        elif line.strip() == "" or "def " in line:
            comment, fresh = [], False
    return found


def columns_page() -> str:
    """The columns of a document, of a removed document, and of a global step's decisions."""
    rows = [[f"`{f.name}`", f"`{f.type}`", COLUMNS[f.name]] for f in schema.DOCUMENT]
    check_described(set(COLUMNS), set(schema.DOCUMENT.names), "columns of a document")
    more = [[f"`{name}`", kind, text] for name, (kind, text) in ENGINE_COLUMNS.items()]
    decided = [[f"`{f.name}`", f"`{f.type}`"] for f in dedup.DECISION]
    names = [[f"`{ours}`", ", ".join(f"`{name}`" for name in theirs)] for ours, theirs in places.NAMES.items()]
    parts = [
        "# Columns",
        "A corpus is Parquet. Every file has these columns in this order, followed by the columns that stages add.",
        markdown_table(["column", "type", ""], rows),
        "## Further columns",
        "A stage's name and a dot begin the name of a measure. Measures are written only if `keep_measures = true`.",
        markdown_table(["column", "type", ""], more),
        "## Names that are read",
        "From Parquet and JSON Lines inputs, the first of these that has a value is read. `[source]` can name others.",
        markdown_table(["column", "read from"], names),
        prose(places.__doc__ or ""),
        "## One schema",
        prose(unify.__doc__ or ""),
        prose(survey.__doc__ or ""),
        "## Decisions",
        "What a deduplicating step decided about one shard is in `OUT/<step>/decisions/<shard>.parquet`: one row for "
        "each document that it decided something about. What changed afterwards is in `OUT/<step>/amended/` of the "
        "last of neighbouring global steps.",
        markdown_table(["column", "type"], decided),
        prose(dedup.__doc__ or ""),
    ]
    return "\n\n".join(parts) + "\n"


def ledger_page() -> str:
    """The commit record, `run.json`, and where they are stored."""
    parts = ["# Ledger", prose(manifest.__doc__ or "")]
    parts += [
        "## A commit record",
        "`OUT/<step>/manifest/<task>.json`, and `OUT/<step>/<phase>/manifest/<task>.json` for the phases of a global "
        "step. One JSON object. A task is a shard in a pass, a block or a partition in a phase.",
        _fields_table(manifest.Record, RECORD),
        "Each of `outputs` is an object: `key`, `rows`, `size` (bytes), `checksum`.",
        "## run.json",
        "It is written once, when the run begins. A later call with another recipe or other inputs is refused. "
        "Files that are added to a folder later are no part of the run; `--check-inputs` names them.",
        _fields_table(run_file.RunFile, RUN_FILE),
        "## Other objects",
        markdown_table(["object", "what it is"], [list(row) for row in _OBJECTS]),
    ]
    return "\n\n".join(parts) + "\n"


_OBJECTS = (
    ("`<step>/kept/<shard>.parquet`", "What a pass kept for the passes after it."),
    ("`corpus/<shard>.parquet`", "What the last pass kept: the result."),
    ("`<step>/removed/<stage>/<shard>.parquet`", "Documents as they reached the stage that removed them, with `drop`."),
    ("`<step>/decisions/<shard>.parquet`", "What a global step decided about a shard."),
    (
        "`<step>/amended/<shard>.parquet`",
        "Decisions of neighbouring global steps that changed at the end of the last one, if any did. The column `step` "
        "says whose they are; they take the place of what that step decided about the same row.",
    ),
    ("`<step>/rollup/<block>.json`", "The sum of 1,000 records, so that `status` need not read each of them."),
    ("`<step>/failed/<task>.json`", "Why a task failed for good. The next call of `run` attempts it again."),
    ("`<step>/claims/<block>.json`", "Which driver works on a block of tasks, while the run goes on."),
    (
        "`<step>/drivers/<driver>.json`",
        "The heartbeat of a driver, and which blocks it holds, while the run goes on.",
    ),
    ("`<step>/plan.json`", "How a global step is divided into blocks and partitions."),
    ("`<step>/phases.json`", "Says that a global step is complete, and how many tasks each of its phases had."),
    ("`index/<stage>/<shard>.parquet`", "The keys that a stage compared, for later runs (`write_index = true`)."),
)


def _fields_table(cls: type[Any], texts: dict[str, str]) -> str:
    names = [f.name for f in dataclasses.fields(cls)]
    check_described(set(texts), set(names), cls.__name__)
    rows = [[f"`{f.name}`", type_name(f.type), texts[f.name]] for f in dataclasses.fields(cls)]
    return markdown_table(["field", "type", ""], rows)


def exit_codes_page() -> str:
    """What the process returns to the shell, and the errors that lead to it."""
    codes = (cli.cli.help or "").partition("Exit codes:")[2]
    found = re.findall(r"(\d+) ([^,(.]+(?:\([^)]*\))?)", " ".join(codes.split()))
    rows = [[f"`{code}`", text.strip().capitalize()] for code, text in found]
    tree = cleandoc(errors.__doc__ or "").split("\n\n")[1]
    return (
        "# Exit codes\n\n"
        f"{markdown_table(['code', 'meaning'], rows)}\n\n"
        "`verify` returns `0` if everything holds, `1` if something does not, and `3` if everything that exists holds "
        "but the run is not finished, or went on without some shards.\n\n"
        f"## Errors\n\nIn Python, errors are named by what the engine does next.\n\n```text\n{tree}\n```\n\n"
        "A message says what happened, where (stage, shard, document) and what to do. A bad document is not an error: "
        "it has a [reason](reasons.md).\n"
    )


def check_described(described: set[str], existing: set[str], what: str) -> None:
    """End the build if an existing name has no description, or if a name that no longer exists has one."""
    if described != existing:
        missing, obsolete = sorted(existing - described), sorted(described - existing)
        raise SystemExit(f"docs/generator/described.py: {what}: describe {missing}, remove {obsolete}")
