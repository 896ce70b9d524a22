"""The dataset card: a README.md next to the corpus folder that says in the Hub's format what it is and how it was made.

Like those of the corpus, its bytes depend on the input and the recipe alone. It is not inside the corpus folder,
because readers of a folder of Parquet files stumble over anything else in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from refinedweb.ledger.gaps import lost_to
from refinedweb.ledger.layout import CARD, CORPUS
from refinedweb.ledger.manifest import Ledger, Totals
from refinedweb.ledger.run_file import RunFile
from refinedweb.sources.inputs import files_of
from refinedweb.sources.survey import ARCHIVE, JSON, Survey
from refinedweb.sources.unify import METADATA
from refinedweb.storage import Missing, Store
from refinedweb.views import funnel
from refinedweb.views.terminal import line
from stages.schema import is_measure

# The Hub's size categories, one for each power of ten.
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B")
MOST_MISSING = 50  # names of files: a card is for reading, and `refinedweb status` has all
MEANING = {
    "id": "WARC record id, else a hash of the content",
    "url": "as crawled",
    "timestamp": "when the page was crawled, UTC",
    "dump": "the crawl, as Common Crawl names it",
    "segment": "the crawl's segment",
    "source": "the input file; with offset and length the record can be fetched again",
    "offset": "bytes before the record in that file",
    "length": "bytes of the record in that file",
    "text": "the text",
    "image_urls": "images of the main content: lists of [url, alt text]",
    "title": "what the page calls itself",
    "links": "all links of the page: lists of [url, anchor text]",
    "language": "top language (fastText lid.176)",
    "language_score": "its probability",
    "profanity_score": "what profanity_v1 compared with its threshold",
    "cluster_size": "documents that this one stands for: itself and the duplicates that were removed for it",
    "weight": "how often to sample it, by weight_v1",
    "pii_emails": "e-mail addresses masked in the text",
    "pii_ips": "IP addresses masked in the text",
    "pii_phones": "telephone numbers masked in the text",
}

INPUT = "as the input had it"
MEANING_OF_TABLES = {
    "id": "the input's id, else a hash of place and content",
    "url": "as the input had it",
    "timestamp": "as the input had it, UTC",
    "source": "the input file, or where the input says that the record is",
    "offset": "the row's number in that file (from 0), or bytes before the record",
    "length": "null, or bytes of the record",
}


def write_card(store: Store, run: RunFile, totals: Totals) -> str:
    """Write the card of a finished run, unless the same one exists already. Returns its key."""
    lost = lost_to(store, run.steps) if totals.lost else {}
    data = card(run, totals, _schema(store, run, lost), lost).encode()
    try:
        existing, _ = store.get(CARD)
    except Missing:
        existing = b""
    if existing != data:
        store.put(CARD, data)
    return CARD


def card(run: RunFile, totals: Totals, schema: pa.Schema, lost: Collection[int] = ()) -> str:
    """The text of the card. `lost`: the shards that the run went on without."""
    parts = [
        _front(run, totals),
        _about(run, totals),
        *([_missing(run, totals, sorted(lost))] if lost else []),
        _columns(run, schema),
        _how_it_was_made(run, totals),
        _loading(),
        _limits(run),
    ]
    return "\n\n".join(parts) + "\n"


def _schema(store: Store, run: RunFile, lost: Collection[int]) -> pa.Schema:
    ledger = Ledger(store, run.steps[-1].name)
    (record,) = ledger.records([min(ledger.committed().difference(lost))])
    key = next(output.key for output in record.outputs if output.key.startswith(f"{CORPUS}/"))
    with store.open(key, random=True) as file:
        return pq.ParquetFile(file).schema_arrow


def _front(run: RunFile, totals: Totals) -> str:
    """The part that the Hub and `load_dataset` read. JSON is YAML, so whatever a name contains, it stays one value."""
    size = SIZES[min(len(SIZES) - 1, max(0, len(str(totals.rows_kept)) - 3))]
    lines = [
        "---",
        f"pretty_name: {json.dumps(f'{run.recipe_name} corpus')}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: {json.dumps(f'{CORPUS}/*.parquet')}",
        "task_categories:",
        "- text-generation",
        "size_categories:",
        f"- {size}",
    ]
    languages = _languages(run)
    if languages:
        lines += ["language:", *(f"- {json.dumps(code)}" for code in languages)]
    return "\n".join([*lines, "---"])


def _languages(run: RunFile) -> list[str]:
    keep: list[str] = next((table["keep"] for table in run.recipe["stages"] if table["name"] == "language_v1"), [])
    return [code for code in keep if re.fullmatch(r"[a-z]{2,3}", code)]


def _about(run: RunFile, totals: Totals) -> str:
    share = totals.rows_kept / totals.rows_in if totals.rows_in else 0.0
    return (
        f"# {_words(run.recipe_name)} corpus\n\n"
        f"{totals.rows_kept:,} documents ({totals.bytes_kept / 1e6:,.1f} MB of text), {share:.1%} of the "
        f"{totals.rows_in:,} documents in {files_of(run.inputs):,} input files. Made by `refinedweb` with the recipe "
        f"`{_cell(run.recipe_name)}`, fingerprint `{_cell(run.fingerprint)}`: the same input and recipe give "
        "the same bytes."
    )


def _missing(run: RunFile, totals: Totals, lost: Sequence[int]) -> str:
    rows = [f"- `{_cell(run.inputs[shard].name)}`" for shard in lost[:MOST_MISSING]]
    more = [f"- and {len(lost) - MOST_MISSING:,} more"] if len(lost) > MOST_MISSING else []
    counted = (
        f" {totals.rows_lost:,} documents of them had been read before they were lost." if totals.rows_lost else ""
    )
    return (
        f"## What is missing\n\n{len(lost):,} of the {len(run.inputs):,} input files could not be processed, and the "
        f"run went on without them.{counted}\n\n" + "\n".join(rows + more)
    )


def _columns(run: RunFile, schema: pa.Schema) -> str:
    survey, rows = run.survey(), ["| column | type | what it is |", "|---|---|---|"]
    stages = [table["name"] for table in run.recipe["stages"]]
    for field in schema:
        name = field.name
        meaning = MEANING.get(name, "as the input had it, or a stage's score")
        if is_measure(name, stages):
            meaning = f"measure of `{_cell(name.partition('.')[0])}`"
        elif survey is not None and name in survey.schema.names:
            meaning = "what else the input had, as JSON" if name == METADATA and run_has_json(survey) else INPUT
        elif survey is not None and not is_of_archives(survey):
            meaning = MEANING_OF_TABLES.get(name, meaning)
            place = survey.taken.get(name, name)
            meaning += "" if place == name else f", from `{_cell(place)}`"
        rows.append(f"| `{_cell(name)}` | `{_cell(field.type)}` | {meaning} |")
    return "## Columns\n\n" + "\n".join(rows)


def is_of_archives(survey: Survey | None) -> bool:
    """Whether the documents are pages of a crawl, as far as is known."""
    return survey is None or set(survey.kinds) <= {ARCHIVE}


def run_has_json(survey: Survey) -> bool:
    """Whether the column `metadata` is JSON that was made of other columns or keys."""
    return bool(survey.as_json) or JSON in survey.kinds


def _how_it_was_made(run: RunFile, totals: Totals) -> str:
    rows = ["| stage | documents in | removed | left of all | why |", "|---|---:|---:|---:|---|"]
    names = [table["name"] for table in run.recipe["stages"]]
    for row in funnel.funnel(names, totals, faithful=False):
        reasons = ", ".join(f"{_words(reason)} {n:,}" for reason, n in row.removed.items())
        rows.append(f"| `{_cell(row.stage)}` | {row.rows_in:,} | {row.rows_removed:,} | {row.left:.1%} | {reasons} |")
    return (
        "## How it was made\n\nEvery document that went in was kept, or removed with a reason:\n\n" + "\n".join(rows)
        + "\n\nAll parameters:\n\n```json\n" + json.dumps(_parameters(run), indent=1, ensure_ascii=True) + "\n```"
    )  # fmt: skip


def _parameters(run: RunFile) -> dict[str, Any]:
    return {table["name"]: {key: v for key, v in table.items() if key != "name"} for table in run.recipe["stages"]}


def _loading() -> str:
    return """## Loading it

