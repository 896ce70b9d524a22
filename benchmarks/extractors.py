"""Other extractors of main text, each as a function from a page in UTF-8 to its text."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from functools import lru_cache

import justext
import lxml.html
import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from classifiers import lid

Extractor = Callable[[bytes], str]


def of_trafilatura(html: bytes, **options: bool) -> str:
    return trafilatura.extract(html.decode(errors="replace"), include_comments=False, **options) or ""


def of_resiliparse(html: bytes) -> str:
    return str(extract_plain_text(html.decode(errors="replace"), main_content=True, alt_texts=False, comments=False))


def of_justext(html: bytes) -> str:
    """jusText with the stop words of the page's language; if it has none, with the settings its documentation gives."""
    page = html.decode(errors="replace")
    if not page.strip():
        return ""
    words = _stop_words(_language(extract_plain_text(page)))
    rules = {} if words else {"stopwords_low": 0, "stopwords_high": 0}
    try:
        found = justext.justext(page, words, **rules)
    except (ValueError, lxml.etree.LxmlError):  # lxml refuses some pages, such as one that is only a comment
        return ""
    return "\n".join(paragraph.text for paragraph in found if not paragraph.is_boilerplate)


def of_readability(html: bytes) -> str:
    from readability import Document
    from readability.readability import Unparseable

    try:
        found = Document(html.decode(errors="replace")).summary(html_partial=True)
    except (Unparseable, ValueError, lxml.etree.LxmlError):
        return ""
    return "\n".join(lxml.html.fromstring(found).itertext()) if found.strip() else ""


@lru_cache(maxsize=1)
def _identifier() -> lid.Identifier:
    return lid.load()


def _language(text: str) -> str:
    return _identifier().identify_texts([text]).codes[0] or ""


@lru_cache(maxsize=200)
def _stop_words(code: str) -> frozenset[str]:
    """jusText's list for a language, by its ISO 639 code; empty if it has none."""
    names = {
        "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
        "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fi": "Finnish", "fr": "French",
        "gl": "Galician", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "lt": "Lithuanian",
        "lv": "Latvian", "nl": "Dutch", "no": "Norwegian_Bokmal", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
        "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
        "sw": "Swahili", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "ar": "Arabic", "fa": "Persian",
        "he": "Hebrew", "hi": "Hindi", "ko": "Korean",
    }  # fmt: skip
    name = names.get(code, "")
    return frozenset(justext.get_stoplist(name)) if name in justext.get_stoplists() else frozenset()


PEERS: dict[str, Extractor] = {
    "trafilatura default": of_trafilatura,
    "trafilatura precision": functools.partial(of_trafilatura, favor_precision=True),
    "trafilatura fast": functools.partial(of_trafilatura, fast=True),
    "resiliparse": of_resiliparse,
    "jusText": of_justext,
}
if importlib.util.find_spec("readability"):  # uv sync --group peers
    PEERS["readability-lxml"] = of_readability
