"""What the reference cannot read off the code: a line for each column and field. The build checks for completeness."""

from __future__ import annotations

COLUMNS = {
    "id": "WARC record id, without `<urn:uuid:` and `>`; else the 128-bit hash of source, offset and content, in hex.",
    "url": "As crawled.",
    "timestamp": "Of the crawl, UTC.",
    "dump": "For example `CC-MAIN-2024-51`, read from the input's path.",
    "segment": "For example `1733066035857.0`, read from the input's path.",
    "source": "Where the document came from: the input's key.",
    "offset": "Where in `source`: byte of a WARC, number of the row of Parquet and JSON Lines.",
    "length": "Bytes of the record in `source`; null where the format has no such address.",
    "html": "UTF-8 bytes of the decoded page. Gone after extraction.",
    "text": "UTF-8. Null before extraction.",
    "image_urls": "Pairs of URL and alternative text, of the images in the main content.",
    "language": "The top language, as lid.176 codes it.",
    "language_score": "Its probability, 0 to 1.",
    "drop": "Null: the document stays. Else the [reason](reasons.md).",
}

ENGINE_COLUMNS = {
    "kept_id": ("`string`", "Of a removed duplicate: the id of the document that was kept instead."),
    "cluster_size": ("`int64`", "Of a removed duplicate: how many documents its cluster has."),
    "duplicate_spans": ("`list of start, end`", "With `substring_v1.mode=mask`: bytes of `text` that occur elsewhere."),
    "<stage>.<measure>": ("number", "What a stage measured, such as `quality_v1.words`."),
    "input_<name>": ("any", "A column of the input that has the name of one of ours but another type."),
}

RECORD = {
    "task": "Number of the task in its step or phase.",
    "fingerprint": "Of the recipe. Equal fingerprints mean equal output for equal input.",
    "code_version": "Version and commit of the code that wrote the outputs.",
    "input_key": "What was read.",
    "input_etag": "Its etag when it was read.",
    "input_size": "Its size in bytes.",
    "rows_in": "Documents that came in.",
    "rows_kept": "Documents that went on. `rows_in` = `rows_kept` + the sum of `removed`, or the commit is refused.",
    "bytes_kept": "Bytes of their text.",
    "removed": "Documents removed: stage → reason → number.",
    "outputs": "The objects that were written.",
    "skipped": "Records of the input that are no documents (requests, metadata): type → number.",
    "damage": "Where the input is broken: `offset` and `error`. The shard is then partial.",
    "quarantined": "Documents that killed or broke a stage: `id` and `error`.",
    "facts": "Other numbers that a later task needs.",
    "seconds": "How long the task took, by the clock.",
    "stage_seconds": "Of them, by stage.",
    "peak_memory": "Largest resident memory of the worker, in bytes.",
    "host": "Where it ran.",
    "driver": "Which driver had claimed it.",
    "committed_at": "When, UTC.",
    "token": "Unique to the attempt: tells whose put won after a lost answer.",
}

RUN_FILE = {
    "recipe": "The resolved recipe: every parameter of every stage, models pinned to their sha256.",
    "recipe_name": "As it was called.",
    "fingerprint": "Of the recipe.",
    "code_version": "Of the driver that began the run.",
    "inputs": "Name, etag and size of every input. The position in this list is the shard's number.",
    "block": "How many tasks are claimed at once.",
    "steps": "The steps: name, kind, stages, what each reads and which decisions it applies.",
    "created_at": "When, UTC.",
    "token": "Unique to the run.",
}

# The pages of the reference: path, title, what each lists.
GROUPS = (
    ("stages/index", "Stages", "Parameters, defaults, limits and source of every stage."),
    ("reasons", "Reasons", "Every value of `drop`, and which stage gives it."),
    ("cli", "Command line", "Every command with its options."),
    ("recipes", "Recipes", "The keys of a recipe file, and the recipes that ship."),
    ("columns", "Columns", "Of documents, removed documents and decisions."),
    ("ledger", "Ledger", "Commit records, `run.json`, and where everything lies."),
    ("exit-codes", "Exit codes", "And the errors behind them."),
)
