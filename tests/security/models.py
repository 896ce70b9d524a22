"""Small model files of every kind, and damage to them: as a module, it scores with damaged ones under bounds checks.

NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=... python -m tests.security.models CASES
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.blocks import model as blocks
from classifiers.fasttext_files import linear_model, model_file
from classifiers.fasttext_files.model_file import UnsupportedModel
from classifiers.lid import Identifier
from classifiers.predict import Classifier

WORDS, LABELS, DIM, BUCKETS, PARTS = 5, 3, 4, 70, 2
PAGE = b"<html><title>t</title><p>Some words of a page, and some more.</p><ul><li>one<li>two</ul></html>" * 3
TEXTS = ["one two three", "", "drei vier, one one " * 20, "</s> x", "\x85 __label__a b"]


def matrix(rows: int, quantised: bool, norms: bool) -> bytes:
    if not quantised:
        values = np.linspace(-1, 1, rows * DIM, dtype="<f4")
        return b"\0" + struct.pack("<qq", rows, DIM) + values.tobytes()
    out = b"\1" + bytes([norms]) + struct.pack("<qqi", rows, DIM, rows * PARTS) + bytes(range(rows * PARTS))
    out += struct.pack("<4i", DIM, PARTS, 2, 2) + np.linspace(-1, 1, DIM * 256, dtype="<f4").tobytes()
    if norms:
        out += bytes(range(rows)) + struct.pack("<4i", 1, 1, 1, 1) + np.ones(256, "<f4").tobytes()
    return out


def fasttext(loss: int = 3, word_ngrams: int = 1, pruned: int | None = None, norms: bool = False) -> bytes:
    """A supervised model; quantised if it is `pruned` (to this number of n-grams) or has `norms`."""
    head = struct.pack("<14id", 793712314, 12, DIM, 5, 5, 1, 5, word_ngrams, loss, 3, BUCKETS, 2, 4, 100, 1e-4)
    entries = [(f"word{n}".encode(), 9 - n, 0) for n in range(WORDS)]
    entries += [(f"__label__{n}".encode(), 9 - n, 1) for n in range(LABELS)]
    head += struct.pack("<3iqq", WORDS + LABELS, WORDS, LABELS, 100, -1 if pruned is None else pruned)
    head += b"".join(name + b"\0" + struct.pack("<qb", count, kind) for name, count, kind in entries)
    head += b"".join(struct.pack("<ii", 3 * n, n) for n in range(pruned or 0))
    rows = WORDS + (BUCKETS if pruned is None else pruned)
    return head + matrix(rows, pruned is not None or norms, norms) + matrix(LABELS, norms, False)


def blocks_file() -> bytes:
    """The model that ships, without compression: damage then reaches the arrays."""
    folder = Path(tempfile.mkdtemp())
    with np.load(blocks.SHIPPED) as found:
        np.savez(folder / "blocks.npz", **found)
    return (folder / "blocks.npz").read_bytes()


def score_language(path: Path) -> None:
    model_file.read.cache_clear()
    Identifier(model_file.read(path)).identify_texts(TEXTS)


def score_label(path: Path) -> None:
    linear_model.read.cache_clear()
    model = Classifier(linear_model.read(path))
    model.score_texts(TEXTS, model.labels[0])


def score_blocks(path: Path) -> None:
    blocks._load.cache_clear()
    blocks.load(path).scored(PAGE)


MODELS: dict[str, tuple[Callable[[], bytes], Callable[[Path], None]]] = {
    "softmax": (fasttext, score_language),
    "tree": (lambda: fasttext(loss=1), score_language),
    "pruned": (lambda: fasttext(pruned=20), score_language),
    "norms": (lambda: fasttext(norms=True), score_label),
    "word n-grams": (lambda: fasttext(loss=4, word_ngrams=3), score_label),
    "blocks": (blocks_file, score_blocks),
}
NUMBERS = [-(2**31), -1, 0, 1, 2, 63, 64, 255, 256, 1 << 20, 2**31 - 1]


def damaged(data: bytes, number: int) -> bytes:
    """Numbers, bytes or the length of the file changed, mostly at its start, where the sizes stand."""
    chance = random.Random(number)
    out = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(min(len(out), chance.choice((80, 400, len(out)))))
        change = chance.choice(("number", "number", "byte", "cut", "more"))
        if change == "number":
            out[at : at + 4] = struct.pack("<i", chance.choice(NUMBERS))
        elif change == "byte":
            out[at] = chance.randrange(256)
        elif change == "cut":
            del out[at : at + chance.choice((1, 8, len(out)))]
        else:
            out[at:at] = bytes(chance.choice((1, 4, 8)))
        out = out or bytearray(1)
    return bytes(out)


def attempts(name: str, cases: int, path: Path) -> Iterator[str]:
    """What became of each damaged file: `scored`, or what is wrong with it."""
    make, score = MODELS[name]
    sound = make()
    for number in range(cases):
        path.write_bytes(damaged(sound, number))
        try:
            score(path)
        except (UnsupportedModel, blocks.BadModel) as error:
            yield str(error)
        else:
            yield "scored"


def main(cases: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            found: list[Any] = list(attempts(name, cases, Path(folder, "model")))
            print(name, len(found), found.count("scored"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
