"""Laws of `where_v1`: its answers are SQL's, it never evaluates Python, and what it cannot read it refuses by name."""

from __future__ import annotations

import json
import sqlite3

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.base import build
from stages.errors import ConfigError, WrongUse
from stages.schema import documents
from stages.where.expression import Expression
from stages.where.stage import Where

NUMBERS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([-0.5, 0.5, 2.5]))
WORDS = st.one_of(st.none(), st.sampled_from(["", "a", "ab", "B", "ba"]))
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, WORDS), min_size=1, max_size=8)

# A condition in two languages: ours, and that of SQLite, which is the oracle.
Both = tuple[str, str]


def number(leaves: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    return st.tuples(leaves, st.sampled_from("+-*"), leaves).map(
        lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", f"({t[0][1]} {t[1]} {t[2][1]})")
    )


NUMERIC = st.recursive(st.sampled_from(["x", "y", "1", "0.5", "(-2)"]).map(lambda n: (n, n)), number, max_leaves=4)
COMPARED = st.tuples(NUMERIC, st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]), NUMERIC).map(
    lambda t: (f"{t[0][0]} {t[1]} {t[2][0]}", f"({t[0][1]} {t[1]} {t[2][1]})")
)
TEXTUAL = st.sampled_from(
    [
        ('s == "ab"', "(s == 'ab')"), ('s < "b"', "(s < 'b')"), ("s is None", "(s IS NULL)"),
        ("s is not None", "(s IS NOT NULL)"), ("x is None", "(x IS NULL)"), ('s in ("a", "B")', "(s IN ('a', 'B'))"),
        ('s not in ("a", "B")', "(s NOT IN ('a', 'B'))"), ("y in (1, 2, -3)", "(y IN (1, 2, -3))"),
        ("len(s) >= 2", "(length(s) >= 2)"), ('startswith(s, "a")', "(substr(s, 1, 1) == 'a')"),
        ('contains(s, "b")', "(instr(s, 'b') > 0)"), ('lower(s) == "b"', "(lower(s) == 'b')"),
    ]
)  # fmt: skip


def combined(parts: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    joined = st.tuples(parts, st.sampled_from(["and", "or"]), parts).map(
        lambda t: (f"({t[0][0]} {t[1]} {t[2][0]})", f"({t[0][1]} {t[1]} {t[2][1]})")
    )
    return joined | parts.map(lambda p: (f"(not ({p[0]}))", f"(NOT ({p[1]}))"))


CONDITIONS = st.recursive(COMPARED | TEXTUAL, combined, max_leaves=6)


@given(CONDITIONS, ROWS)
def test_conditions_hold_as_in_sql(condition: Both, rows: list[tuple[float | None, float | None, str | None]]) -> None:
    ours, sql = condition
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE docs (n INTEGER PRIMARY KEY, x REAL, y REAL, s TEXT)")
        connection.executemany("INSERT INTO docs (x, y, s) VALUES (?, ?, ?)", rows)
        expected = [found == 1 for (found,) in connection.execute(f"SELECT {sql} FROM docs ORDER BY n")]
    x, y, s = (list(values) for values in zip(*rows, strict=True))
    docs = pa.table({"x": pa.array(x, pa.float64()), "y": pa.array(y, pa.float64()), "s": pa.array(s, pa.string())})
    assert Expression(ours).holds(docs).to_pylist() == expected
    as_json = pa.table({"m": [json.dumps({"x": x, "y": y, "s": s}) for x, y, s in rows]})
    assert Expression(_from_json(ours)).holds(as_json).to_pylist() == expected


def _from_json(condition: str) -> str:
    """The same condition over the fields of a JSON object."""
    tokens = condition.replace("(", "( ").replace(")", " )").replace(",", " ,").split(" ")
    return " ".join(f"m.{token}" if token in ("x", "y", "s") else token for token in tokens)


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("metadata.stars >= 3", [True, False, False]),
        ('metadata.repo.name == "a/b"', [True, False, False]),
        ("quality_v1.words > 10", [True, False, False]),
        ("0.5 < language_score <= 0.9", [True, False, False]),
        ('timestamp >= "2024-06-01" and timestamp < "2025-01-01T00:00:00Z"', [True, False, False]),
        ("len(tags) == 2", [True, False, False]),
        (r'matches(url, "^https://[a-z]+\\.example/")', [True, False, False]),
        ("big == 9007199254740993", [True, False, False]),
        ("1 / few > 0.4", [True, True, False]),
        ("True", [True, True, True]),
        ("None", [False, False, False]),
    ],
)
def test_columns_of_all_kinds(condition: str, kept: list[bool]) -> None:
    docs = documents(
        id=["a", "b", "c"],
        url=["https://x.example/1", "http://x.example/", None],
        language_score=[0.9, 0.95, None],
        timestamp=[1_718_000_000_000, 1_600_000_000_000, None],
        metadata=['{"stars": 3, "repo": {"name": "a/b"}}', '{"stars": "3", "repo": 1}', "no JSON"],
        tags=[["a", "b"], [], None],
        big=[9007199254740993, 9007199254740992, None],
        few=[2, 0, None],
    ).append_column("quality_v1.words", pa.array([11, 10, None]))
    assert Where(keep=(condition,))(docs).column("drop").is_null().to_pylist() == kept


