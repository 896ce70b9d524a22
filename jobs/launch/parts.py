"""A run in parts, one job after the other: each reads its share of the input, writes below OUT/part-NNN, and takes the
earlier parts as its index, so that no document of an earlier part comes again.

The parts are a chain that `job watch` carries on (`jobs.watch`). The chain is written once and never changed: the same
launch finds it, whatever has come to the input since then.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs.launch import spec
from jobs.launch.plan import LaunchPlan
from refinedweb.engine.metrics import PRICE
from refinedweb.ledger.layout import part_list_key
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import Input
from refinedweb.storage import Exists, Missing, open_store, split_uri
from stages.errors import ConfigError

MOST_PARTS = 1000
PART = "part-{:03d}"
_PART = re.compile(r"(.+/part-)(\d{3})")


def split(inputs: Sequence[Input], parts: int) -> list[list[Input]]:
    """The inputs in order, in `parts` groups of nearly the same size, none of them empty. Raises ConfigError."""
    if not 2 <= parts <= min(MOST_PARTS, len(inputs)):
        raise ConfigError(
            f"--parts {parts}: it must be 2 to {MOST_PARTS}, and no more than there are input files ({len(inputs)})"
        )
    total = sum(item.size for item in inputs) or len(inputs)
    groups: list[list[Input]] = [[]]
    before = 0
    for number, item in enumerate(inputs):
        left, missing = len(inputs) - number, parts - len(groups)
        full = before >= total * len(groups) / parts or left == missing
        if groups[-1] and missing and full:
            groups.append([])
        groups[-1].append(item)
        before += item.size
    return groups


def index_words(out: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The `--index` options of the part that writes to `out`. A hundred of them would be more than a job may have."""
    part = _PART.fullmatch(out.rstrip("/"))
    if environment.get(spec.PART_INDEX) != "1" or part is None:
        return []
    return [word for number in range(int(part[2])) for word in ("--index", f"{part[1]}{number:03d}")]


def takes_index(recipe: Recipe) -> bool:
    """Whether a stage of the recipe can compare with earlier parts."""
    return any("index" in values for _, values in recipe.stages)


def links(planned: LaunchPlan, inputs: Sequence[Input], parts: int, *, index: bool) -> tuple[list[Any], dict[str, str]]:
    """The links of the chain, and the lists of inputs that they read, by key below OUT. `planned`: the run as one job.

    Raises ConfigError if SageMaker would refuse a part.
    """
    out = planned.job.out.rstrip("/")
    found, lists = [], {}
    for number, group in enumerate(split(inputs, parts)):
        content = "".join(f"{item.uri}\n" for item in group)
        key = part_list_key(hashlib.sha256(content.encode()).hexdigest()[:16])
        lists[key] = content
        own = f"{out}/{PART.format(number)}"
        options = planned.job.words[planned.job.words.index(planned.job.out, 1) + 1 :]
        job = replace(
            planned.job,
            words=(planned.job.words[0], f"{out}/{key}", own, *options),
            out=own,
            environment={**planned.job.environment, **({spec.PART_INDEX: "1"} if index else {})},
        )
        identity = {**planned.identity, "words": job.words, "out": own, "index": index}
        name = spec.job_name(f"{planned.recipe_name[:20]}-{PART.format(number)}", identity)
        request = spec.request(replace(job, name=name))
        request["Environment"] = {key: value for key, value in request["Environment"].items() if key != spec.SECRET}
        found.append({"kind": job.kind, "request": request, "out": own})
    return found, lists


def launch_digest(planned: LaunchPlan, parts: int) -> str:
    """What decides a launch in parts, apart from what the input holds and from what the machines cost."""
    environment = {name: value for name, value in planned.job.environment.items() if name != PRICE}
    decides = {**planned.job.__dict__, "environment": environment, "tags": dict(planned.job.tags), "parts": parts}
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:12]


def read_chain(uri: str, digest: str) -> bool:
    """Whether this launch's chain is there already. Raises ConfigError if that of another launch is."""
    store, key = split_uri(uri if uri.startswith("s3://") else os.path.abspath(uri))
    try:
        loaded = json.loads(store.get(key)[0])
    except Missing:
        return False
    except ValueError as error:
        raise ConfigError(f"{uri} is not a chain ({error}); name another file with --chain") from error
    if not isinstance(loaded, dict) or loaded.get("launch") != digest:
        raise ConfigError(f"{uri} is the chain of another launch; name another file with --chain, or delete it")
    return True


def write_chain(uri: str, digest: str, found: Sequence[Any], lists: Mapping[str, str], out: str) -> None:
    """Write the lists of inputs, then the chain. Nothing changes if another launch was faster."""
    below = open_store(out)
    for key, content in lists.items():
        below.put(key, content.encode())
    store, key = split_uri(uri if uri.startswith("s3://") else os.path.abspath(uri))
    try:
        store.put_new(key, json.dumps({"launch": digest, "links": list(found)}, indent=1).encode())
    except Exists:
        read_chain(uri, digest)
