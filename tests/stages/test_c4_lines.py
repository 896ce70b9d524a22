"""`c4_v2`: the published code's order of rules, its end marks, lines without one, and those of other scripts."""

from __future__ import annotations

from typing import Any

import pytest

from stages.c4_lines import ALL_SCRIPTS, C4OfCode
from stages.schema import documents

GOOD = "The river rose again. People came out! Was it the barn? They have built it. Nobody was surprised."


def clean(text: str, **params: Any) -> tuple[str | None, str]:
    row = C4OfCode(**params)(documents(text=[text])).to_pylist()[0]
    return row["drop"], row["text"]


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("This is a line.", True), ("This is a line'", True), ("This is a line”", False), ("This is a line", False),
        ("This is a line...", False), ("Two words.", False), ("We use JavaScript here.", False),
        ("Our privacy policy is this.", False),
    ],
)  # fmt: skip
def test_lines(line: str, stays: bool) -> None:
    assert (line in clean(f"{GOOD}\n{line}")[1].splitlines()) is stays


def test_lines_without_an_end_mark_stay_if_none_is_required() -> None:
    text = f"{GOOD}\nA title without end\nIt goes on...\nTwo words"
    assert clean(text) == (None, GOOD)
    assert clean(text, require_end_mark=False) == (None, f"{GOOD}\nA title without end\nIt goes on...")


def test_what_drops_a_document_is_looked_for_in_lines_that_are_left() -> None:
    assert clean(f"{GOOD}\nmenu {{") == (None, GOOD), "a line of two words is gone before"
    assert clean(f"{GOOD}\nThis is {{ a line.")[0] == "curly_bracket"
    assert clean(f"{GOOD}\nThis is a }} line.")[0] is None, "the code looks for the opening one"
    assert clean(f"{GOOD}\nSo lorem ipsum it is.")[0] == "lorem_ipsum"
    assert clean(f"{GOOD}\nSo lorem ipsum it is")[0] is None
    assert clean(f"{GOOD}\nSo lorem ipsum it is", require_end_mark=False)[0] == "lorem_ipsum"
    assert clean(f"{GOOD}\nWith javascript it {{ is.")[0] is None


@pytest.mark.parametrize(
    "line",
    ["यह एक वाक्य है।", "ይህ ዓረፍተ ነገር ነው።", "یہ ایک جملہ ہے۔", "Սա նախադասություն է։", "هل هذه جملة؟", "၎င်း သည် ဝါကျ။"],
)
def test_lines_of_other_scripts_end_with_their_own_marks(line: str) -> None:
    assert clean(f"{GOOD}\n{line}")[1] == GOOD
    assert clean(f"{GOOD}\n{line}", all_scripts=True)[1] == f"{GOOD}\n{line}"


def test_marks_of_all_scripts() -> None:
    assert {".", "?", "!", '"', "'", "”", "。", "！", "？", "؟", "।", "॥", "።", "»", "」"} <= set(ALL_SCRIPTS)
    assert not {",", "、", ":", "-", "(", "«"} & set(ALL_SCRIPTS)


def test_windows_line_ends() -> None:
    assert clean(f"{GOOD}\r\nmenu\r\n{GOOD}") == (None, f"{GOOD}\n{GOOD}")
