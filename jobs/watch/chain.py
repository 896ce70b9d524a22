"""The jobs that are watched: what SageMaker is asked to start for each, and under which name it is asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobs.launch.spec import LONGEST_NAME, Kind
from refinedweb.ledger.layout import watch_folder
from refinedweb.storage import Exists, Missing, open_store, split_uri
from refinedweb.storage.json_objects import plain_of
from stages.errors import ConfigError

CHAIN = "chain.json"


@dataclass(frozen=True)
class ChainJob:
    """One job of the chain: the request that starts it, and the output of its run (None if it writes no ledger)."""

    kind: Kind
    request: dict[str, Any]
    out: str | None = None

    @property
    def name(self) -> str:
        return str(self.request["ProcessingJobName" if self.kind == "processing" else "TrainingJobName"])

    def attempt(self, number: int) -> ChainJob:
        """The n-th launch: the same request under another name, which SageMaker takes only once."""
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
            f'{where} is not a chain of jobs: it lacks {error}; it needs {{"links": [{{"kind": "processing" or '
            '"training", "request": what create_…_job takes, "out": the output of its run}]}'
        ) from error
    if not links or len(set(names)) < len(names) or any(link.kind not in ("processing", "training") for link in links):
        raise ConfigError(
            f'{where}: a chain must have at least one link, each of the kind "processing" or "training" and with '
            "another name"
        )
    return links


def load_chain(uri: str) -> tuple[str, list[ChainJob]]:
    """Where the chain's events are, and its links, from a JSON file on disk or S3. Raises ConfigError."""
    store, key = split_uri(uri if uri.startswith("s3://") else os.path.abspath(uri))
    try:
        loaded = json.loads(store.get(key)[0])
    except (Missing, ValueError) as error:
        raise ConfigError(f"{uri} is not a JSON file: {error}") from error
    return f"{uri}.watch", chain_of(loaded, uri)


def of_job(
    out: str, kind: Kind, name: str, request_of: Callable[[ChainJob], dict[str, Any]]
) -> tuple[str, list[ChainJob]]:
    """A chain of one job that is running already. Its request, which `request_of` finds out, is kept below OUT."""
    home = f"{out.rstrip('/')}/{watch_folder(name)}"
    store = open_store(home)
    try:
        loaded = plain_of(store.get(CHAIN)[0], store.uri(CHAIN), "delete it: it is found out anew")
    except Missing:
        key = "ProcessingJobName" if kind == "processing" else "TrainingJobName"
        loaded = {"links": [{"kind": kind, "request": request_of(ChainJob(kind, {key: name})), "out": out}]}
        with suppress(Exists):  # another watcher did the same
            store.put_new(CHAIN, json.dumps(loaded, default=str).encode())
    return home, chain_of(loaded, store.uri(CHAIN))
