"""Every key of a run's store, in one place: what is kept where below OUT.

    run.json                                  what the run is
    README.md                                 the dataset card
    report.html                               the report
    corpus/<shard>.parquet                    the result of the last pass
    index/<stage>/<shard>.parquet             keys of the corpus, for later runs
    <step>/kept/<shard>.parquet               rows that a pass hands on to later steps
    <step>/removed/<stage>/<shard>.parquet    rows that a pass removed
    <step>/decisions/<shard>.parquet          what a global step decided
    <step>/plan.json                          how a global step is split into blocks and partitions
    <step>/phases.json                        a global step is complete
    <ledger>/manifest|failed|rollup/<n>.json  the records, failures and sums of a ledger
    <ledger>/claims/<n>.json                  who works on which block
    <ledger>/shuffle/<name>/<n>.shuffle       what a phase hands on to a later one
    jobs/recipes/<digest>.toml                recipes that cloud jobs were launched with
    jobs/parts/<digest>.paths                 the inputs of one part of a run in parts
    jobs/watch/<job>/                         the events of a watched job
    jobs/<job>/                               how the hosts of a job find each other

The ledger of a pass is in the folder `<step>`, that of a phase of a global step in `<step>/<phase>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from refinedweb.recipe.plan import Step
from refinedweb.sources import inputs

# Inputs must recognise a run and its corpus, and may not import the ledger.
RUN_FILE = inputs.RUN_FILE
CORPUS = inputs.CORPUS
CARD = "README.md"
REPORT = "report.html"
INDEX = "index"
JOBS = "jobs"
DECIDE = "9-decide"  # the last phase of every global step
RECORDS, FAILURES, ROLLUPS, CLAIMS = "manifest", "failed", "rollup", "claims"
REMOVED = "removed"
SHUFFLE = "shuffle"
PARQUET_SUFFIX, SHUFFLE_SUFFIX, JSON_SUFFIX = ".parquet", ".shuffle", ".json"
# The key of an object that holds documents, kept or removed; its group 1 is the number of the shard.
DOCUMENTS_KEY = re.compile(rf"(?:{CORPUS}|\d\d-[a-z0-9_]+/{REMOVED}/[a-z0-9_]+)/(\d{{6,}}){re.escape(PARQUET_SUFFIX)}")


def task_name(number: int) -> str:
    """The name of a task's objects: its number, so that no input's name can lead out of the output folder."""
    return f"{number:06d}"


def number_of(key: str) -> int:
    """The number of the task (or block) that a ledger's object is about."""
    return int(key[key.rfind("/") + 1 : -len(JSON_SUFFIX)])


def step_folder(step: str) -> str:
    """The prefix of everything that belongs to a step."""
    return f"{step}/"


def phase_folder(step: str, phase: str) -> str:
    """The folder of a phase's ledger and shuffle objects."""
    return f"{step}/{phase}"


def phase_of(key: str) -> str | None:
    """The folder of the phase that this object records a success or failure of; None for any other object."""
    parts = key.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 and parts[2] in (RECORDS, FAILURES) else None


def is_record(key: str) -> bool:
    """Whether the object is a commit record."""
    return f"/{RECORDS}/" in key


def ledger_folder(ledger: str, kind: str) -> str:
    """The prefix of a ledger's records, failures, rollups or claims (`kind`)."""
    return f"{ledger}/{kind}/"


def ledger_key(ledger: str, kind: str, number: int) -> str:
    """The key of one record, failure, rollup or claim (`kind`) of a ledger."""
    return f"{ledger_folder(ledger, kind)}{task_name(number)}{JSON_SUFFIX}"


def shard_key(folder: str, shard: int) -> str:
    """The key of a shard's Parquet object in a folder of such objects."""
    return f"{folder}/{task_name(shard)}{PARQUET_SUFFIX}"


def kept_folder(step: Step) -> str:
    """The folder to which a pass writes the documents that it keeps."""
    return CORPUS if step.last else handed_on_folder(step.name)


def handed_on_folder(step: str) -> str:
    """The folder to which a pass that is not the last one writes the documents that it keeps."""
    return f"{step}/kept"


def removed_folder(step: str, stage: str) -> str:
    """The folder to which a pass writes the documents that one stage removed."""
    return f"{step}/{REMOVED}/{stage}"


def removed_folders(steps: Sequence[Step], stage: str) -> list[tuple[Step, str]]:
    """The passes that may have written what `stage` removed, each with the folder it would be in."""
    passes = [step for step in steps if step.kind == "local"]
    deciding = [step.name for step in steps if step.kind == "global" and stage in step.stages]
    found = [p for p in passes if stage in p.stages or set(deciding) & set(p.applies)]
    return [(step, removed_folder(step.name, stage)) for step in found or passes]


def decisions_key(step: str, shard: int) -> str:
    """The key of a global step's decisions about one shard."""
    return shard_key(f"{step}/decisions", shard)


def plan_key(step: str) -> str:
    """The key of the object that says how a global step is split into blocks and partitions."""
    return f"{step}/plan.json"


def done_key(step: str) -> str:
    """The key of the object that marks a global step as complete; it holds the number of tasks of each phase."""
    return f"{step}/phases.json"


def index_folder(stage: str) -> str:
    """The folder for the keys that one stage computed of the corpus, for later runs."""
    return f"{INDEX}/{stage}"


def shuffle_folder(ledger: str) -> str:
    """The prefix of what a phase hands on to later ones."""
    return f"{ledger}/{SHUFFLE}/"


def shuffle_key(ledger: str, name: str, task: int) -> str:
    """The key of one task's shuffle object called `name`."""
    return f"{shuffle_folder(ledger)}{name}/{task_name(task)}{SHUFFLE_SUFFIX}"


def job_folder(job: str) -> str:
    """The folder in which the hosts of a job leave notes for each other."""
    return f"{JOBS}/{job}"


def watch_folder(job: str) -> str:
    """The folder for the events of a watched job."""
    return f"{JOBS}/watch/{job}"


def job_recipe_key(digest: str) -> str:
    """The key of a recipe that a job was launched with, by its content."""
    return f"{JOBS}/recipes/{digest}.toml"


def part_list_key(digest: str) -> str:
    """The key of the list of one part's inputs, by its content."""
    return f"{JOBS}/parts/{digest}.paths"
