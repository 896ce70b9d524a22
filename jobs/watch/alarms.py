"""`refinedweb job alarms`: CloudWatch alarms on a run, and a dashboard of it. The requests are pure functions.

The engine's metrics (`refinedweb.engine.metrics`) are named by the run, so alarms outlive a job that is launched again.
Those of SageMaker are named by job and host. CloudWatch cannot alarm on a search, so at most nine hosts, spread over
the cluster, stand for all of it (an alarm takes ten metrics; docs: put_metric_alarm); the dashboard searches.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import click

PERIOD = 300
MOST_HOSTS = 9
WIDTH, HEIGHT = 12, 6


@dataclass(frozen=True)
class Watched:
    """What alarms are about. `run`: OUT as the run was given it; `job`: the SageMaker job, if any; `topic`: of SNS."""

    run: str
    region: str
    job: str | None = None
    kind: str = "processing"
    instances: int = 1
    cores: int = 72
    topic: str | None = None
    stalled_minutes: int = 30
    idle_minutes: int = 15
    idle_percent: float = 5.0
    failures: int = 1

    @property
    def name(self) -> str:
        """A name that CloudWatch takes, and no other run has."""
        digest = hashlib.sha256(self.run.encode()).hexdigest()[:8]
        return f"refinedweb-{re.sub(r'[^A-Za-z0-9]+', '-', self.run).strip('-')[-60:]}-{digest}"


def alarm_requests(watched: Watched) -> list[dict[str, Any]]:
    """The arguments of each `put_metric_alarm`."""
    alarms = [
        _alarm(
            watched, "no-progress", f"No task was committed for {watched.stalled_minutes} minutes.",
            {**_metric(watched, "Tasks"), "Statistic": "Sum"}, "LessThanOrEqualToThreshold", 0.0,
            watched.stalled_minutes, missing="breaching",
        ),
        _alarm(
            watched, "failed-tasks", f"{watched.failures} or more tasks failed for good.",
            {**_metric(watched, "FailedTasks"), "Statistic": "Maximum"}, "GreaterThanOrEqualToThreshold",
            float(watched.failures), PERIOD // 60, missing="notBreaching",
        ),
        _alarm(
            watched, "worker-deaths", "Ten or more workers died within five minutes.",
            {**_metric(watched, "WorkerDeaths"), "Statistic": "Sum"}, "GreaterThanOrEqualToThreshold", 10.0,
            PERIOD // 60, missing="notBreaching",
        ),
    ]  # fmt: skip
    if watched.job is not None:
        alarms.append(
            _alarm(
                watched, "idle", f"Processors below {watched.idle_percent:g} % for {watched.idle_minutes} minutes.",
                {"Metrics": _processors(watched)}, "LessThanThreshold", watched.idle_percent, watched.idle_minutes,
                missing="ignore",
            )
        )  # fmt: skip
    return alarms


def _alarm(
    watched: Watched, what: str, description: str, metric: dict[str, Any], comparison: str, threshold: float,
    minutes: int, *, missing: str,
) -> dict[str, Any]:  # fmt: skip
    periods = max(1, minutes * 60 // PERIOD)
    return {
        "AlarmName": f"{watched.name}-{what}",
        "AlarmDescription": f"{description} Run: {watched.run}",
        "ActionsEnabled": watched.topic is not None,
        "AlarmActions": [] if watched.topic is None else [watched.topic],
        **metric,
        **({} if "Metrics" in metric else {"Period": PERIOD}),
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "Threshold": threshold,
        "ComparisonOperator": comparison,
        "TreatMissingData": missing,
    }


def _metric(watched: Watched, name: str) -> dict[str, Any]:
    from refinedweb.engine.metrics import NAMESPACE

    return {
        "Namespace": NAMESPACE,
        "MetricName": name,
        "Dimensions": [{"Name": "Run", "Value": watched.run}],
    }


def _processors(watched: Watched) -> list[dict[str, Any]]:
    """Mean load of some hosts, in percent of all their cores: SageMaker counts 100 for each core."""
    from jobs.watch.aws import NAMESPACE

    last = min(MOST_HOSTS, watched.instances)
    hosts = sorted({1 + round(n * (watched.instances - 1) / max(1, last - 1)) for n in range(last)})
    metrics: list[dict[str, Any]] = [
        {
            "Id": f"host{host}",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE[watched.kind],
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": "Host", "Value": f"{watched.job}/algo-{host}"}],
                },
                "Period": PERIOD,
                "Stat": "Average",
            },
            "ReturnData": False,
        }
        for host in hosts
    ]
    average = f"AVG(METRICS()) / {watched.cores}"
    return [*metrics, {"Id": "load", "Expression": average, "Label": "processors, percent", "ReturnData": True}]


def dashboard_request(watched: Watched) -> dict[str, Any]:
    """The arguments of `put_dashboard`."""
    per_second = _math("documents / PERIOD(documents)", "documents/s", documents="Documents")
    kept = _math("100 * kept / documents", "kept, percent", documents="Documents", kept="DocumentsKept")
    cost = _math("RUNNING_SUM(cost)", "dollars", cost="CostDollars")
    widgets = [
        _widget(watched, "Progress by step, percent", _search(watched, "ProgressPercent", "Maximum")),
        _widget(watched, "Documents per second", _lines(watched, per_second)),
        _widget(watched, "Kept, percent of the documents read", _lines(watched, kept)),
        _widget(watched, "Cost in the time shown, dollars", _lines(watched, cost)),
        _widget(watched, "Failed tasks, worker deaths", [
            _line(watched, "FailedTasks", stat="Maximum"), _line(watched, "WorkerDeaths", stat="Sum"),
        ]),
    ]  # fmt: skip
    if watched.job is not None:
        widgets.append(_widget(watched, "Processors by host, percent of a core", _hosts(watched)))
        widgets.append(_errors(watched))
    for number, widget in enumerate(widgets):
        widget |= {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}
    return {"DashboardName": watched.name, "DashboardBody": json.dumps({"widgets": widgets})}


Math = tuple[str, str, dict[str, str]]


def _math(expression: str, label: str, **metrics: str) -> Math:
    return expression, label, metrics


def _lines(watched: Watched, math: Math) -> list[Any]:
    """A metric-math line and the sums that it is made of, which are not shown."""
    expression, label, metrics = math
    shown = [{"expression": expression, "label": label, "id": "shown"}]
    return [shown, *(_line(watched, metric, stat="Sum", name=name) for name, metric in metrics.items())]


def _line(watched: Watched, metric: str, *, stat: str, name: str | None = None) -> list[Any]:
    from refinedweb.engine.metrics import NAMESPACE

    hidden = {"id": name, "visible": False} if name is not None else {}
    return [NAMESPACE, metric, "Run", watched.run, {"stat": stat, **hidden}]


def _search(watched: Watched, metric: str, stat: str) -> list[Any]:
    from refinedweb.engine.metrics import NAMESPACE

    found = f'{{{NAMESPACE},Run,Step}} MetricName="{metric}" Run="{_quoted(watched.run)}"'
    return [[{"expression": f"SEARCH('{found}', '{stat}', {PERIOD})", "id": "steps"}]]


def _quoted(value: str) -> str:
    """Within a search within an expression."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")


