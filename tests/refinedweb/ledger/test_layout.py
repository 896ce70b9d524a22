"""The keys of a run: written by one module, and read back from what it wrote."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.ledger import layout
from refinedweb.recipe.plan import steps_of
from refinedweb.storage import Store

ROOT = Path(__file__).resolve().parents[3]
KEYS = re.compile(
    r"\S*(manifest/|drivers/|/kept\b|removed/|decisions/|corpus/|jobs/(recipes|watch)\b|run\.json|(plan|phases)\.json|\.shuffle)\S*"
    r"|\.parquet|README\.md"
)
# `inputs` is below the ledger and recognises a run; the card shows its readers how to open it.
ALLOWED = {
    "refinedweb/ledger/layout.py", "refinedweb/sources/inputs.py",
    "refinedweb/engine/card.py",
}  # fmt: skip


def _strings(tree: ast.AST) -> Iterator[str]:
    """The string constants of a module that are not docstrings, parts of f-strings included."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("package", ["refinedweb", "jobs"])
def test_no_other_module_spells_a_key(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in ALLOWED and not name.startswith("refinedweb/sample/"):
            spelt = [text for text in _strings(ast.parse(path.read_text())) if KEYS.fullmatch(text)]
            assert not spelt, f"{name} spells {spelt}; take the keys of a run from refinedweb/ledger/layout.py"


def test_the_check_sees_a_key() -> None:
    assert [text for text in _strings(ast.parse("f'{step}/manifest/{n}.json'")) if KEYS.fullmatch(text)] == [
        "/manifest/"
    ]


def test_what_a_key_says_is_read_back() -> None:
    record = layout.ledger_key(layout.phase_folder("01-exact_v1", "2-group"), layout.RECORDS, 1_234_567)
    assert record == "01-exact_v1/2-group/manifest/1234567.json"
    assert layout.number_of(record) == 1_234_567
    assert layout.is_record(record)
    assert layout.phase_of(record) == "01-exact_v1/2-group"
    assert layout.phase_of(layout.ledger_key("00-filter", layout.RECORDS, 0)) is None
    claim = layout.ledger_key("00-filter", layout.CLAIMS, 7)
    assert (layout.number_of(claim), layout.is_record(claim), layout.phase_of(claim)) == (7, False, None)


@given(st.integers(0, 9_999_999_999))
def test_each_task_has_one_name(number: int) -> None:
    key = layout.ledger_key("00-filter", layout.RECORDS, number)
    assert layout.number_of(key) == number
    assert layout.shard_of(layout.shard_key(layout.CORPUS, number)) == number
    assert layout.is_own(key)
    assert layout.is_own(layout.shard_key(layout.CORPUS, number))


@given(st.text(alphabet="0123456789٣３²._-/ jsonparquet\n", max_size=20) | st.text(max_size=20))
def test_no_other_name_is_a_task(name: str) -> None:
    for key in (f"00-filter/manifest/{name}", f"00-filter/manifest/{name}.json", f"{name}000000.json"):
        number = layout.number_of(key)
        assert number is None or key.rpartition("/")[2] == f"{layout.task_name(number)}.json"
        assert not layout.is_own(key) or key == layout.ledger_key("00-filter", layout.RECORDS, number or 0)


@pytest.mark.parametrize(
    "name",
    ["._000000.json", ".nfs00000000000001", "", "x_$folder$", "000000.json.tmp", "Thumbs.db", "1.json", "0000001.json",
     "-00001.json", "+00001.json", "000_001.json", "٠٠٠٠٠١.json", " 000001.json", "000001.json\n", "9" * 500 + ".json"],
)  # fmt: skip
def test_foreign_names_are_told_from_ours(name: str) -> None:
    for folder in ("00-filter/manifest", "00-filter/claims", "01-exact_v1/2-group/manifest"):
        key = f"{folder}/{name}"
        assert (layout.number_of(key), layout.is_record(key), layout.phase_of(key), layout.is_own(key)) == (
            None, False, None, False
        )  # fmt: skip


def test_a_listing_takes_only_what_is_directly_in_its_folder(store: Store) -> None:
    for key in ("00-x/manifest/000003.json", "00-x/manifest/sub/000004.json", "00-x/manifest2/000005.json"):
        store.put(key, b"{}")
    assert [number for number, _ in layout.numbered(store, "00-x/manifest/")] == [3]


def test_documents_are_found_by_their_keys() -> None:
    from refinedweb.recipe.load import load_stages

    load_stages()
    stages = ("url_v1", "exact_v1", "quality_v1")
    steps = steps_of(stages)
    keys = [layout.shard_key(layout.CORPUS, 3)]
    keys += [layout.shard_key(folder, 3) for stage in stages for _, folder in layout.removed_folders(steps, stage)]
    matches = [layout.DOCUMENTS_KEY.fullmatch(key) for key in keys]
    assert len(matches) == 4
    assert all(match is not None and match[1] == "000003" for match in matches)
    assert layout.DOCUMENTS_KEY.fullmatch(layout.decisions_key(steps[1].name, 3)) is None
