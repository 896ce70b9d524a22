"""The images of a page's main content, as [url, alt] (a column of the published RefinedWeb).

An extractor that keeps images also keeps their captions and scores worse (trafilatura: F1 0.964 without, 0.957 with).
So the images are found separately, from the text that was extracted: the page's long text runs that occur in it show
where the main content is. With a tree, an image belongs to the content if at least 70 % of the run characters in its
frame were extracted. The frame is the smallest element around the image that has any long runs; captions do not count,
and navigation, buttons, logos and tracking pixels are left out. Without a tree (`from_source`), an image belongs to the
content if the runs before and after it were extracted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html import unescape
from itertools import islice
from typing import Any
from urllib.parse import urljoin

from lxml import etree

RUN = 40  # characters of a text run that is long enough to be looked up, with white space collapsed
PROBE = 60  # characters of a run that are looked up
SHARE = 0.7  # the share of an element's run characters that must have been extracted
MOST = 1000  # images that are judged per page
LONGEST_URL = 4096  # characters; longer ones are data, not addresses
PROBED_LINES = 8  # lines at either end of the text that are looked up in the source

Image = tuple[str, str]

_EVENTS = etree.XPath(
    "//img | //text()[string-length() >= 40]"
    "[not(parent::script or parent::style or parent::noscript or parent::textarea or parent::option)]"
)
_FURNITURE = re.compile(
    r"logo|avatar|share|social|related|recommend|sidebar|widget|comment|icon|banner|promo|newsletter|author|byline|nav|menu"
    r"|footer|masthead|more-|most-|trending|ad-|advert|sponsor|teaser|breadcrumb|pixel|track|btn|button|spacer",
    re.IGNORECASE,
)
_OUTSIDE = ("nav", "footer", "aside", "form", "button", "noscript")
_DOT = {"0", "1", "2", "0px", "1px", "2px"}
_SOURCES = ("data-src", "data-original", "data-lazy-src", "src", "data-srcset", "srcset")
_TAG = re.compile(
    r"<(?:(?P<skip>script|style|noscript|textarea|figcaption|nav|aside|footer|button)\b[^<]*+(?:<(?!/(?P=skip))[^<]*+)*+"
    r"|!--[^-]*+(?:-(?!->)[^-]*+)*+|img\b(?P<img>[^>]*))"
    r"|>\s*+(?P<run>[^<]{40,})",
    re.IGNORECASE,
)
_ANY_IMAGE = re.compile("<[iI][mM][gG]\\b")
# A name is tried only from its beginning, and never given back, so that a tag of one long word takes linear time.
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


def from_tree(tree: Any, text: str, url: str | None) -> list[Image]:
    """The images in the lxml tree of a page whose extracted text is `text`, with URLs resolved against the page's."""
    images = [image for image in islice(tree.iter("img"), MOST) if not _is_furniture(image)] if text else []
    if not images:
        return []
    frames = Frames(images)
    haystack = " ".join(text.split())
    inside: list[Any] = []
    passed: list[Any] | None = None
    candidates = set(images)
    for event in _EVENTS(tree):
        if not isinstance(event, str):
            if passed is not None and event in candidates:
                passed.append(event)
        elif frames.weigh(event, haystack):
            inside += passed or []
            passed = []
    between = set(inside)
    base = next((b.get("href") for b in tree.iter("base")), None)
    return _resolved(({**image.attrib} for image in images if frames.hold(image, image in between)), url, base)


class Frames:
    """For every element around the images: how many characters of long runs it has, and how many were extracted."""

    def __init__(self, images: Iterable[Any]) -> None:
        self.characters: dict[Any, int] = {}
        self.extracted: dict[Any, int] = {}
        for image in images:
            for element in image.iterancestors():
                if element in self.characters:
                    break
                self.characters[element] = self.extracted[element] = 0

    def weigh(self, run: Any, haystack: str) -> bool:
        """Count a text run for the elements around it; returns whether it was extracted."""
        collapsed = " ".join(run.split())
        element = run.getparent()
        if run.is_tail:
            element = element.getparent()
        if len(collapsed) < RUN or _is_caption(element):
            return False
        extracted = collapsed[:PROBE] in haystack
        while element is not None and element not in self.characters:
            element = element.getparent()
        while element is not None:
            self.characters[element] += len(collapsed)
            self.extracted[element] += len(collapsed) * extracted
            element = element.getparent()
        return extracted

    def hold(self, image: Any, between: bool) -> bool:
        """Whether the image is in a mostly extracted frame or, if that is the whole page, between extracted runs."""
        frame = next((e for e in image.iterancestors() if self.characters[e] > 0), None)
        if frame is None or self.extracted[frame] < SHARE * self.characters[frame]:
            return False
        return between or frame.tag not in ("body", "html")


