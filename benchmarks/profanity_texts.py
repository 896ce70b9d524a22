"""The profanity model on texts: by source, in disguise, on probes, in other languages."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import crawl
from classifiers import predict, wordlist
from classifiers.fasttext_files.linear_model import read
from classifiers.normalise.normalise import Form, packed, profane_words
from classifiers.training import baseline, calibrate, evaluate, labelled, overlap, profanity
from classifiers.training.train import train
from stages.profanity import Profanity

LINE = Profanity().line_threshold
PROBES = Path(predict.__file__).parent / "probes"
SCORERS = ("fastText", "linear", "word list")
# Sources that the model is not trained on, only tested on.
OTHERS = ("toxic_spans_civil_comments", "mlma2019", "edos2023")

Truth = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


def labels() -> Path:
    """The file of labelled texts."""
    return crawl.data() / "labels" / "toxicity_train.parquet"


def sources() -> None:
    """Print each source as judged by a model of all other sources, without near-duplicates, and then by a model of a
    random nine tenths of every source.
    """
    table = profanity.read(labels())
    print(f"Leave one source out; precision and recall at {LINE}; fastText not quantised")
    _head()
    for name in profanity.SOURCES:
        rest, test = labelled.held_out(table, [name])
        _lines(name, test, _scores(overlap.without_overlap(rest, test), test))
    print("\nTrained on nine tenths of every source, tested on the other tenth")
    _head()
    rest, test = labelled.random_part(table, 0.1, profanity.SEED)
    kept = overlap.without_overlap(rest, test)
    print(f"<!-- {rest.num_rows - kept.num_rows} near-duplicates removed from {rest.num_rows} -->")
    scores = _scores(kept, test)
    for name in profanity.SOURCES:
        mask = np.array(test["source"].to_pylist()) == name
        _lines(name, test.filter(pa.array(mask)), {scorer: values[mask] for scorer, values in scores.items()})
    print("\nSources that are not trained on (the shipped model)")
    _head()
    for name, test in _other_sources():
        _lines(name, test, {"fastText": _shipped(test["text"].to_pylist()), "word list": _listed(test)})


def thresholds() -> None:
    """Print what a line's threshold means on texts, by language; trained on nine tenths of every source."""
    rest, test = labelled.random_part(profanity.read(labels()), 0.1, profanity.SEED)
    score = trained(profanity.weighed(overlap.without_overlap(rest, test)), "folded_v1")
    print("\n| language | threshold | precision | recall | false alarms |\n|---|---|---|---|---|")
    for code in ("en", "de", "pt", "pl"):
        rows = test.filter(pc.equal(test["lang"], code))
        for p in calibrate.table(score(rows["text"].to_pylist()), _truth(rows), (0.3, 0.5, 0.7, 0.8, 0.9, 0.97)):
            print(f"| {code} | {p.threshold} | {p.precision:.3f} | {p.recall:.3f} | {p.false_alarms:.4f} |")


def _head() -> None:
    print("| source | language | texts | profane | scorer | AUC | AP | precision | recall | false alarms |")
    print("|---|---|---|---|---|---|---|---|---|---|")


def _lines(name: str, test: pa.Table, scores: dict[str, Scores]) -> None:
    truth, language = _truth(test), test["lang"][0].as_py()
    for scorer, values in scores.items():
        threshold = LINE if scorer != "word list" else 0.5
        m = evaluate.measured(values, truth, threshold)
        print(
            f"| {name} | {language} | {m.rows:,} | {m.positives / m.rows:.1%} | {scorer} | {m.auc:.3f} "
            f"| {m.average_precision:.3f} | {m.precision:.3f} | {m.recall:.3f} | {m.false_alarms:.3f} |",
            flush=True,
        )


def _truth(table: pa.Table) -> Truth:
    return np.array(table["label"].to_pylist()) == profanity.PROFANE


