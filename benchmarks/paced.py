"""A stage that takes time and does nothing else, for `benchmarks.forecast`."""

from __future__ import annotations

import time

import pyarrow as pa

from stages.base import stage


@stage("paced_v1")
class Paced:
    """Sleeps `milliseconds` for every document; removes nothing. Source: ours."""

    milliseconds: float = 30.0

    def __call__(self, docs: pa.Table) -> pa.Table:
        time.sleep(docs.num_rows * self.milliseconds / 1000)
        return docs
