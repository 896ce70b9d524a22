"""What `doctor` checks of a store apart from conditional writes: that it verifies uploads, and that its etags hold."""

from __future__ import annotations

import os

from refinedweb.storage.s3_client import FAULTS, client
from refinedweb.storage.s3_sums import Corrupt, check_all, content_md5


def checks_uploads(uri: str) -> bool:
    """Whether the store refuses an object whose bytes do not match its Content-MD5."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        client().put_object(Bucket=bucket, Key=key, Body=b"garbled", ContentMD5=content_md5(b"as sent"))
    except FAULTS as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code not in {"BadDigest", "InvalidDigest"}:
            raise
        return True
    client().delete_object(Bucket=bucket, Key=key)
    return False


def etags_hold(uri: str) -> bool:
    """Whether the etag of an object that others wrote is the MD5 of its bytes, or known to be something else."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    data = os.urandom(1024)
    client().put_object(Bucket=bucket, Key=key, Body=data)
    try:
        answer = client().get_object(Bucket=bucket, Key=key)
        check_all(uri, answer["Body"].read(), answer)
    except Corrupt:
        return False
    finally:
        client().delete_object(Bucket=bucket, Key=key)
    return True
