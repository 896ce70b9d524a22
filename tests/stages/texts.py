"""Texts for property tests (words of many scripts between odd white space), and texts of scripts for golden tests."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = (
    *(
        "a",
        "b",
        "ab",
        "the",
        "The",
        "of",
        "to,",
        "(and)",
        "дом",
        "ДОМ",
        "Σ",
        "ς",
        "λόγος",
        "سلام",
        "你",
        "好",
        "。",
        "です",
    ),
    *(
        "ไทย",
        "กำ",
        "😀",
        "👍🏽",
        "#",
        "...",
        "…",
        "..",
        ".",
        ". . .",
        "-",
        "•",
        "●",
        "*",
        "-a",
        "é",
        "e\u0301",
        "\u0301",
    ),
    *("1", "١", "...a", "\u200b", "İ", "𠀀", "x…", "!", "?", "—", "\x00", "𝟘", "ﬁ", "ǅ", "Ⅷ"),
)
SPACES = (
    " ",
    " ",
    " ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\u3000",
    "\xa0",
    "\r\n",
    "\r",
    "\x85",
    "\u2028",
    "\x1c",
    "\x0b",
    "",
)

SCRIPTS = {
    "latin": "abcdefghij",
    "cyrillic": "абвгдежзик",
    "greek": "αβγδεζηθικ",
    "arabic": "ابتثجحخدذر",
    "han": "一丁七万丈三上下不与",
    "emoji": "😀😁😂😃😄😅😆😇😈😉",
}


def word(script: str, number: int) -> str:
    """The number as a word of four characters of the script: a different word for every number, all of one length."""
    letters = SCRIPTS[script]
    return "".join(letters[number // 10**place % 10] for place in range(4))


@st.composite
def repetitive_texts(draw: st.DrawFn) -> str:
    """Texts with few different words and spaces, so that lines and n-grams repeat."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    spaces = draw(st.lists(st.sampled_from(SPACES), min_size=1, max_size=6))
    pairs = st.tuples(st.sampled_from(words), st.sampled_from(spaces))
    start = draw(st.sampled_from(("", *SPACES)))
    return start + "".join(word + space for word, space in draw(st.lists(pairs, max_size=120)))


texts = st.one_of(repetitive_texts(), st.text(max_size=60), st.text(alphabet=" \n.a#-…•", max_size=80))
