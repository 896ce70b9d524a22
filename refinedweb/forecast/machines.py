"""What the machines and the store can do: every number with its source. Prices change and differ by region.

S3_*            docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: at least 3,500 PUT, COPY,
                POST or DELETE and 5,500 GET or HEAD requests per second and partitioned prefix; S3 adds partitions
                within 30 to 60 minutes.
LATENCY         the same guide, design patterns: small objects and first bytes take roughly 100–200 ms. This is the
                lower end; 30 ms is often seen within a region.
*_DOLLARS       aws.amazon.com/s3/pricing, us-east-1, S3 Standard: $0.005 per 1,000 PUT, $0.0004 per 1,000 GET.
TYPES           aws.amazon.com/ec2/instance-types/c5 (vCPU, GiB, Gbit/s; sizes below 9xlarge burst "up to 10", their
                baselines are in docs.aws.amazon.com/ec2/latest/instancetypes/co.html); dollars per hour from public
                SageMaker price tables for us-east-1, 2024 to 2026.
SPOT_SHARE      aws.amazon.com/sagemaker/train: managed spot saves up to 90 %; 0.4 is what c5 typically costs. An
                assumption: replace it by what your bill says.
START_SECONDS   assumption: SageMaker provides machines in 3 to 8 minutes, image included.
INTERRUPTIONS   assumption, per spot instance and hour: the Spot Instance Advisor's worst class, > 20 % a month, is
                0.0003; but when capacity is short, whole pools go. 0.01 is pessimistic on purpose.
STRAGGLERS      assumption: one task in a hundred takes three times as long (Dean and Barroso, The tail at scale, 2013).
SUBMIT_SECONDS  measured: Ray accepts 1,000 no-op tasks in 0.4 to 0.8 s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from refinedweb.engine.machine import cores as own_cores
from refinedweb.engine.machine import memory as own_memory
from stages.errors import ConfigError, nearest

# The source of each number is in the module's docstring.
S3_PUTS, S3_GETS = 3500.0, 5500.0  # requests per second and prefix
LATENCY = 0.1  # seconds per request
PUT_DOLLARS, GET_DOLLARS = 0.005 / 1000, 0.0004 / 1000  # per request
SPOT_SHARE = 0.4  # of the on-demand price
START_SECONDS = 300.0  # until a machine works
INTERRUPTIONS = 0.01  # per spot machine and hour
STRAGGLERS, STRAGGLER_FACTOR = 0.01, 3.0  # share of the tasks, and how many times longer they take
SUBMIT_SECONDS = 0.0006  # of the driver, per task


@dataclass(frozen=True)
class Machine:
    """One type of machine: cores that run one worker each, memory in bytes, network in bytes/s, dollars per hour."""

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
    """The machine of that type; `local` is this one. Raises ConfigError if the type is unknown."""
    if name == LOCAL:
        found = Machine(LOCAL, own_cores(), own_memory(), float("inf"), 0.0)
    elif name in TYPES:
        found = TYPES[name]
    else:
        raise ConfigError(f"no machine type is called {name!r}: {nearest(name, [LOCAL, *TYPES])}")
    found = found if price is None else replace(found, price=price)
    return found if cores is None else replace(found, cores=cores)


@dataclass(frozen=True)
class Conditions:
    """What the world does to a run, with the module's numbers as defaults.

    `puts`, `gets`: requests/s over all prefixes; `latency`, `start`: seconds; `interruptions`: per machine and hour;
    `stragglers`: share of the tasks; `speed`: of a core, relative to the sample's; `share_nothing`: one driver per
    machine.
    """

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
    """A local run: the store is not on a network, nobody takes machines away, workers are up after `start` seconds."""
    unlimited = float("inf")
    return Conditions(unlimited, unlimited, latency=0.0, start=start, stragglers=0.0)
