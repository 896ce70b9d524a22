"""The plain notation of the sample's text files, and how it becomes HTML.

A file contains articles. Each begins with `# Title`, followed by optional `key: value` lines, a blank line, and blocks
separated by blank lines: `## heading`, `- list item`, code indented by four spaces, `![alt](src)`, `@author` with that
author's post below it, or a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

_IMAGE = re.compile(r"!\[((?:(?!\]\().)*+)\]\((.*)\)")
_TAG = re.compile(r"</?[a-z0-9]+")


@dataclass(frozen=True)
class Article:
    """One article of a text file; `fields` are its `key: value` lines."""

    title: str
    fields: dict[str, str]
    body: str

    @property
    def slug(self) -> str:
        """The last part of its URL, and its name in the planted pages."""
        return self.fields.get("slug") or re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def articles(text: str) -> Iterator[Article]:
    """The articles of a file, in order."""
    for part in re.split(r"^# ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n\n")
        title, *lines = head.split("\n")
        yield Article(title, dict(line.split(": ", 1) for line in lines), body.strip("\n"))


def blocks(body: str) -> list[str]:
    """The blocks of an article."""
    return re.split(r"\n\n+", body.strip("\n"))


def to_html(body: str, *, old: bool = False) -> str:
    """The blocks as HTML 5 or, if `old`, with the capitals and the missing end tags of older pages."""
    html = "\n".join(_block(block) for block in blocks(body))
    if not old:
        return html
    return _TAG.sub(lambda tag: tag[0].upper(), re.sub(r"</(p|li)>", "", html))


def prose(body: str) -> str:
    """The text of the last paragraph, without markup: what should still be found after extraction."""
    plain = [block for block in blocks(body) if not block.startswith(("#", "- ", "    ", "!", "@"))]
    return (plain or [""])[-1].replace("\n", " ")


def _block(block: str) -> str:
    if block.startswith("## "):
        return f"<h2>{escape(block[3:])}</h2>"
    if block.startswith("- "):
        items = "\n".join(f"<li>{escape(line[2:])}</li>" for line in block.split("\n"))
        return f"<ul>\n{items}\n</ul>"
    if block.startswith("    "):
        code = re.sub("^    ", "", block, flags=re.M)
        return f"<pre><code>{escape(code, quote=False)}</code></pre>"
    if block.startswith("@"):
        author, _, text = block[1:].partition("\n")
        post = f'<div class="author">{author}</div><div class="content"><p>{escape(text, quote=False)}</p></div>'
        return f'<div class="post">{post}</div>'
    image = _IMAGE.fullmatch(block)
    if image is not None:
        return f'<figure><img src="{image[2]}" alt="{escape(image[1])}"></figure>'
    return f"<p>{escape(block, quote=False)}</p>"
