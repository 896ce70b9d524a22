"""`refinedweb job watch`."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime

import click


@click.command()
@click.argument("out", required=False)
@click.option("--job", "name", help="The job that runs into OUT, as SageMaker names it.")
@click.option("--training", is_flag=True, help="It is a Training job [default: Processing].")
@click.option("--chain", metavar="FILE", help="Instead: several jobs one after the other, a JSON file (local or S3).")
@click.option("--every", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once, as the Lambda function does.")
@click.option("--stalled", type=click.FloatRange(1), help="Minutes without progress until a job is stopped [30].")
@click.option("--idle", type=click.FloatRange(5), help="Minutes of idle processors until a job is stopped [15].")
@click.option("--attempts", type=click.IntRange(1), help="Launches of a job until it is given up [8].")
@click.option("--failures", type=click.IntRange(1), help="Failed tasks until a job is stopped [100].")
def watch(
    out: str | None, name: str | None, training: bool, chain: str | None, every: float, once: bool,
    **patience: float | None,
) -> int:  # fmt: skip
    """Watch the job that runs into OUT, or a chain of jobs: stop it when it stands still, and launch it again.

    A job is stopped when its ledger makes no progress, its processors idle or its tasks fail, and launched again under
    the name JOB-2, JOB-3, …; it resumes from the ledger. Every decision is recorded before it is carried out, so any
    number of watchers may watch, die and be started again. Exit code 0: all done; 1: given up.
    """
    from jobs.watch import chain as watch_chain
    from jobs.watch import watch as watching
    from jobs.watch.aws import SageMaker

    aws = SageMaker()
    if chain is not None and out is None:
        home, links = watch_chain.load_chain(chain)
    elif out is not None and name is not None and chain is None:
        home, links = watch_chain.of_job(out, "training" if training else "processing", name, aws.request_of)
    else:
        raise click.UsageError("give OUT and --job NAME, or --chain FILE")
    policy = watching.Policy(**{key: value for key, value in patience.items() if value is not None})  # type: ignore[arg-type]
    watcher = watching.Watcher(home, links, aws, policy)
    return _look(watcher, every, once)


def _look(watcher: object, every: float, once: bool) -> int:
    from jobs.watch.watch import Event, Watcher
    from stages.errors import RetryError

    assert isinstance(watcher, Watcher)
    shown: Event | None = None
    while True:
        try:
            event = watcher.tick()
        except RetryError as error:
            click.echo(f"{error}; again in {every:.0f} s", err=True)
            event = None
        if event is not None and event != shown:
            shown = event
            told = asdict(event)
            at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
            click.echo(f"{at} {event.action} link {event.link} attempt {event.attempt}: {event.reason}")
            for line in told["log"]:
                click.echo(f"    {line.rstrip()}")
        if event is not None and event.action in ("finish", "give-up"):
            return int(event.action == "give-up")
        if once:
            return 0
        time.sleep(every)
