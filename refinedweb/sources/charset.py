"""Convert a page to UTF-8: by byte order mark, declared charset or detection, each checked against the bytes.

The order is the WHATWG's (HTML Standard, 13.2.3.2): byte order mark, HTTP header, XML declaration or `<meta>`. Crawled
pages often declare a charset that they are not in, so no declaration is trusted blindly:

- Bytes that are valid UTF-8 are UTF-8, whatever is declared. Legacy text is valid UTF-8 by accident only if it has just
  a few non-ASCII characters; in that case a declared East Asian charset is trusted.
- Mostly valid UTF-8 is UTF-8 with pieces pasted in from windows-1252, or cut within a character.
- Otherwise each candidate (header, meta, the detector's guess, windows-1252) is decoded, and `mojibake.oddity` judges
  the result. The first candidate whose result reads like text wins. The guess overrules a declaration that also reads
  like text only if it reads no worse and the text is long enough for the detector to be sure.

The result is always valid UTF-8; meaningless bytes become U+FFFD.
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
# Positions, in four bytes, of the low bytes of ASCII characters and of their zero bytes.
_WIDE_PLACES = (
    ("utf-32-le", (0,), (2, 3)),
    ("utf-32-be", (3,), (0, 1)),
    ("utf-16-le", (0, 2), (1, 3)),
    ("utf-16-be", (1, 3), (0, 2)),
)
_META = re.compile(rb"""<meta[^>]{0,400}?charset\s*+=\s*+["']?+\s*+([A-Za-z0-9_:.\-]{2,40}+)""", re.I)
_XML = re.compile(rb"""^\s*+<\?xml[^>]{0,200}?encoding\s*+=\s*+["']\s*+([A-Za-z0-9_:.\-]{2,40}+)""", re.I)
_TAG = re.compile(r"<[a-zA-Z!?/][a-zA-Z-]")
_DECLARATIONS = 8192  # first bytes that may hold a declaration (the standard says 1024; pages are sloppier)
_SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")
_JIS_ESCAPE = re.compile(rb"\x1b\$[@B]")
_COUNTED = 1 << 18  # first bytes whose sequences are counted: enough for a share
_DETECTED = 1 << 17  # bytes that the detector gets, half of them from the start and half from the end
_WIDE_HEAD = 4096  # first bytes that show the zeros of UTF-16 and UTF-32
_CONTROLS = bytes([*range(9), *range(14, 27), *range(28, 32), 127])

# Measured on the crawl's pages and on re-encoded ones (test_charset.py): text read in its own charset has an oddity
# under 0.05, in that of another script mostly over 0.3; up to a third of the sequences of legacy text are valid UTF-8;
# with fewer than about 100 letters the detector confuses Latin charsets.
_ODD = 0.15  # oddity up to which a result reads like text
_MIXED = 0.4  # share of valid sequences from which a page may be damaged UTF-8
_MOSTLY = 0.9  # share from which it is, without comparing it with other codecs
_EVIDENCE = 100  # non-ASCII letters from which the detector may overrule a declaration
_ACCIDENT = 3  # sequences that may be valid UTF-8 by accident


@dataclass(frozen=True)
class Decoded:
    """A page as UTF-8, the Python codec that decoded it, and the share (0 to 1) of its bytes that are not text."""

    html: bytes
    codec: str
    garbage: float


def decode(body: bytes, header: str | None = None) -> Decoded:
    """Convert the page to UTF-8. `header` is the charset parameter of the Content-Type field, if it has one."""
    for mark, codec in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], codec)
    declared = declared_codecs(body, header)
    codec_without_mark = wide_codec(body, declared) or seven_bit_codec(body, declared)
    if codec_without_mark is not None:
        return _decoded(body, codec_without_mark)
    by_accident = declared[:1] and declared[0] in EAST_ASIAN and len(_SEQUENCE.findall(body)) <= _ACCIDENT
    if not by_accident:
        share = utf8_share(body)
        if share == 1:
            return Decoded(body, "utf-8", garbage_share(body))
        if share >= _MIXED:
            return _repaired(body, declared, share)
    return _decoded(body, best_codec(body, declared))


def declared_codecs(body: bytes, header: str | None) -> list[str]:
    """The Python codecs named by HTTP header, XML declaration and `<meta>`, in that order, without unknown labels."""
    head = body[:_DECLARATIONS]
    labels = [header] + [m[1].decode() for m in (_XML.search(head), _META.search(head)) if m]
    found = [codec_of_label(label) for label in labels if label is not None]
    return list(dict.fromkeys(codec for codec in found if codec is not None))


def wide_codec(body: bytes, declared: list[str]) -> str | None:
    """Recognise UTF-16 or UTF-32 without a mark: its markup has zeros at every other byte, or at three of four."""
    head = body[:_WIDE_HEAD]
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
    """Recognise the East Asian encodings that look like ASCII: by their declaration, and JIS also by its escapes."""
    if not body.isascii():
        return None
    if declared[:1] and declared[0].startswith(("iso2022", "hz")):
        return declared[0]
    return "iso2022_jp_ext" if _JIS_ESCAPE.search(body) else None


def utf8_share(body: bytes) -> float:
    """Share of the non-ASCII sequences that are valid UTF-8; 1 exactly if all bytes are valid."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        head = body[:_COUNTED]
        broken = head.decode("utf-8", "replace").count("\ufffd")
        good = len(_SEQUENCE.findall(head))
        return min(good / max(1, good + broken), 0.999)
    return 1.0


def detect(body: bytes) -> str | None:
    """The detector's guess (uchardet, from the first and the last 64 KiB) as a Python codec, or None."""
    detector = EncodingDetector()
    detector.update(body if len(body) <= _DETECTED else body[: _DETECTED // 2] + body[-_DETECTED // 2 :])
    guess = detector.encoding(html5_compatible=False)
    return None if guess is None else codec_of_label(guess)


def best_codec(body: bytes, declared: list[str]) -> str:
    """The codec in which bytes that are not UTF-8 read most like text (see the module's docstring)."""
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
    """Whether to prefer the detector's guess to a codec that also reads like text."""
    if guess == codec:
        return False
    text = body.decode(guess, "replace")
    return foreign_letters(text) >= _EVIDENCE and oddity(text) <= odd


def garbage_share(html: bytes) -> float:
    """Share of bytes that text does not contain: control characters (except white space and escape) and U+FFFD."""
    controls = len(html) - len(html.translate(None, _CONTROLS))
    return (controls + 3 * html.count(b"\xef\xbf\xbd")) / max(1, len(html))


def _repaired(body: bytes, declared: list[str], share: float) -> Decoded:
    """Repair UTF-8 with stray bytes, unless that is in doubt and another codec reads better."""
    text = mend(body)
    if share < _MOSTLY:
        other = best_codec(body, declared)
        if oddity(body.decode(other, "replace")) < oddity(text):
            return _decoded(body, other)
    html = text.encode()
    return Decoded(html, "utf-8", garbage_share(html))


def _decoded(body: bytes, codec: str) -> Decoded:
    # `replace` in both directions: strict decoders yield no lone surrogates, but the promise is valid UTF-8.
    html = body.decode(codec, "replace").encode("utf-8", "replace")
    return Decoded(html, codec, garbage_share(html))
