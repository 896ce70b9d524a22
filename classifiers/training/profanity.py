"""The shipped profanity model: its labelled texts, their weights, and the command that trains it.

    python -m classifiers.training.profanity toxicity_train.parquet classifiers/models/profanity_v1.ftz

The file (209,569 texts; sources and licences in `models/CARD.md`) is not shipped. "Profane" is obscene or abusive
language as crowds labelled it. This model does not look for hate in polite words, so sources that label
that (implicit hate, ToxiGen, Hatemoji, MLMA, EDOS, Stormfront, Reddit misogyny) are left out: in some of them profane
texts even count as negatives. So is the one source that has positives only (Civil Comments): it teaches its topics.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.training.labelled import COLUMNS, unescaped, weigh
from classifiers.training.train import TrainingOptions, train

PROFANE, CLEAN = "profane", "clean"
# A source alone, or one of its labels (`source:label`). 1 = each text once.
WEIGHTS = {
    "paradetox": 1.0,
    "davidson2017:profane": 0.35,
    "davidson2017:clean": 1.0,
    "wiki_talk_cat_large": 1.0,
    "wiki_article_negatives": 1.0,
    "jigsaw_sample_2k": 3.0,
    "convabuse": 1.0,
    "told_br": 1.0,
    "germeval2018": 1.0,
    "germeval2019": 1.0,
    "poleval2019_t6": 1.0,
}
SOURCES = tuple(dict.fromkeys(name.partition(":")[0] for name in WEIGHTS))
# German tweets are labelled in more detail: abuse of groups without insulting words is not profanity.
_NOT_PROFANE = ("OFFENSE/ABUSE",)
SEED = 1
PARAMETERS = TrainingOptions(epochs=4, learning_rate=0.15, word_ngrams=1, min_count=5, seed=SEED)


def read(path: Path) -> pa.Table:
    """The texts of all chosen sources, with the labels "profane" and "clean" (see `labelled` for the columns)."""
    table = pq.read_table(path, columns=["text", "label", "source", "lang", "orig_label"])
    chosen = pc.is_in(table["source"], value_set=pa.array(SOURCES, pa.string()))
    chosen = pc.and_(chosen, pc.invert(pc.is_in(table["orig_label"], value_set=pa.array(_NOT_PROFANE, pa.string()))))
    table = table.filter(chosen)
    labels = pc.if_else(pc.equal(table["label"], 1), PROFANE, CLEAN)
    table = table.set_column(table.schema.get_field_index("label"), "label", labels.cast(pa.string()))
    return unescaped(table.select(list(COLUMNS)))


def weighed(table: pa.Table) -> pa.Table:
    """The texts, repeated by the weights of those sources that are present, shuffled."""
    there = set(table["source"].to_pylist())
    return weigh(table, {name: w for name, w in WEIGHTS.items() if name.partition(":")[0] in there}, SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="toxicity_train.parquet")
    parser.add_argument("out", type=Path, help="the model to write (.ftz)")
    options = parser.parse_args()
    table = weighed(read(options.data))
    train(table, options.out, PARAMETERS)
    with options.out.open("rb") as file:
        print(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {options.out}  ({table.num_rows:,} texts)")


if __name__ == "__main__":
    main()