def _hosts(watched: Watched) -> list[Any]:
    from jobs.watch.aws import NAMESPACE

    found = f'{{{NAMESPACE[watched.kind]},Host}} MetricName="CPUUtilization" Host="{watched.job}/algo"'
    return [[{"expression": f"SEARCH('{found}', 'Average', {PERIOD})", "id": "hosts"}]]


def _widget(watched: Watched, title: str, metrics: list[Any]) -> dict[str, Any]:
    properties = {"title": title, "region": watched.region, "period": PERIOD, "view": "timeSeries", "metrics": metrics}
    return {"type": "metric", "properties": properties}


def _errors(watched: Watched) -> dict[str, Any]:
    from jobs.watch.aws import GROUP

    query = (
        f"SOURCE '{GROUP[watched.kind]}' | fields @timestamp, @logStream, @message "
        f"| filter @logStream like '{watched.job}/' and @message like /Error|failed|Traceback/ "
        "| sort @timestamp desc | limit 50"
    )
    return {"type": "log", "properties": {"title": "Errors", "region": watched.region, "query": query, "view": "table"}}


@click.command()
@click.argument("out")
@click.option("--job", help="The job that runs into OUT: adds its processors and its log.")
@click.option("--training", is_flag=True, help="It is a Training job [default: Processing].")
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="Its machines.")
@click.option("--type", "machine_type", default="ml.c5.18xlarge", show_default=True, help="Their type.")
@click.option("--topic", metavar="ARN", help="SNS topic that is told of alarms [default: nobody is].")
@click.option("--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], required=True, help="AWS region.")
@click.option("--stalled", type=click.IntRange(5), default=30, show_default=True, help="Minutes without progress.")
@click.option("--idle", type=click.IntRange(5), default=15, show_default=True, help="Minutes of idle processors.")
@click.option("--failures", type=click.IntRange(1), default=1, show_default=True, help="Failed tasks.")
@click.option("--dry-run", is_flag=True, help="Print the requests as JSON, touch nothing.")
def alarms(
    out: str, job: str | None, training: bool, instances: int, machine_type: str, topic: str | None, region: str,
    stalled: int, idle: int, failures: int, dry_run: bool,
) -> int:  # fmt: skip
    """Create CloudWatch alarms on the run OUT (no progress, idle processors, failures), and its dashboard.

    The run must emit metrics: it does in a SageMaker container, elsewhere with `--metrics emf` into CloudWatch Logs.
    The same command again replaces them.
    """
    from refinedweb.forecast.machines import machine

    watched = Watched(
        run=out.rstrip("/"), region=region, job=job, kind="training" if training else "processing",
        instances=instances, cores=machine(machine_type).cores, topic=topic, stalled_minutes=stalled,
        idle_minutes=idle, failures=failures,
    )  # fmt: skip
    requests, dashboard = alarm_requests(watched), dashboard_request(watched)
    if dry_run:
        click.echo(json.dumps({"put_metric_alarm": requests, "put_dashboard": dashboard}, indent=2))
        return 0
    create(requests, dashboard, region)
    for request in requests:
        click.echo(f"Alarm      {request['AlarmName']}")
    page = (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{watched.name}"
    )
    click.echo(f"Dashboard  {page}")
    if topic is None:
        click.echo("Nobody is told of alarms: give --topic", err=True)
    return 0


def create(requests: list[dict[str, Any]], dashboard: dict[str, Any], region: str) -> None:
    """Put them all. Raises ConfigError for what CloudWatch refuses."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from stages.errors import ConfigError

    try:
        cloudwatch = boto3.client("cloudwatch", region_name=region)
        for request in requests:
            cloudwatch.put_metric_alarm(**request)
        answer = cloudwatch.put_dashboard(**dashboard)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"CloudWatch in {region}: {error}") from error
    if messages := answer.get("DashboardValidationMessages"):
        raise ConfigError(f"CloudWatch finds fault with the dashboard: {messages}")
