"""The grid of a data table: every place of every row, empty cells and spanned places too."""

from __future__ import annotations

from collections.abc import Callable

from classifiers.blocks.html.names import TAGS
from stages.extraction.images import attributes_of
from stages.extraction.writing.outline import CELLS, HEADINGS, PRES, TABLE, TH, TR, Outline

MOST_PLACES = 20_000  # of a grid; spans of a table with more count as one place
REPEATED = 40  # characters of a text that stands in each column that it spans
PROSE = 400  # characters of HTML's text in one cell that may be prose
WIDE = 20  # columns that a cell may take even if no row has as many cells
BLOCKS = 6  # in a cell of data, at the most
_FORMS = frozenset(TAGS[name] for name in ("form", "article", "section", "nav", "main", "aside", "header", "footer"))

Grid = list[list[int]]  # the node of the cell at each place, -1 where there is none


def rows_of(outline: Outline, table: int) -> list[list[int]]:
    """The cells of each row of a table, those of tables inside it left out."""
    rows: list[list[int]] = []
    row, node = -1, table + 1
    while node <= outline.last[table]:
        tag = outline.tag[node]
        if tag == TR:
            rows.append([])
            row = node
        elif tag in CELLS:
            if row < 0 or not row <= node <= outline.last[row]:
                rows.append([])
                row = outline.parent[node]
            rows[-1].append(node)
        node = outline.last[node] + 1 if tag == TABLE or tag in CELLS else node + 1
    return [cells for cells in rows if cells]


def grid(outline: Outline, rows: list[list[int]]) -> Grid:
    """The cells by place: a cell stands in every place that it spans."""
    spans = _fitting({cell: _spans(outline, cell) for cells in rows for cell in cells}, rows)
    if sum(across * min(down, len(rows)) for across, down in spans.values()) > MOST_PLACES:
        spans = dict.fromkeys(spans, (1, 1))
    places: list[dict[int, int]] = [{} for _ in rows]
    for at, cells in enumerate(rows):
        column = 0
        for cell in cells:
            across, down = spans[cell]
            while column in places[at]:
                column += 1
            for line in places[at : at + down]:
                for offset in range(across):
                    line.setdefault(column + offset, cell)
            column += across
    width = max((max(line, default=-1) + 1 for line in places), default=0)
    return [[line.get(column, -1) for column in range(width)] for line in places]


def _fitting(spans: dict[int, tuple[int, int]], rows: list[list[int]]) -> dict[int, tuple[int, int]]:
    """The spans, with no row made wider than the widest by a cell that says it takes more columns than any row has."""
    wide = max((sum(spans[c][0] if spans[c][0] <= WIDE else 1 for c in cells) for cells in rows), default=0)
    for cells in rows:
        for cell in cells:
            across, down = spans[cell]
            if across > wide:
                spans[cell] = (max(1, wide - len(cells) + 1), down)
    return spans


def _spans(outline: Outline, cell: int) -> tuple[int, int]:
    """How many columns and rows a cell takes."""
    start = outline.start_tag(cell)
    if "span" not in start.lower():
        return 1, 1
    attributes = attributes_of(start)
    across, down = (_number(attributes.get(name, "")) for name in ("colspan", "rowspan"))
    return max(across, 1), 65_534 if attributes.get("rowspan", "").strip() == "0" else max(down, 1)


def _number(text: str) -> int:
    digits = text.strip()[:6]
    return min(int(digits), 65_534) if digits.isdecimal() and digits.isascii() else 1


def is_data(outline: Outline, table: int, rows: list[list[int]]) -> bool:
    """Whether a table holds data: cells in columns, none with headings, sections, forms or another table's data."""
    start = outline.start_tag(table).lower()
    if "presentation" in start or 'role="none"' in start:
        return False
    has_head = any(outline.tag[cell] == TH for cells in rows for cell in cells)
    widest = max(map(len, rows), default=0)
    if not rows or not (has_head or (widest >= 2 and len(rows) >= 2)):
        return False
    return all(_is_cell_of_data(outline, cell, has_head) for cells in rows for cell in cells)


def _is_cell_of_data(outline: Outline, cell: int, has_head: bool) -> bool:
    inside = range(cell + 1, outline.last[cell] + 1)
    if any(outline.tag[node] in _LAYOUT for node in inside):
        return False
    blocks = outline.blocks_in(cell)
    longest = max((outline.spans[block][1] - outline.spans[block][0] for block in blocks), default=0)
    return len(blocks) <= (4 * BLOCKS if has_head else BLOCKS) and (has_head or longest <= PROSE)


_LAYOUT = frozenset(HEADINGS) | _FORMS | PRES | {TABLE}


def row_text(cells: list[str], bordered: bool) -> str:
    """A row in a line: cells between bars, bars around it too if it is `bordered`."""
    inner = " |".join(f" {cell}" if cell else "" for cell in cells)
    return f"|{inner} |" if bordered else inner[1:]


def texts(places: Grid, text_of: Callable[[int], str]) -> list[list[str]]:
    """The text at each place; that of a cell is read once. One that spans columns stands in each if it is short."""
    known: dict[int, str] = {-1: ""}
    for line in places:
        for cell in line:
            if cell not in known:
                known[cell] = text_of(cell)
    found = []
    for line in places:
        before = [-1, *line]
        found.append(
            [
                known[cell] if cell != left or len(known[cell]) <= REPEATED else ""
                for cell, left in zip(line, before, strict=False)
            ]
        )
    return found


def plain(lines: list[list[str]]) -> list[str]:
    """Rows in lines; all between bars if a row begins or ends with an empty cell or has only one."""
    bordered = any(not line[0] or not line[-1] or len(line) == 1 for line in lines)
    return [row_text(line, bordered) for line in lines if any(line)]


def markdown(lines: list[list[str]]) -> list[str]:
    """A pipe table: the first row is the head."""
    lines = [line for line in lines if any(line)]
    if not lines:
        return []
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    rule = "|" + " --- |" * len(escaped[0])
    return [row_text(escaped[0], True), rule, *(row_text(line, True) for line in escaped[1:])]
