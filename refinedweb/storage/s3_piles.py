"""What piles up on S3 without being seen in a listing, and costs: parts of uploads that nobody finished, and on a
versioned bucket the old versions of what is written again and again, heartbeats above all. `doctor` looks for both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from refinedweb.storage.s3_client import client
from refinedweb.storage.s3_errors import FAULTS

MOST_PAGES = 20  # of 1,000 entries each, of one listing: enough to know that there are many
UPLOAD_DAYS = 7  # longer than any upload takes
VERSION_DAYS = 3  # until an old version goes: time to notice a mistake
RULE = "refinedweb"


@dataclass(frozen=True)
class Pile:
    """One kind of leftovers: what was found, and the bucket's life-cycle if it must change (None: it need not)."""

    name: str
    found: str
    lifecycle: str | None = None


def piles(uri: str) -> list[Pile]:
    """Both kinds, below `uri`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/" if key.strip("/") else ""
    rules = _rules(bucket)
    return [_uploads(bucket, prefix, rules), _versions(bucket, prefix, rules)]


def _uploads(bucket: str, prefix: str, rules: list[dict[str, Any]] | None) -> Pile:
    name = "unfinished uploads"
    try:
        count, more = _counted("list_multipart_uploads", bucket, prefix, lambda page: page.get("Uploads", []))
    except FAULTS as error:
        return Pile(name, f"not known ({error})")
    found = f"{'more than ' if more else ''}{count:,}"
    if _covered(rules, prefix, "AbortIncompleteMultipartUpload"):
        return Pile(name, f"{found}, which a life-cycle rule removes")
    return Pile(name, found, _command(bucket, prefix, rules) if count else None)


def _versions(bucket: str, prefix: str, rules: list[dict[str, Any]] | None) -> Pile:
    name = "old versions"
    try:
        status = client().get_bucket_versioning(Bucket=bucket).get("Status")
        if status is None:
            return Pile(name, "none, the bucket is not versioned")
        count, more = _counted("list_object_versions", bucket, prefix, _old)
    except FAULTS as error:
        return Pile(name, f"not known ({error})")
    found = f"{'more than ' if more else ''}{count:,} (versioning: {status})"
    if _covered(rules, prefix, "NoncurrentVersionExpiration"):
        return Pile(name, f"{found}, which a life-cycle rule removes")
    found += "; each driver that runs adds one every 20 s"
    return Pile(name, found, _command(bucket, prefix, rules))


def _old(page: dict[str, Any]) -> list[dict[str, Any]]:
    versions = [one for one in page.get("Versions", []) if not one["IsLatest"]]
    return [*versions, *page.get("DeleteMarkers", [])]


def _counted(operation: str, bucket: str, prefix: str, entries: Callable[[dict[str, Any]], Any]) -> tuple[int, bool]:
    """How many entries a listing has, and whether there are more than that."""
    pages = client().get_paginator(operation).paginate(Bucket=bucket, Prefix=prefix)
    count = 0
    for number, page in enumerate(pages, 1):
        count += sum(1 for _ in entries(page))
        if number == MOST_PAGES:
            return count, bool(page.get("IsTruncated"))
    return count, False


def _rules(bucket: str) -> list[dict[str, Any]] | None:
    """The bucket's life-cycle rules; None if they cannot be read."""
    try:
        return list(client().get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", []))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        return [] if code == "NoSuchLifecycleConfiguration" else None
    except FAULTS:
        return None


def _covered(rules: list[dict[str, Any]] | None, prefix: str, action: str) -> bool:
    """Whether an enabled rule does this to everything below the prefix."""
    for rule in rules or ():
        narrow = rule.get("Filter", {})
        if {"And", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"} & {*narrow}:
            continue
        wanted = str(rule.get("Prefix", narrow.get("Prefix", "")))
        if rule.get("Status") == "Enabled" and action in rule and prefix.startswith(wanted):
            return True
    return False


def _command(bucket: str, prefix: str, rules: list[dict[str, Any]] | None) -> str:
    """The command that adds our rule to those that the bucket has."""
    rule = {
        "ID": f"{RULE} {prefix}"[:255].strip(),
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        "NoncurrentVersionExpiration": {"NoncurrentDays": VERSION_DAYS},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    }
    others = [one for one in rules or () if one.get("ID") != rule["ID"]]
    made = json.dumps({"Rules": [*others, rule]}, default=str)
    unread = "" if rules is not None else " (the rules that it has could not be read: add them, or they are lost)"
    quoted = made.replace("'", "'\\''")
    return (
        f"aws s3api put-bucket-lifecycle-configuration --bucket {bucket} --lifecycle-configuration '{quoted}'{unread}"
    )
