"""The settings of stores that a run takes along to its workers, which may be on machines where nobody set them."""

from __future__ import annotations

import os

OURS = "REFINEDWEB_S3_"  # how all of our own names begin
PAYER = "AWS_REQUEST_PAYER"


def store_settings() -> dict[str, str]:
    """Those of this process. Credentials are not among them: each machine has its own."""
    return {name: value for name, value in os.environ.items() if name.startswith(OURS) or name == PAYER}
