"""Starts a run or joins one: writes `run.json`, or compares the one that exists with what is wanted.

Only the first driver lists the inputs. A driver that joins was given the same names, which `run.json` records; it takes
the list from there, and every input's etag is checked when the input is opened. So a relaunch of a hundred hosts costs
a hundred reads of one object, however many inputs there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from refinedweb.engine import policy
from refinedweb.ledger import layout
from refinedweb.ledger.holder import is_gone
from refinedweb.ledger.layout import RUN_FILE
from refinedweb.ledger.origin import origin
from refinedweb.ledger.output import check_output
from refinedweb.ledger.own_runs import note_own_run
from refinedweb.ledger.run_file import RunFile, StageIndex, open_run, run_or_none
from refinedweb.ledger.version import code_version
from refinedweb.recipe.plan import steps_of
from refinedweb.recipe.recipe import Recipe, differences
from refinedweb.sources.inputs import FoundInputs, Input, InputSpecs, in_parts
from refinedweb.sources.survey import survey
from refinedweb.storage import Changed, Exists, Store, open_store
from refinedweb.storage.patient import PatientStore
from stages.errors import ConfigError

SHOWN_DIFFERENCES = 6  # lines in a refusal; the rest is only counted


class Begun(NamedTuple):
    """A run that this driver started or joined, and the files that listing its inputs left out, with the reasons."""

    run: RunFile
    joined: bool
    left_out: Sequence[str] = ()
    reasons: Sequence[str] = ()


def begin(
    recipe: Recipe, specs: InputSpecs, out: str, *, check: bool = False, losses: bool = False,
    patience: float = policy.PATIENCE_SECONDS,
) -> Begun:  # fmt: skip
    """Start the run of the inputs that `specs` name, or join it. `check`: list the inputs even to join. `losses`: the
    user accepts that shards are lost, so inputs that are gone or changed are no reason to refuse. `patience`: seconds
    to wait for a store that does not answer. Raises ConfigError, Unfinished.
    """
    check_output(out)
    store = _patient(out, patience)
    run = run_or_none(store)
    fresh = run is None or _may_be_replaced(store, run, recipe, specs.full())
    if run is None or fresh:
        index = _checked_index(recipe)
        found = _found(recipe, specs, out, patience)
        _check_needs(recipe, found.inputs)
        wanted = _run_of(store, recipe, found.inputs, specs.full(), index)
        run = _created(store, wanted) if run is None else _replaced(store, run, wanted)
        if run is not None:
            return Begun(run, False, found.left_out, found.reasons)
        run = store.repeat(lambda: open_run(out))  # of the many drivers that started together, one was first
    _check_recipe(store, run, recipe)
    if not check and run.specs == specs.full():
        return Begun(run, True)
    found = _found(recipe, specs, out, patience)
    _check_inputs(store, run, found.inputs, losses)
    return Begun(run, True, found.left_out, found.reasons)


def _found(recipe: Recipe, specs: InputSpecs, out: str, patience: float) -> FoundInputs:
    """The shards: files, and parts of large ones. Patient with stores that do not answer. Wrong specs are an error at
    once.
    """

    def find() -> FoundInputs:
        found = specs.find(out)
        if recipe.run.limit is not None:  # the first documents of each file
            return found
        return replace(found, inputs=in_parts(found.inputs, recipe.source))

    return _patient(out, patience).repeat(find)


def _patient(out: str, patience: float) -> PatientStore:
    """The store at `out`, for which all drivers of a fleet ask at once. What it refuses at the start is refused."""
    return PatientStore(open_store(out), patience, denied=0)


def start_or_resume(recipe: Recipe, inputs: Sequence[Input], out: str) -> RunFile:
    """Write `run.json`, or check that the existing one says the same. Raises ConfigError if it does not."""
    store = _patient(out, policy.PATIENCE_SECONDS)
    run = run_or_none(store)
    if run is None:
        index = _checked_index(recipe)
        _check_needs(recipe, inputs)
        run = _created(store, _run_of(store, recipe, inputs, [], index))
        if run is not None:
            return run
        run = store.repeat(lambda: open_run(out))
    _check_recipe(store, run, recipe)
    _check_inputs(store, run, inputs, losses=False)
    return run


def _checked_index(recipe: Recipe) -> dict[str, StageIndex]:
    """Once per run: a driver that joins finds in `run.json` what was found."""
    from refinedweb.dedup.planning import checked_index  # kernels are expensive to import, and views do without

    return checked_index(recipe)


def _check_needs(recipe: Recipe, inputs: Sequence[Input]) -> None:
    from refinedweb.engine.needs import check_needs

    check_needs(recipe, inputs)


def _run_of(
    store: PatientStore, recipe: Recipe, inputs: Sequence[Input], specs: list[str], index: dict[str, StageIndex]
) -> RunFile:
    """What `run.json` is to say. As patient with the inputs' store as with that of the output."""
    seen = store.repeat(lambda: survey([item.uri for item in inputs], recipe.source))
    return RunFile(
        recipe=recipe.content(),
        recipe_name=recipe.name,
        fingerprint=recipe.fingerprint(),
        code_version=code_version(),
        inputs=list(inputs),
        block=policy.block_of(len(inputs)),
        steps=steps_of([name for name, _ in recipe.stages]),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        token=uuid.uuid4().hex,
        specs=specs,
        origin=origin(),
        survey_of_inputs=seen.to_plain(),
        index=index,
    )


