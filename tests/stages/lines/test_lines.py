"""Line-wise corrections: each rule at its limit in several scripts, and an independent version of the whole stage."""

from __future__ import annotations

import pickle
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import build
from stages.errors import ConfigError
from stages.lines.patterns import counter_pattern, edit_patterns, edited
from stages.lines.stage import LineCorrections
from stages.schema import documents
from tests.examples import examples

PROSE = "A sentence that no rule has a quarrel with, long enough to carry the words of a page."


def run(text: str | None, **params: object) -> tuple[str | None, str | None, float]:
    """The text, the drop reason and the removed fraction after the stage."""
    out = LineCorrections(**params)(documents(text=[text]))  # type: ignore[arg-type]
    fraction = out.column("lines_v1.removed_words_fraction")[0].as_py()
    return out.column("text")[0].as_py(), out.column("drop")[0].as_py(), fraction


def survives(line: str, **params: object) -> bool:
    """Whether the line stays unchanged between two lines that do."""
    text, _, _ = run(f"{PROSE}\n{line}\n{PROSE}", **params)
    assert text in (f"{PROSE}\n{line}\n{PROSE}", f"{PROSE}\n{PROSE}")
    return text != f"{PROSE}\n{PROSE}"


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("ABC def", True),  # 3 of 7
        ("ABCD def", True),  # 4 of 8: exactly half
        ("ABCDE def", False),  # 5 of 9
        ("  ABCDE def  ", False),  # white space around the line does not count
        ("A B C D e", True),  # white space inside it does: 4 of 9
        ("ПРИВЕТ мир", False),
        ("ПРИВЕТ миры да", True),
        ("ΑΒΓΔ αβγ", True),
        ("ΑΒΓΔΕ αβγ", False),
        ("ÀÉÎ õü", True),
        ("İSTANBUL VE izmir", False),
        ("中文 没有 大写", True),
        ("日本語 ABC", True),  # 3 of 7
        ("ABCD 語", False),  # 4 of 6
    ],
)
def test_upper_case(line: str, stays: bool) -> None:
    assert survives(line) == stays


def test_the_share_of_upper_case_is_a_parameter() -> None:
    assert not survives("ABC def", max_uppercase_fraction=0.4)
    assert survives("ALL OF IT", max_uppercase_fraction=1.0)


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("1 2 3 4 5", False),
        ("2019", False),
        ("١٢ ٣٤", False),
        ("१२ ३४", False),
        ("1 2 3 …", True),
        ("12 of 34", True),
        ("12 / 34", True),
    ],
)
def test_digits_only(line: str, stays: bool) -> None:
    assert survives(line, min_line_words=1) == stays


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("word", False),
        ("two words", True),
        ("- word", False),
        ("word !", False),
        ("* * *", False),
        ("слово", False),
        ("два слова", True),
        ("كلمة", False),
        ("كلمة أخرى", True),
        ("शब्द", False),
        ("語", False),
        ("言語", True),
        ("ภาษา", True),
        ("ไ", False),
        ("語abc", True),
        ("e\u0301te\u0301", False),
    ],
)
def test_single_words(line: str, stays: bool) -> None:
    assert survives(line) == stays


def test_single_words_by_white_space_alone() -> None:
    assert not survives("這是一個完整的句子。", unspaced_letters=False)
    assert survives("word", min_line_words=0)
    assert survives("***", min_line_words=0)
    assert not survives("two words", min_line_words=3)


@pytest.mark.parametrize(
    "line",
    [
        "3 likes",
        "1.2K followers",
        "1,234 comments",
        "12 Views",
        "Comments (12)",
        "Likes: 3",
        "5 likes · 2 shares",
        "1 234 vues",
        "• 7 retweets •",
        "2 Mal geteilt",
        "5 me gusta",
        "12 mi piace",
        "4 komentarzy",
        "3 тыс. просмотров",
        "12 комментариев",
        "5件のコメント",
        "1.2万次播放",
        "댓글 12",
        "١٢ تعليق",
        "3k likes",
        "1.2 m views",
        "100+ downloads",
        "3 bookmarks",
        "J’aime 5",
        "0 likes",
    ],
)
def test_counters(line: str) -> None:
    assert not survives(line)
    assert survives(line, counters=False, min_line_words=0, max_uppercase_fraction=1.0)


