"""Stages that misbehave on purpose, registered by `--import tests.refinedweb.toy_stages`."""

from __future__ import annotations

import os
import signal
import time

import pyarrow as pa

from stages.base import drop_where, set_column, stage


def _ids(docs: pa.Table) -> list[str]:
    return [str(i) for i in docs.column("id").to_pylist()]


@stage("odd_v1")
class Odd:
    """Removes `odd`: ids that end in an odd digit. Source: ours, for tests."""

    def __call__(self, docs: pa.Table) -> pa.Table:
        odd = [i[-1] in "13579bdf" for i in _ids(docs)]
        return drop_where(docs, pa.array(["odd" if o else None for o in odd], pa.string()))


@stage("killer_v1")
class Killer:
    """Kills its process when it meets one of `victims` (ids). Source: ours, for tests."""

    victims: tuple[str, ...] = ()

    def __call__(self, docs: pa.Table) -> pa.Table:
        if set(self.victims) & set(_ids(docs)):
            os.kill(os.getpid(), signal.SIGKILL)
        return drop_where(docs, pa.nulls(docs.num_rows, pa.string()))


@stage("hanger_v1")
class Hanger:
    """Takes CPU time when it meets one of `victims` (ids): `seconds`, or without end. Source: ours, for tests."""

    victims: tuple[str, ...] = ()
    seconds: float = float("inf")

    def __call__(self, docs: pa.Table) -> pa.Table:
        start = time.thread_time()
        while set(self.victims) & set(_ids(docs)) and time.thread_time() - start < self.seconds:
            pass
        return drop_where(docs, pa.nulls(docs.num_rows, pa.string()))


@stage("raiser_v1")
class Raiser:
    """Raises ValueError when it meets one of `victims` (ids), or any document. Source: ours, for tests."""

    victims: tuple[str, ...] = ()
    everyone: bool = False

    def __call__(self, docs: pa.Table) -> pa.Table:
        if set(self.victims) & set(_ids(docs)) or (self.everyone and docs.num_rows):
            raise ValueError("this stage has a bug")
        return drop_where(docs, pa.nulls(docs.num_rows, pa.string()))


@stage("thief_v1")
class Thief:
    """Breaks the law: loses the last row, or with `swap` turns the order round. Source: ours, for tests."""

    swap: bool = False

    def __call__(self, docs: pa.Table) -> pa.Table:
        if docs.num_rows < 2:
            return docs
        return docs.take(list(range(docs.num_rows))[::-1]) if self.swap else docs.slice(0, docs.num_rows - 1)


@stage("scorer_v1")
class Scorer:
    """Adds a score and a measure. Source: ours, for tests."""

    def __call__(self, docs: pa.Table) -> pa.Table:
        lengths = pa.array([len(i) for i in _ids(docs)], pa.int64())
        docs = set_column(docs, "score", lengths)
        docs = set_column(docs, "scorer_v1.length", lengths)
        return drop_where(docs, pa.nulls(docs.num_rows, pa.string()))
