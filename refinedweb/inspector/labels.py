"""Keeps the decisions that a reader found wrong, as labelled texts that `refinedweb classifier train` reads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.storage import open_store
from stages.errors import ConfigError

SCHEMA = pa.schema(
    [(n, pa.string()) for n in ("text", "label", "source", "lang", "id", "url", "stage", "reason", "run")]
)


class Labels:
    """The file of labels. Labels that are in it already stay. Raises ConfigError if the file holds something else."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()
        self._rows: dict[tuple[str, str], dict[str, str | None]] = {}
        if not self.path.exists():
            return
        try:
            table = pq.ParquetFile(self.path).read()
        except (pa.ArrowInvalid, OSError) as error:
            raise ConfigError(f"--labels {path}: not a Parquet file of labels: {error}") from error
        if table.schema.names != SCHEMA.names:
            raise ConfigError(f"--labels {path}: its columns are {', '.join(table.schema.names)}; choose a new file")
        self._rows = {(str(row["run"]), str(row["id"])): row for row in table.to_pylist()}

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, run: str, document: str) -> str | None:
        """The label of a document; None if it has none."""
        row = self._rows.get((run, document))
        return None if row is None else row["label"]

    def mark(self, row: dict[str, str | None]) -> None:
        """Add or replace a label, and write the file."""
        self._rows[(str(row["run"]), str(row["id"]))] = row
        self._write()

    def unmark(self, run: str, document: str) -> None:
        """Remove a label, and write the file."""
        if self._rows.pop((run, document), None) is not None:
            self._write()

    def _write(self) -> None:
        store = open_store(str(self.path.parent))
        with store.create(self.path.name) as sink:
            with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
                writer.write_table(pa.Table.from_pylist(list(self._rows.values()), SCHEMA))
            sink.finish()
