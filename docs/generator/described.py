"""What the reference cannot read from the code: a line for each column and field. The build fails if one is missing."""

from __future__ import annotations

COLUMNS = {
    "id": "WARC record id, without `<urn:uuid:` and `>`; else the 128-bit hash of source, offset and content, in hex.",
    "url": "As crawled.",
    "timestamp": "When the page was crawled, UTC.",
    "dump": "For example `CC-MAIN-2024-51`, read from the input's path.",
    "segment": "For example `1733066035857.0`, read from the input's path.",
    "source": "Where the document came from: the input's key.",
    "offset": "Where in `source`: the byte in a WARC, the row number in Parquet and JSON Lines.",
    "length": "Bytes of the record in `source`; null if the format has no such address.",
    "html": "UTF-8 bytes of the decoded page. Absent after extraction.",
    "text": "UTF-8. Null before extraction.",
    "image_urls": "Pairs of URL and alternative text of the images in the main content.",
    "language": "The most probable language, by its code in lid.176.",
    "language_score": "Its probability, 0 to 1.",
    "drop": "Null if the document stays, else the [reason](reasons.md).",
}

ENGINE_COLUMNS = {
    "kept_id": (
        "`string`",
        "For a removed duplicate: the id of the document that was kept instead, or that has the same text. If that one "
        "left in a later step, it names another in its turn.",
    ),
    "cluster_size": (
        "`int64`",
        "How many documents this one stands for: itself, and those that were removed as its duplicates. "
        "For a removed duplicate: how many documents its cluster has.",
    ),
    "weight": ("`double`", "How often the document should be seen in training, by `weight_v1`."),
    "duplicate_spans": (
        "`list of start, end`",
        "With `substring_v1.mode=mask`: spans of `text` that occur elsewhere.",
    ),
    "<stage>.<measure>": ("number", "What a stage measured, such as `quality_v1.words`."),
    "input_<name>": ("any", "A column of the input that has the name of one of these columns but another type."),
}

RECORD = {
    "task": "Number of the task in its step or phase.",
    "fingerprint": "The recipe's. Equal fingerprints mean equal output for equal input.",
    "code_version": "Version and commit of the code that wrote the outputs.",
    "input_key": "The object that was read.",
    "input_etag": "Its etag when it was read.",
    "input_size": "Its size in bytes.",
    "rows_in": "Documents that came in.",
    "rows_kept": "Documents that went on. `rows_in` = `rows_kept` + the sum of `removed` + `rows_lost`, or there is no "
    "commit.",
    "bytes_kept": "Bytes of their text.",
    "removed": "Documents removed: stage → reason → number.",
    "outputs": "The objects that were written.",
    "skipped": "Records of the input that are not documents (requests, metadata): type → number.",
    "damage": "Where the input is broken: `offset` and `error`. A shard with damage is partial.",
    "quarantined": "Documents that killed a worker, took too long or made a stage raise an error: `id` and `error`. "
    "Where documents are compared, also `address` and `reason`.",
    "facts": "Other numbers that a later task needs.",
    "seconds": "How long the task took, in seconds of wall time.",
    "cpu_seconds": "CPU seconds of the worker's process, for a task of a phase; 0 for a task of a pass.",
    "stage_seconds": "The part of `seconds` that each stage took.",
    "peak_memory": "Largest resident memory of the worker, in bytes.",
    "host": "The machine on which it ran.",
    "driver": "Which driver had claimed it.",
    "user": "Who ran it.",
    "committed_at": "When, UTC.",
    "lost": "Why the run goes on without this shard (`--accept-failed`); empty for all others.",
    "rows_lost": "Documents of a lost shard that an earlier pass had counted.",
    "token": "Unique to the attempt: shows whose put won if the store's answer was lost.",
}

RUN_FILE = {
    "recipe": "The resolved recipe: every parameter of every stage, models pinned to their sha256.",
    "recipe_name": "The name under which it was given.",
    "fingerprint": "The recipe's.",
    "code_version": "Version and commit of the driver that began the run.",
    "inputs": "Name, etag and size of every input. The position in this list is the shard's number.",
    "block": "How many tasks of a pass are claimed together.",
    "steps": "The steps: name, kind, stages, what each reads and which decisions it applies.",
    "created_at": "When, UTC.",
    "token": "Unique to the run.",
    "index": "The index of each stage that has one, as it was checked when the run began: name, etag, size, documents "
    "and bytes of text of each file.",
    "survey_of_inputs": "The columns of the inputs: one schema for the run, what is in `metadata` as JSON because its "
    "types do not go together, the kinds of files, where each column of a document was found, and an id that repeats.",
    "origin": "Who began it: user, host, command line without secrets, Python and package versions.",
    "specs": "What the user named as inputs, in full. A driver that was given the same takes `inputs` from here.",
}

# The pages of the reference: path, title, what each lists.
GROUPS = (
    ("stages/index", "Stages", "Parameters, defaults, limits and source of every stage."),
    ("reasons", "Reasons", "Every value of `drop`, and which stage gives it."),
    ("cli", "Command line", "Every command with its options."),
    ("recipes", "Recipes", "The keys of a recipe file, and the recipes that ship."),
    ("columns", "Columns", "The columns of documents, removed documents and decisions."),
    ("ledger", "Ledger", "Commit records, `run.json`, and where everything is."),
    ("exit-codes", "Exit codes", "What the process returns, and the errors that lead to it."),
)
