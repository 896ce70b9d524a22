"""English words as datatrove counts them: punctuation is a token, `don't` is two, `well-known` three, a URL one.

datatrove splits English by spaCy's rules (3.8, the blank model). These are the same rules, stated here anew: signs are
taken off the ends of what stands between white space, one after the other; then it is cut where signs stand inside of
it; contractions and abbreviations come before both. tests/stages/test_peer_datatrove.py compares the decisions that
follow. A sentence ends at a token that is a sentence mark, and the next begins at the next token that is not a sign.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from stages.kernels.classes import sentence_ends

CACHED = 1 << 16  # pieces of text whose tokens are kept
LONGEST_CACHED = 40  # characters
_QUOTES = frozenset("'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧")
_SIGNS = frozenset("…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪") | _QUOTES
_CURRENCIES = frozenset("$£€¥฿₽﷼₴₹₺₩₪₫₦₱₿₸")
_STARTS = _SIGNS | _CURRENCIES | frozenset("§%=—–")
_ENDS = _SIGNS | frozenset("—–")
_BEFORE_DOT = _SIGNS | frozenset("%²-+|")
_UNIT_WORDS = (
    "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa "
    "mbar mb MB kb KB gb GB tb TB T G M K %"
)
_UNITS = frozenset(_UNIT_WORDS.split())
_SENTENCE_MARKS = frozenset(map(chr, sentence_ends()))
_DOTTED = (
    "'em 'nuff 's ’s '' 'cause 8) 8-) ): a.m. Adm. and/or Bros. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. "
    "I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. w/o Ala. Ariz. "
    "Ark. Calif. Colo. Conn. Del. Fla. Ga. Ill. Ind. Kan. Kans. Ky. La. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. "
    "N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis. Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. "
    "Oct. Nov. Dec. Mt. doin' goin' nothin' ol' nuthin' somethin' :) :( ;) :-) :-( ;-) :D :P :p :/ :-/ :o :O XD xD <3 "
    ":3 ^_^ -_- o_O O_o :| :* :] :[ =) =( C++"
)
_ABBREVIATIONS = frozenset(_DOTTED.split()) | {f"{letter}." for letter in "abcdefghijklmnopqrstuvwxyz"}
_NOT_CONTRACTED = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"
_NOT = "ca do does did had may need ought sha wo"
_NOT_AND_HAVE = "could might must should would"
_ONLY_NOT = "ai are is was were have has dare"


def _contractions() -> dict[str, tuple[str, ...]]:
    """The contractions of English with their tokens, with and without apostrophes, and capitalised."""
    ends = {
        "i": "'m 'm·a 'll 'll·'ve 'd 'd·'ve 've",
        **dict.fromkeys(("you", "we", "they"), "'ll 'll·'ve 'd 'd·'ve 've 're"),
        **dict.fromkeys(("he", "she", "it"), "'ll 'll·'ve 'd 'd·'ve 's"),
        **dict.fromkeys(("who", "what", "when", "where", "why", "how", "there"), "'s 'll 'll·'ve 're 've 'd 'd·'ve"),
        **dict.fromkeys(("that", "this"), "'s 'll 'll·'ve 'd 'd·'ve"),
        **dict.fromkeys(("these", "those"), "'ll 'll·'ve 're 've 'd 'd·'ve"),
        **dict.fromkeys(_NOT.split(), "n't n't·'ve"),
        **dict.fromkeys(_NOT_AND_HAVE.split(), "n't n't·'ve 've"),
        **dict.fromkeys(_ONLY_NOT.split(), "n't"),
    }
    found = {"cannot": ("can", "not"), "Cannot": ("Can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta"),
             "Gonna": ("Gon", "na"), "Gotta": ("Got", "ta"), "let's": ("let", "'s"), "Let's": ("Let", "'s"),
             "y'all": ("y'", "all"), "ma'am": ("ma'am",), "o'clock": ("o'clock",)}  # fmt: skip
    for stem, listed in ends.items():
        for end in listed.split():
            for word in (stem, stem.title()):
                parts = (word, *end.split("·"))
                bare = tuple(part.replace("'", "") for part in parts)
                found.update({"".join(each): each for each in (parts, bare)})
    for word in _NOT_CONTRACTED.split():
        found.pop(word, None)
    curly = {word.replace("'", "’"): tuple(part.replace("'", "’") for part in parts) for word, parts in found.items()}
    hours = {f"{hour}{half}": (f"{hour}", half) for hour in range(1, 13) for half in ("am", "pm", "a.m.", "p.m.")}
    return {**found, **curly, **hours}


_WHOLE = {**{word: (word,) for word in _ABBREVIATIONS}, **_contractions()}


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order."""
    found: list[str] = []
    for piece in text.split():
        found += _cached(piece) if len(piece) <= LONGEST_CACHED else _split(piece)
    return found


def sentences(line: list[str]) -> int:
    """How many sentences the tokens of a line are."""
    count, over = min(len(line), 1), False
    for token in line:
        if token in _SENTENCE_MARKS:
            over = True
        elif over and not _is_sign(token):
            count, over = count + 1, False
    return count


@lru_cache(maxsize=1 << 12)
def _is_sign(token: str) -> bool:
    return all(unicodedata.category(character)[0] == "P" for character in token)


