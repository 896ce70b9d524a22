"""Any supervised fastText model as plain arrays, and the note that this package writes after it.

The format is that of `model_file` (version 12), here with word n-grams and all of fastText's losses. A model that this
package trained says at the file's end in which form its texts were (`classifiers.normalise.normalise.Form`), so that
prediction cannot use another one; fastText itself does not read that far. A model without that note takes texts as they
are ("plain").
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifiers.fasttext_files.embedding import LONGEST_NGRAM
from classifiers.fasttext_files.matrices import BinaryReader
from classifiers.fasttext_files.model_file import Arrays, UnsupportedModel, parameters_of, parts_of
from classifiers.normalise.normalise import FORMS, Form
from classifiers.path_cache import cached_by_path

SUPERVISED = 3
HIERARCHICAL_SOFTMAX, NEGATIVE_SAMPLING, SOFTMAX, ONE_VERSUS_ALL = 1, 2, 3, 4
_NOTE = b"\n#form="


@dataclass(frozen=True)
class LinearModel:
    """Labels without `__label__`, the arrays that the kernels read, and the form that texts must have."""

    labels: tuple[str, ...]
    arrays: Arrays
    word_ngrams: int
    loss: int
    form: Form
    sha256: str


@cached_by_path(maxsize=4)
def read(path: Path) -> LinearModel:
    """The model in the file, once per process. Raises UnsupportedModel, FileNotFoundError."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            digest = hashlib.sha256(data).hexdigest()
            return _read(BinaryReader(data), digest)
    except (ValueError, IndexError, OverflowError) as error:
        raise UnsupportedModel(f"{path}: {error}; give a supervised fastText model (.bin or .ftz)") from error


def _read(reader: BinaryReader, digest: str) -> LinearModel:
    parameters = parameters_of(reader)
    if parameters.model != SUPERVISED:
        raise ValueError("not a classifier: its vectors were trained without labels")
    if parameters.word_ngrams > LONGEST_NGRAM:
        raise ValueError(f"word n-grams of {parameters.word_ngrams} words; at most {LONGEST_NGRAM} are known")
    labels, arrays = parts_of(reader, parameters)
    return LinearModel(labels, arrays, parameters.word_ngrams, parameters.loss, _form(reader), digest)


def _form(reader: BinaryReader) -> Form:
    note = bytes(reader.data[reader.at :])
    if not note.startswith(_NOTE):
        return "plain"
    found: Any = note.removeprefix(_NOTE).strip().decode("ascii", "replace")
    if found not in FORMS:
        raise ValueError(f"it wants texts in the form {found!r}, which this version does not know")
    known: Form = found
    return known


def write_form(path: Path, form: Form) -> None:
    """Add the note to a model that fastText has just written."""
    with path.open("ab") as file:
        file.write(_NOTE + form.encode() + b"\n")
