"""Internals of other packages that this floor uses, each with the reason and a check that they are as expected.

pyarrow: closing or collecting a `ParquetWriter` writes the footer, also of a file that is being given up. Its only way
out is the attribute `is_open`, which is not documented. Known to hold for pyarrow 18 to 26.

Python: `codecs.lookup` finds codecs that are not charsets (base64, rot13); `bytes.decode` refuses them by an attribute
of `CodecInfo` that is not documented. Known to hold for Python 3.11 to 3.13.
"""

from __future__ import annotations

import codecs
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def give_up(writer: pq.ParquetWriter) -> None:
    """Make the writer forget its file: neither `close` nor its finaliser will write a footer.

    Raises ImportError if this pyarrow's writer is not as expected: its finaliser would write into a closed stream.
    """
    if not isinstance(getattr(writer, "is_open", None), bool):
        raise ImportError(
            f"pyarrow {pa.__version__} keeps the state of a ParquetWriter in another way; install pyarrow 18 to 26, or "
            "change refinedweb/patches.py"
        )
    writer.is_open = False


def is_text_encoding(codec: codecs.CodecInfo) -> bool:
    """Whether the codec decodes bytes to text.

    Raises ImportError if this Python's codecs are not as expected.
    """
    try:
        return codec._is_text_encoding
    except AttributeError as error:
        raise ImportError(
            f"Python {sys.version.split()[0]} marks its text encodings in another way; use Python 3.11 to 3.13, or "
            "change refinedweb/patches.py"
        ) from error
