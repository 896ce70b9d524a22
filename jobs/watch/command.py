"""`job watch`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import receives

if TYPE_CHECKING:
    from jobs.launch.spec import Kind
    from jobs.watch.aws import SageMaker
    from jobs.watch.chain import ChainJob
    from jobs.watch.decide import Event, Policy
    from jobs.watch.watcher import Watcher

GIVEN_UP = 1  # exit code


@dataclass(frozen=True)
class WatchArguments:
    """What `refinedweb job watch` takes. `stalled` to `failures` change the usual `Policy`."""

    out: str | None
    name: str | None
    training: bool
    chain: str | None
    every: float
    once: bool
    stalled: float | None
    idle: float | None
    attempts: int | None
    failures: int | None
    again: bool


@click.command()
@click.argument("out", required=False)
@click.option("--job", "name", help="The job that runs into OUT, by its name in SageMaker.")
@click.option("--training", is_flag=True, help="It is a Training job [default: Processing].")
@click.option("--chain", metavar="FILE", help="Instead: several jobs one after the other, a JSON file (local or S3).")
@click.option("--every", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once, as the Lambda function does.")
@click.option("--stalled", type=click.FloatRange(1), help="Minutes without progress until a job is stopped [30].")
@click.option("--idle", type=click.FloatRange(5), help="Minutes of idle processors until a job is stopped [15].")
@click.option("--attempts", type=click.IntRange(1), help="Launches of a job until it is given up [8].")
@click.option("--failures", type=click.IntRange(1), help="Failed tasks until a job is stopped [100].")
@click.option("--again", is_flag=True, help="Go on with a job that was given up, once what stopped it is mended.")
@receives(WatchArguments)
def watch(arguments: WatchArguments) -> int:
    """Watch the job that runs into OUT, or a chain of jobs: stop a job that makes no progress, and launch it again.

    A job is stopped when its ledger makes no progress, its processors idle or its tasks fail, and launched again under
    the name JOB-2, JOB-3, …; it resumes from the ledger. Every decision is recorded before it is carried out, so any
    number of watchers may watch, die and be started again. Exit code 0: all done; 1: given up.

    A chain on S3 is obeyed only for the role, image and prefix that REFINEDWEB_WATCH_ROLE, _IMAGE and _PREFIX name.
    """
    from jobs.watch.aws import SageMaker
    from jobs.watch.watcher import Watcher

    aws = SageMaker()
    home, links = _chain(arguments, aws)
    watcher = Watcher(home, links, aws, _policy(arguments))
    return _look(watcher, arguments.every, arguments.once)


def _chain(arguments: WatchArguments, aws: SageMaker) -> tuple[str, Sequence[ChainJob]]:
    """Where the chain's events are, and its jobs."""
    from jobs.watch import chain
    from jobs.watch.deployment import Deployment

    if arguments.chain is not None and arguments.out is None:
        home, links = chain.load_chain(arguments.chain)
        if arguments.chain.startswith("s3://"):
            Deployment.from_environment().check(links, arguments.chain)
        return home, links
    if arguments.out is None or arguments.name is None or arguments.chain is not None:
        raise click.UsageError("give OUT and --job NAME, or --chain FILE")
    kind: Kind = "training" if arguments.training else "processing"
    return chain.of_job(arguments.out, kind, arguments.name, aws.request_of)


def _policy(arguments: WatchArguments) -> Policy:
    from jobs.watch.decide import Policy

    usual = Policy()
    return replace(
        usual,
        stalled=usual.stalled if arguments.stalled is None else arguments.stalled,
        idle=usual.idle if arguments.idle is None else arguments.idle,
        attempts=usual.attempts if arguments.attempts is None else arguments.attempts,
        failures=usual.failures if arguments.failures is None else arguments.failures,
        again=arguments.again,
    )


def _look(watcher: Watcher, every: float, once: bool) -> int:
    """Look again and again until the chain is done or given up. Returns the exit code."""
    from stages.errors import RetryError

    shown: Event | None = None
    drawn = ""
    while True:
        event = None
        try:
            event = watcher.tick()
            watcher.policy = replace(watcher.policy, again=False)  # once, not after each failure
            if event != shown:
                shown = event
                _show(event)
            if len(watcher.links) > 1 and (picture := watcher.picture()) != drawn:
                drawn = picture
                click.echo(picture, err=True)
        except RetryError as error:
            click.echo(f"{error}; again in {every:.0f} s", err=True)
        if event is not None and event.action in ("finish", "give-up"):
            return _end(event)
        if once:
            return 0
        time.sleep(every)


def _end(event: Event) -> int:
    if event.action == "finish":
        return 0
    click.echo("Given up. Mend what the reason names, then give the same command with --again: it resumes.", err=True)
    return GIVEN_UP


def _show(event: Event) -> None:
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
    click.echo(f"{at} {event.action} link {event.link} attempt {event.attempt}: {event.reason}")
    for line in event.log:
        click.echo(f"    {line.rstrip()}")
