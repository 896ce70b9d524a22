"""Internals of other packages that this floor changes or relies on, with reasons and checks of what is expected.

trafilatura and jusText: four changes make an extraction up to twice as fast and change none of its results.
`utils.HTML_PARSER`    makes elements without a Python call each, as our own parser does (`stages.extraction.parser`).
`xpaths`               its lists of XPath expressions are replaced by screened ones (`stages.extraction.xpath`).
`core.PathInfo`        jusText's joins the names of all ancestors at every paragraph, twice: the square of the depth.
`external.JT_STOPLIST` is looked up in a cache by a hash over all its 100,000 words; ours has its hash ready.
`utils.trim` and `utils.line_processing` keep the pieces of earlier pages in caches, which we empty after each page.

lxml and resiliparse report a failed allocation with words of their own (`is_memory_error`).

Known to hold for trafilatura 2.0 to 2.3, jusText 3.0, lxml 6.1 and resiliparse 2.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

_PATH_MEMBERS = {"append", "pop", "dom", "xpath"}  # what jusText's paragraphs and their maker use of a path
# The words by which a failed allocation is known, by the module or the class of the error: lxml has no words for
# libxml2's error, and resiliparse gives the number of lexbor's.
_MEMORY_WORDS = {"lxml.etree": "unknown error", "HTMLParserException": "(Error 2)"}


class TreePath:
    """Where jusText is in the tree. Its paragraphs only ask for the names of the ancestors, which are joined once."""

    xpath = ""

    def __init__(self) -> None:
        self.above: list[int] = []
        self.dom = ""

    def append(self, name: str) -> None:
        self.above.append(len(self.dom))
        self.dom = f"{self.dom}.{name}" if self.dom else name

    def pop(self) -> None:
        self.dom = self.dom[: self.above.pop()]


class Stoplist(tuple[str, ...]):
    """jusText's stop words, with a hash that is known without reading all 100,000 of them."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self)


def speed_up_trafilatura() -> None:
    """Make the changes, for the rest of the process. Raises ImportError if the packages are not as expected."""
    check_trafilatura()
    from justext import core
    from trafilatura import external, utils

    from stages.extraction.parser import element_classes
    from stages.extraction.xpath import screened

    utils.HTML_PARSER.set_element_class_lookup(element_classes())
    for expressions in _expressions():
        expressions[:] = [screened(expression) for expression in expressions]
    core.PathInfo = TreePath
    external.JT_STOPLIST = Stoplist(external.jt_stoplist_init())


def forget_page() -> None:
    """Empty the caches in which trafilatura keeps pieces of the last page."""
    from trafilatura import utils

    utils.trim.cache_clear()
    utils.line_processing.cache_clear()


def check_trafilatura() -> None:
    """Raises ImportError, naming the versions, if what `speed_up_trafilatura` changes is not as expected."""
    try:
        missing = next(_unexpected(), None)
    except (ImportError, AttributeError) as error:
        missing = str(error)
    if missing is not None:
        raise ImportError(
            f"trafilatura {version('trafilatura')} with justext {version('justext')} is not built as expected "
            f"({missing}); install trafilatura 2.0 to 2.3 and justext 3.0, or adapt stages/patches.py"
        )


def _unexpected() -> Iterator[str]:
    """What differs from the versions that are known. Raises AttributeError for a name that is missing."""
    from justext import core
    from trafilatura import external, utils

    for changed in (
        utils.HTML_PARSER.set_element_class_lookup, utils.trim.cache_clear, utils.line_processing.cache_clear,
        external.jt_stoplist_init,
    ):  # fmt: skip
        if not callable(changed):
            yield f"{changed} cannot be called"
    if not hasattr(external, "JT_STOPLIST"):
        yield "trafilatura.external has no JT_STOPLIST"
    if not any(hasattr(expression, "path") for expressions in _expressions() for expression in expressions):
        yield "trafilatura.xpaths has no lists of XPath expressions"
    members = {name for name in vars(core.PathInfo) if not name.startswith("_")}
    if not members or members - _PATH_MEMBERS:
        yield f"justext.core.PathInfo has {', '.join(sorted(members)) or 'no members'}"


def _expressions() -> Iterator[list[Any]]:
    from trafilatura import xpaths

    return (value for value in vars(xpaths).values() if isinstance(value, list))


def is_memory_error(error: object) -> bool:
    """Whether this is a failed allocation: Python's own MemoryError, or the error that lxml or resiliparse raises."""
    named = [_MEMORY_WORDS[name] for name in (type(error).__module__, type(error).__name__) if name in _MEMORY_WORDS]
    return isinstance(error, MemoryError) or any(word in str(error) for word in named)
