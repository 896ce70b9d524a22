"""What the machines and the store can do: every number with its source. Prices change and differ by region.

S3_*            docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: at least 3,500 PUT, COPY,
                POST or DELETE and 5,500 GET or HEAD requests a second and partitioned prefix; partitions grow in
                30 to 60 minutes.
LATENCY         the same guide, design patterns: small objects and first bytes take roughly 100–200 ms. The lower end;
                30 ms is often seen within a region.
*_DOLLARS       aws.amazon.com/s3/pricing, us-east-1, S3 Standard: $0.005 per 1,000 PUT, $0.0004 per 1,000 GET.
TYPES           aws.amazon.com/ec2/instance-types/c5 (vCPU, GiB, Gbit/s; sizes below 9xlarge burst "up to 10", of which
                the baselines are in docs.aws.amazon.com/ec2/latest/instancetypes/co.html); dollars per hour from public
                SageMaker price tables of us-east-1, of 2024 to 2026.
SPOT_SHARE      aws.amazon.com/sagemaker/train: managed spot saves up to 90 %; 0.4 is what c5 typically costs, an
                assumption to replace by what your bill says.
START_SECONDS   assumption: SageMaker gives machines in 3 to 8 minutes, image included.
INTERRUPTIONS   assumption, per instance and hour of spot: the Spot Instance Advisor's worst class, > 20 % a month, is
                0.0003; when capacity is short whole pools go. 0.01 is pessimistic on purpose.
STRAGGLERS      assumption: one task in a hundred takes three times as long (Dean and Barroso, The tail at scale, 2013).
SUBMIT_SECONDS  measured: Ray takes 1,000 no-op tasks in 0.4 to 0.8 s.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from stages.errors import ConfigError, nearest

S3_PUTS, S3_GETS = 3500.0, 5500.0
LATENCY = 0.1
PUT_DOLLARS, GET_DOLLARS = 0.005 / 1000, 0.0004 / 1000
SPOT_SHARE = 0.4
START_SECONDS = 300.0
INTERRUPTIONS = 0.01
STRAGGLERS, STRAGGLER_FACTOR = 0.01, 3.0
SUBMIT_SECONDS = 0.0006


@dataclass(frozen=True)
class Machine:
    """One kind of machine: cores that run a worker each, memory in bytes, network in bytes/s, dollars an hour."""

    name: str
    cores: int
    memory: float
    network: float
    price: float


def _c5(size: str, cores: int, gigabits: float, price: float) -> Machine:
    return Machine(f"ml.c5.{size}", cores, cores * 2 * 2**30, gigabits * 1e9 / 8, price)


TYPES = {
    machine.name: machine
    for machine in (
        _c5("xlarge", 4, 1.25, 0.204),
        _c5("2xlarge", 8, 2.5, 0.408),
        _c5("4xlarge", 16, 5.0, 0.816),
        _c5("9xlarge", 36, 12.0, 1.836),
        _c5("18xlarge", 72, 25.0, 3.672),
    )
}
LOCAL = "local"


def machine(name: str, *, price: float | None = None, cores: int | None = None) -> Machine:
    """The machine of that type; `local` is this one. Raises ConfigError for an unknown one."""
    if name == LOCAL:
        found = Machine(LOCAL, len(os.sched_getaffinity(0)), float("inf"), float("inf"), 0.0)
    elif name in TYPES:
        found = TYPES[name]
    else:
        raise ConfigError(f"no machine type is called {name!r}: {nearest(name, [LOCAL, *TYPES])}")
    found = found if price is None else replace(found, price=price)
    return found if cores is None else replace(found, cores=cores)


@dataclass(frozen=True)
class Conditions:
    """What the world does to a run. Rates in requests/s over all prefixes, seconds, shares; see the module."""

    puts: float = S3_PUTS
    gets: float = S3_GETS
    latency: float = LATENCY
    start: float = START_SECONDS
    interruptions: float = 0.0
    stragglers: float = STRAGGLERS
    straggler_factor: float = STRAGGLER_FACTOR
    speed: float = 1.0
    share_nothing: bool = False
    seed: int = 0


def quiet(start: float) -> Conditions:
    """A local run: no store in the network, no one takes machines away, workers are up after `start` seconds."""
    unlimited = float("inf")
    return Conditions(unlimited, unlimited, latency=0.0, start=start, stragglers=0.0)