def _scores(train_rows: pa.Table, test: pa.Table) -> dict[str, Scores]:
    texts = test["text"].to_pylist()
    weighed = profanity.weighed(train_rows)
    linear = baseline.fit(weighed["text"].to_pylist(), _truth(weighed))
    found = trained(weighed, "folded_v1")(texts), baseline.score(linear, texts), _listed(test)
    return dict(zip(SCORERS, found, strict=True))


def trained(weighed: pa.Table, form: Form) -> Callable[[Sequence[str]], Scores]:
    """A function that scores texts with a model trained on these rows, not quantised (that takes most of the time)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        train(weighed, path, dataclasses.replace(profanity.PARAMETERS, quantise=False, form=form))
        model = predict.Classifier(read.__wrapped__(path))
    return lambda texts: model.score_texts(texts, profanity.PROFANE)


def _shipped(texts: Sequence[str]) -> Scores:
    return predict.load().score_texts(texts, profanity.PROFANE)


def _listed(table: pa.Table) -> Scores:
    """1 for each text that contains an entry of LDNOOBW's list for its language, else 0."""
    codes = sorted(set(table["lang"].to_pylist()))
    folder = crawl.data() / "labels" / "badwords"
    lists = wordlist.build({c: (folder / f"{c}.txt").read_text(encoding="utf-8").splitlines() for c in codes})
    rows = np.array([codes.index(code) for code in table["lang"].to_pylist()], np.int64)
    return (wordlist.count(lists, rows, *packed(table["text"].to_pylist())).hits > 0).astype(np.float32)


def _other_sources() -> Iterator[tuple[str, pa.Table]]:
    table = pq.read_table(labels())
    names = pc.if_else(pc.equal(table["label"], 1), profanity.PROFANE, profanity.CLEAN)
    table = table.set_column(table.schema.get_field_index("label"), "label", names)
    for name in OTHERS:
        rows = labelled.unescaped(table.filter(pc.equal(table["source"], name)).select(list(labelled.COLUMNS)))
        for code in sorted(set(rows["lang"].to_pylist())):
            yield name, rows.filter(pc.equal(rows["lang"], code))


_LEET = str.maketrans("aeiost", "43!057")
_LOOKALIKE = str.maketrans("aeopcx", "аеорсх")
DISGUISE: dict[str, Callable[[str], str]] = {
    "as written": lambda word: word,
    "one star (f*ck)": lambda word: word[0] + "*" + word[2:],
    "stars (f***)": lambda word: word[0] + "*" * (len(word) - 1),
    "spaced (f u c k)": " ".join,
    "dotted (f.u.c.k)": ".".join,
    "digits (sh1t)": lambda word: word[0] + word[1:].translate(_LEET),
    "repeated (fuuuck)": lambda word: word[:2] + word[1] * 3 + word[2:],
    "full-width": lambda word: "".join(chr(ord(c) + 0xFEE0) for c in word),
    "combining marks": lambda word: "".join(c + "\u0336" for c in word),
    "Cyrillic look-alikes": lambda word: word.translate(_LOOKALIKE),
}


def disguises() -> None:
    """Print the recall at the line threshold on Davidson's profane tweets with a listed word, which is disguised;
    trained without Davidson.
    """
    rest, test = labelled.held_out(profanity.read(labels()), ["davidson2017"])
    weighed = profanity.weighed(overlap.without_overlap(rest, test))
    pattern = re.compile(rf"\b({'|'.join(w for w in profane_words() if len(w) >= 4)})\b", re.IGNORECASE)
    profane = test.filter(pa.array(_truth(test)))["text"].to_pylist()
    clean = test.filter(pa.array(~_truth(test)))["text"].to_pylist()
    texts = [text for text in profane if pattern.search(text)][:4000]
    forms: tuple[Form, ...] = ("words_v1", "folded_v1")
    scorers = {form: trained(weighed, form) for form in forms}
    print(f"{len(texts)} tweets; recall at {LINE}\n| disguise | {' | '.join(forms)} |\n|---|---|---|")
    for name, disguise in DISGUISE.items():
        changed = [pattern.sub(lambda found, hide=disguise: hide(found[0].lower()), text) for text in texts]  # type: ignore[misc]
        print(f"| {name} | {' | '.join(f'{(scorers[form](changed) >= LINE).mean():.3f}' for form in forms)} |")
    alarms = " | ".join(f"{(scorers[form](clean) >= LINE).mean():.3f}" for form in forms)
    print(f"| (false alarms on {len(clean)} clean tweets) | {alarms} |")


