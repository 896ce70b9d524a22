"""`python -m jobs.container`: what the container runs on every host."""

from __future__ import annotations

import sys

from jobs.container.entry import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
