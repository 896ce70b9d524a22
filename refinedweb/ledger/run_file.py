"""What a run is: `run.json`, written once, from which later commands and drivers take recipe, inputs and steps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from refinedweb.ledger.layout import RUN_FILE
from refinedweb.ledger.manifest import load_or_none
from refinedweb.recipe.plan import Step
from refinedweb.sources.inputs import Input
from refinedweb.storage import open_store
from stages.errors import ConfigError


@dataclass(frozen=True)
class RunFile:
    """What a run is, written once: recipe, inputs (the number of an input is its shard), and how tasks are claimed."""

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
        """Whether this is the paper's recipe, so that its rates may be compared with the paper's."""
        return self.recipe_name == "refinedweb"


def open_run(out: str) -> RunFile:
    """Read the run below `out`. Raises ConfigError if there is none."""
    store = open_store(out)
    loaded = load_or_none(store, RUN_FILE)
    if loaded is None:
        raise ConfigError(f"no run at {store.root}: there is no {RUN_FILE}; give the output of `refinedweb run`")
    return RunFile.from_json(loaded)
