"""Pages that the tests of extraction share."""

from __future__ import annotations

SENTENCE = "The river rose again in the night, and by morning the lower meadow was under water for the second time. "
CONTENT = f"""
<nav><img src="/menu.png" alt="menu"></nav>
<article><h1>The flood</h1><p>{SENTENCE}{SENTENCE}</p>
<figure><img src="../flood.jpg" alt=" the
 flooded   meadow "><figcaption>{SENTENCE.upper()}</figcaption></figure>
<p>Then, in the second week, the water went and left its mud on every field between the mill and the bridge.</p>
<img src="data:image/gif;base64,AAAA" data-src="https://cdn.example.net/barn.jpg?w=1" alt="">
<img src="pixel.gif" width="1" height="1"><img src="http://[bad" alt="x"><img alt="none"><img src="../flood.jpg">
<p>Everybody agreed that the new barn had been built in the right place, on the hill above the mill.</p></article>
<aside><p>You may also like the story of the old bridge, which was never built as it had been planned at all.</p>
<img src="/teaser.jpg"></aside><footer><img src="/logo.png"></footer>"""


def page(*parts: str, head: str = "") -> bytes:
    article = "".join(parts)
    return f"<html><head>{head}</head><body><article>{article}</article></body></html>".encode()


def paragraphs(count: int) -> str:
    return "".join(f"<p>Part {n}. {SENTENCE}</p>" for n in range(count))


def spanned(count: int, span: int) -> bytes:
    cell = f"<tr><td rowspan={span} colspan={span}>{SENTENCE}</td><td>and more</td></tr>"
    return page(paragraphs(3), "<table>" + cell * count + "</table>")
