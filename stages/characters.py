"""`characters_v1`: one form for characters that look alike, so that rules and readers see the same text."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from stages.base import set_column, stage

# Spaces of a width of their own; the ideographic one indents paragraphs, and stays.
_SPACES = dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F), " ")
_UNSEEN = dict.fromkeys((0xAD, 0x2060, 0xFEFF))
# Between words of Thai, Lao, Tibetan, Burmese and Khmer the space without width is the only one.
_ZERO_WIDTH = re.compile(r"(?<![\u0e00-\u109f\u1780-\u17ff])\u200b")
# Arabic letters by their place in the word, katakana of half width, punctuation of vertical lines. Words that are one
# sign (U+FDF0 and after) and marks that stand alone (U+FE70 to U+FE7F) are characters in their own right.
_FORMS = re.compile(r"[\ufb50-\ufdcf\ufe10-\ufe19\ufe31-\ufe48\ufe80-\ufefc\uff61-\uff9f]+")
_RETURNS = re.compile(r"\r\n?")


@stage("characters_v1")
class Characters:
    """Rewrites `text` and removes nothing. Each part can be switched off:

    `line_ends`   CR LF and CR become LF: rules about lines see no carriage return at their ends
    `spaces`      no-break spaces and those of other widths become plain ones; the ideographic space stays
    `unseen`      soft hyphens, word joiners, byte order marks and spaces without width go; the last stay after letters
                  of Thai, Lao, Tibetan, Burmese and Khmer, where they separate words; joiners stay
    `forms`       Arabic presentation forms, katakana of half width and vertical punctuation become the usual
                  characters (their NFKC). Full-width letters and punctuation stay as their authors wrote them
    `compose`     what Unicode composes is composed (NFC)
    Texts in ASCII without carriage returns stay as they are. Source: ours; Unicode Standard Annex 15.
    """

    name: ClassVar[str]
    line_ends: bool = True
    spaces: bool = True
    unseen: bool = True
    forms: bool = True
    compose: bool = True

    def __call__(self, docs: pa.Table) -> pa.Table:
        before = docs.column("text")
        texts = [None if text is None else self.rewritten(text) for text in before.to_pylist()]
        docs = set_column(docs, "text", pa.chunked_array([pa.array(texts, before.type)]))
        if "drop" in docs.column_names:
            return docs
        return set_column(docs, "drop", pc.cast(pa.nulls(docs.num_rows), pa.string()))

    def rewritten(self, text: str) -> str:
        """The text in the usual characters."""
        if self.line_ends and "\r" in text:
            text = _RETURNS.sub("\n", text)
        if text.isascii():
            return text
        if self.unseen:
            text = _ZERO_WIDTH.sub("", text.translate(_UNSEEN))
        if self.spaces:
            text = text.translate(_SPACES)
        if self.forms:
            text = _FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        return unicodedata.normalize("NFC", text) if self.compose else text
