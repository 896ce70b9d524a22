"""What a run says about the columns of its inputs before it begins."""

from __future__ import annotations

from collections.abc import Iterator

from refinedweb.ledger.record import COUNTED, Totals, filled
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.survey import ARCHIVE, Survey
from refinedweb.views.terminal import line
from stages.base import registry

_TOLD = ("text", "html", "id", "url", "timestamp", "language")  # of the others it only says where they are
# What a stage that is not global looks at besides the text. Global stages declare it (`reads`).
_LOOKS_AT = {"url_v1": ("url",), "badwords_v1": ("language",)}
_WRITES = {"language_v1": "language", "language_gate_v1": "language"}


def column_notes(recipe: Recipe, survey: Survey | None) -> list[str]:
    """Lines about the columns that were taken, and about stages that have nothing to work on. None for archives."""
    if survey is None or set(survey.kinds) <= {ARCHIVE}:
        return [*_about_models(recipe)]
    notes = [_taken(survey)] if survey.taken else []
    if "drop" in survey.taken:
        notes.append("The input's own column drop removes rows: all but those where it is empty or says no")
    if survey.repeated_id is not None:
        notes.append(
            f"Ids of the input repeat ({line(survey.repeated_id, 60)}): kept_id will not tell which of them was kept; "
            "name another column with --set source.id_column=…"
        )
    for name, types in survey.as_json.items():
        types = [kind for kind in types if kind != "null"] or types
        notes.append(f"{line(name)} is in metadata, as JSON: {line(' and '.join(types))} have no common type")
    if survey.taken:  # else no file could be read
        there = {*survey.taken, *(("url", "html") if ARCHIVE in survey.kinds else ())}
        notes += _without_work(recipe, there, "has nothing to work on: no row that was looked at")
    return [*notes, *_about_models(recipe)]


def _taken(survey: Survey) -> str:
    found = [name if place == name else f"{name} from {line(place)}" for name, place in survey.taken.items()]
    missing = [name for name in _TOLD if name not in survey.taken and name != "html"]
    nothing = f"; nothing for {', '.join(missing)}" if missing else ""
    return f"Columns of the input: {', '.join(found)}{nothing}"


def idle_stages(recipe: Recipe, totals: Totals) -> list[str]:
    """Lines about stages that had nothing to work on, as the first pass counted. Nothing of runs that did not count."""
    if not totals.rows_in or not {filled(name) for name in COUNTED} <= totals.facts.keys():
        return []
    there = {name for name in COUNTED if totals.facts[filled(name)]}
    return [*_without_work(recipe, {*there, "html"}, "had nothing to work on: no document")]


def _without_work(recipe: Recipe, there: set[str], says: str) -> Iterator[str]:
    known, there = registry(), {*there}
    for name, _ in recipe.stages:
        for column in (*_LOOKS_AT.get(name, ()), *getattr(known.get(name), "reads", ())):
            if column in COUNTED and column not in there:
                yield f"{name} {says} has a {column}; name its column with --set source.{column}_column=…"
        if name == "extract_v1" and "html" not in there:
            yield "extract_v1 does nothing: the rows have text, and no html"
        there |= {_WRITES[name]} if name in _WRITES else set()


def _about_models(recipe: Recipe) -> Iterator[str]:
    if dict(recipe.stages).get("classifier_v1", {"model": ""})["model"] is None:
        yield "classifier_v1 has no model of yours: it uses the profanity model (--set classifier_v1.model=PATH)"
