"""Bytes of a page to UTF-8: byte order mark, then the declared charset, then detection, each checked against the bytes.

The order is the WHATWG's (HTML Standard, 13.2.3.2): byte order mark, HTTP header, XML declaration or `<meta>`. Crawled
pages often declare a charset they are not in, so no declaration is believed blindly:

- Bytes that are valid UTF-8 are UTF-8, whatever is declared. Legacy text is valid UTF-8 by accident only when it has
  a few non-ASCII characters; then a declared East Asian charset is believed.
- Mostly valid UTF-8 is UTF-8 with pieces pasted in from windows-1252, or cut within a character.
- Otherwise each candidate (header, meta, the detector's guess, windows-1252) is decoded and its result judged by
  `mojibake.oddity`. The first candidate whose result reads like text wins; the guess overrules a declaration that
  reads like text too only where it reads no worse and there is evidence enough for the detector to be sure.

The result is always valid UTF-8; bytes without meaning become U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from resiliparse.parse.encoding import EncodingDetector

from refinedweb.sources.labels import EAST_ASIAN, RARE, WIDE, codec_of_label
from refinedweb.sources.mojibake import foreign_letters, mend, oddity

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Where the low bytes of ASCII lie in four bytes, and where its zeros.
_WIDE_PLACES = (
    ("utf-32-le", (0,), (2, 3)),
    ("utf-32-be", (3,), (0, 1)),
    ("utf-16-le", (0, 2), (1, 3)),
    ("utf-16-be", (1, 3), (0, 2)),
)
_META = re.compile(rb"""<meta[^>]{0,400}?charset\s*+=\s*+["']?+\s*+([A-Za-z0-9_:.\-]{2,40}+)""", re.I)
_XML = re.compile(rb"""^\s*+<\?xml[^>]{0,200}?encoding\s*+=\s*+["']\s*+([A-Za-z0-9_:.\-]{2,40}+)""", re.I)
_TAG = re.compile(r"<[a-zA-Z!?/][a-zA-Z-]")
_DECLARATIONS = 8192  # bytes of a page that may hold a declaration (the standard says 1024; pages are sloppier)
_SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")
_JIS_ESCAPE = re.compile(rb"\x1b\$[@B]")
_COUNTED = 1 << 18  # bytes in which sequences are counted
_DETECTED = 1 << 17  # bytes shown to the detector
_CONTROLS = bytes([*range(9), *range(14, 27), *range(28, 32), 127])

# Measured on the crawl's pages and on re-encoded ones (test_charset.py): text in its own charset has
# an oddity under 0.05, in another script's mostly over 0.3; legacy text is up to a third valid UTF-8 sequences; below
# about 100 letters the detector confuses Latin charsets.
_ODD = 0.15
_MIXED = 0.4
_MOSTLY = 0.9
_EVIDENCE = 100


@dataclass(frozen=True)
class Decoded:
    """A page as UTF-8, the Python codec that read it, and the share of its bytes (0 to 1) that are no text."""

    html: bytes
    codec: str
    garbage: float


def decode(body: bytes, header: str | None = None) -> Decoded:
    """The page in UTF-8. `header` is the charset parameter of the Content-Type field, if there is one."""
    for mark, codec in _BOMS:
        if body.startswith(mark):
            return _by(body[len(mark) :], codec)
    declared = declared_codecs(body, header)
    codec_without_mark = wide_codec(body, declared) or seven_bit_codec(body, declared)
    if codec_without_mark is not None:
        return _by(body, codec_without_mark)
    by_accident = declared[:1] and declared[0] in EAST_ASIAN and len(_SEQUENCE.findall(body)) <= 3
    if not by_accident:
        share = utf8_share(body)
        if share == 1:
            return Decoded(body, "utf-8", garbage_share(body))
        if share >= _MIXED:
            return _mended(body, declared, share)
    return _by(body, best_codec(body, declared))


def declared_codecs(body: bytes, header: str | None) -> list[str]:
    """The Python codecs that HTTP header, XML declaration and `<meta>` name, in that order; unknown labels left out."""
    head = body[:_DECLARATIONS]
    labels = [header] + [m[1].decode() for m in (_XML.search(head), _META.search(head)) if m]
    found = [codec_of_label(label) for label in labels if label is not None]
    return list(dict.fromkeys(codec for codec in found if codec is not None))