def test_the_first_condition_that_fails_gives_the_reason() -> None:
    docs = documents(id=["a", "b", "c"], stars=[5, 1, None], size=[1, 1, 9])
    stage = Where(keep=("few_stars: stars >= 3", "size < 5"))
    assert stage(docs).column("drop").to_pylist() == [None, "few_stars", "few_stars"]
    assert Where(keep=("size < 5", "few_stars: stars >= 3"))(docs).column("drop").to_pylist() == [
        None, "few_stars", "where_1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('__import__("os").system("true")', "not a function here"),
        ("().__class__", "not a column"),
        ("x.__class__.__bases__[0]", "not allowed"),
        ("(lambda: 1)", "not allowed"),
        ("[x for x in y]", "not allowed"),
        ("x if y else z", "not allowed"),
        ("x := 1", "not an expression"),
        ("x >", "not an expression"),
        ("x = 3", "not an expression"),
        ("2 ** 10", "only +, -, * and / are known"),
        ("x == b'1'", "neither a number nor a text"),
        ('startswith(x, y)', "has to be a text"),
        ('matches(x, "(")', "matches"),
        ("lenght(x) > 3", "did you mean 'len'"),
        ("x in y", "for parts of a text: contains"),
        ('x in (1, "a")', "constants of one kind"),
        ("x is 3", "compare with =="),
        ("len(x, y)", "takes 1 arguments"),
        ("(" * 1900 + "x" + ")" * 1900, "nested too deeply|not an expression"),
        ("x + " * 2000 + "1", "at most 4000"),
        ("9" * 400 + " > x", "too large"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_before_any_work(wrong: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("+", r"\+").replace("*", r"\*")):
        build("where_v1", {"keep": [wrong]})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("languag_score > 0.8", "did you mean 'language_score'"),
        ('language_score > "high"', "a number cannot be compared with a text"),
        ("text > 3", "a text cannot be compared with a number"),
        ("len(language_score) > 3", "a text is needed here, but this is a number"),
        ("text.size > 3 and text", "a truth is needed"),
        ("html == None and html", "html"),
        ('timestamp > "yesterday"', "is not a time"),
        ("info.star > 1", "did you mean 'stars'"),
    ],
)
def test_columns_that_do_not_fit_are_named(condition: str, message: str) -> None:
    docs = documents(id=["a"], language_score=[0.5], text=["a"], timestamp=[0], info=[{"stars": 3}])
    with pytest.raises(WrongUse, match=message):
        Where(keep=(condition,))(docs)


def test_one_condition_may_be_a_plain_text() -> None:
    docs = documents(id=["a", "b"], stars=[2, 1])
    assert Where(keep="stars in (2, 3)")(docs) == Where(keep=("stars in (2, 3)",))(docs)
