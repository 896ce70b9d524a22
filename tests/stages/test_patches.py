"""What `stages.patches` expects of other packages, and what it says when they have changed."""

from __future__ import annotations

from typing import Any

import pytest
from justext import core
from trafilatura import external, utils, xpaths

from stages import patches


def test_the_installed_packages_are_as_expected() -> None:
    patches.check_trafilatura()


def test_the_path_gives_the_names_that_justext_gives() -> None:
    ours, theirs = patches.TreePath(), core.PathInfo()
    for name in ("html", "body", "div", None, "p", "b", None, None, "p"):
        for path in (ours, theirs):
            if name is None:
                path.pop()
            else:
                path.append(name)
        assert ours.dom == theirs.dom


class OtherPath:
    """A path with a member that ours does not have."""

    append = pop = dom = xpath = depth = None


@pytest.mark.parametrize(
    ("module", "name", "value", "says"),
    [
        (external, "JT_STOPLIST", None, "has no JT_STOPLIST"),
        (external, "jt_stoplist_init", None, "has no attribute 'jt_stoplist_init'"),
        (utils, "trim", None, "has no attribute 'trim'"),
        (utils, "trim", str.strip, "has no attribute 'cache_clear'"),
        (utils, "HTML_PARSER", None, "has no attribute 'HTML_PARSER'"),
        (core, "PathInfo", OtherPath, "PathInfo has append, depth, dom, pop, xpath"),
    ],
)
def test_a_change_of_another_package_is_explained(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: object, says: str
) -> None:
    if value is None:
        monkeypatch.delattr(module, name)
    else:
        monkeypatch.setattr(module, name, value)
    with pytest.raises(ImportError, match=says) as raised:
        patches.check_trafilatura()
    assert "install trafilatura 2.0 to 2.3 and justext 3.0, or adapt stages/patches.py" in str(raised.value)


def test_expressions_that_are_gone_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name, value in vars(xpaths).items() if isinstance(value, list)]:
        monkeypatch.delattr(xpaths, name)
    with pytest.raises(ImportError, match="no lists of XPath expressions"):
        patches.check_trafilatura()


def test_failed_allocations_are_known() -> None:
    class HTMLParserException(Exception):
        pass

    lxml_error = type("XMLSyntaxError", (Exception,), {"__module__": "lxml.etree"})
    assert patches.is_memory_error(MemoryError())
    assert patches.is_memory_error(lxml_error("unknown error"))
    assert patches.is_memory_error(HTMLParserException("Could not parse (Error 2)"))
    assert not patches.is_memory_error(lxml_error("Document is empty"))
    assert not patches.is_memory_error(ValueError("unknown error (Error 2)"))
