"""The HTML parser of the engine `trafilatura`. Runs in the child process only."""

from __future__ import annotations

from typing import Any


def html_parser() -> Any:
    """trafilatura's parser with `huge_tree`, because the limits are the child's deadline and memory, not libxml2's."""
    import lxml.html

    parser = lxml.html.HTMLParser(
        collect_ids=False,
        default_doctype=False,
        encoding="utf-8",
        huge_tree=True,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    parser.set_element_class_lookup(element_classes())
    return parser


def element_classes() -> Any:
    """Makes every element an HtmlElement, in C (lxml.html chooses by a Python function, for forms and inputs)."""
    import lxml.html
    from lxml import etree

    return etree.ElementDefaultClassLookup(
        element=lxml.html.HtmlElement,
        comment=lxml.html.HtmlComment,
        pi=lxml.html.HtmlProcessingInstruction,
        entity=lxml.html.HtmlEntity,
    )
