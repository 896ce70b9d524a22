"""CloudWatch alarms on a run, and a dashboard of it. The requests are pure functions.

The engine's metrics (`refinedweb.engine.metrics`) are named after the run, so alarms outlive a job that is launched
again. SageMaker's metrics are named after job and host. CloudWatch cannot alarm on a search, so at most nine hosts,
spread over the cluster, stand for all of it (an alarm takes ten metrics; docs: put_metric_alarm); the dashboard uses a
search.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

PERIOD = 300  # seconds between two values
MOST_HOSTS = 9  # of which an alarm takes the mean: with the mean itself, ten metrics
WIDTH, HEIGHT = 12, 6  # of a widget, in cells of the dashboard's grid: two in a row of 24
MOST_NAME = 60  # characters of the run's name in the name of its alarms
MANY_DEATHS = 10.0  # workers within PERIOD


@dataclass(frozen=True)
class Watched:
    """What alarms are about. `run`: OUT as it was given to the run; `job`: the SageMaker job, if any; `topic`: the SNS
    topic to send to."""

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
        """A name that CloudWatch accepts and that no other run has."""
        digest = hashlib.sha256(self.run.encode()).hexdigest()[:8]
        return f"refinedweb-{re.sub(r'[^A-Za-z0-9]+', '-', self.run).strip('-')[-MOST_NAME:]}-{digest}"


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
            {**_metric(watched, "WorkerDeaths"), "Statistic": "Sum"}, "GreaterThanOrEqualToThreshold", MANY_DEATHS,
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
    """The mean load of some hosts, in percent of all their cores: SageMaker counts 100 for each core."""
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
    """A line of metric math, and the sums that it is made of, which are hidden."""
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
    """A value inside a search inside an expression."""
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


def create(requests: list[dict[str, Any]], dashboard: dict[str, Any], region: str) -> None:
    """Create all alarms and the dashboard. Raises ConfigError if CloudWatch refuses one."""
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
        raise ConfigError(f"CloudWatch in {region} rejects the dashboard: {messages}")