@pytest.mark.parametrize(
    "line",
    [
        "3 likes for this",
        "he likes 3 of them",
        "3 apples",
        "likes and shares",
        "3 likeslike",
        "12 viewsonic monitors",
        "I have 3 comments",
        "2 km",
    ],
)
def test_what_only_looks_like_a_counter(line: str) -> None:
    assert survives(line)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Sign-in to see your orders", "to see your orders"),
        ("SIGN-IN now please", "now please"),
        ("Sign-ins are up again", "Sign-ins are up again"),
        ("Please sign-in here", "Please sign-in here"),
        ("The storm is over. Read more...", "The storm is over."),
        ("The storm is over read more…", "The storm is over"),
        ("The storm is over. Read more", "The storm is over."),
        ("The storm is over. Read more »", "The storm is over."),
        ("Books you should read more", "Books you should read more"),
        ("Books you should read more.", "Books you should read more."),
        ("Never spread more…", "Never spread more…"),
        ("Der Sturm ist vorbei. Weiterlesen …", "Der Sturm ist vorbei."),
        ("Буря прошла. Читать далее…", "Буря прошла."),
        ("嵐は過ぎた。続きを読む", "嵐は過ぎた。"),
        ("You have 3 items in cart today", "You have today"),
        ("No items in cart, sorry", "No, sorry"),
        ("Many items in cartons here", "Many items in cartons here"),
        ("Read more…", None),
        ("0 items in cart", None),
    ],
)
def test_edits(line: str, left: str | None) -> None:
    expected = f"{PROSE}\n{PROSE}" if left is None else f"{PROSE}\n{left}\n{PROSE}"
    assert run(f"{PROSE}\n{line}\n{PROSE}")[0] == expected


@pytest.mark.parametrize(("words", "cut"), [(8, True), (9, False)])
def test_only_short_lines_are_edited(words: int, cut: bool) -> None:
    line = " ".join(["word"] * words)
    text, _, _ = run(f"{PROSE}\n{line} read more…")
    assert text == f"{PROSE}\n{line}" + ("" if cut else " read more…")
    assert run(f"{PROSE}\n{line} read more…", edit_max_words=words + 1)[0] == f"{PROSE}\n{line} read more…"


@pytest.mark.parametrize(("kept_words", "dropped"), [(19, False), (18, True)])
@pytest.mark.parametrize("word", ["word", "слово", "كلمة"])
def test_one_word_in_twenty_may_go(word: str, kept_words: int, dropped: bool) -> None:
    text = " ".join([word] * kept_words)
    out, drop, fraction = run(f"{text}\n{word}")
    assert out == text
    assert fraction == 1 / (kept_words + 1)
    assert drop == ("too_many_words_removed" if dropped else None)
    assert run(f"{text}\n{word}", max_removed_fraction=None)[1] is None


def test_one_letter_in_twenty_where_letters_are_words() -> None:
    assert run("語" * 19 + "\n語")[1:] == (None, 0.05)
    assert run("語" * 18 + "\n語")[1] == "too_many_words_removed"


@pytest.mark.parametrize("text", ["", None, " \n ", "MENU\nHOME", "12\n34", "***\n---"])
def test_nothing_left(text: str | None) -> None:
    out, drop, _ = run(text, max_removed_fraction=None)
    assert drop == "no_words_left"
    assert out is None if text is None else not out.strip()
    assert run(text)[1] == "no_words_left"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{p}\n\nMENU\n\n{p}", "{p}\n\n{p}"),
        ("{p}\nMENU\n\n{p}", "{p}\n\n{p}"),
        ("{p}\n\nMENU\n{p}", "{p}\n\n{p}"),
        ("{p}\nMENU\n{p}", "{p}\n{p}"),
        ("MENU\n\n{p}", "{p}"),
        ("{p}\n\nMENU", "{p}"),
        ("{p}\n\nMENU\n", "{p}"),
        ("{p}\n\nMENU\n\nHOME\n\n{p}", "{p}\n\n{p}"),
        ("\n\n{p}\n\n\n{p}\n\n", "\n\n{p}\n\n\n{p}\n\n"),
        ("{p}\r\nMENU\r\n{p}", "{p}\r\n{p}"),
        (" {p} \n{p}", " {p} \n{p}"),
    ],
)
def test_blank_lines_beside_what_went(text: str, expected: str) -> None:
    assert run(text.format(p=PROSE))[0] == expected.format(p=PROSE)


LINES = st.one_of(
    st.sampled_from(
        [
            "MENU",
            "word",
            "two words",
            "ABCD def",
            "ABCDE def",
            "3 likes",
            "12 34",
            "",
            "  ",
            "語",
            "言語 ABC",
            "* * *",
            "é É",
            "Ω ω ώ",
        ]
    ),
    st.sampled_from(
        ["The end. Read more…", "read more…", "sign-in here now", "two items in cart", "\u00a0", "\r", "\t", PROSE]
    ),
    st.text(alphabet="aA1 語é.\u0301\u00a0", max_size=12),
)
TEXTS = st.one_of(st.lists(LINES, max_size=12).map("\n".join), st.text(max_size=40))


