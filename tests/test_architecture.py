"""ARCHITECTURE.md, its drawings, the glossary, the changelog and the licence: they name what exists, and all of it."""

from __future__ import annotations

import re
import tomllib
from xml.etree import ElementTree

import pytest

from refinedweb.ledger import layout
from tests.conftest import ROOT

DOCS = ROOT / "docs"
SVG = "{http://www.w3.org/2000/svg}"
FLOORS = ("jobs", "refinedweb", "stages", "classifiers")


def drawn(name: str) -> list[str]:
    """The texts of one of ARCHITECTURE.md's drawings."""
    return [(text.text or "") for text in ElementTree.parse(DOCS / "architecture" / name).iter(f"{SVG}text")]


def folders(floor: str) -> set[str]:
    """The folders of a floor that hold code or data."""
    files = (path.relative_to(ROOT / floor).parts for path in (ROOT / floor).rglob("*") if path.is_file())
    return {parts[0] for parts in files if len(parts) > 1 and "__pycache__" not in parts}


@pytest.mark.parametrize("floor", FLOORS)
def test_the_architecture_names_every_folder(floor: str) -> None:
    named = set(re.findall(r"`([a-z_]+)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    texts = drawn("floors.svg")
    assert folders(floor) - named == set()
    assert floor in texts
    assert {name for name in folders(floor) if not any(re.search(rf"\b{name}\b", text) for text in texts)} == set()


def test_the_architecture_names_no_file_that_is_gone_and_every_key_of_a_run() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:jobs|refinedweb|stages|classifiers|tests)/[\w/.]+)`", page)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert all((ROOT / image).exists() for image in re.findall(r"\]\((docs/[\w/.-]+)\)", page))
    keys = {layout.CORPUS, layout.INDEX, layout.RECORDS, layout.FAILURES, layout.ROLLUPS, layout.CLAIMS, layout.SHUFFLE}
    assert [key for key in (*keys, layout.REMOVED, layout.RUN_FILE, layout.CARD) if key not in page] == []
    texts = "\n".join(drawn("page.svg"))
    for key in (
        layout.RUN_FILE,
        layout.CARD,
        layout.CORPUS,
        layout.REMOVED,
        layout.RECORDS,
        layout.SHUFFLE,
        "decisions",
    ):
        assert key in texts


def test_every_word_that_has_a_sense_of_ours_is_in_the_glossary() -> None:
    known = set(re.findall(r"^\| \*\*(.+?)\*\* \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.M))
    words = (
        "run recipe stage step pass phase shard task block claim lease driver worker record decision document page "
        "kept removed reason measure limit fingerprint rollup quarantine partial index partition shuffle ledger commit "
        "corpus funnel source cluster span key floor"
    )
    assert set(words.split()) - known == set()


def test_the_version_has_a_place_in_the_changelog_and_the_licence_is_whole() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\n## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["license"] == "Apache-2.0"
    assert all(part in licence for part in ("Apache License", "Version 2.0", "END OF TERMS AND CONDITIONS", "APPENDIX"))
