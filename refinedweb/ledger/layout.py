"""Every key of a run's store, in one place: what is kept where below OUT.

    run.json                                  what the run is
    stdin                                     the input that came on standard input
    README.md                                 the dataset card
    report.html                               the report
    corpus/<shard>.parquet                    the result of the last pass
    index/<stage>/<shard>.parquet             keys that a step compared, for later runs
    index.json, merge.json                    the index of several runs in one, and what it is made of
    index/<stage>/documents/<n>.parquet       its documents
    index/<stage>/keys/<n>.shuffle            its keys, in the order in which a shuffle spreads them
    <step>/kept/<shard>.parquet               rows that a pass hands on to later steps
    <step>/removed/<stage>/<shard>.parquet    rows that a pass removed
    <step>/decisions/<shard>.parquet          what a global step decided
    <step>/amended/<shard>.parquet            decisions of it and the steps before that were amended at its end
    <step>/plan.json                          how a global step is split into blocks and partitions
    <step>/phases.json                        a global step is complete
    <ledger>/manifest|failed|rollup/<n>.json  the records, failures and sums of a ledger
    <ledger>/claims/<n>.json                  who works on which block
    <ledger>/drivers/<driver>.json            the heartbeat of a driver
    <ledger>/shuffle/<name>/<n>.shuffle       what a phase hands on to a later one
    jobs/recipes/<digest>.toml                recipes that cloud jobs were launched with
    jobs/parts/<digest>.paths                 the inputs of one part of a run in parts
    jobs/watch/<job>/                         the events of a watched job
    jobs/<job>/                               how the hosts of a job find each other

The ledger of a pass is in the folder `<step>`, that of a phase of a global step in `<step>/<phase>`.

Other programs leave objects in any folder: `._000000.json` (macOS), `.nfs0000…`, `Thumbs.db`, a 0-byte `manifest/`. So
who lists a folder takes the names that have exactly the form which is written here, and leaves the others alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from refinedweb.recipe.plan import Step
from refinedweb.sources import inputs
from refinedweb.storage import ObjectInfo, Store
from stages.base import STAGE_NAME

# Inputs must recognise a run and its corpus, and may not import the ledger.
RUN_FILE = inputs.RUN_FILE
CORPUS = inputs.CORPUS
STDIN = inputs.STDIN
CARD = "README.md"
REPORT = "report.html"
INDEX = "index"
MERGED, MERGE = "index.json", "merge.json"
JOBS = "jobs"
DECIDE = "9-decide"  # the phase of every global step that writes its decisions
AMEND = "8-amend"  # the phase that amends them, if some have to be
RECORDS, FAILURES, ROLLUPS, CLAIMS = "manifest", "failed", "rollup", "claims"
DRIVERS = "drivers"
REMOVED = "removed"
SHUFFLE = "shuffle"
PARQUET_SUFFIX, SHUFFLE_SUFFIX, JSON_SUFFIX = ".parquet", ".shuffle", ".json"

STEP_NAME = re.compile(rf"[0-9]{{2,4}}-(?:filter|corpus|{STAGE_NAME.pattern})")
PHASE_NAME = re.compile(r"[0-9]{1,3}-[a-z0-9_-]{1,60}")
_NUMBER = "([0-9]{6}|[1-9][0-9]{6,9})"  # as `task_name` writes it, and in no other way
_PARQUET, _SHUFFLED, _JSON = (
    f"{_NUMBER}{re.escape(suffix)}" for suffix in (PARQUET_SUFFIX, SHUFFLE_SUFFIX, JSON_SUFFIX)
)
_DRIVER = f"([0-9a-f]{{32}}){re.escape(JSON_SUFFIX)}"
_NUMBERED, _OF_SHARD, _OF_DRIVER = re.compile(_JSON), re.compile(_PARQUET), re.compile(_DRIVER)
_REMOVED_BY = f"{STEP_NAME.pattern}/{REMOVED}/[a-z0-9_]+"
# The key of an object that holds documents, kept or removed; its group 1 is the number of the shard.
DOCUMENTS_KEY = re.compile(rf"(?:{CORPUS}|{_REMOVED_BY})/{_PARQUET}")
_PHASE_KEY = re.compile(rf"({STEP_NAME.pattern}/{PHASE_NAME.pattern})/({RECORDS}|{FAILURES})/{_JSON}")
_HANDED_ON_KEY = re.compile(rf"(.*)/({STEP_NAME.pattern})/kept/{_PARQUET}", re.DOTALL)
_RECORD_KEY = re.compile(rf"{STEP_NAME.pattern}(?:/{PHASE_NAME.pattern})?/{RECORDS}/{_JSON}")
_FAILURE_KEY = re.compile(rf"{STEP_NAME.pattern}(?:/{PHASE_NAME.pattern})?/{FAILURES}/{_JSON}")
_OWN_KEY = re.compile(
    rf"(?:{CORPUS}|{INDEX}/{STAGE_NAME.pattern}|{_REMOVED_BY}|{STEP_NAME.pattern}/(?:kept|decisions|amended))/{_PARQUET}"
    rf"|{STEP_NAME.pattern}/(?:plan|phases){re.escape(JSON_SUFFIX)}"
    rf"|{STEP_NAME.pattern}(?:/{PHASE_NAME.pattern})?/(?:"
    rf"(?:{RECORDS}|{FAILURES}|{ROLLUPS}|{CLAIMS})/{_JSON}|{DRIVERS}/{_DRIVER}"
    rf"|{SHUFFLE}/[a-z0-9_-]+/{_SHUFFLED})"
)


def task_name(number: int) -> str:
    """The name of a task's objects: its number, so that no input's name can lead out of the output folder."""
    return f"{number:06d}"


def number_of(key: str) -> int | None:
    """The number of the task (or block, or event) that an object is about; None if its name is not one of ours."""
    named = _NUMBERED.fullmatch(key, key.rfind("/") + 1)
    return None if named is None else int(named[1])


def shard_of(key: str) -> int | None:
    """The number of the shard whose rows a Parquet object has; None if its name is not one of ours."""
    named = _OF_SHARD.fullmatch(key, key.rfind("/") + 1)
    return None if named is None else int(named[1])


def numbered(store: Store, folder: str) -> Iterator[tuple[int, ObjectInfo]]:
    """The numbered JSON objects directly in a folder, which ends with `/`, in the order of their keys."""
    for info in store.list(folder):
        named = _NUMBERED.fullmatch(info.key, len(folder))
        if named is not None:
            yield int(named[1]), info


def drivers(store: Store, ledger: str) -> Iterator[tuple[str, ObjectInfo]]:
    """The heartbeats of a ledger, each with the name of its driver."""
    folder = drivers_folder(ledger)
    for info in store.list(folder):
        named = _OF_DRIVER.fullmatch(info.key, len(folder))
        if named is not None:
            yield named[1], info


def is_own(key: str) -> bool:
    """Whether an object below a step, the corpus or the index has a name that a run gives. All others are foreign."""
    return _OWN_KEY.fullmatch(key) is not None


def step_folder(step: str) -> str:
    """The prefix of everything that belongs to a step."""
    return f"{step}/"


def phase_folder(step: str, phase: str) -> str:
    """The folder of a phase's ledger and shuffle objects."""
    return f"{step}/{phase}"


