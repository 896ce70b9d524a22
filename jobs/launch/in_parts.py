"""`job launch --parts N`: everything that the parts need is made ready, and the first one is started."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import boto3
import click

from jobs.launch import parts, submit
from jobs.launch.plan import LaunchPlan
from jobs.watch.aws import SageMaker
from jobs.watch.chain import ChainJob, load_chain
from jobs.watch.deployment import IMAGE, PREFIX, ROLE
from jobs.watch.watcher import Watcher
from refinedweb.recipe.recipe import Recipe
from refinedweb.sources.inputs import find
from stages.errors import ConfigError

SHOWN = 3  # parts of a dry run


@dataclass(frozen=True)
class PartsAsked:
    """How many parts, where their chain is kept (None: in this folder), and what they are made of."""

    number: int
    chain: str | None
    recipe: Recipe
    inputs: tuple[str, ...]
    base: str | None


def launch(asked: PartsAsked, planned: LaunchPlan, region: str, cost: str, *, dry_run: bool) -> None:
    """Write the chain, unless it is there, and let a watcher look at it once: that starts what is to be started."""
    digest = parts.launch_digest(planned, asked.number)
    uri = asked.chain or f"refinedweb-{digest}.chain.json"
    _check_place(uri, planned.job.out)
    known = parts.read_chain(uri, digest)
    found, lists = ([], {}) if known else _made(asked, planned)
    click.echo(f"Cost      {cost}")
    if dry_run:
        _show_dry(uri, found, known)
        return
    submit.prepare(planned, submit.Aws(region))
    if not known:
        parts.write_chain(uri, digest, found, lists, planned.job.out)
    home, chain = load_chain(uri)
    watcher = Watcher(home, chain, _jobs(region))
    event = watcher.tick()
    click.echo(f"Part {event.link + 1}    {event.action}: {event.reason}")
    click.echo(watcher.picture())
    click.echo(f"Go on     {_watch_command(uri, chain[0], region, planned.job.out)}")


def _made(asked: PartsAsked, planned: LaunchPlan) -> tuple[list[Any], dict[str, str]]:
    inputs = find(asked.inputs, out=planned.job.out, base=asked.base).inputs
    return parts.links(planned, inputs, asked.number, index=parts.takes_index(asked.recipe))


def _check_place(uri: str, out: str) -> None:
    if f"{uri}/".startswith(f"{out.rstrip('/')}/"):
        raise ConfigError(f"--chain {uri} lies below OUT, where others may write; keep it elsewhere")


def _show_dry(uri: str, found: list[Any], known: bool) -> None:
    for link in found[:SHOWN]:
        job = ChainJob(link["kind"], link["request"], link["out"])
        click.echo(f"Part      {job.name} → {job.out}")
    if len(found) > SHOWN:
        click.echo(f"          … {len(found)} parts in all")
    click.echo(f"Chain     {uri}{' (there already)' if known else ''}")
    click.secho("Dry run: nothing was built, written or started.", fg="yellow")


def _jobs(region: str) -> SageMaker:
    return SageMaker(*(boto3.client(name, region_name=region) for name in ("sagemaker", "cloudwatch", "logs")))


def _watch_command(uri: str, first: ChainJob, region: str, out: str) -> str:
    """The command that carries the parts on, with the settings that it needs."""
    program = first.request.get("AppSpecification") or first.request["AlgorithmSpecification"]
    settings = {"AWS_DEFAULT_REGION": region}
    if uri.startswith("s3://"):
        image = program.get("ImageUri") or program["TrainingImage"]
        settings |= {ROLE: first.request["RoleArn"], IMAGE: image, PREFIX: out}
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    return " ".join([*words, "refinedweb", "job", "watch", "--chain", shlex.quote(uri)])
