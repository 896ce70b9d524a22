"""A table for notebooks: Arrow inside, pandas one call away, readable as HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from refinedweb.views.terminal import printable

SHOWN_ROWS = 20  # rows of a table in a notebook: about one screen
SHOWN_CHARACTERS = 200  # characters of a cell: two or three lines


class Frame:
    """An Arrow table with an HTML repr. Other libraries read it through the Arrow C stream protocol.

    `shown` makes the HTML that notebooks show instead of the plain table.
    """

    def __init__(self, arrow: pa.Table, shown: Callable[[], str] | None = None) -> None:
        self.arrow = arrow
        self._shown = shown

    def to_pandas(self) -> Any:
        """A pandas DataFrame."""
        return self.arrow.to_pandas()

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.arrow.to_pylist())

    def __getitem__(self, column: str) -> pa.ChunkedArray:
        return self.arrow.column(column)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"{len(self):,} rows × {len(self.arrow.column_names)}: {', '.join(self.arrow.column_names)}"

    def _repr_html_(self) -> str:
        if self._shown is not None:
            return self._shown()
        rows = self.arrow.slice(0, SHOWN_ROWS).to_pylist()
        head = "".join(f"<th>{html.escape(printable(name))}</th>" for name in self.arrow.column_names)
        body = "".join("<tr>" + "".join(f"<td>{_cell(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
        note = f"<p>{len(self):,} rows, {SHOWN_ROWS} shown</p>" if len(self) > SHOWN_ROWS else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return html.escape(printable(text[:SHOWN_CHARACTERS]) + ("…" if len(text) > SHOWN_CHARACTERS else ""))
