"""Whatever the files of a run say: a message, and nothing outside of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.run_folders import attempt, files, made
from tests.fuzz.test_fuzz import cases

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.sampled_from(["", "../../x", "/etc/passwd", "s3://x/y", "\0", "\x1b[2J", "x" * 3000, [], {}, [[]], 10**400, -1]),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("sound"))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    changed = copy.deepcopy(value)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return changed


@pytest.mark.slow
@cases(60)
@given(number=st.integers(0, 99), place=st.integers(0, 999), new=VALUES)
def test_views_of_a_changed_run(sound: Path, number: int, place: int, new: Any, tmp_path: Path) -> None:
    every = files(sound)
    value = json.loads(every[number % len(every)].read_bytes())
    at = places(value)
    changed = json.dumps(replaced(value, at[place % len(at)], new)).encode()
    assert attempt(sound, tmp_path, number, changed) == [], (every[number % len(every)].name, at[place % len(at)])
