"""Which runs this user made: a note for each, next to the copies of remote models.

    runs/<digest>     an empty file, named after what `run.json` says

The user who makes a run names its recipe, inputs and index, so looking at it later may open them. The note covers all
that `run.json` names; a run that somebody else changed, or made to look similar, has another digest.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from refinedweb.ledger.run_file import RunFile
from refinedweb.recipe.asset_cache import private_folder
from refinedweb.recipe.trust import Trust
from refinedweb.storage import Store
from stages.errors import ConfigError, RefinedWebError


def trust_in(store: Store, run: RunFile, *, given: bool) -> Trust:
    """What may be opened for a reader of the run in this store. `given`: the reader trusts its author."""
    return Trust(store.root, given=given or is_own_run(run))


def note_own_run(run: RunFile) -> None:
    """Note that this user made the run. Where no note can be kept, later views ask for --trust."""
    with suppress(RefinedWebError, OSError):
        _note_of(run).touch()


def is_own_run(run: RunFile) -> bool:
    """Whether this user made the run, on a machine with the same home folder."""
    try:
        return _note_of(run).is_file()
    except (ConfigError, OSError):
        return False


def _note_of(run: RunFile) -> Path:
    named = [run.token, run.recipe, run.inputs, [asdict(step) for step in run.steps]]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    return private_folder("runs") / digest
