"""The profanity model on pages: which aggregate and threshold, what is dropped, and how fast."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from fasttext.FastText import _FastText

from benchmarks import crawl
from benchmarks.web_pages import WebPage, halves
from benchmarks.web_pages import pages as web_pages
from classifiers import predict
from classifiers.fasttext_files.linear_model import read
from classifiers.normalise.normalise import cut_lines, packed
from classifiers.pages import aggregate
from classifiers.training import labelled, profanity
from classifiers.training.train import train
from stages.assets import Asset
from stages.badwords import BadWords
from stages.profanity import TRAINED, Profanity

SHARES = (0.05, 0.1, 0.2, 0.4)  # of a mixed page's words that are profane texts
LINES = (0.5, 0.8, 0.9, 0.97)  # thresholds of a line's probability
PAGES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # thresholds of a page's share of words in profane lines
HELD_OUT = ("davidson2017", "jigsaw_sample_2k")

Scores = npt.NDArray[np.float32]


def pages() -> None:
    """Print the choice of thresholds on one half of the web pages, and the report on the other half."""
    choose, report = halves([page for page in web_pages() if page.language in TRAINED])
    print(f"{len(choose)} pages to choose on, {len(report)} to report on (languages {', '.join(TRAINED)})")
    aggregates(choose)
    thresholds(choose, "to choose on")
    thresholds(report, "to report on")
    dropped([*choose, *report])


def aggregates(choose: Sequence[WebPage]) -> None:
    """Print how many mixed pages are found when 1 % of the real ones is. The model has not seen the mixed-in texts."""
    table = profanity.read(labels_file())
    rest, test = labelled.held_out(table, HELD_OUT)
    profane = test.filter(pa.array(np.array(test["label"].to_pylist()) == profanity.PROFANE))["text"].to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        train(profanity.weighed(rest), path, dataclasses.replace(profanity.PARAMETERS, quantise=False))
        model = predict.Classifier(read.__wrapped__(path))
    real = _all_aggregates(model, [page.text for page in choose])
    default = Profanity()
    name, limit = f"share of lines ≥ {default.line_threshold}", default.threshold
    print(
        f"\n| share of profane text | {' | '.join(real)} | {name} over {limit:.0%} |\n|---|{'---|' * (len(real) + 1)}"
    )
    for share in SHARES:
        found = _all_aggregates(model, [mixed(page.text, profane, share, n) for n, page in enumerate(choose)])
        rates = [(found[column] > np.quantile(real[column], 0.99)).mean() for column in real]
        rates.append((found[name] > limit).mean())
        print(f"| {share:.0%} | " + " | ".join(f"{rate:.3f}" for rate in rates) + " |", flush=True)


def labels_file() -> Path:
    """The file of labelled texts."""
    from benchmarks.profanity_texts import labels

    return labels()


def mixed(text: str, profane: Sequence[str], share: float, seed: int) -> str:
    """The page with profane texts between its lines, until they are about `share` of its words."""
    draw = np.random.default_rng(seed)
    lines = [line for line in text.split("\n") if line.strip()]
    wanted, added = share / (1 - share) * len(text.split()), 0
    while added < wanted:
        line = " ".join(profane[int(draw.integers(len(profane)))].split())
        lines.insert(int(draw.integers(len(lines) + 1)), line)
        added += len(line.split())
    return "\n".join(lines)


def _all_aggregates(model: predict.Classifier, texts: Sequence[str]) -> dict[str, Scores]:
    scored = model.score_lines(*packed(texts), profanity.PROFANE)
    shares = {f"share of lines ≥ {line}": aggregate(scored, line).share for line in LINES}
    others = aggregate(scored, 1.0)
    return {**shares, "mean": others.mean, "max": others.max}


def thresholds(web: Sequence[WebPage], name: str) -> None:
    """Print how many real pages the shipped model drops at each pair of thresholds."""
    scored = predict.load().score_lines(*packed([page.text for page in web]), profanity.PROFANE)
    print(f"\nReal pages dropped of the {len(web)} {name}")
    print("| line threshold | " + " | ".join(f"share > {t:.0%}" for t in PAGES) + " |\n|---|" + "---|" * len(PAGES))
    for line in LINES:
        share = aggregate(scored, line).share
        print(f"| {line} | " + " | ".join(str(int((share > t).sum())) for t in PAGES) + " |")


def dropped(web: Sequence[WebPage]) -> None:
    """Print what the stage drops by kind of page, and the pages that it drops or nearly drops."""
    docs = pa.table({"text": [page.text for page in web], "language": [page.language for page in web]})
    out = Profanity()(docs)
    gone = np.array([reason is not None for reason in out["drop"].to_pylist()])
    scores = out["profanity_score"].to_numpy()
    kinds = Counter(page.kind for page in web)
    lost = Counter(page.kind for page, drop in zip(web, gone, strict=True) if drop)
    listed = BadWords(lists=Asset(str(crawl.data() / "labels" / "badwords")))(docs)["drop"].to_pylist()
    hit = Counter(page.kind for page, drop in zip(web, listed, strict=True) if drop)
    print("\n| page type | pages | dropped | dropped by badwords_v1 with LDNOOBW |\n|---|---|---|---|")
    for kind, count in kinds.most_common():
        print(f"| {kind} | {count} | {lost[kind]} | {hit[kind]} |")
    for n in np.argsort(-scores)[:50]:
        text, verdict = " ".join(web[n].text.split()), "DROPPED" if gone[n] else "kept"
        print(f"<!-- {scores[n]:.3f} {verdict} {web[n].kind} {web[n].url[:80]} | {text[:200]} -->")


def speed() -> None:
    """Print the speed of the whole stage over pages of 4 to 6 kB in CPU time, after one pass to warm up, and that of
    fastText's own prediction on the same lines, already normalised.
    """
    texts = [page.text for page in web_pages() if 4_000 <= len(page.text.encode()) <= 6_000]
    docs, stage = pa.table({"text": texts}), Profanity()
    lines = cut_lines(*packed(texts), predict.load().model.form).data.tobytes().decode().splitlines()
    fasttext = _FastText(model_path=str(predict.SHIPPED))
    ours, theirs = [], []
    for _ in range(6):
        start = time.process_time()
        stage(docs)
        middle = time.process_time()
        fasttext.predict(lines, k=2)
        end = time.process_time()
        ours.append(len(texts) / (middle - start))
        theirs.append(len(texts) / (end - middle))
    print(f"\n{len(texts)} pages of {np.mean([len(t.encode()) for t in texts]):,.0f} bytes, one core, medians of five:")
    print(f"the stage {np.median(ours[1:]):,.0f} pages/s, fastText's prediction alone {np.median(theirs[1:]):,.0f}")