@given(st.lists(st.none() | TEXTS, max_size=6), st.integers(0, 6))
@settings(max_examples=examples(150))
def test_the_stage_agrees_with_its_description(texts: list[str | None], cut: int) -> None:
    """Any batching gives the same as the rules written a second time over Python strings."""
    stage = LineCorrections()
    column = pa.chunked_array([texts[:cut], [], texts[cut:]], pa.string())
    out = stage(documents(text=texts).set_column(9, "text", column))
    assert out.column("text").to_pylist() == [None if text is None else described(text) for text in texts]
    before, after = [count(text or "") for text in texts], [count(described(text or "")) for text in texts]
    assert out.column("lines_v1.words_left").to_pylist() == after
    removed = [(old - new) / max(old, 1) for old, new in zip(before, after, strict=True)]
    assert out.column("lines_v1.removed_words_fraction").to_pylist() == removed


def described(text: str) -> str:
    """The rules again: classify, edit, then join without needless blank lines."""
    marks: list[str | None] = [line_of(line) for line in text.split("\n")]
    if [line for line in marks if line is not None] == text.split("\n"):
        return text
    kept: list[str] = []
    gone = False
    for mark in marks:
        if mark is None:
            gone = True
        elif mark.strip():
            kept, gone = [*kept, mark], False
        elif not (gone and (not kept or not kept[-1].strip())):
            kept.append(mark)
    while gone and kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)


def line_of(line: str) -> str | None:
    bare = line.strip()
    if not bare:
        return line
    upper = sum(unicodedata.category(c) in ("Lu", "Lt") for c in bare)
    digits_only = all(unicodedata.category(c) == "Nd" or c.isspace() for c in bare)
    counter = len(bare) <= 100 and counter_pattern().fullmatch(bare) is not None
    if upper > len(bare) / 2 or digits_only or counter or count(bare) < 2:
        return None
    new = edited(line, edit_patterns()) if count(bare) <= 10 else line
    return new if new.strip() else None


def count(text: str) -> int:
    """Words with a letter, mark or number; a Han letter with its marks is one, so is what is between two."""
    words: list[list[str]] = []
    for run in text.split():
        words.append([])
        for c in run:
            mark = unicodedata.category(c)[0] == "M"
            han = is_unspaced(c)
            if (
                words[-1]
                and not mark
                and (han or is_unspaced(next((x for x in reversed(words[-1]) if not is_mark(x)), words[-1][0])))
            ):
                words.append([])
            words[-1].append(c)
    return sum(any(unicodedata.category(c)[0] in "LMN" for c in word) for word in words)


def is_mark(c: str) -> bool:
    return unicodedata.category(c)[0] == "M"


def is_unspaced(c: str) -> bool:
    from stages.kernels.classes import UNSPACED, tables

    found = tables()
    return bool(int(found.flags[int(found.page[ord(c) >> 8]), ord(c) & 255]) & UNSPACED)


@given(TEXTS)
def test_what_is_left_needs_no_second_look(text: str) -> None:
    """Only a line shortened by an edit can meet a rule again, so without edits the stage is idempotent."""
    params = {"edit_max_words": 0, "max_removed_fraction": None}
    once = run(text, **params)[0]
    assert run(once, **params)[0] == once


def test_other_types_slices_and_earlier_drops() -> None:
    stage = LineCorrections()
    texts = [PROSE, f"{PROSE}\nMENU", None, "MENU"]
    plain = stage(documents(text=texts))
    wide = documents(text=texts).set_column(9, "text", pa.chunked_array([texts], pa.large_string()))
    out = stage(wide.slice(1, 3))
    assert out.column("text").to_pylist() == [PROSE, None, ""]
    assert out.schema.field("text").type == pa.large_string()
    assert plain.column("text").to_pylist() == [PROSE, PROSE, None, ""]
    assert stage(documents(text=["MENU"], drop=["earlier"])).column("drop").to_pylist() == ["earlier"]
    assert stage.measure(documents(text=texts)).column_names == [limit.measure for limit in stage.limits()][::-1]
    assert stage(documents(text=[])).num_rows == 0
    assert pickle.loads(pickle.dumps(stage)) == stage


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_uppercase_fraction": 50.0}, "max_uppercase_fraction must be a fraction"),
        ({"max_removed_fraction": -0.1}, "max_removed_fraction must be a fraction"),
        ({"min_line_words": -1}, "min_line_words must be a number of words"),
    ],
)
def test_refused_parameters(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("lines_v1", params)


def test_hostile_text_takes_linear_time() -> None:
    size = 250_000
    texts = [
        "\n" * size,
        "a b\n" * size,
        "A" * size,
        " " * size,
        ". " * size,
        "1." * size,
        "1 " * size,
        "3 likes " * (size // 8),
    ]
    texts += [
        "read more " + "." * size,
        " " * size + "read more…",
        "\u0301" * size,
        "ab " * 9 + "c" * size,
        "items in cart " * size,
    ]
    out = LineCorrections()(documents(text=texts))
    assert out.column("drop").to_pylist()[0] == "no_words_left"
    assert out.column("text").to_pylist()[1] == texts[1]
