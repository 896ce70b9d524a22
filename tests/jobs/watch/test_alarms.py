"""Alarms and dashboard: every request fits botocore's model and is accepted by a CloudWatch (moto's server)."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from jobs.cli import job
from jobs.watch.alarms import MOST_HOSTS, Watched, alarm_requests, dashboard_request
from refinedweb.engine.metrics import METRICS, NAMESPACE
from stages.errors import ConfigError

JOB = Watched("s3://bucket/out", "us-east-1", job="refinedweb-abc", instances=257, topic="arn:aws:sns:us-east-1:1:t")


def faults(operation: str, request: dict[str, Any]) -> str:
    client = boto3.client("cloudwatch", region_name="us-east-1")
    shape = client.meta.service_model.operation_model(operation).input_shape
    return str(ParamValidator().validate(request, shape).generate_report())


@given(
    st.text(min_size=1, max_size=200).map(lambda key: f"s3://bucket/{key}"),
    st.none() | st.just("job-1"),
    st.integers(1, 300),
    st.sampled_from(["processing", "training"]),
)
def test_requests_are_what_the_api_takes(run: str, name: str | None, instances: int, kind: str) -> None:
    watched = Watched(run, "us-east-1", job=name, kind=kind, instances=instances)
    for request in alarm_requests(watched):
        assert faults("PutMetricAlarm", request) == ""
        assert len(request["AlarmName"]) <= 255
        assert len(request.get("Metrics", [])) <= 10
        assert request["EvaluationPeriods"] * 300 <= 86_400
    dashboard = dashboard_request(watched)
    assert faults("PutDashboard", dashboard) == ""
    assert set(dashboard["DashboardName"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    json.loads(dashboard["DashboardBody"])


def test_alarms_look_at_what_the_engine_emits() -> None:
    emitted = {name for name, _, _ in METRICS}
    ours = [request for request in alarm_requests(JOB) if request.get("Namespace") == NAMESPACE]
    assert len(ours) == 3
    assert {request["MetricName"] for request in ours} <= emitted
    body = json.loads(dashboard_request(JOB)["DashboardBody"])
    lines = [line for widget in body["widgets"] for line in widget["properties"].get("metrics", [])]
    named = {line[1] for line in lines if line[0] == NAMESPACE}
    assert named
    assert named <= emitted


def test_a_driver_that_is_dead_is_no_progress() -> None:
    request = next(request for request in alarm_requests(JOB) if request["AlarmName"].endswith("no-progress"))
    assert request["TreatMissingData"] == "breaching"
    assert request["EvaluationPeriods"] == 6


def test_the_hosts_that_stand_for_all_are_spread_over_the_cluster() -> None:
    (idle,) = [request for request in alarm_requests(JOB) if "Metrics" in request]
    hosts = [metric["Id"] for metric in idle["Metrics"] if "MetricStat" in metric]
    assert hosts[0] == "host1"
    assert hosts[-1] == "host257"
    assert len(hosts) == MOST_HOSTS
    assert idle["Metrics"][-1]["Expression"] == "AVG(METRICS()) / 72"


def test_two_runs_never_share_a_name() -> None:
    names = {Watched(run, "us-east-1").name for run in ("s3://b/a/b", "s3://b/a-b", "s3://b/a_b", "/a/b")}
    assert len(names) == 4


def test_they_arrive(s3_server: str) -> None:
    del s3_server  # moto serves CloudWatch at the same address
    arguments = ["alarms", "s3://bucket/run", "--job", "j", "--instances", "3", "--region", "us-east-1"]
    for _ in range(2):  # the second time they are replaced
        result = CliRunner().invoke(job, arguments, standalone_mode=False, catch_exceptions=False)
        assert "no-progress" in result.output
    cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")
    found = cloudwatch.describe_alarms()["MetricAlarms"]
    assert len(found) == 4
    watched = Watched("s3://bucket/run", "us-east-1", job="j", instances=3)
    wanted = {request["AlarmName"]: request for request in alarm_requests(watched)}
    for alarm in found:
        request = wanted[alarm["AlarmName"]]
        for name in ("Threshold", "ComparisonOperator", "EvaluationPeriods", "AlarmDescription"):
            assert alarm[name] == request[name]
    body = cloudwatch.get_dashboard(DashboardName=watched.name)["DashboardBody"]
    assert json.loads(body) == json.loads(dashboard_request(watched)["DashboardBody"])


def test_a_dry_run_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    result = CliRunner().invoke(job, ["alarms", "s3://b/run", "--region", "us-east-1", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.output)["put_metric_alarm"]) == 3


def test_an_unknown_machine_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        CliRunner().invoke(
            job,
            ["alarms", "o", "--region", "r", "--type", "ml.c5.18xlarg"],
            standalone_mode=False,
            catch_exceptions=False,
        )