def _split(piece: str) -> tuple[str, ...]:
    if piece in _WHOLE or piece.isalpha():
        return _WHOLE.get(piece, (piece,))
    start, end, last = 0, len(piece), -1
    before: list[str] = []
    after: list[str] = []
    while start < end and end - start != last:
        if end - start <= LONGEST_CACHED and piece[start:end] in _WHOLE:
            break
        last = end - start
        first = _prefix(piece, start, end)
        if first:
            before.append(piece[start : start + first])
            start += first
            if end - start <= LONGEST_CACHED and piece[start:end] in _WHOLE:
                break
        size = _suffix(piece, start, end) if start < end else 0
        if size:
            after.append(piece[end - size : end])
            end -= size
    return (*before, *_inside(piece[start:end]), *reversed(after))


_cached = lru_cache(maxsize=CACHED)(_split)


def _prefix(piece: str, start: int, end: int) -> int:
    """How many characters are taken off at the start."""
    sign = piece[start]
    if sign == ".":
        dots = _run(piece, start, end, ".")
        return dots if dots > 1 else 0
    if sign == "+":
        return int(not piece[start + 1 : start + 2].isdigit())
    if sign in "UCA" and (size := _dollar(piece, start)):
        return size
    return int(sign in _STARTS or _is_icon(sign))


def _dollar(piece: str, start: int) -> int:
    """The size of `US$`, `C$` or `A$`."""
    return next((len(each) for each in ("US$", "C$", "A$") if piece.startswith(each, start)), 0)


def _suffix(piece: str, start: int, end: int) -> int:
    """How many characters are taken off at the end."""
    sign, left = piece[end - 1], piece[end - 2] if end - 2 >= start else ""
    if sign == ".":
        at = end
        while at > start and piece[at - 1] == ".":
            at -= 1
        if end - at > 1:
            return end - at
        two = piece[max(end - 3, start) : end - 1]
        lower = left.isdigit() or (left.isalpha() and not left.isupper()) or left in _BEFORE_DOT
        return int(left != "" and (lower or (len(two) == 2 and two.isupper() and two.isalpha())))
    if sign in "sS" and left != "" and left in "'’":
        return 2
    if sign in _ENDS or _is_icon(sign):
        return 1
    if (sign in _CURRENCIES or sign == "+") and left.isdigit():
        return 1
    return _unit(piece, start, end)


def _unit(piece: str, start: int, end: int) -> int:
    """The size of a unit after a digit."""
    for size in range(min(4, end - start - 1), 0, -1):
        if piece[end - size - 1].isdigit() and piece[end - size : end] in _UNITS:
            return size
    return 0


def _inside(word: str) -> tuple[str, ...]:
    """The tokens of a word without signs at its ends."""
    if not word:
        return ()
    if len(word) <= LONGEST_CACHED and word in _WHOLE:
        return _WHOLE[word]
    if word.isalnum() or is_address(word):
        return (word,)
    found, start, at = [], 0, 0
    while at < len(word):
        size = _cut(word, at)
        if size and at > start:
            found += [word[start:at], word[at : at + size]]
            start = at + size
        at += size or 1
    return (*found, word[start:]) if start < len(word) else tuple(found)


def _cut(word: str, at: int) -> int:
    """How many characters at a place inside of a word are a token of their own."""
    sign = word[at]
    if sign.isalnum():
        return 0
    left, right = word[at - 1 : at] if at else "", word[at + 1 : at + 2]
    if sign == ".":
        dots = _run(word, at, len(word), ".")
        ends = (left.islower() or left in _QUOTES) and (right.isupper() or right in _QUOTES)
        return dots if dots > 1 else int(left != "" and right != "" and ends)
    if sign == "…" or _is_icon(sign):
        return 1
    if sign in "+-*^" and left.isdigit() and right != "" and (right.isdigit() or right == "-"):
        return 1
    if sign == ",":
        return int(left.isalpha() and right.isalpha())
    if not (left.isalpha() or left.isdigit()):
        return 0
    if sign in ":<>=/–~":
        return int(right.isalpha())
    if sign in "-—":
        size = _run(word, at, len(word), sign)
        return size if size <= (3 if sign == "-" else 2) and word[at + size : at + size + 1].isalpha() else 0
    return 0


def _run(piece: str, start: int, end: int, sign: str) -> int:
    """How often a sign stands in a row."""
    at = start
    while at < end and piece[at] == sign:
        at += 1
    return at - start


@lru_cache(maxsize=1 << 14)
def _is_icon(sign: str) -> bool:
    return unicodedata.category(sign) == "So"


def is_address(word: str) -> bool:
    """Whether it is a URL, the name of a host, or an address of mail."""
    if "." not in word:
        return False
    rest = word.rpartition("://")[2] if word.count("://") == 1 else word
    rest = rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest
    host = rest
    for sign in "/?#:":
        host = host.partition(sign)[0]
    *names, last = host.split(".")
    if not names or not all(each and each.replace("-", "").replace("_", "").isalnum() for each in names):
        return False
    return (len(last) > 1 and last.isalpha() and last.islower()) or (
        len(names) == 3 and host.replace(".", "").isdigit()
    )
