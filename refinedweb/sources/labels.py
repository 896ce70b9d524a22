"""Map the names of charsets to Python codecs, as browsers understand them.

The WHATWG Encoding Standard (section 4.2) maps each label to the encoding that the web means by it: `iso-8859-1` is
windows-1252, `gb2312` is GBK. Python's codecs of these names are narrower, so each is replaced by the codec that
decodes everything the web's encoding does. Labels outside the standard that Python knows (IBM855, UTF-32) work too.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from resiliparse.parse.encoding import map_encoding_to_html5

from refinedweb.patches import is_text_encoding

# By Python's canonical name of the narrower codec: the one that covers the web's encoding.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "latin_1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-13": "cp1257",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso2022_jp": "iso2022_jp_ext",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
}
_ALIASES = {
    "uhc": "cp949",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ukrainian": "mac_cyrillic",
    "maccyrillic": "mac_cyrillic",
    "hz-gb-2312": "hz",
    "windows-874": "cp874",
    "x-user-defined": "cp1252",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "euc-tw": "big5hkscs",
    "viscii": "cp1258",
}
# Python codecs that are not charsets of text, or in which bytes may turn into markup (UTF-7).
_REFUSED = frozenset({"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
EAST_ASIAN = frozenset({"gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"})
WIDE = frozenset({"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
# Guesses of the detector that browsers do not support: taken only if nothing else reads like text.
RARE = frozenset(
    {"cp437", "cp737", "cp775", "cp850", "cp852", "cp858", "cp862", "cp865", "mac-latin2", "mac-roman", "iso8859-3"}
)
_DIALECT = re.compile(r"^(.*\d)[-_][a-z]+$")


@lru_cache(maxsize=1024)
def codec_of_label(label: str) -> str | None:
    """The Python codec for a charset label as pages and headers write it; None if no text charset has that name.

    A word after a number is not part of the label (`windows-1251-russian` is windows-1251).
    """
    name = re.sub(r"[^a-z0-9_:.\-]", "", label.lower())
    found = _lookup(name)
    dialect = _DIALECT.match(name)
    return _lookup(dialect[1]) if found is None and dialect is not None else found


def _lookup(name: str) -> str | None:
    name = _ALIASES.get(name, name)
    try:
        info = codecs.lookup(map_encoding_to_html5(name, fallback_utf8=False) or name)
    except (LookupError, ValueError):
        return None
    if info.name in _REFUSED or not is_text_encoding(info):
        return None
    return _WIDER.get(info.name, info.name)
