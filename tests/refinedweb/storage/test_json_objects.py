"""Dataclasses from JSON: what another version wrote is read, and what is of another type is refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refinedweb.storage.json_objects import Unreadable, load_object


class Place(NamedTuple):
    name: str
    size: int


@dataclass(frozen=True)
class Part:
    key: str
    rows: int = 0


@dataclass(frozen=True)
class Whole:
    number: int
    kind: Literal["a", "b"]
    share: float
    flag: bool = False
    parts: list[Part] = field(default_factory=list)
    log: tuple[str, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    note: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


numbers = st.integers(-(10**12), 10**12)
wholes = st.builds(
    Whole, numbers, st.sampled_from(["a", "b"]), st.floats(allow_nan=False), st.booleans(),
    st.lists(st.builds(Part, st.text(), numbers), max_size=3), st.lists(st.text(), max_size=3).map(tuple),
    st.dictionaries(st.text(), st.dictionaries(st.text(), numbers, max_size=2), max_size=2),
    st.lists(st.builds(Place, st.text(), numbers), max_size=2), st.none() | st.text(),
    st.dictionaries(st.text(), st.none() | numbers, max_size=2),
)  # fmt: skip
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(value: Any) -> Whole:
    return load_object(Whole, json.dumps(value).encode(), "s3://b/k", "delete it")


def read_or_refusal(value: Any) -> Whole | str:
    try:
        return read(value)
    except Unreadable as error:
        return str(error)


@given(wholes)
def test_what_was_written_is_read(whole: Whole) -> None:
    assert read(asdict(whole)) == whole


@given(wholes, st.dictionaries(st.text(min_size=1).map("new ".__add__), plain, max_size=3))
def test_unknown_fields_are_ignored_and_missing_ones_have_their_default(whole: Whole, more: dict[str, Any]) -> None:
    newer = {**asdict(whole), **more}
    newer["parts"] = [{**part, **more} for part in newer["parts"]]
    newer["places"] = [[*place, more] for place in newer["places"]]
    assert read(newer) == whole
    older = {name: newer[name] for name in ("number", "kind", "share")}
    assert read(older) == Whole(whole.number, whole.kind, whole.share)


@given(wholes, st.sampled_from([name for name in Whole.__dataclass_fields__ if name != "more"]), plain)
def test_any_value_is_read_as_it_is_or_refused_by_name(whole: Whole, name: str, value: Any) -> None:
    found = read_or_refusal({**asdict(whole), name: value})
    if isinstance(found, Whole):
        again = json.loads(json.dumps(asdict(found)))[name]
        assert again == json.loads(json.dumps(value)) or name in ("parts", "places") or value != value
    else:
        assert found.startswith(f"s3://b/k is damaged: {name}: ")
        assert found.endswith("; delete it")


@given(st.binary(max_size=40) | plain.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_are_refused(data: bytes) -> None:
    with suppress(Unreadable):
        load_object(Whole, data, "s3://b/k", "delete it")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"number": True}, "number: True is not a whole number"),
        ({"number": 1.0}, "number: 1.0 is not a whole number"),
        ({"kind": "c"}, "kind: 'c' is not one of 'a', 'b'"),
        ({"parts": [{"rows": 1}]}, "parts: it lacks key"),
        ({"parts": [{"key": "k", "rows": "x" * 99}]}, "parts: rows: 'xxx"),
        ({"places": [["one"]]}, "places: .* is not a list of name, size"),
        ({"counts": {"a": {"b": None}}}, "counts: None is not a whole number"),
    ],
)
def test_the_message_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read({"number": 1, "kind": "a", "share": 1, **changes})


@pytest.mark.parametrize(("data", "said"), [(b"", r"is empty \(0 bytes\)"), (b"[" * 100_000, "is not JSON")])
def test_what_is_no_json_is_said_to_be_none(data: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        load_object(Whole, data, "s3://b/k", "delete it")
