"""A look at the inputs before any work: whether they can be documents at all.

What is wrong with one file of many costs that file alone. But a table without text, a wrong column, a format that
nobody reads is wrong in every file, and the user should hear of it in a second, not after the workers have started.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa

from refinedweb.recipe.recipe import Recipe
from refinedweb.shard.apply import Split
from refinedweb.shard.source import InputShard
from refinedweb.sources.base import NoDocuments, SourceOptions, SourceReport
from refinedweb.sources.columns import wanted_names
from refinedweb.sources.inputs import Input
from stages.errors import ConfigError, RefinedWebError

ROWS = 32  # of a file


def first_look(recipe: Recipe, inputs: Sequence[Input]) -> pa.Table | None:
    """An empty table with the columns of the first input; None if nothing is known, because it cannot be read.

    Raises ConfigError if none of the first, the middle and the last input can be documents.
    """
    refusals: list[str] = []
    for number in sorted({0, len(inputs) // 2, len(inputs) - 1}) if inputs else ():
        try:
            found = _looked_at(recipe, inputs[number])
        except NoDocuments as error:
            refusals.append(str(error))
        except (RefinedWebError, OSError):
            return None
        else:
            return None if refusals else found
    if refusals:
        raise ConfigError(refusals[0])
    return None


def _looked_at(recipe: Recipe, item: Input) -> pa.Table:
    options = replace(recipe.source, batch_rows=min(ROWS, recipe.source.batch_rows))
    shard = InputShard(item, options, ROWS)
    with closing(cast(Any, shard.batches())) as batches:
        split = cast(Split, next(batches))
    _check_json(item.uri, split, shard.report, recipe.source)
    return split.kept.slice(0, 0)


def _check_json(uri: str, split: Split, report: SourceReport, options: SourceOptions) -> None:
    """What a Parquet file says by its schema, JSON only says row by row."""
    if split.kept.num_rows or report.kind != "JSON":
        return
    reasons = {reason for removal in split.removed for reason in removal.rows.column("drop").to_pylist()}
    if reasons == {"invalid_json"} and report.rows > 1:
        raise NoDocuments(f"{uri}: none of its first {report.rows} lines is JSON")
    wanted = {name for column in ("html", "text") for name in wanted_names(column, options)}
    if report.keys_seen and wanted.isdisjoint(report.keys_seen) and not {"html", "text"} & report.taken.keys():
        chosen = [name for name in (options.html_column, options.text_column) if name is not None]
        missing = f"no {' and no '.join(map(repr, chosen))}" if chosen else "no html or text"
        raise NoDocuments(
            f"{uri} has {missing}; its keys are {', '.join(report.keys_seen)}: name one with "
            "--set source.text_column or source.html_column"
        )
