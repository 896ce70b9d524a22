"""`job alarms`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from refinedweb.cli.options import receives

if TYPE_CHECKING:
    from jobs.watch.alarms import Watched


@dataclass(frozen=True)
class AlarmsArguments:
    """What `refinedweb job alarms` takes."""

    out: str
    job: str | None
    training: bool
    instances: int
    machine_type: str
    topic: str | None
    region: str
    stalled: int
    idle: int
    failures: int
    dry_run: bool


@click.command()
@click.argument("out")
@click.option("--job", help="The job that runs into OUT: adds its processors and its log.")
@click.option("--training", is_flag=True, help="It is a Training job [default: Processing].")
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="The job's machines.")
@click.option("--type", "machine_type", default="ml.c5.18xlarge", show_default=True, help="Type of the machines.")
@click.option("--topic", metavar="ARN", help="SNS topic that alarms are sent to [default: none].")
@click.option("--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], required=True, help="AWS region.")
@click.option("--stalled", type=click.IntRange(5), default=30, show_default=True, help="Minutes without progress.")
@click.option("--idle", type=click.IntRange(5), default=15, show_default=True, help="Minutes of idle processors.")
@click.option("--failures", type=click.IntRange(1), default=1, show_default=True, help="Failed tasks.")
@click.option("--dry-run", is_flag=True, help="Print the requests as JSON, change nothing.")
@receives(AlarmsArguments)
def alarms(arguments: AlarmsArguments) -> int:
    """Create CloudWatch alarms on the run OUT (no progress, idle processors, failures), and its dashboard.

    The run must emit metrics: it does in a SageMaker container, and elsewhere with `--metrics emf` into CloudWatch
    Logs. The same command again replaces alarms and dashboard.
    """
    from jobs.watch.alarms import alarm_requests, create, dashboard_request

    watched, region = _watched(arguments), arguments.region
    requests, dashboard = alarm_requests(watched), dashboard_request(watched)
    if arguments.dry_run:
        click.echo(json.dumps({"put_metric_alarm": requests, "put_dashboard": dashboard}, indent=2))
        return 0
    create(requests, dashboard, region)
    for request in requests:
        click.echo(f"Alarm      {request['AlarmName']}")
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    click.echo(f"Dashboard  {console}#dashboards/dashboard/{watched.name}")
    if arguments.topic is None:
        click.echo("Alarms are not sent to anyone: give --topic", err=True)
    return 0


def _watched(arguments: AlarmsArguments) -> Watched:
    from jobs.watch.alarms import Watched
    from refinedweb.forecast.machines import machine

    return Watched(
        run=arguments.out.rstrip("/"),
        region=arguments.region,
        job=arguments.job,
        kind="training" if arguments.training else "processing",
        instances=arguments.instances,
        cores=machine(arguments.machine_type).cores,
        topic=arguments.topic,
        stalled_minutes=arguments.stalled,
        idle_minutes=arguments.idle,
        failures=arguments.failures,
    )
