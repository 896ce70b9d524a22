"""AWS clients that follow a script."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.stub import ANY, Stubber

from jobs.watch.aws import SageMaker
from tests.jobs.watch.requests import request

ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/x"


@dataclass
class StubbedAws:
    """Clients that check every request and every scripted answer against botocore's models, in order."""

    sagemaker: Stubber
    cloudwatch: Stubber
    logs: Stubber
    jobs: SageMaker

    def describe(self, name: str, status: str | None, *, message: str = "") -> None:
        wanted = {"ProcessingJobName": name}
        if status is None:
            words = f"Could not find requested job with name: {name}"
            self.sagemaker.add_client_error("describe_processing_job", "ValidationException", words, 400, None, wanted)
            return
        answer = {**request(name), "ProcessingJobArn": ARN, "ProcessingJobStatus": status, "CreationTime": 1}
        if message:
            answer["ExitMessage"] = message
        self.sagemaker.add_response("describe_processing_job", answer, wanted)

    def create(self, name: str, *, taken: bool = False) -> None:
        wanted = request(name)
        wanted["Environment"] = {**wanted["Environment"], "REFINEDWEB_JOB_SECRET": ANY}
        if taken:
            self.sagemaker.add_client_error("create_processing_job", "ResourceInUse", "taken", 400, None, wanted)
        else:
            self.sagemaker.add_response("create_processing_job", {"ProcessingJobArn": ARN}, wanted)

    def stop(self, name: str) -> None:
        self.sagemaker.add_response("stop_processing_job", {}, {"ProcessingJobName": name})

    def cpu(self, *values: float) -> None:
        answer = {"MetricDataResults": [{"Id": "cpu", "Values": list(values)}]}
        wanted = {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": ANY, "ScanBy": "TimestampDescending"}
        self.cloudwatch.add_response("get_metric_data", answer, wanted)

    def log(self, name: str, *lines: str) -> None:
        wanted = {"logGroupName": ANY, "logStreamNamePrefix": f"{name}/", "filterPattern": ANY, "limit": 1000}
        self.logs.add_response("filter_log_events", {"events": [{"message": line} for line in lines]}, wanted)
