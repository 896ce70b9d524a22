"""What the watcher asks AWS: SageMaker about jobs, CloudWatch about processors, CloudWatch Logs about errors."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from jobs.launch.spec import JOB, SECRET
from jobs.patches import members_of
from jobs.watch.chain import ChainJob
from refinedweb.forecast.machines import TYPES
from stages.errors import ConfigError, RetryError

PERIOD = 300  # seconds between two values
MOST_LINES = 20  # of a log, kept in an event
LONGEST_LINE = 500  # characters
MOST_EVENTS = 1000  # of a log, in one answer
NAMESPACE = {"processing": "/aws/sagemaker/ProcessingJobs", "training": "/aws/sagemaker/TrainingJobs"}
GROUP = NAMESPACE


class SageMaker:
    """The `Jobs` of `jobs.watch.watcher`. Clients may be given; else they are made from the usual AWS settings."""

    def __init__(self, sagemaker: Any = None, cloudwatch: Any = None, logs: Any = None) -> None:
        self._sagemaker = sagemaker or client("sagemaker")
        self._cloudwatch = cloudwatch or client("cloudwatch")
        self._logs = logs or client("logs")

    def status(self, link: ChainJob) -> tuple[str | None, str]:
        """The job's status (None: no such job) and the reason for a failure."""
        found = self._describe(link)
        if found is None:
            return None, ""
        status = found["ProcessingJobStatus" if link.kind == "processing" else "TrainingJobStatus"]
        return status, str(found.get("ExitMessage") or found.get("FailureReason") or "")[:LONGEST_LINE]

    def request_of(self, link: ChainJob) -> dict[str, Any]:
        """The request that would create the job again, from what SageMaker says about it. Raises ConfigError."""
        found = self._describe(link)
        if found is None:
            raise ConfigError(f"SageMaker has no {link.kind} job {link.name}; launch it first, or give a --chain")
        operation = "CreateProcessingJob" if link.kind == "processing" else "CreateTrainingJob"
        return {name: found[name] for name in members_of(self._sagemaker, operation) if name in found}

    def _describe(self, link: ChainJob) -> dict[str, Any] | None:
        if link.kind == "processing":
            return _asked(lambda: self._sagemaker.describe_processing_job(ProcessingJobName=link.name))
        return _asked(lambda: self._sagemaker.describe_training_job(TrainingJobName=link.name))

    def create(self, link: ChainJob) -> None:
        """Start the job; do nothing if its name is taken."""
        create = self._sagemaker.create_processing_job
        if link.kind == "training":
            create = self._sagemaker.create_training_job
        try:
            create(**with_secret(link.request))
        except ClientError as error:
            if _code(error) != "ResourceInUse":
                raise RetryError(f"{link.name} was not launched: {error}") from error
        except BotoCoreError as error:
            raise RetryError(f"{link.name} may or may not have been launched: {error}") from error

    def stop(self, link: ChainJob) -> None:
        """Ask the job to stop; do nothing if it is over."""
        if link.kind == "processing":
            _asked(lambda: self._sagemaker.stop_processing_job(ProcessingJobName=link.name))
        else:
            _asked(lambda: self._sagemaker.stop_training_job(TrainingJobName=link.name))

    def idle_minutes(self, link: ChainJob, percent: float, minutes: float, now: float) -> float:
        """For how long the mean of all hosts has been below `percent`; 0 if a value is missing.

        SageMaker counts 100 % for each core (docs: monitoring-cloudwatch, job metrics), so the mean is divided by the
        number of cores.
        """
        start = now - minutes * 60
        answer = _asked(
            lambda: self._cloudwatch.get_metric_data(
                MetricDataQueries=[{"Id": "cpu", "Expression": cpu_expression(link), "Period": PERIOD}],
                StartTime=datetime.fromtimestamp(start, UTC),
                EndTime=datetime.fromtimestamp(now, UTC),
                ScanBy="TimestampDescending",
            )
        )
        results = [] if answer is None else answer["MetricDataResults"]
        values = [value for result in results for value in result.get("Values", [])]
        wanted = int(minutes * 60 // PERIOD)
        quiet = [value / cores(link) < percent for value in values[:wanted]]
        return minutes if len(quiet) >= wanted and all(quiet) else 0.0

    def errors(self, link: ChainJob) -> tuple[str, ...]:
        """The last lines of the job's log that look like errors."""
        found = _asked(
            lambda: self._logs.filter_log_events(
                logGroupName=GROUP[link.kind],
                logStreamNamePrefix=f"{link.name}/",
                filterPattern="?Error ?Traceback ?failed ?Killed",
                limit=MOST_EVENTS,
            )
        )
        events = [] if found is None else found.get("events", [])
        return tuple(str(event.get("message", ""))[:LONGEST_LINE] for event in events[-MOST_LINES:])


def with_secret(request: dict[str, Any]) -> dict[str, Any]:
    """The request with a new secret for the hosts of a cluster, which no file keeps."""
    environment = request.get("Environment", {})
    if JOB not in environment or SECRET in environment:
        return request
    return {**request, "Environment": {**environment, SECRET: uuid.uuid4().hex}}


def client(service: str) -> Any:
    """A client made from the usual AWS settings. Raises ConfigError if they name no region."""
    try:
        return boto3.client(service)
    except NoRegionError as error:
        raise ConfigError("no AWS region: set AWS_REGION, or a profile that has one") from error


def cpu_expression(link: ChainJob) -> str:
    """Metric math: the mean over the processors of all hosts of the job, which are called `<job>/algo-<n>`."""
    search = f'{{{NAMESPACE[link.kind]},Host}} MetricName="CPUUtilization" Host="{link.name}/algo"'
    return f"AVG(SEARCH('{search}', 'Average', {PERIOD}))"


def cores(link: ChainJob) -> int:
    """Cores of each host of the job; 1 for an unknown type, so that the job never seems idle too early."""
    resources = link.request.get("ResourceConfig") or link.request.get("ProcessingResources", {}).get(
        "ClusterConfig", {}
    )
    found = TYPES.get(resources.get("InstanceType", ""))
    return 1 if found is None else found.cores


def _asked(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The answer; None if AWS has no such thing, or it is over. Raises RetryError: the next look asks again."""
    try:
        return call()
    except ClientError as error:
        code, message = _code(error), str(error)
        gone = code in {"ResourceNotFound", "ResourceNotFoundException"}
        if gone or (code == "ValidationException" and _is_about_a_missing_job(message)):
            return None
        raise RetryError(f"AWS answered: {message}") from error
    except NoCredentialsError as error:
        raise ConfigError(f"{error}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except BotoCoreError as error:
        raise RetryError(f"AWS did not answer: {error}") from error


def _is_about_a_missing_job(message: str) -> bool:
    lower = message.lower()
    return any(words in lower for words in ("not found", "could not find", "terminal state", "cannot be stopped"))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
