"""The walk over the chosen blocks of a page, which gives its text in parts (see the package's docstring)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Literal, NamedTuple

from classifiers.blocks.html.names import TAGS, listed
from stages.extraction.writing import code, escapes, formulas, tables
from stages.extraction.writing.inline import Inline
from stages.extraction.writing.lists import DT, Markers
from stages.extraction.writing.markup import BOUNDARIES, tokens
from stages.extraction.writing.outline import CELLS, HEADINGS, ITEMS, PRES, QUOTE, TABLE, Around, Outline

Format = Literal["plain", "markdown"]
FORMATS = ("plain", "markdown")
HALF = 0.5  # share of a table's or a code's words that must be chosen
MOST_AROUND = 24  # items and quotations, one in the other, that show: the others are written as deep as the last
LONGEST_GAP = 2_000  # bytes of phrasing content between two pieces of one paragraph
_PARAGRAPHS = frozenset(TAGS[name] for name in ("p", "blockquote", "pre", "table", *(f"h{n}" for n in range(1, 7))))
_LINES = frozenset(TAGS[name] for name in listed("p h1 h2 h3 h4 h5 h6 dt td th caption figcaption summary"))
_NO_PROSE = frozenset(TAGS[name] for name in ("button", "label", "noscript"))
_RICH_TEXT = "\u00ad\u200b\u2060\ufeff"


class TextPart(NamedTuple):
    """A piece of the text. `is_code`: its lines stay as they are. `apart`: an empty line goes before and after it."""

    text: str
    is_code: bool
    apart: bool


class Form(NamedTuple):
    """What the elements around a text make of it: its heading's level, its innermost item, and items and quotations
    from the outside in. `whole` is the outermost data table or preformatted text around it.
    """

    level: int
    item: Around | None
    around: tuple[Around, ...]
    whole: Around | None


@dataclass
class Writer:
    """Writes the chosen blocks of one page."""

    outline: Outline
    markdown: bool

    def __post_init__(self) -> None:
        self.markers = Markers(self.outline, self.markdown)
        self.begun: set[int] = set()  # items whose marker is written
        self.is_data: dict[int, bool] = {}
        self.forms: dict[int, Form] = {-1: Form(0, None, (), None)}
        outline = self.outline
        kept = [block for block, is_kept in enumerate(outline.kept) if is_kept]
        first = outline.end(kept[0] - 1) if kept and kept[0] else 0
        self.has_signs = bool(kept) and outline.has_signs(first, outline.end(kept[-1]))

    def text_parts(self) -> Iterator[tuple[str, bool]]:
        """The parts with the line breaks between them, each with whether it is code."""
        prose, apart, is_first = list[str](), False, True
        for part in self.parts():
            if not is_first:
                prose.append("\n\n" if apart or part.apart else "\n")
            if part.is_code:
                yield "".join(prose), False
                yield part.text, True
                prose.clear()
            else:
                prose.append(part.text)
            apart, is_first = part.apart, False
        yield "".join(prose), False

    def parts(self) -> Iterator[TextPart]:
        """The text of the page in parts."""
        outline, block, count = self.outline, 0, len(self.outline.node)
        while block < count:
            if not outline.kept[block] or block == outline.title:
                block += 1
                continue
            form = self._form(outline.node[block])
            if form.whole is not None:
                parts, block = self._written_whole(form.whole, block)
                yield from parts
            else:
                blocks = self._run(block)
                yield from self._paragraph(blocks, form)
                block = blocks[-1] + 1

    def _form(self, node: int) -> Form:
        """The form of the text in a node."""
        place, waiting = self.outline.place(node), list[Around]()
        while place is not None and place.node not in self.forms:
            waiting.append(place)
            place = place.outer
        found = self.forms[place.node if place is not None else -1]
        for each in reversed(waiting):
            found = self.forms[each.node] = self._form_inside(each, found)
        return found

    def _form_inside(self, place: Around, outer: Form) -> Form:
        """The form of the text in a place, by that of what is around it."""
        level, item, around, whole = outer
        if place.tag in CELLS:  # what is around a layout table gives its cells no form
            level, item, around = 0, None, ()
        if place.tag in PRES or (place.tag == TABLE and self._holds_data(place.node)):
            whole = whole or place
        elif place.tag in HEADINGS:
            level = HEADINGS[place.tag]
        elif place.tag in ITEMS or place.tag == QUOTE:
            around = (*around[: MOST_AROUND - 1], place)
            item = place if place.tag in ITEMS else item
        return Form(level, item, around, whole)

    def _holds_data(self, table: int) -> bool:
        known = self.is_data.get(table)
        if known is None:
            rows = tables.rows_of(self.outline, table)
            known = self.is_data[table] = tables.is_data(self.outline, table, rows)
        return known

    def _written_whole(self, place: Around, block: int) -> tuple[list[TextPart], int]:
        """The parts of a table or code that begins with the block or before it, and the first block after it."""
        outline = self.outline
        inside = outline.blocks_in(place.node)
        behind = max(inside[-1] if inside else block, block) + 1
        if place.tag in PRES:
            return self._code(place), behind
        return self._table(place, inside), behind

    def _code(self, place: Around) -> list[TextPart]:
        outline = self.outline
        start = outline.node_html[place.node]
        html = outline.html[start : outline.end_of(place.node)].decode(errors="replace")
        end = html.lower().rfind("</pre")
        html = html[:end] if end >= 0 else html
        text = code.read(html)
        if not text or (code.is_gutter(text) and _in_cell(place)):
            return []
        if not self.markdown:
            return [TextPart(text, True, True)]
        name = code.language(outline, place.node, html)
        return [TextPart(self._prefixed(code.fenced(text, name), self._outside(place)), True, True)]

    def _outside(self, place: Around) -> Form:
        return self._form(place.outer.node if place.outer else 0)

    def _table(self, place: Around, inside: range) -> list[TextPart]:
        outline = self.outline
        rows = tables.rows_of(outline, place.node)
        by_row = [[block for cell in row for block in outline.blocks_in(cell)] for row in rows]
        if not self._is_chosen([block for blocks in by_row for block in blocks]):
            chosen = [self._is_chosen(blocks) for blocks in by_row]
            rows, by_row = list(compress(rows, chosen)), list(compress(by_row, chosen))
        lines = tables.texts(tables.grid(outline, rows), self._cell)
        written = tables.markdown(lines) if self.markdown else tables.plain(lines)
        in_rows = {block for blocks in by_row for block in blocks}
        parts = [part for block in inside if block not in in_rows for part in self._loose(block)]
        if written:
            parts.append(TextPart(self._prefixed("\n".join(written), self._outside(place)), False, self.markdown))
        return parts

    def _loose(self, block: int) -> Iterator[TextPart]:
        """A block of a table that is in none of the written rows, such as its caption."""
        outline = self.outline
        if outline.kept[block]:
            yield from self._paragraph([block], self._form(outline.node[block]))

    def _is_chosen(self, blocks: list[int]) -> bool:
        """Whether at least half of the words of these blocks were chosen."""
        words, kept = self.outline.words, self.outline.kept
        chosen = sum(words[block] for block in blocks if kept[block])
        return chosen > 0 and chosen >= HALF * sum(words[block] for block in blocks)

    def _cell(self, cell: int) -> str:
        outline = self.outline
        start = outline.node_html[cell]
        if self.markdown or (self.has_signs and outline.has_signs(start, outline.end_of(cell))):
            html = outline.html[start : outline.end_of(cell)].decode(errors="replace")
            texts = Inline(html, self.markdown).texts
        else:
            texts = [self._plain(block) for block in outline.blocks_in(cell)]
        return " ".join(" ".join(texts).split())

    def _run(self, block: int) -> list[int]:
        """The blocks of the paragraph that begins with the block."""
        outline = self.outline
        found, base = [block], outline.base(outline.node[block])
        at = block + 1
        while at < len(outline.node) and outline.base(outline.node[at]) == base and self._goes_on(at, base):
            found.append(at)
            at += 1
        while not outline.kept[found[-1]]:
            found.pop()
        return found

    def _goes_on(self, block: int, base: int) -> bool:
        """Whether a block goes on the paragraph of the one before it: there is only phrasing content between them."""
        outline = self.outline
        direct = outline.node[block] == base or outline.node[block - 1] == base
        if not (outline.tag[base] in _LINES or direct):
            return False
        start, end = outline.end(block - 1), outline.begins[block]
        if end - start > LONGEST_GAP and b"<svg" not in outline.html[start : start + 200]:
            return False
        return _is_phrasing(outline.html[start:end].decode(errors="replace"))

    def _plain(self, block: int) -> str:
        start, end = self.outline.spans[block]
        text = self.outline.text[start:end].decode(errors="replace")
        if "\u3000" in text or "\xa0" in text:  # indents of paragraphs
            text = "\n".join(map(str.strip, text.split("\n")))
        return formulas.with_dollars(text) if "\\" in text else text

    def _texts(self, blocks: list[int]) -> list[str]:
        """The paragraphs of these blocks: one, and before it those that hold only formulas."""
        outline = self.outline
        start = 0
        if self.markdown or self.has_signs:
            start = self._start(blocks[0])
        if not self.markdown and not (self.has_signs and outline.has_signs(start, outline.end(blocks[-1]))):
            if len(blocks) == 1:
                return [self._plain(blocks[0])]
            return [self._joined([block for block in blocks if not self._is_left_out(block)])]
        pieces, at = [], start
        for block in blocks:
            if self._is_left_out(block):
                pieces.append(outline.html[at : outline.begins[block]])
                at = outline.end(block)
        html = b"".join([*pieces, outline.html[at : outline.end(blocks[-1])]])
        return Inline(html.decode(errors="replace"), self.markdown).texts

    def _start(self, block: int) -> int:
        """The byte of HTML from which a paragraph's markup is read."""
        outline = self.outline
        before = outline.end(block - 1) if block and block - 1 != outline.title else 0
        follows = block > 0 and outline.kept[block - 1]  # a formula may stand alone between the two
        return before if follows else max(before, outline.node_html[outline.node[block]])

    def _is_left_out(self, block: int) -> bool:
        """Whether it is a button or the like within a paragraph, and was not chosen."""
        return not self.outline.kept[block] and self.outline.tag[self.outline.node[block]] in _NO_PROSE

    def _joined(self, blocks: list[int]) -> str:
        outline, text = self.outline, self._plain(blocks[0])
        for before, block in pairwise(blocks):
            between = outline.html[outline.end(before) - 1 : outline.begins[block]].decode(errors="replace")
            found = tokens(between)
            spaced = any(token.text[:1].isspace() or token.text[-1:].isspace() for token in found)
            broken = any(token.name == "br" for token in found)
            text += ("\n" if broken else " " if spaced else "") + self._plain(block)
        return text

    def _paragraph(self, blocks: list[int], form: Form) -> Iterator[TextPart]:
        outline = self.outline
        is_paragraph = self.markdown or outline.tag[outline.base(outline.node[blocks[0]])] in _PARAGRAPHS
        for text in self._texts(blocks):
            if form.level:
                text = " ".join(text.split("\n")).rstrip("¶").rstrip()
            if not text:
                continue
            if self.markdown:
                lines = [escapes.line_escaped(line) for line in text.split("\n")]
                text = "#" * form.level + " " + lines[0] if form.level else "\\\n".join(lines)
            if form.item is None:
                apart = is_paragraph
            else:
                begins = form.item.tag != DT and form.item.node not in self.begun
                apart = self.markdown and not begins
            yield TextPart(self._prefixed(text, form) if form.around else text, False, apart)

    def _prefixed(self, text: str, form: Form) -> str:
        """The text with the markers of the items and quotations around it, and the indentation that they ask for."""
        first, rest = "", ""
        for each in form.around:
            if each.tag == QUOTE and self.markdown:
                first, rest = first + "> ", rest + "> "
            elif each.tag in ITEMS and each.tag != DT:
                marker = self.markers.of(each.node) + " "
                blank = " " * len(marker)
                first += blank if each.node in self.begun else marker
                rest += blank
                self.begun.add(each.node)
        return first + text.replace("\n", "\n" + rest) if rest else text


def _in_cell(place: Around) -> bool:
    return place.outer is not None and place.outer.tag in CELLS


def _is_phrasing(html: str) -> bool:
    """Whether there are only tags of phrasing content in the HTML, and no two line breaks."""
    names = [token.name for token in tokens(html) if token.name]
    return not any(name in BOUNDARIES or name == "hr" for name in names) and names[:1] != ["br"]
