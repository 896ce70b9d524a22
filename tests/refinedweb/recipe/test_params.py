"""Values from TOML and the command line arrive in the declared type, or the refusal says what is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from refinedweb.recipe.load import load
from refinedweb.recipe.params import coerce, instance, parse
from stages.assets import Asset
from stages.base import build
from stages.errors import ConfigError


@dataclass(frozen=True)
class Params:
    """One field of every kind."""

    words: int = 50
    share: float = 0.3
    fast: bool = False
    engine: Literal["a", "b"] = "a"
    keep: tuple[str, ...] = ("en",)
    sizes: tuple[int, ...] = ()
    model: Asset | None = None

    def __post_init__(self) -> None:
        if self.words < 0:
            raise ValueError("words must not be negative")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 0.5),
        ("3", 3),
        ("true", True),
        ('["en", "de"]', ["en", "de"]),
        ("en,de", "en,de"),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_command_line_values(text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("words", 3, 3), ("share", 1, 1.0), ("share", 0.5, 0.5), ("fast", True, True), ("engine", "b", "b"),
        ("keep", "en, de", ("en", "de")), ("keep", ["en"], ("en",)), ("sizes", [1, 2], (1, 2)),
        ("sizes", "1, 2", (1, 2)), ("model", "a.bin", "a.bin"), ("model", "none", None), ("model", None, None),
    ],
)  # fmt: skip
def test_values_take_the_declared_type(key: str, given: Any, value: Any) -> None:
    coerced = coerce(Params, {key: given}, "stage")
    assert coerced == {key: value}
    assert type(coerced[key]) is type(value)


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        ("wrods", 3, "stage has no parameter 'wrods': did you mean 'words'"),
        ("words", "many", "stage.words takes a whole number, not 'many'"),
        ("words", 2.5, "takes a whole number"),
        ("words", True, "takes a whole number"),
        ("fast", 1, "takes true or false"),
        ("engine", "c", "takes one of 'a', 'b'"),
        ("sizes", ["x"], "takes a list, each a whole number"),
        ("model", 3, 'takes a path or "none"'),
        ("words", -1, "words must not be negative"),
    ],
)
def test_wrong_values_are_refused_with_what_is_wanted(key: str, given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        instance(Params, {key: given}, "stage")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("min_words=30", r"the run has no parameter 'min_words'; did you mean quality_v1\.min_words\?"),
        ("keep=en", r"did you mean language_v1\.keep or language_gate_v1\.keep\?"),
        ("max_bytes=1", r"did you mean source\.max_bytes\?"),
        ("limt=3", "did you mean 'limit'"),
        ("language_v1.keep=german", "did you mean 'de'"),
        ("language_v1.keep=English", "did you mean 'en'"),
        ("language_v1.keep=chi", "did you mean 'zh'"),
    ],
)
def test_a_setting_that_was_meant_for_another_place_or_word_is_recognised(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("language_v1,quality_v1,language_gate_v1", [override])


@pytest.mark.parametrize("given", ["all", ("all",), ["all"]])
def test_a_list_may_be_given_as_one_word(given: Any) -> None:
    assert build("language_v1", {"keep": given}) == build("language_v1", {"keep": ("all",)})
    assert dict(load("language_v1", ['language_v1.keep="all"']).stages)["language_v1"]["keep"] == ("all",)
