"""The jobs that are watched: what SageMaker is asked for each, and under which name it is asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from refinedweb.ledger.layout import watch_folder
from refinedweb.ledger.manifest import load_or_none
from refinedweb.storage import Exists, Missing, open_store, split_uri
from stages.errors import ConfigError

CHAIN = "chain.json"
LONGEST_NAME = 63
Kind = Literal["processing", "training"]


@dataclass(frozen=True)
class ChainJob:
    """One job of the chain: what SageMaker is asked, and the output of its run (None where it writes no ledger)."""

    kind: Kind
    request: dict[str, Any]
    out: str | None = None

    @property
    def name(self) -> str:
        return str(self.request["ProcessingJobName" if self.kind == "processing" else "TrainingJobName"])

    def attempt(self, number: int) -> ChainJob:
        """The n-th launch: the same request under a name of its own, which SageMaker takes once."""
        suffix = f"-{number}" if number > 1 else ""
        name = self.name[: LONGEST_NAME - len(suffix)] + suffix
        key = "ProcessingJobName" if self.kind == "processing" else "TrainingJobName"
        request = {**self.request, key: name}
        environment = request.get("Environment", {})
        if "REFINEDWEB_JOB" in environment:
            request["Environment"] = {**environment, "REFINEDWEB_JOB": name}
        return ChainJob(self.kind, request, self.out)


def chain_of(loaded: Any, where: str) -> list[ChainJob]:
    """The links of a chain's JSON: `{"links": [{"kind", "request", "out"}]}`. Raises ConfigError."""
    try:
        links = [ChainJob(link["kind"], dict(link["request"]), link.get("out")) for link in loaded["links"]]
        names = [link.name for link in links]
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f'{where} is no chain of jobs: it lacks {error}; it needs {{"links": [{{"kind": "processing" or '
            '"training", "request": what create_…_job takes, "out": the output of its run}]}'
        ) from error
    if not links or len(set(names)) < len(names) or any(link.kind not in ("processing", "training") for link in links):
        raise ConfigError(f"{where}: a chain has at least one link, each of a kind that exists and a name of its own")
    return links


def load_chain(uri: str) -> tuple[str, list[ChainJob]]:
    """Where the chain's events lie, and its links: of a JSON file, on disk or S3. Raises ConfigError."""
    store, key = split_uri(uri if uri.startswith("s3://") else os.path.abspath(uri))
    try:
        loaded = json.loads(store.get(key)[0])
    except (Missing, ValueError) as error:
        raise ConfigError(f"{uri} is no JSON file: {error}") from error
    return f"{uri}.watch", chain_of(loaded, uri)


def of_job(
    out: str, kind: Kind, name: str, request_of: Callable[[ChainJob], dict[str, Any]]
) -> tuple[str, list[ChainJob]]:
    """A chain of one job that runs already: its request, as `request_of` tells, is kept below OUT."""
    home = f"{out.rstrip('/')}/{watch_folder(name)}"
    store = open_store(home)
    loaded = load_or_none(store, CHAIN)
    if loaded is None:
        key = "ProcessingJobName" if kind == "processing" else "TrainingJobName"
        loaded = {"links": [{"kind": kind, "request": request_of(ChainJob(kind, {key: name})), "out": out}]}
        with suppress(Exists):  # another watcher asked the same
            store.put_new(CHAIN, json.dumps(loaded, default=str).encode())
    return home, chain_of(loaded, store.uri(CHAIN))
