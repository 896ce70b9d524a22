"""Starts a run: writes `run.json`, or compares the one that exists with what is wanted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from refinedweb.engine import policy
from refinedweb.ledger.layout import RUN_FILE
from refinedweb.ledger.run_file import RunFile, open_run
from refinedweb.ledger.version import code_version
from refinedweb.recipe.plan import steps_of
from refinedweb.recipe.recipe import Recipe, differences
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Store, open_store
from refinedweb.storage.patient import PatientStore
from stages.errors import ConfigError

SHOWN_DIFFERENCES = 6  # lines in a refusal; the rest is only counted


def start_or_resume(recipe: Recipe, inputs: Sequence[Input], out: str) -> RunFile:
    """Write `run.json`, or check that the existing one says the same. Raises ConfigError if it does not."""
    store = PatientStore(open_store(out), policy.PATIENCE_SECONDS)  # all drivers of a fleet ask for it at once
    wanted = RunFile(
        recipe=recipe.content(),
        recipe_name=recipe.name,
        fingerprint=recipe.fingerprint(),
        code_version=code_version(),
        inputs=list(inputs),
        block=policy.block_of(len(inputs)),
        steps=steps_of([name for name, _ in recipe.stages]),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        token=uuid.uuid4().hex,
    )
    try:
        store.put_new(RUN_FILE, wanted.to_json())
    except Exists:
        found = store.repeat(lambda: open_run(out))
        _check_same(store, found, wanted)
        return found
    _check_store(store)
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


def _check_same(store: Store, found: RunFile, wanted: RunFile) -> None:
    if found.fingerprint != wanted.fingerprint:
        lines = differences(found.recipe, wanted.recipe)
        raise ConfigError(_refusal(store, "another recipe", lines or ["the recipe's format"]))
    if found.inputs != wanted.inputs:
        raise ConfigError(_refusal(store, "other inputs", _input_differences(found.inputs, wanted.inputs)))


def _refusal(store: Store, what: str, lines: list[str]) -> str:
    shown = "".join(f"\n  {line}" for line in lines[:SHOWN_DIFFERENCES])
    more = f"\n  … and {len(lines) - SHOWN_DIFFERENCES} more" if len(lines) > SHOWN_DIFFERENCES else ""
    return f"{store.root} holds a run of {what}:{shown}{more}\nChoose another output, or change it back."


def _input_differences(old: list[Input], new: list[Input]) -> list[str]:
    before, after = {item.uri: item for item in old}, {item.uri: item for item in new}
    lines = [f"gone: {uri}" for uri in before if uri not in after]
    lines += [f"new: {uri}" for uri in after if uri not in before]
    lines += [f"changed: {uri}" for uri in before if uri in after and before[uri] != after[uri]]
    return lines or ["the same inputs in another order"]
