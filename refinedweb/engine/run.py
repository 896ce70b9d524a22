"""A run: `run.json` says what it is, its steps are executed one after the other, the ledger says how far it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from refinedweb.claims import LEASE_SECONDS
from refinedweb.engine.loop import Watch
from refinedweb.engine.pool import Pool, RayPool
from refinedweb.inputs import Input
from refinedweb.manifest import Totals, load_or_none
from refinedweb.plan import Step, steps_of
from refinedweb.recipe import Recipe, differences
from refinedweb.storage import Exists, Store, open_store
from refinedweb.totals import is_complete, run_totals
from refinedweb.version import code_version
from stages.errors import ConfigError

RUN_FILE = "run.json"
BLOCKS = 512
MOST_PER_BLOCK = 64
RECYCLE_BYTES = 16 << 30
SHOWN = 6


@dataclass(frozen=True)
class RunFile:
    """What a run is, written once: recipe, inputs (number = shard), and how tasks are claimed."""

    recipe: dict[str, Any]
    recipe_name: str
    fingerprint: str
    code_version: str
    inputs: list[Input]
    block: int
    steps: list[Step]
    created_at: str
    token: str

    def to_json(self) -> bytes:
        plain = {**self.__dict__, "steps": [asdict(step) for step in self.steps]}
        return json.dumps(plain, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, loaded: dict[str, Any]) -> RunFile:
        steps = [Step.from_json(step) for step in loaded["steps"]]
        return cls(**{**loaded, "inputs": [Input(*item) for item in loaded["inputs"]], "steps": steps})

    @property
    def faithful(self) -> bool:
        """Is it the recipe of the paper, so that the paper's rates may stand beside ours?"""
        return self.recipe_name == "refinedweb"


@dataclass
class Result:
    """How a run ended. Tasks that `failed` for good are those of `failed_step`: the steps after it were not begun."""

    totals: Totals
    failed: dict[int, str] = field(default_factory=dict)
    failed_step: str = ""
    attempts: int = 0
    deaths: int = 0

    @property
    def exit_code(self) -> int:
        """0 done, 3 finished with quarantined documents, partial or failed shards."""
        return 3 if self.failed or self.totals.partial or self.totals.quarantined else 0


def open_run(out: str) -> RunFile:
    """The run below `out`. Raises ConfigError where there is none."""
    store = open_store(out)
    loaded = load_or_none(store, RUN_FILE)
    if loaded is None:
        raise ConfigError(f"no run at {store.root}: there is no {RUN_FILE}; give the output of `refinedweb run`")
    return RunFile.from_json(loaded)


def start_or_resume(recipe: Recipe, inputs: Sequence[Input], out: str) -> RunFile:
    """Write `run.json`, or check that the one that is there says the same. Raises ConfigError where it does not."""
    store = open_store(out)
    wanted = RunFile(
        recipe=recipe.content(),
        recipe_name=recipe.name,
        fingerprint=recipe.fingerprint(),
        code_version=code_version(),
        inputs=list(inputs),
        block=max(1, min(MOST_PER_BLOCK, len(inputs) // BLOCKS)),
        steps=steps_of([name for name, _ in recipe.stages]),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        token=uuid.uuid4().hex,
    )
    try:
        store.put_new(RUN_FILE, wanted.to_json())
    except Exists:
        found = open_run(out)
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
        f"{store.root}: this store ignores create-only writes; `refinedweb doctor {store.root}` tells more"
    )


def _check_same(store: Store, found: RunFile, wanted: RunFile) -> None:
    if found.fingerprint != wanted.fingerprint:
        lines = differences(found.recipe, wanted.recipe)
        raise ConfigError(_refusal(store, "another recipe", lines or ["the recipe's format"]))
    if found.inputs != wanted.inputs:
        raise ConfigError(_refusal(store, "other inputs", _input_differences(found.inputs, wanted.inputs)))


def _refusal(store: Store, what: str, lines: list[str]) -> str:
    shown = "".join(f"\n  {line}" for line in lines[:SHOWN])
    more = f"\n  … and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"{store.root} holds a run of {what}:{shown}{more}\nChoose another output, or change it back."


def _input_differences(old: list[Input], new: list[Input]) -> list[str]:
    before, after = {item.uri: item for item in old}, {item.uri: item for item in new}
    lines = [f"gone: {uri}" for uri in before if uri not in after]
    lines += [f"new: {uri}" for uri in after if uri not in before]
    lines += [f"changed: {uri}" for uri in before if uri in after and before[uri] != after[uri]]
    return lines or ["the same inputs in another order"]


@dataclass(frozen=True)
class Settings:
    """How to run, without influence on the output."""

    workers: int | None = None
    address: str | None = None
    lease: float = LEASE_SECONDS


def execute(
    recipe: Recipe, inputs: Sequence[Input], out: str, settings: Settings, watch: Watch, started: Callable[[], None]
) -> Result:
    """Run or resume to the end. `watch` sees the progress several times a second, `started` when workers are up."""

    def start() -> Pool:
        pool = RayPool(settings.workers, settings.address, _recycle(inputs))
        started()
        return pool

    return execute_on(start, recipe, inputs, out, settings.lease, watch)


def _recycle(inputs: Sequence[Input]) -> int:
    """Tasks per worker process: a new one after some gigabytes of input, against leaks in the C libraries."""
    mean = max(1, sum(item.size for item in inputs) // len(inputs))
    return max(4, min(2000, RECYCLE_BYTES // mean))


def execute_on(
    start: Callable[[], Pool], recipe: Recipe, inputs: Sequence[Input], out: str, lease: float, watch: Watch
) -> Result:
    """`execute` on workers that `start` gives when the first task needs them."""
    from refinedweb.dedup.planning import check_index  # kernels: dear to import, and not wanted to look at runs
    from refinedweb.engine.steps import Crew, run_global, run_local

    check_index(recipe)
    run, store = start_or_resume(recipe, inputs, out), open_store(out)
    result = Result(Totals())
    with Crew(recipe, run.inputs, start, lease, watch) as crew:
        for step in run.steps:
            if step.kind == "global" and is_complete(store, step):
                continue  # not asked phase by phase: what they shuffled is gone
            done = (run_local if step.kind == "local" else run_global)(crew, store, step, run.block)
            result.attempts += done.attempts
            result.deaths += done.deaths
            if done.failed:
                result.failed, result.failed_step = done.failed, step.name
                break
    if not result.failed:
        store.tidy()
    result.totals = run_totals(store, run.steps, roll_up=True)
    return result
