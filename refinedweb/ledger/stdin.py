"""Standard input as an input file: kept below the output, because workers and later drivers cannot read it again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import BinaryIO, TextIO, cast

from refinedweb.ledger.layout import RUN_FILE, STDIN
from refinedweb.ledger.output import check_output
from refinedweb.storage import Missing, open_store
from stages.errors import ConfigError

NAME = "-"
CHUNK = 1 << 20  # bytes


def with_standard_input(specs: Sequence[str], out: str, stdin: TextIO) -> list[str]:
    """The specs, with `-` replaced by the name of what `stdin` gave. A run that has begun goes on with what it has.

    Raises ConfigError if it gave nothing.
    """
    if NAME not in specs:
        return list(specs)
    check_output(out)
    store = open_store(out)
    try:
        store.info(RUN_FILE)
        store.info(STDIN)
    except Missing:
        begin = stdin.buffer.read(CHUNK)
        if not begin:
            raise ConfigError("standard input is empty; give the name of a file instead of -") from None
        with store.create(STDIN) as sink:
            sink.write(begin)
            shutil.copyfileobj(stdin.buffer, cast(BinaryIO, sink), CHUNK)
            sink.finish()
    return [store.uri(STDIN) if spec == NAME else spec for spec in specs]
