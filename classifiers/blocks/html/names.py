"""HTML's names as numbers: tags and what they mean for blocks, attributes, roles, character references."""

from __future__ import annotations

from html.entities import html5
from typing import Any

import numpy as np


def listed(words: str) -> list[str]:
    return words.split()


MULTIPLIER = 1_099_511_628_211
_MASK = (1 << 64) - 1


def hashed(name: str) -> int:
    """The hash that the kernels compute of a name, byte for byte (FNV-1a, 64 bits)."""
    value = 14_695_981_039_346_656_037
    for byte in name.encode():
        value = ((value ^ byte) * MULTIPLIER) & _MASK
    return value


# A block-level element has a node; it begins and ends a block of text. Its tag's number is its place in this list.
BLOCK_TAGS = listed(
    "custom html body head div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption article "
    "main section nav header footer aside form fieldset legend figure figcaption blockquote pre address center "
    "details summary hgroup dialog menu label button select datalist template svg object video audio canvas listing "
    "dir search frameset map optgroup option picture noscript"
)
INLINE_TAGS = listed("a b strong br hr img meta")
RAW_TAGS = listed("script style textarea title iframe noembed noframes xmp")
TAGS = {name: number for number, name in enumerate((*BLOCK_TAGS, *INLINE_TAGS, *RAW_TAGS), 1)}
BLOCKS, NAMES = len(BLOCK_TAGS), len(TAGS) + 1
FIRST_RAW = TAGS["script"]

# What the elements around a block say about it, one bit each.
FLAGS = {
    name: 1 << bit
    for bit, name in enumerate(
        listed(
            "silent hidden article main nav header footer aside list table form figure heading quote pre section "
            "body_text comment button definition caption noscript name about byline"
        )
    )
}
_FLAGGED = {
    "silent": "select datalist template svg object video audio canvas map optgroup option",
    "article": "article",
    "main": "main",
    "nav": "nav menu",
    "header": "header",
    "footer": "footer",
    "aside": "aside dialog",
    "list": "ul ol dir",
    "table": "table",
    "form": "form fieldset search",
    "figure": "figure",
    "heading": "h1 h2 h3 h4 h5 h6",
    "quote": "blockquote",
    "pre": "pre listing",
    "section": "section",
    "button": "button label",
    "definition": "dl",
    "caption": "figcaption caption legend",
    "noscript": "noscript",
}
_ROLES = {
    "article": "article",
    "main": "main",
    "navigation": "nav",
    "menu": "nav",
    "menubar": "nav",
    "banner": "header",
    "contentinfo": "footer",
    "complementary": "aside",
    "dialog": "aside",
    "search": "form",
    "heading": "heading",
    "button": "button",
}
_PROPERTIES = {
    name: flag
    for flag, found in {
        "body_text": "articlebody text reviewbody",
        "comment": "comment",
        "name": "headline name",
        "about": "description recipeingredient recipeinstructions ingredients",
        "byline": "author creator publisher datepublished datemodified datecreated commentcount interactionstatistic",
    }.items()
    for name in found.split()
}


# What a page says it is (`og:type`), as numbers; 0 = nothing.
_KINDS = {"website": 1, "article": 2, "product": 3, "og:product": 3}
OTHER_KIND = 4


def _by_hash(values: dict[int, int]) -> tuple[Any, Any]:
    """Sorted hashes, and what each stands for."""
    keys = sorted(values)
    return np.array(keys, np.uint64), np.array([values[key] for key in keys], np.int64)


TAG_SLOT_BITS = 12


def _slots() -> tuple[int, Any, Any]:
    """The shift of a hash, a table of tags by the bits at that shift (no two share a slot), all hashes by number."""
    hashes = np.zeros(NAMES, np.uint64)
    for name, number in TAGS.items():
        hashes[number] = hashed(name)
    for shift in range(64 - TAG_SLOT_BITS, 0, -1):
        slots = (hashes[1:] >> np.uint64(shift)) & np.uint64((1 << TAG_SLOT_BITS) - 1)
        if len(set(slots.tolist())) == len(slots):
            table = np.zeros(1 << TAG_SLOT_BITS, np.int64)
            table[slots.astype(np.int64)] = np.arange(1, NAMES)
            return shift, table, hashes
    raise AssertionError("two tags share a slot at every shift; use more bits")


TAG_SHIFT, TAG_TABLE, TAG_HASHES = _slots()
ROLE_HASHES, ROLE_FLAGS = _by_hash({hashed(name): FLAGS[flag] for name, flag in _ROLES.items()})
PROPERTY_HASHES, PROPERTY_FLAGS = _by_hash({hashed(name): FLAGS[flag] for name, flag in _PROPERTIES.items()})
KIND_HASHES, KIND_NUMBERS = _by_hash({hashed(name): number for name, number in _KINDS.items()})

TAG_FLAGS = np.zeros(NAMES, np.int64)
for _flag, _tags in _FLAGGED.items():
    for _tag in _tags.split():
        TAG_FLAGS[TAGS[_tag]] |= FLAGS[_flag]

# Start tags that end an open paragraph: the HTML standard's list (p in button scope).
CLOSES_P = np.zeros(NAMES, np.bool_)
for _tag in listed(
    "div p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table article main section nav header footer aside form fieldset "
    "figure figcaption blockquote pre address center details summary hgroup dialog menu listing dir search"
):
    CLOSES_P[TAGS[_tag]] = True

# Elements that end tags inside them do not reach beyond.
SCOPES = np.zeros(NAMES, np.bool_)
for _tag in listed("td th caption template"):
    SCOPES[TAGS[_tag]] = True

# Character references of one code point; those of two would be longer than their names.
_SINGLE = {name: ord(value) for name, value in html5.items() if len(value) == 1}
ENTITY_HASHES, ENTITY_POINTS = _by_hash({hashed(n[:-1]): p for n, p in _SINGLE.items() if n.endswith(";")})
LEGACY_HASHES, LEGACY_POINTS = _by_hash({hashed(n): p for n, p in _SINGLE.items() if not n.endswith(";")})
LONGEST_ENTITY = max(map(len, _SINGLE))
LONGEST_LEGACY = max(len(name) for name in _SINGLE if not name.endswith(";"))
WINDOWS_1252 = np.array([ord(bytes([b]).decode("cp1252", "replace")) for b in range(128, 160)], np.int64)
