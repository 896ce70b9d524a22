"""How many failed shards a user accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.errors import ConfigError

FORM = re.compile(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]{1,6})?)%")


@dataclass(frozen=True)
class Allowance:
    """How many failed shards a run may go on without: a number, or a percentage of all shards."""

    shards: int = 0
    percent: float = 0.0

    def of(self, shards: int) -> int:
        """The number for a run of this many shards. At least one shard must be left."""
        return min(shards - 1, self.shards + int(shards * self.percent / 100 + 1e-9))

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """`3`, or `1%` of all shards. Raises ConfigError for anything else."""
        found = FORM.fullmatch(text.strip())
        if found is None or float(found[2] or 0) > 100:
            raise ConfigError(f"--accept-failed {text}: give a number of shards, or a share of them such as 1%")
        return cls(shards=int(found[1] or 0), percent=float(found[2] or 0))
