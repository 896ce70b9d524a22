"""The job whose request the tests know field by field."""

from __future__ import annotations

from jobs.launch.spec import Job

ROLE = "arn:aws:iam::123456789012:role/curation"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/refinedweb:3f2a91c0aa11"
JOB = Job(
    name="refinedweb-refinedweb-0123456789ab",
    role=ROLE,
    image=IMAGE,
    words=("refinedweb", "s3://crawl/part/", "s3://corpus/part", "--limit", "5"),
    out="s3://corpus/part",
    secret="a secret",
    instances=40,
    environment={"AWS_DEFAULT_REGION": "eu-west-1"},
    tags={"refinedweb:commit": "3f2a91c0aa11", "team": "data"},
)
