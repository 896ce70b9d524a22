"""`python -m jobs.container`: what the container runs on every host."""

from __future__ import annotations

import os
import sys

from jobs.container.place import settle
from stages.errors import ConfigError


def start() -> int:
    """Find a place to write before anything is imported that wants one; then run this host's part."""
    try:
        place = settle(os.environ)
        print(f"uid {os.getuid()}: temporary files go to {place}", file=sys.stderr, flush=True)
    except ConfigError as error:
        # a run on S3 may get by without one: what needs a place says so
        print(error, file=sys.stderr, flush=True)
    from jobs.container.entry import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(start())
