"""What a driver does about nodes that refuse to work: tasks keep away from them, and if all of them refuse, it waits.

While it waits it tries one task now and then. It ends when that has lasted too long and nobody else gets on either.
"""

from __future__ import annotations

from collections.abc import Callable

from refinedweb.engine import policy
from refinedweb.engine.nodes import Nodes, Sickness
from refinedweb.engine.pool import Pool
from refinedweb.engine.verdicts import backoff


class Standstill:
    """The nodes of one step. `pending`: its tasks that are not settled; `root`: of the store that its output is in."""

    def __init__(
        self, nodes: Nodes, pool: Pool, clock: Callable[[], float], patience: float, root: str, pending: int
    ) -> None:
        self._nodes = nodes
        self._pool = pool
        self._now = clock
        self._patience = patience
        self._root = root
        self._pending, self._progressed = pending, clock()
        self._probes = 0
        self._next_probe = float("-inf")
        self.sickness: Sickness | None = None

    def look(self, pending: int) -> bool:
        """Keep tasks away from sick nodes. True if all are sick, and one more task was refused since the last look."""
        nodes, aside = self._pool.nodes(), self._nodes.aside()
        self._pool.avoid(aside if len(aside) < nodes else ())
        if pending < self._pending:
            self._pending, self._progressed = pending, self._now()
        before, self.sickness = self.sickness, self._nodes.sickness(nodes)
        if self.sickness is None:
            self._probes = 0
            return False
        if before is not None and before.attempts >= self.sickness.attempts:
            return False
        self._probes += 1
        self._next_probe = self._now() + backoff(self._probes)
        return True

    def may_probe(self) -> bool:
        """Whether it is time to start one task, to see whether a node can work again."""
        return self._now() >= self._next_probe

    def hopeless(self, *, untouched: bool, running: bool) -> str:
        """Why it makes no sense to wait on; empty if it does. `untouched`: nobody has got anywhere with this step."""
        if self.sickness is None:
            return ""
        lasted = self._now() - max(self.sickness.since, self._progressed)
        limit = self._limit(self.sickness, untouched)
        if lasted < limit or (running and lasted < policy.HUNG * limit):
            return ""  # an attempt that is still running may be on a node that is well
        name, nodes = self.sickness.name, self.sickness.nodes
        who = name if nodes == 1 else f"{nodes} nodes, {name} the last of them,"
        return f"{who} cannot work: {self.sickness.error}"

    def _limit(self, all_sick: Sickness, untouched: bool) -> float:
        """Seconds to wait for nodes that refuse: a wrong setting shows at the start, and room comes by hand only."""
        if all_sick.full and self._root in all_sick.error:
            return policy.FULL_SECONDS
        return policy.SICK_START_SECONDS if untouched else min(self._patience, policy.SICK_SECONDS)
