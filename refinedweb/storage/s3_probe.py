"""What `doctor` checks of a store apart from conditional writes: that it verifies uploads, and that its etags hold."""

from __future__ import annotations

import os
from typing import Any

from botocore.exceptions import ClientError

from refinedweb.storage.s3_client import client, encryption
from refinedweb.storage.s3_pace import again
from refinedweb.storage.s3_sums import Corrupt, check_all, content_md5


def checks_uploads(uri: str) -> bool:
    """Whether the store refuses an object whose bytes do not match its Content-MD5."""

    def refuses() -> bool:
        try:
            client().put_object(**_at(uri), **encryption(), Body=b"garbled", ContentMD5=content_md5(b"as sent"))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") not in {"BadDigest", "InvalidDigest"}:
                raise
            return True
        client().delete_object(**_at(uri))
        return False

    return again(uri, refuses)


def etags_hold(uri: str) -> bool:
    """Whether the etag of an object that others wrote is the MD5 of its bytes, or known to be something else."""
    data = os.urandom(1024)
    again(uri, lambda: client().put_object(**_at(uri), **encryption(), Body=data))
    try:
        again(uri, lambda: _checked(uri))
    except Corrupt:
        return False
    finally:
        again(uri, lambda: client().delete_object(**_at(uri)))
    return True


def _checked(uri: str) -> None:
    answer = client().get_object(**_at(uri))
    check_all(uri, answer["Body"].read(), answer)


def _at(uri: str) -> dict[str, Any]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}
