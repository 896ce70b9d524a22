"""How many random cases each law is tried on: a share of what its test names, so that the suite takes minutes.

Each run draws other cases. `REFINEDWEB_TEST_EXAMPLES=1` tries as many as the tests name, 10 ten times as many.
"""

from __future__ import annotations

import os

SHARE = float(os.environ.get("REFINEDWEB_TEST_EXAMPLES", "0.25"))
FEWEST = 5


def examples(number: int) -> int:
    """The number of cases to try where the test names this one."""
    return min(max(FEWEST, round(number * SHARE)), max(number, round(number * SHARE)))
