"""Merges the indexes of several runs into one: phases like those of a step, resumed in the same way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict

from refinedweb.dedup.merge_plan import MergePlan, planned_merge
from refinedweb.dedup.merged import FORMAT, MergedIndex, MergedStage, merged_or_none
from refinedweb.dedup.merging import digests_of, phases
from refinedweb.engine.loop import LoopProgress, Watch
from refinedweb.engine.pool import Pool
from refinedweb.engine.settings import RunSettings
from refinedweb.engine.steps import Crew, Done, clear_shuffles, run_phases
from refinedweb.ledger import layout
from refinedweb.ledger.manifest import Ledger
from refinedweb.ledger.output import check_output
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Store, open_store
from refinedweb.storage.patient import PatientStore
from stages.errors import ShardError

Start = Callable[[Sequence[Input]], Pool]


def merge_indexes(
    out: str, sources: Sequence[str], start: Start, settings: RunSettings, watch: Watch, without: Iterable[str] = ()
) -> MergedIndex:
    """Merge the keys that the runs and indexes `sources` hold into an index below `out`, or go on with that.

    `without`: ids of documents that leave, with all that they stood for. `start` is called when the first task needs
    workers. Any number of processes may merge together. Raises ConfigError, ShardError.
    """
    check_output(out)
    store = PatientStore(open_store(out), settings.patience, lambda reason: watch(LoopProgress("", 0, trouble=reason)))
    erased = b"".join(sorted(digests_of(without)))
    plan = planned_merge(store, sources, hashlib.sha256(erased).hexdigest() if erased else "")
    if (complete := merged_or_none(store)) is not None:
        store.delete(layout.erased_key())
        return complete
    if erased:
        store.put(layout.erased_key(), erased)
    files = [item for one in plan.stages for item in (*(file.input for file in one.files), *one.merged)]
    with Crew(lambda: start(files), settings, watch) as crew:
        stages = [_merge_stage(crew, store, plan, number) for number in range(len(plan.stages))]
    merged = MergedIndex(FORMAT, plan.runs, stages)
    with suppress(Exists):
        store.put_new(layout.MERGED, json.dumps(asdict(merged)).encode())
    store.delete(layout.erased_key())
    return merged


def _merge_stage(crew: Crew, store: Store, plan: MergePlan, number: int) -> MergedStage:
    """Merge the keys of one stage."""
    context, task, total = plan.context(store.root, number), plan.task(number), Done()
    complete = run_phases(crew, store, phases(context, task), total)
    if total.failed:
        at, error = next(iter(total.failed.items()))
        raise ShardError(f"the merge of {task.stage} failed in task {at}: {error}; run the same command again")
    facts: Counter[str] = Counter()
    for name, count in complete.items():
        ledger = Ledger(store, layout.phase_folder(context.step.name, name))
        facts.update(ledger.totals(set(range(count)), whole=True).facts)
    clear_shuffles(store, context.step, complete)
    return task.result(context.partitions, facts["documents"], facts["keys"])
