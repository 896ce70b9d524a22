"""What a run is: `run.json`, written once, from which later commands and drivers take recipe, inputs and steps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from refinedweb.ledger.layout import RUN_FILE, STEP_NAME
from refinedweb.recipe.plan import Step
from refinedweb.sources.inputs import Input
from refinedweb.sources.survey import Survey
from refinedweb.storage import Missing, Store, open_store
from refinedweb.storage.json_objects import Unreadable, load_object
from stages.base import STAGE_NAME
from stages.errors import ConfigError


class IndexFile(NamedTuple):
    """One file of an index, how many documents it has, and the bytes of their texts (0 if it has none)."""

    input: Input
    rows: int
    bytes: int


@dataclass(frozen=True)
class StageIndex:
    """The index of a stage, as it was checked when the run began: files of earlier runs, and indexes of several."""

    files: list[IndexFile] = field(default_factory=list)
    merged: list[Input] = field(default_factory=list)


@dataclass(frozen=True)
class RunFile:
    """What a run is, written once: recipe, inputs (the number of an input is its shard), and how tasks are claimed.

    `specs` is what the user named as inputs: a driver that was given the same takes the list of inputs from here.
    `index`: that of each stage that has one, by the stage's name (empty in runs from before this was recorded).
    """

    recipe: dict[str, Any]
    recipe_name: str
    fingerprint: str
    code_version: str
    inputs: list[Input]
    block: int
    steps: list[Step]
    created_at: str
    token: str
    specs: list[str] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)
    survey_of_inputs: dict[str, Any] = field(default_factory=dict)
    index: dict[str, StageIndex] = field(default_factory=dict)

    def survey(self) -> Survey | None:
        """What the inputs had when the run began: their columns, in one schema. None if nobody had looked."""
        return Survey.of_plain(self.survey_of_inputs)

    def to_json(self) -> bytes:
        index = {stage: asdict(found) for stage, found in self.index.items()}
        plain = {**self.__dict__, "steps": [asdict(step) for step in self.steps], "index": index}
        return json.dumps(plain, ensure_ascii=False).encode()

    @property
    def faithful(self) -> bool:
        """Whether this is the paper's recipe, so that its rates may be compared with the paper's."""
        return self.recipe_name == "refinedweb"


def run_or_none(store: Store) -> RunFile | None:
    """The run in this store, or None. Raises ConfigError for a `run.json` that is not one."""
    try:
        data, _ = store.get(RUN_FILE)
    except Missing:
        return None
    try:
        run = load_object(RunFile, data, store.uri(RUN_FILE), "was it written by hand?")
    except Unreadable as error:
        raise ConfigError(f"there is no run at {store.root}: {error}") from error
    _check_names(run.steps)
    _check_recipe(run)
    _check_order(run.steps)
    return run


def open_run(out: str) -> RunFile:
    """Read the run below `out`. Raises ConfigError if there is none."""
    store = open_store(out)
    run = run_or_none(store)
    if run is None:
        raise ConfigError(f"no run at {store.root}: there is no {RUN_FILE}; give the output of `refinedweb run`")
    return run


def _check_names(steps: Sequence[Step]) -> None:
    """Raises ConfigError for a name that cannot be a step's or a stage's: they become names of folders."""
    if not steps:
        raise ConfigError(f"{RUN_FILE} has no steps; was it made by hand?")
    known = {step.name for step in steps}
    for step in steps:
        _check_name("step", step.name, STEP_NAME)
        for stage in step.stages:
            _check_name("stage", stage, STAGE_NAME)
        if not known.issuperset(filter(None, (step.reads, *step.applies))):
            raise ConfigError(f"{RUN_FILE}: {step.name} follows on steps that the run does not have")


def _check_recipe(run: RunFile) -> None:
    """Raises ConfigError if the recipe is not one, or its stages are not those of the steps."""
    stages = run.recipe.get("stages")
    names = [table.get("name") for table in stages if isinstance(table, dict)] if isinstance(stages, list) else []
    planned = [stage for step in run.steps for stage in step.stages]
    tables = all(isinstance(run.recipe.get(key), dict) for key in ("run", "source"))
    if not tables or names != planned or len(set(planned)) != len(planned):
        raise ConfigError(f"{RUN_FILE} has a recipe that does not fit its steps; was it made by hand?")


def _check_order(steps: Sequence[Step]) -> None:
    """Raises ConfigError unless passes and global steps follow on each other as a plan has them."""
    passes: dict[str, None] = {}
    deciding: list[str] = []
    for step in steps:
        follows = step.reads == next(reversed(passes), None)
        if step.kind == "local":
            fits = follows and list(step.applies) == deciding
            passes[step.name] = None
            deciding = []
        else:
            fits = follows and bool(passes) and len(step.stages) == 1 and step.name.partition("-")[2] == step.stages[0]
            fits = fits and list(step.applies) == deciding
            deciding.append(step.name)
        if not fits or step.last != (step is steps[-1]) or (step.last and step.kind == "global"):
            raise ConfigError(f"{RUN_FILE}: {step.name} does not follow on the steps before it; was it made by hand?")


def _check_name(what: str, name: str, form: re.Pattern[str]) -> None:
    if form.fullmatch(name) is None:
        raise ConfigError(f"{RUN_FILE} has a {what} called {name[:80]!r}; such names have the form {form.pattern}")
