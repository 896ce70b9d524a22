"""Every key of a run's store: one place that says what lies where below OUT.

    run.json                                 what the run is
    README.md                                the dataset card
    corpus/<shard>.parquet                   the result of the last pass
    index/<stage>/<shard>.parquet            keys of the corpus, for later runs
    <step>/kept/<shard>.parquet              rows that a pass hands to the next steps
    <step>/removed/<stage>/<shard>.parquet   rows that a pass removed
    <step>/decisions/<shard>.parquet         what a global step decided
    <step>/plan.json, <step>/phases.json     how a global step is cut up; that it is complete
    <ledger>/manifest|failed|rollup/<n>.json records, failures and sums of a ledger
    <ledger>/claims/<n>.json                 who works on which block
    <ledger>/shuffle/<name>/<n>.shuffle      what a phase hands to a later one

A ledger's folder is `<step>` of a pass and `<step>/<phase>` of a phase of a global step.
"""

from __future__ import annotations

from collections.abc import Sequence

from refinedweb.recipe.plan import Step

RUN_FILE = "run.json"
CARD = "README.md"
CORPUS = "corpus"
INDEX = "index"
DECIDE = "9-decide"  # the last phase of every global step
RECORDS, FAILURES, ROLLUPS, CLAIMS = "manifest", "failed", "rollup", "claims"
REMOVED = "removed"
SHUFFLE = "shuffle"
PARQUET_SUFFIX, SHUFFLE_SUFFIX, JSON_SUFFIX = ".parquet", ".shuffle", ".json"


def task_name(number: int) -> str:
    """The name of a task's objects: its number, so that no input's name can lead outside the output."""
    return f"{number:06d}"


def ledger_folder(ledger: str, kind: str) -> str:
    """The folder of a ledger's records, failures, rollups or claims (`kind`)."""
    return f"{ledger}/{kind}/"


def ledger_key(ledger: str, kind: str, number: int) -> str:
    """One record, failure, rollup or claim (`kind`) of a ledger."""
    return f"{ledger_folder(ledger, kind)}{task_name(number)}{JSON_SUFFIX}"


def shard_key(folder: str, shard: int) -> str:
    """A shard's Parquet object in a folder of such objects."""
    return f"{folder}/{task_name(shard)}{PARQUET_SUFFIX}"


def kept_folder(step: Step) -> str:
    """Where a pass writes the documents that go on."""
    return CORPUS if step.last else handed_on_folder(step.name)


def handed_on_folder(step: str) -> str:
    """Where a pass that is not the last one writes the documents that go on."""
    return f"{step}/kept"


def removed_folder(step: str, stage: str) -> str:
    """Where a pass writes the documents that one stage removed."""
    return f"{step}/{REMOVED}/{stage}"


def removed_folders(steps: Sequence[Step], stage: str) -> list[tuple[Step, str]]:
    """The passes that may have written what `stage` removed, and the folder in which."""
    passes = [step for step in steps if step.kind == "local"]
    deciding = [step.name for step in steps if step.kind == "global" and stage in step.stages]
    found = [p for p in passes if stage in p.stages or set(deciding) & set(p.applies)]
    return [(step, removed_folder(step.name, stage)) for step in found or passes]


def decisions_key(step: str, shard: int) -> str:
    """A global step's decisions about one shard."""
    return shard_key(f"{step}/decisions", shard)


def plan_key(step: str) -> str:
    """How a global step is cut into blocks and partitions."""
    return f"{step}/plan.json"


def done_key(step: str) -> str:
    """An object that says that a global step is complete: how many tasks which of its phases had."""
    return f"{step}/phases.json"


def index_folder(stage: str) -> str:
    """Where a run leaves the keys of its corpus that one stage made."""
    return f"{INDEX}/{stage}"


def shuffle_folder(ledger: str) -> str:
    """What a phase hands to later ones."""
    return f"{ledger}/{SHUFFLE}/"


def shuffle_key(ledger: str, name: str, task: int) -> str:
    """One task's shuffle object called `name`."""
    return f"{shuffle_folder(ledger)}{name}/{task_name(task)}{SHUFFLE_SUFFIX}"