def probes() -> None:
    """Print the stage's verdicts on the passages, as pages and by kind, and on identity terms in neutral sentences, by
    group.
    """
    stage = Profanity()
    rows = [row for path in sorted(PROBES.glob("*.jsonl")) for row in _json_lines(path)]
    passages = [row for row in rows if "text" in row]
    out = stage(pa.table({"text": [row["text"] for row in passages]}))
    dropped = [reason is not None for reason in out["drop"].to_pylist()]
    print("| kind | passages | dropped | not marked: passages | dropped |\n|---|---|---|---|---|")
    for kind in [*sorted({row["kind"] for row in passages}), "all"]:
        of_kind = [(r, d) for r, d in zip(passages, dropped, strict=True) if kind in (r["kind"], "all")]
        plain = [d for r, d in of_kind if ";" not in r["note"]]
        print(f"| {kind} | {len(of_kind)} | {sum(d for _, d in of_kind)} | {len(plain)} | {sum(plain)} |")
    print("\n| language | passages | dropped |\n|---|---|---|")
    for code in sorted({row["language"] for row in passages}):
        of_code = [d for r, d in zip(passages, dropped, strict=True) if r["language"] == code]
        print(f"| {code} | {len(of_code)} | {sum(of_code)} |")
    for row, drop in zip(passages, dropped, strict=True):
        if drop:
            print(f"<!-- {row['kind']} {row['language']} [{row['note']}] {row['text'][:110]} -->")
    identity(rows)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def identity(rows: Sequence[dict[str, Any]]) -> None:
    """Print the scores of each neutral sentence with each term, as a single line: the hardest case, because a page has
    many lines.
    """
    filled = [
        (row["language"], term["group"], term["term"], template.replace("{term}", term["term"]))
        for row in rows
        if "templates" in row
        for template in row["templates"]
        for term in row["terms"]
    ]
    scores = _shipped([sentence for *_, sentence in filled])
    print(
        f"\n| language | group | sentences | mean score | at {LINE} or more | worst term |\n|---|---|---|---|---|---|"
    )
    for key in sorted({(language, group) for language, group, _, _ in filled}):
        mask = np.array([(language, group) == key for language, group, _, _ in filled])
        terms = np.array([term for _, _, term, _ in filled], object)
        rates = {term: (scores[terms == term] >= LINE).mean() for term in sorted(set(terms[mask]))}
        worst = max(rates, key=lambda term: float(rates[term]))
        print(
            f"| {key[0]} | {key[1]} | {mask.sum()} | {scores[mask].mean():.3f} | {(scores[mask] >= LINE).mean():.2%} "
            f"| {worst} {rates[worst]:.1%} |"
        )


def languages() -> None:
    """Print, by language, the share of sentences of newspapers and encyclopedias (langid_dev) that the shipped model
    finds profane.
    """
    table = pq.read_table(crawl.data() / "labels" / "langid_dev.parquet", columns=["text", "lang"])
    scores, codes = _shipped(table["text"].to_pylist()), np.array(table["lang"].to_pylist())
    print(f"\n| language | sentences | at {LINE} or more |\n|---|---|---|")
    rates = {code: (scores[codes == code] >= LINE).mean() for code in sorted(set(codes))}
    common = [code for code in rates if (codes == code).sum() >= 200]
    for code in dict.fromkeys(["en", "de", "pl", "pt", *sorted(common, key=lambda c: -float(rates[c]))[:8]]):
        print(f"| {code} | {(codes == code).sum()} | {rates[code]:.2%} |")
    print(f"| all {len(rates)} | {len(codes)} | {(scores >= LINE).mean():.2%} |")
