"""A model file from a stranger is refused by name, or scores: no kernel reads outside of it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifiers.blocks import model as blocks
from classifiers.blocks.trees import Trees, check
from classifiers.fasttext_files import linear_model
from classifiers.fasttext_files.model_file import UnsupportedModel, hash_table, read
from classifiers.kernels.hash import FNV32_PRIME, FNV32_SEED
from refinedweb.recipe.load import load_stages
from stages.base import build
from stages.errors import ConfigError
from stages.schema import documents
from tests.conftest import ROOT
from tests.security.models import MODELS, attempts, fasttext

load_stages()
HEAD = {name: 8 + 4 * place for place, name in enumerate(("dim", "ws", "epoch", "min_count", "neg", "word_ngrams", "loss", "model", "bucket", "minn", "maxn"))}  # fmt: skip  # noqa: E501
DICTIONARY = 64  # words and labels, words, labels, tokens (8 bytes), pruned (8 bytes)
ABSURD: list[tuple[str, int, int, int, str]] = [
    ("no buckets", HEAD["bucket"], 4, 0, "0 buckets"),
    ("negative buckets", HEAD["bucket"], 4, -7, "-7 buckets"),
    ("more buckets than vectors", HEAD["bucket"], 4, 71, r"75 × 4 where 76 × 4 belong"),
    ("buckets without end", HEAD["bucket"], 4, 2**31 - 1, "buckets for n-grams"),
    ("longer vectors", HEAD["dim"], 4, 5, "75 × 4 where 75 × 5"),
    ("no vectors", HEAD["dim"], 4, 0, "vectors of 0 numbers"),
    ("long n-grams", HEAD["maxn"], 4, 2**31 - 1, "n-grams of 2 to 2147483647"),
    ("negative n-grams", HEAD["minn"], 4, -3, "n-grams of -3"),
    ("negative word n-grams", HEAD["word_ngrams"], 4, -1, "word n-grams"),
    ("more words", DICTIONARY + 4, 4, 6, "dictionary is damaged"),
    ("a dictionary without end", DICTIONARY, 4, 2**31 - 1, "damaged|cut"),
    ("pruned to more than there is", DICTIONARY + 20, 8, 1 << 40, "said to follow"),
]


@pytest.mark.parametrize(("at", "size", "value", "message"), [case[1:] for case in ABSURD], ids=[c[0] for c in ABSURD])
def test_absurd_numbers_are_refused(tmp_path: Path, at: int, size: int, value: int, message: str) -> None:
    path = tmp_path / "model.bin"
    sound = fasttext()
    path.write_bytes(sound[:at] + value.to_bytes(size, "little", signed=True) + sound[at + size :])
    for opened in (read, linear_model.read):
        with pytest.raises(UnsupportedModel, match=rf"model\.bin: .*({message})"):
            opened(path)
    for name in ("language_v1", "classifier_v1"):
        with pytest.raises(ConfigError, match=r"model\.bin"):
            build(name, {"model": str(path)})(documents(text=["a text"]))


def swapped(sound: bytes, old: bytes, new: bytes) -> bytes:
    assert sound.count(old) >= 1
    return sound.replace(old, new, 1)


PRUNED = fasttext(pruned=20)
PAIR = np.array([3, 1], "<i4").tobytes()
WRONG = {
    "a bucket that is not there": swapped(PRUNED, PAIR, np.array([70, 1], "<i4").tobytes()),
    "a negative bucket": swapped(PRUNED, PAIR, np.array([-1, 1], "<i4").tobytes()),
    "a bucket twice": swapped(PRUNED, PAIR, np.array([0, 1], "<i4").tobytes()),
    "a row that is not there": swapped(PRUNED, PAIR, np.array([3, 20], "<i4").tobytes()),
    "another row": swapped(PRUNED, PAIR, np.array([3, -2], "<i4").tobytes()),
    "more parts": swapped(PRUNED, np.array([4, 2, 2, 2], "<i4").tobytes(), np.array([4, 3, 2, 2], "<i4").tobytes()),
    "no parts": swapped(PRUNED, np.array([4, 2, 2, 2], "<i4").tobytes(), np.array([4, 0, 2, 2], "<i4").tobytes()),
    "wider parts": swapped(PRUNED, np.array([4, 2, 2, 2], "<i4").tobytes(), np.array([4, 2, 8, -4], "<i4").tobytes()),
    "fewer codes": swapped(PRUNED, np.array([50], "<i4").tobytes(), np.array([-1], "<i4").tobytes()),
    "no label": fasttext().replace(b"\1", b"\0"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", WRONG.values(), ids=list(WRONG))
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.ftz"
    path.write_bytes(data)
    with pytest.raises(UnsupportedModel, match=r"model\.ftz"):
        read(path)


def test_words_that_collide_are_refused() -> None:
    """FNV of 32 bits is turned round: two bytes of each word decide where it goes."""
    wanted: list[bytes] = []
    number = 0
    while len(wanted) < 2_000:
        word = number.to_bytes(4, "little").hex().encode()
        state = int(FNV32_SEED)
        for byte in word:
            state = ((state ^ byte) * int(FNV32_PRIME)) & 0xFFFFFFFF
        if state & 4095 < 32:
            wanted.append(word)
        number += 1
    with pytest.raises(ValueError, match="collide"):
        hash_table(wanted)


def trees(**changed: Any) -> Trees:
    """A node with two leaves."""
    arrays = {
        "feature": np.array([1, 0, 0], np.uint16), "threshold": np.array([0.5, np.inf, np.inf], np.float32),
        "first_child": np.array([1, 1, 2], np.uint32), "value": np.array([0, 1, -1], np.float32),
        "roots": np.array([0], np.uint32), "depths": np.array([1], np.uint16),
    }  # fmt: skip
    return Trees(**{name: np.array(changed.get(name, values), values.dtype) for name, values in arrays.items()})


@pytest.mark.parametrize(
    "changed",
    [
        {"first_child": [2, 1, 2]},
        {"first_child": [9, 1, 2]},
        {"first_child": [1, 0, 2]},
        {"first_child": [2**32 - 1, 1, 2]},
        {"feature": [2, 0, 0]},
        {"roots": [3]},
        {"depths": [60_000]},
        {"depths": [1, 1]},
        {"threshold": [0.5, np.inf, 1.0]},
        {"threshold": [0.5]},
        {"value": [0, np.nan, 0]},
    ],
)
def test_trees_that_lead_out_or_back_are_refused(changed: dict[str, Any]) -> None:
    check(trees(), 2)
    with pytest.raises(ValueError, match=r"."):
        check(trees(**changed), 2)


def test_a_model_of_blocks_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blocks.npz"
    with np.load(blocks.SHIPPED) as found:
        arrays = dict(found)
    np.savez(path, **{**arrays, "cues": np.zeros((65 << 20,), np.int8)})
    with pytest.raises(blocks.BadModel, match="of arrays"):
        blocks.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        packed = io.BytesIO()
        np.save(packed, arrays["cues"])
        archive.writestr("cues.npy", packed.getvalue().replace(b"(16384,), }  ", b"(9638400,), }"))
    with pytest.raises(blocks.BadModel, match="is said to have"):
        blocks.load(path)


@pytest.mark.parametrize("name", MODELS)
def test_damaged_models_are_refused_or_score(name: str, tmp_path: Path) -> None:
    found = list(attempts(name, 40 if name == "blocks" else 150, tmp_path / "model"))
    assert 0 < found.count("scored") < len(found)


@pytest.mark.slow
def test_no_damaged_model_makes_a_kernel_read_outside_of_it(tmp_path: Path) -> None:
    """The kernels are compiled with bounds checks, of which they have none as they run."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.security.models", "1000"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