def _is_caption(element: Any) -> bool:
    around = [element, *islice(element.iterancestors(), 3)]
    return any(e.tag in ("figure", "figcaption") or "caption" in e.get("class", "") for e in around)


def _is_furniture(image: Any) -> bool:
    """Whether it is a logo, a button, or part of the navigation."""
    if any(True for _ in image.iterancestors(*_OUTSIDE)):
        return True
    near = [image, *(e for e in islice(image.iterancestors(), 3) if e.tag not in ("body", "article", "main"))]
    return _named_furniture(" ".join(e.get(name, "") for e in near for name in ("class", "id")))


@lru_cache(maxsize=1024)
def _named_furniture(names: str) -> bool:
    return _FURNITURE.search(names) is not None


def from_source(html: str, text: str, url: str | None) -> list[Image]:
    """The images from the source of the page, for an extractor without an lxml tree."""
    if not text or _ANY_IMAGE.search(html) is None:
        return []
    return _resolved(islice(_surrounded(html, text), MOST), url, None)


def from_tags(tags: Iterable[str], url: str | None) -> list[Image]:
    """The images of these `<img>` tags, each given as it is in the page."""
    return _resolved(map(attributes_of, islice(tags, MOST)), url, None)


def _span(html: str, text: str) -> tuple[int, int]:
    """Where in the source the extracted text begins and ends, by its first and last long lines that occur literally."""
    probes = [line[:RUN] for line in text.split("\n") if len(line) >= RUN]
    starts = (html.find(probe) for probe in probes[:PROBED_LINES])
    ends = (html.rfind(probe) for probe in probes[: -PROBED_LINES - 1 : -1])
    return next((at for at in starts if at >= 0), 0), next((at for at in ends if at >= 0), 0)


def _surrounded(html: str, text: str) -> Iterator[dict[str, str]]:
    """The attributes of the images between two long runs that were both extracted."""
    start, end = _span(html, text)
    haystack = " ".join(text.split())
    waiting: list[str] | None = []
    for match in _TAG.finditer(html, start, end + PROBE):
        if match["img"] is not None and waiting is not None and len(waiting) < MOST:
            waiting.append(match["img"])
        run = " ".join(unescape(match["run"]).split()) if match["run"] is not None else ""
        if len(run) >= RUN:
            extracted = run[:PROBE] in haystack
            if extracted:
                yield from map(attributes_of, waiting or [])
            waiting = [] if extracted else None


def attributes_of(tag: str) -> dict[str, str]:
    return {m[1].lower(): unescape(m[2] or m[3] or m[4] or "") for m in _ATTRIBUTE.finditer(tag)}


def _resolved(images: Iterable[Mapping[str, str]], url: str | None, base: str | None) -> list[Image]:
    """The absolute URL and alt text of each image, once per URL, in order, without data URIs and malformed URLs."""
    found: dict[str, str] = {}
    for attributes in images:
        source = next((attributes[name].strip() for name in _SOURCES if _usable(attributes.get(name))), None)
        if source is None or _named_furniture(attributes.get("class", "")) or _is_dot(attributes):
            continue
        if address := absolute(source, url, base):
            found.setdefault(address, " ".join(attributes.get("alt", "").split()))
    return list(found.items())


def _is_dot(attributes: Mapping[str, str]) -> bool:
    return attributes.get("width") in _DOT or attributes.get("height") in _DOT


def _usable(source: str | None) -> bool:
    source = "" if source is None else source.strip()
    return 0 < len(source) <= LONGEST_URL and not source.lower().startswith("data:")


def absolute(source: str, url: str | None, base: str | None) -> str:
    """The absolute address of a source (of a srcset, its first candidate); empty if malformed or not http or https."""
    try:
        address = urljoin(urljoin(url or "", base or ""), source.split()[0])
    except ValueError:
        return ""
    return address if address.startswith(("http://", "https://")) else ""