From the folder of this file:

```python
datasets.load_dataset(".", split="train", streaming=True)
duckdb.sql("SELECT url, text FROM 'corpus/*.parquet' LIMIT 10")
polars.scan_parquet("corpus/*.parquet")
pandas.read_parquet("corpus")
```"""


def _limits(run: RunFile) -> str:
    masked = "pii_v1" in [table["name"] for table in run.recipe["stages"]]
    personal = (
        "E-mail and IP addresses are masked; names and other personal data remain."
        if masked
        else "Personal data was not masked."
    )
    if not is_of_archives(run.survey()):
        return (
            f"## Before you use it\n\n{personal} The texts are those of the input, of which this card knows nothing: "
            "say here where they come from, and which rights and limits they have. Filters that look for prose remove "
            "poems, tables, dialogue and code more often than articles."
        )
    return (
        "## Before you use it\n\n"
        f"{personal} The texts are of the web and carry its errors, opinions and gaps; filters that look for prose "
        "remove poems, tables, dialogue and code more often than articles. The rights in each text are its author's."
    )


def _cell(value: object) -> str:
    """The value as what stands between two backticks, also in a table, whatever characters the input's column names
    have.
    """
    return re.sub(r"[|`<>]", " ", line(value)) or " "


def _words(value: object) -> str:
    """The value as text in which no character means anything to Markdown."""
    return re.sub(r"([\\*\[\]!#~$:@])", r"\\\1", re.sub(r"[|`<>&]", " ", line(value)))