def _created(store: Store, wanted: RunFile) -> RunFile | None:
    """Write `run.json`; None if there is one."""
    try:
        store.put_new(RUN_FILE, wanted.to_json())
    except Exists:
        return None
    _check_store(store)
    note_own_run(wanted)
    return wanted


def _may_be_replaced(store: Store, run: RunFile, recipe: Recipe, specs: list[str]) -> bool:
    """Whether this is another run than the one that is wanted, of which nothing came to be: its command was wrong, and
    this is the corrected one. Who works on a run holds a claim, and who starts its workers has not failed yet: then it
    stays, unless the process that began it is known to be gone.
    """
    if run.fingerprint == recipe.fingerprint() and run.specs == specs:
        return False
    own = [info.key for info in islice((o for o in store.list() if layout.is_own(o.key)), len(run.inputs) + 1)]
    nothing = all(layout.is_failure(key) for key in own)
    return nothing and (bool(own) or is_gone(str(run.origin.get("process", ""))))


def _replaced(store: Store, old: RunFile, wanted: RunFile) -> RunFile | None:
    """Write `run.json` instead of that of a run of which nothing came to be; None if another driver was faster."""
    data, etag = store.get(RUN_FILE)
    if data != old.to_json():
        return None
    failures = [info.key for info in store.list() if layout.is_failure(info.key)]
    try:
        store.put_match(RUN_FILE, wanted.to_json(), etag)
    except Changed:
        return None
    store.delete_many(failures)
    note_own_run(wanted)
    return wanted


def _check_store(store: Store) -> None:
    """A store that lets a second writer create the same object cannot hold a ledger."""
    try:
        store.put_new(RUN_FILE, b"{}")
    except Exists:
        return
    raise ConfigError(
        f"{store.root}: this store ignores create-only writes; `refinedweb doctor {store.root}` says more"
    )


def _check_recipe(store: Store, found: RunFile, recipe: Recipe) -> None:
    if found.fingerprint != recipe.fingerprint():
        lines = differences(found.recipe, recipe.content())
        raise ConfigError(_refusal(store, "another recipe", lines or ["the recipe's format"]))


def _check_inputs(store: Store, found: RunFile, inputs: Sequence[Input], losses: bool) -> None:
    """Raises ConfigError if the run has other inputs. With `losses`, its own may be gone or changed."""
    if found.inputs == list(inputs):
        return
    new, worse = _input_differences(found.inputs, inputs)
    if losses and worse and not new:
        return
    hint = "" if new or not worse else "\nOr go on without what is gone or changed: add --accept-failed N."
    raise ConfigError(_refusal(store, "other inputs", [*worse, *new] or ["the same inputs in another order"]) + hint)


def _refusal(store: Store, what: str, lines: list[str]) -> str:
    shown = "".join(f"\n  {line}" for line in lines[:SHOWN_DIFFERENCES])
    more = f"\n  … and {len(lines) - SHOWN_DIFFERENCES} more" if len(lines) > SHOWN_DIFFERENCES else ""
    return f"{store.root} holds a run of {what}:{shown}{more}\nChoose another output, or change it back."


def _input_differences(old: Sequence[Input], new: Sequence[Input]) -> tuple[list[str], list[str]]:
    """What is new, and what is gone or changed."""
    before, after = {item.name: item for item in old}, {item.name: item for item in new}
    gone = [f"gone: {name}" for name in before if name not in after]
    changed = [f"changed: {name}" for name in before if name in after and before[name] != after[name]]
    return [f"new: {name}" for name in after if name not in before], gone + changed
