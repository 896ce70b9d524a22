"""The probe set is what its README says: well-formed, without repeats, and counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

PROBES = Path(__file__).resolve().parents[3] / "classifiers" / "probes"
LANGUAGES = ("en", "de", "es", "fr", "pl", "pt")
MARKS = {"quoted", "mentioned", "censored", "minced"}
GROUPS = {"religion", "nationality", "ethnicity", "gender", "orientation", "disability", "age"}
KINDS = (
    "cooking_and_trades",
    "everyday_forum",
    "legal",
    "linguistic",
    "literature_and_history",
    "medical",
    "names_and_places",
    "quoted_news",
    "science_and_nature",
    "sex_education",
)


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PROBES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@lru_cache
def passages() -> tuple[dict[str, Any], ...]:
    return tuple(row for kind in KINDS for row in lines(kind))


def traps(note: str) -> list[str]:
    return [trap.strip() for trap in note.partition(";")[0].split(",")]


def marks(note: str) -> set[str]:
    return {mark.strip() for mark in note.partition(";")[2].split(",") if mark.strip()}


def table(heading: str) -> dict[str, list[str]]:
    """First cell → other cells, of the README's table whose header begins with `heading`."""
    text = (PROBES / "README.md").read_text(encoding="utf-8")
    body = text.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in body]
    assert rows, f"README.md: no rows under the heading {heading!r}"
    return {row[0]: row[1:] for row in rows}


def test_the_folder_holds_these_kinds_and_no_others() -> None:
    assert {path.stem for path in PROBES.glob("*.jsonl")} == {*KINDS, "identity"}


def test_there_are_enough_and_no_two_are_alike() -> None:
    seen = Counter(" ".join(re.findall(r"\w+", row["text"].casefold())) for row in passages())
    assert sum(seen.values()) >= 300
    assert [text for text, count in seen.items() if count > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_passages_are_well_formed(kind: str) -> None:
    rows = lines(kind)
    assert rows
    for row in rows:
        assert set(row) == {"text", "kind", "language", "note"}, row
        assert all(isinstance(value, str) and value == value.strip() for value in row.values()), row
        assert row["kind"] == kind, row
        assert row["language"] in LANGUAGES, row
        assert 20 <= len(row["text"].split()) <= 200, row
        assert "\n" not in row["text"], row


@pytest.mark.parametrize("kind", KINDS)
def test_every_trap_of_the_note_is_in_the_text(kind: str) -> None:
    for row in lines(kind):
        assert all(trap and trap.casefold() in row["text"].casefold() for trap in traps(row["note"])), row
        assert marks(row["note"]) <= MARKS, row


def test_the_readme_counts_passages_by_kind_and_language() -> None:
    counts = Counter((row["kind"], row["language"]) for row in passages())
    wanted = {kind: [*(counts[kind, language] for language in LANGUAGES)] for kind in KINDS}
    wanted["all"] = [sum(column) for column in zip(*wanted.values(), strict=True)]
    found = {kind: [int(cell) for cell in cells] for kind, cells in table("kind").items()}
    assert found == {kind: [*row, sum(row)] for kind, row in wanted.items()}


def test_the_readme_counts_marks() -> None:
    counts = Counter(mark for row in passages() for mark in marks(row["note"]))
    assert {mark: int(cells[-1]) for mark, cells in table("mark").items()} == counts


def test_identity_terms_fit_their_templates() -> None:
    rows = lines("identity")
    assert [row["language"] for row in rows] == ["en", "de", "fr", "pt", "pl", "es"]
    assert len(rows[0]["templates"]) >= 40
    assert len(rows[0]["terms"]) >= 60
    for row in rows:
        assert set(row) == {"language", "form", "templates", "terms"}
        assert all(re.findall(r"\{.*?\}", template) == ["{term}"] for template in row["templates"])
        assert len(set(row["templates"])) == len(row["templates"])
        assert {term["language"] for term in row["terms"]} == {row["language"]}
        assert {term["group"] for term in row["terms"]} == GROUPS
        assert len({term["term"] for term in row["terms"]}) == len(row["terms"])


def test_the_readme_counts_identity_sentences() -> None:
    wanted = {
        row["language"]: [len(row["templates"]), len(row["terms"]), len(row["templates"]) * len(row["terms"])]
        for row in lines("identity")
    }
    assert {code: [int(cell) for cell in cells] for code, cells in table("language").items()} == wanted
