"""`badwords_v1`: entries between word boundaries, in the list of the language; plain Python is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import wordlist
from classifiers.normalise.normalise import normalised, packed, profane_words
from stages.assets import Asset
from stages.badwords import BadWords
from stages.base import build
from stages.errors import ConfigError
from stages.schema import documents

LISTS = {"en": "ass\nbad word\nbad word indeed\n2 girls\n", "de": "Größe\n", "ja": "強姦\n", "th": "เย็ด", "fr": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Asset:
    for n, (code, entries) in enumerate(LISTS.items()):
        (tmp_path / (code if n % 2 else f"{code}.txt")).write_text(entries, encoding="utf-8")
    (tmp_path / "README.md").write_text("not a list", encoding="utf-8")
    (tmp_path / "LICENSE").write_text("not a list", encoding="utf-8")
    return Asset(str(tmp_path))


def hits(text: str, code: str | None, folder: Asset | None = None, **params: Any) -> int:
    (row,) = BadWords(lists=folder, **params)(documents(text=[text], language=[code])).to_pylist()
    found: int = row["badwords_v1.hits"]
    return found


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        ("An ASS, an áss; ass!", "en", 3),
        ("classic passage of assets", "en", 0),
        ("a bad   word, bad\nword indeed", "en", 3),
        ("bad, very bad word-", "en", 1),
        ("2 girls", "en", 1),
        ("GRÖSSE grösse Grosse", "de", 3),
        ("an ass", "de", 0),
        ("an ass", None, 1),
        ("an ass", "pl", 0),
        ("an ass", "fr", 0),
        ("彼は強姦罪で", "ja", 1),
        ("強 姦", "ja", 1),
        ("มาเย็ดกัน", "th", 1),
        ("", "en", 0),
    ],
)
def test_entries_are_found(text: str, code: str | None, count: int, folder: Asset) -> None:
    assert hits(text, code, folder) == count


words = st.lists(st.sampled_from(["a", "b", "c", "d", "ab"]), max_size=12)


@given(words, st.lists(words.filter(lambda entry: 0 < len(entry) <= 4), max_size=6))
def test_hits_are_words_that_end_an_entry(text: list[str], entries: list[list[str]]) -> None:
    lists = wordlist.build({"en": [" ".join(entry) for entry in entries]})
    found = wordlist.count(lists, packed([""])[0][:1] * 0, *packed([" ".join(text)]))
    wanted = sum(any(text[: n + 1][-len(entry) :] == entry for entry in entries) for n in range(len(text)))
    assert (found.hits.tolist(), found.words.tolist()) == ([wanted], [len(text)])


def test_one_hit_drops_unless_the_limits_say_otherwise(folder: Asset) -> None:
    texts = ["no such word here", "one ass here", "ass ass " + "word " * 98]

    def reasons(**params: Any) -> list[str | None]:
        docs = documents(text=texts, language=["en"] * 3)
        found: list[str | None] = BadWords(lists=folder, **params)(docs)["drop"].to_pylist()
        return found

    assert reasons() == [None, "listed_words", "listed_words"]
    assert reasons(max_hits=1) == [None, None, "listed_words"]
    assert reasons(max_share=0.05) == [None, "listed_words", None]
    assert reasons(max_hits=1, max_share=0.05) == [None, None, None]


def test_disguises_are_undone_on_request() -> None:
    assert hits("f*ck this sh1t", "en") == 0
    assert hits("f*ck this sh1t", "en", fold=True) == 2
    assert hits("f*ck this sh1t", "de", fold=True) == 0, "our list is English"


def test_without_lists_ours_is_used() -> None:
    assert all(hits(word, "en") == 1 for word in profane_words())


def test_the_published_lists_are_read(shared_data: Path) -> None:
    folder = shared_data / "labels" / "badwords"
    for path in sorted(folder.glob("*.txt")):
        entries = path.read_text(encoding="utf-8").splitlines()
        spelled = [entry for entry in entries if normalised([entry], "words_v1")[0]]
        assert len(spelled) >= 0.9 * len(entries), path
        for entry in spelled[::10]:
            assert hits(f"x {entry} y", path.stem, Asset(str(folder))) >= 1, entry


def test_a_folder_without_lists_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no word lists in .*LDNOOBW.*CC BY 4\.0"):
        hits("x", "en", Asset(str(tmp_path)))
    with pytest.raises(ConfigError, match="no model or list at"):
        hits("x", "en", Asset(str(tmp_path / "none")))
    (tmp_path / "en.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"en\.txt is not UTF-8"):
        hits("x", "en", Asset(str(tmp_path)))


@pytest.mark.parametrize(("params", "says"), [({"max_hits": -1}, "max_hits"), ({"max_share": 2}, "max_share is 2")])
def test_refused_parameters_are_explained(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build("badwords_v1", params)
