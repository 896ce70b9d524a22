"""What a user may set about how a run is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field

from refinedweb.engine.allowance import Allowance
from refinedweb.engine.policy import PATIENCE_SECONDS
from refinedweb.ledger.claims import LEASE_SECONDS


@dataclass(frozen=True)
class RunSettings:
    """Settings that do not influence the output of a task: workers, the Ray cluster's address, the lease of claims and
    the driver's patience with a store that does not answer, both in seconds; `accept`: how many failed shards to go on
    without; `go_on`: with one worker, where Ray cannot start.
    """

    workers: int | None = None
    address: str | None = None
    lease: float = LEASE_SECONDS
    patience: float = PATIENCE_SECONDS
    accept: Allowance = field(default_factory=Allowance)
    go_on: bool = False
