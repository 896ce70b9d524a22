"""What the watcher asks of AWS: SageMaker for jobs, CloudWatch for processors, CloudWatch Logs for errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from jobs.watch.chain import ChainJob
from refinedweb.forecast.machines import TYPES
from stages.errors import ConfigError, RetryError

PERIOD = 300
MOST_LINES = 20
LONGEST_LINE = 500
NAMESPACE = {"processing": "/aws/sagemaker/ProcessingJobs", "training": "/aws/sagemaker/TrainingJobs"}
GROUP = NAMESPACE


class SageMaker:
    """See `jobs.watch.watch.Jobs`. Clients may be given; else they are made from the usual AWS settings."""

    def __init__(self, sagemaker: Any = None, cloudwatch: Any = None, logs: Any = None) -> None:
        self._sagemaker = sagemaker or client("sagemaker")
        self._cloudwatch = cloudwatch or client("cloudwatch")
        self._logs = logs or client("logs")

    def status(self, link: ChainJob) -> tuple[str | None, str]:
        """Status (None: no such job) and the reason of a failure."""
        found = self._describe(link)
        if found is None:
            return None, ""
        status = found["ProcessingJobStatus" if link.kind == "processing" else "TrainingJobStatus"]
        return status, str(found.get("ExitMessage") or found.get("FailureReason") or "")[:LONGEST_LINE]

    def request_of(self, link: ChainJob) -> dict[str, Any]:
        """The request that would make the job again, from what SageMaker says of it. Raises ConfigError."""
        found = self._describe(link)
        if found is None:
            raise ConfigError(f"SageMaker knows no {link.kind} job {link.name}; launch it first, or give a --chain")
        operation = "CreateProcessingJob" if link.kind == "processing" else "CreateTrainingJob"
        taken = self._sagemaker.meta.service_model.operation_model(operation).input_shape.members
        return {name: found[name] for name in taken if name in found}

    def _describe(self, link: ChainJob) -> dict[str, Any] | None:
        if link.kind == "processing":
            return _asked(lambda: self._sagemaker.describe_processing_job(ProcessingJobName=link.name))
        return _asked(lambda: self._sagemaker.describe_training_job(TrainingJobName=link.name))

    def create(self, link: ChainJob) -> None:
        """Start the job; nothing happens where its name is taken."""
        create = self._sagemaker.create_processing_job
        if link.kind == "training":
            create = self._sagemaker.create_training_job
        try:
            create(**link.request)
        except ClientError as error:
            if _code(error) != "ResourceInUse":
                raise RetryError(f"{link.name} was not launched: {error}") from error
        except BotoCoreError as error:
            raise RetryError(f"{link.name} may have been launched or not: {error}") from error

    def stop(self, link: ChainJob) -> None:
        """Ask the job to stop; nothing happens where it is over."""
        if link.kind == "processing":
            _asked(lambda: self._sagemaker.stop_processing_job(ProcessingJobName=link.name))
        else:
            _asked(lambda: self._sagemaker.stop_training_job(TrainingJobName=link.name))

    def idle_minutes(self, link: ChainJob, percent: float, minutes: float, now: float) -> float:
        """For how long the mean of all hosts has been below; 0 where a value is missing.

        SageMaker counts 100 % for each core (docs: monitoring-cloudwatch, job metrics), so it is divided by them.
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
                limit=1000,
            )
        )
        events = [] if found is None else found.get("events", [])
        return tuple(str(event.get("message", ""))[:LONGEST_LINE] for event in events[-MOST_LINES:])


def client(service: str) -> Any:
    """Of the usual AWS settings. Raises ConfigError where they name no region."""
    try:
        return boto3.client(service)
    except NoRegionError as error:
        raise ConfigError("no AWS region: set AWS_REGION, or a profile that has one") from error


def cpu_expression(link: ChainJob) -> str:
    """Metric math: mean of the processors of all hosts of the job, `<job>/algo-<n>` each."""
    search = f'{{{NAMESPACE[link.kind]},Host}} MetricName="CPUUtilization" Host="{link.name}/algo"'
    return f"AVG(SEARCH('{search}', 'Average', {PERIOD}))"


def cores(link: ChainJob) -> int:
    """Of each host of the job; 1 for a type that we don't know, so that it never seems idle too early."""
    resources = link.request.get("ResourceConfig") or link.request.get("ProcessingResources", {}).get(
        "ClusterConfig", {}
    )
    found = TYPES.get(resources.get("InstanceType", ""))
    return 1 if found is None else found.cores


def _asked(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The answer; None where AWS knows no such thing, or it is over. Raises RetryError: the next look asks again."""
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
    told = message.lower()
    return any(words in told for words in ("not found", "could not find", "terminal state", "cannot be stopped"))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