def phase_of(key: str) -> str | None:
    """The folder of the phase that this object records a success or failure of; None for any other object."""
    named = _PHASE_KEY.fullmatch(key)
    return None if named is None else named[1]


def is_record(key: str) -> bool:
    """Whether the object is a commit record."""
    return _RECORD_KEY.fullmatch(key) is not None


def is_failure(key: str) -> bool:
    """Whether the object notes why a task failed for good."""
    return _FAILURE_KEY.fullmatch(key) is not None


def ledger_folder(ledger: str, kind: str) -> str:
    """The prefix of a ledger's records, failures, rollups or claims (`kind`)."""
    return f"{ledger}/{kind}/"


def ledger_key(ledger: str, kind: str, number: int) -> str:
    """The key of one record, failure, rollup or claim (`kind`) of a ledger."""
    return f"{ledger_folder(ledger, kind)}{task_name(number)}{JSON_SUFFIX}"


def drivers_folder(ledger: str) -> str:
    """The prefix of the heartbeats of the drivers that work on a ledger."""
    return f"{ledger}/{DRIVERS}/"


def driver_key(ledger: str, driver: str) -> str:
    """The key of a driver's heartbeat."""
    return f"{drivers_folder(ledger)}{driver}{JSON_SUFFIX}"


def shard_key(folder: str, shard: int) -> str:
    """The key of a shard's Parquet object in a folder of such objects."""
    return f"{folder}/{task_name(shard)}{PARQUET_SUFFIX}"


def kept_folder(step: Step) -> str:
    """The folder to which a pass writes the documents that it keeps."""
    return CORPUS if step.last else handed_on_folder(step.name)


def handed_on_folder(step: str) -> str:
    """The folder to which a pass that is not the last one writes the documents that it keeps."""
    return f"{step}/kept"


def handed_on_shard(uri: str) -> tuple[str, str, int] | None:
    """The root of the run, the pass and the shard of what a pass handed on, by its full name; None for other names."""
    named = _HANDED_ON_KEY.fullmatch(uri)
    return None if named is None else (named[1], named[2], int(named[3]))


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


def amended_key(step: str, shard: int) -> str:
    """The key of the decisions about one shard that were amended at the end of a global step."""
    return shard_key(f"{step}/amended", shard)


def plan_key(step: str) -> str:
    """The key of the object that says how a global step is split into blocks and partitions."""
    return f"{step}/plan.json"


def done_key(step: str) -> str:
    """The key of the object that marks a global step as complete; it holds the number of tasks of each phase."""
    return f"{step}/phases.json"


def index_folder(stage: str) -> str:
    """The folder for the keys that one stage compared, for later runs."""
    return f"{INDEX}/{stage}"


def merged_documents_key(stage: str, number: int) -> str:
    """The key of a file of documents of an index of several runs."""
    return shard_key(f"{index_folder(stage)}/documents", number)


def merged_keys_key(stage: str, number: int) -> str:
    """The key of a file of keys of an index of several runs."""
    return f"{index_folder(stage)}/keys/{task_name(number)}{SHUFFLE_SUFFIX}"


def erased_key() -> str:
    """The key of what a merge leaves out: hashes of ids, while it goes on."""
    return "merge.erased"


def shuffle_folder(ledger: str) -> str:
    """The prefix of what a phase hands on to later ones."""
    return f"{ledger}/{SHUFFLE}/"


def shuffle_key(ledger: str, name: str, task: int) -> str:
    """The key of one task's shuffle object called `name`."""
    return f"{shuffle_folder(ledger)}{name}/{task_name(task)}{SHUFFLE_SUFFIX}"


def shuffled_name(key: str) -> str | None:
    """What the rows of a shuffle object are called; None for any other object."""
    return key.split("/")[-2] if key.endswith(SHUFFLE_SUFFIX) else None


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
