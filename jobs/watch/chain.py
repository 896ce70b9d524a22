"""The jobs that are watched: what SageMaker is asked to start for each, and under which name it is asked again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.launch.spec import LONGEST_NAME, Kind
from refinedweb.ledger.layout import watch_folder
from refinedweb.storage import Missing, split_uri
from stages.errors import ConfigError


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
    """Where the chain's events are, and its links, from a JSON file on disk or S3. Raises ConfigError.

    A chain below the output of one of its own jobs is refused: everybody who may write there could start any job.
    """
    store, key = split_uri(uri if uri.startswith("s3://") else os.path.abspath(uri))
    try:
        loaded = json.loads(store.get(key)[0])
    except (Missing, ValueError, RecursionError) as error:
        raise ConfigError(f"{uri} is not a JSON file: {error}") from error
    links = chain_of(loaded, uri)
    for link in links:
        if link.out is not None and f"{store.uri(key)}/".startswith(f"{link.out.rstrip('/')}/"):
            raise ConfigError(
                f"{uri} lies below {link.out}, the output of its own job {link.name}, where the job and others may "
                "write; keep the chain elsewhere"
            )
    return f"{uri}.watch", links


def of_job(
    out: str, kind: Kind, name: str, request_of: Callable[[ChainJob], dict[str, Any]]
) -> tuple[str, list[ChainJob]]:
    """A chain of one job that is running already, and where its events are. `request_of` finds out its request, which
    stays in memory: in a file next to the corpus, others could read its variables, and change what is started next.
    """
    key = "ProcessingJobName" if kind == "processing" else "TrainingJobName"
    request = request_of(ChainJob(kind, {key: name}))
    return f"{out.rstrip('/')}/{watch_folder(name)}", [ChainJob(kind, request, out)]