def wide_codec(body: bytes, declared: list[str]) -> str | None:
    """UTF-16 or UTF-32 without a mark: the zeros of its markup lie at every other place, or at three of four."""
    head = body[:4096]
    head = head[: len(head) & ~3]
    if len(head) < 8 or b"\0" not in head:
        return None
    zeros = [4 * head[place::4].count(0) / len(head) for place in range(4)]
    guesses = declared[:1] if declared[:1] and declared[0] in WIDE else []
    for codec, filled, empty in _WIDE_PLACES:
        if max(zeros[at] for at in filled) < 0.1 and min(zeros[at] for at in empty) > (0.9 if "32" in codec else 0.05):
            guesses.append(codec)
    texts = ((codec, head.decode(codec, "replace")) for codec in guesses)
    return next((codec for codec, text in texts if _TAG.search(text) and oddity(text) <= _ODD), None)


def seven_bit_codec(body: bytes, declared: list[str]) -> str | None:
    """The East Asian encodings that look like ASCII: read where declared, and JIS also by its escapes."""
    if not body.isascii():
        return None
    if declared[:1] and declared[0].startswith(("iso2022", "hz")):
        return declared[0]
    return "iso2022_jp_ext" if _JIS_ESCAPE.search(body) else None


def utf8_share(body: bytes) -> float:
    """Share of the non-ASCII sequences that are valid UTF-8; 1 exactly where all the bytes are."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        head = body[:_COUNTED]
        broken = head.decode("utf-8", "replace").count("\ufffd")
        good = len(_SEQUENCE.findall(head))
        return min(good / max(1, good + broken), 0.999)
    return 1.0


def detect(body: bytes) -> str | None:
    """The detector's guess (uchardet, over the first and the last 64 KiB) as a Python codec, or None."""
    detector = EncodingDetector()
    detector.update(body if len(body) <= _DETECTED else body[: _DETECTED // 2] + body[-_DETECTED // 2 :])
    guess = detector.encoding(html5_compatible=False)
    return None if guess is None else codec_of_label(guess)


def best_codec(body: bytes, declared: list[str]) -> str:
    """For bytes that are not UTF-8: the codec under which they read most like text (see the module's docstring)."""
    guess = detect(body)
    usual = [guess] if guess is not None and guess not in RARE else []
    rare = [guess] if guess is not None and guess in RARE else []
    believed = [codec for codec in declared if codec != "utf-8" and codec not in WIDE]
    odd: dict[str, float] = {}
    for codec in dict.fromkeys([*believed, *usual, "cp1252", *rare]):
        odd[codec] = oddity(body.decode(codec, "replace"))
        if odd[codec] <= _ODD:
            return usual[0] if usual and _overrules(body, usual[0], codec, odd[codec]) else codec
    return min(odd, key=lambda codec: odd[codec])


def _overrules(body: bytes, guess: str, codec: str, odd: float) -> bool:
    """Is the detector to be believed, against a codec that reads like text too?"""
    if guess == codec:
        return False
    text = body.decode(guess, "replace")
    return foreign_letters(text) >= _EVIDENCE and oddity(text) <= odd


def garbage_share(html: bytes) -> float:
    """Share of the bytes that no text has: control characters (but white space and escape) and U+FFFD."""
    controls = len(html) - len(html.translate(None, _CONTROLS))
    return (controls + 3 * html.count(b"\xef\xbf\xbd")) / max(1, len(html))


def _mended(body: bytes, declared: list[str], share: float) -> Decoded:
    """UTF-8 with strays, unless that is in doubt and another codec reads better."""
    text = mend(body)
    if share < _MOSTLY:
        other = best_codec(body, declared)
        if oddity(body.decode(other, "replace")) < oddity(text):
            return _by(body, other)
    html = text.encode()
    return Decoded(html, "utf-8", garbage_share(html))


def _by(body: bytes, codec: str) -> Decoded:
    # `replace` again on the way out: UTF-16 halves cannot occur in strict decoders, but the promise is valid UTF-8.
    html = body.decode(codec, "replace").encode("utf-8", "replace")
    return Decoded(html, codec, garbage_share(html))
