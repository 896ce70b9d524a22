"""The driver's constants in one place, each with its unit and its reason.

The engine reads them as `policy.NAME` at the moment of use, so a test that sets one here changes every user of it.
"""

from __future__ import annotations

# Blocks of tasks: how many there are, and how a driver chooses among them.

BLOCKS = 512  # blocks of a pass: enough that a few hundred drivers can share it, few enough to list quickly
MOST_PER_BLOCK = 64  # tasks: what one driver may hold, and what waits for a whole lease if that driver dies
LARGE_TASK = 4  # times the mean size: such a task is a block by itself, so that its neighbours don't wait for it
SIMILAR_BLOCKS = 8  # first blocks to choose from at random; each refusal doubles it, so that drivers spread out
CLAIM_TRIES = 8  # free blocks to try to claim before listing the claims: by then others took most of what we know of
LOOK_SECONDS = 2.0  # least time between two listings of the claims, so that idle drivers don't flood the store
FOREIGN_CHECKS = 4  # blocks of other drivers to check per listing: bounds its requests however many drivers there are

# The loop: how often it turns, and what it does with a task that did not end in a record.

TICK_SECONDS = 0.25  # longest wait for an outcome: claims are renewed and progress is shown at this pace
CAREFUL_DEATHS = 2  # deaths of a task's worker before the task runs carefully: the first may be the machine's fault
MOST_DEATHS = 6  # deaths of a task's worker before the task is recorded as failed
RETRIES = 6  # further attempts after passing faults: with the back-off below they span about a minute
BACKOFF_SECONDS = 0.5  # times 2 to the number of the retry: 1 s, 2 s, 4 s, …
MOST_BACKOFF_SECONDS = 30.0  # upper bound of that wait
MOST_WAITING = 64  # tasks in back-off at which no further block is claimed: the cause is probably shared

# Stragglers: attempts that are repeated elsewhere because they take too long.

RATES = 1000  # latest attempts whose seconds per byte give the usual rate; bounds memory and follows changes
LEAST_RATES = 3  # attempts that must have ended before their median counts as the usual rate
STRAGGLER_FACTOR = 4.0  # times the usual rate: slower than that is not explained by the task's size
STRAGGLER_SECONDS = 60.0  # no attempt younger than this is repeated: it would cost more than it saves

# Rollups written during a run.

ROLL_UP_SECONDS = 60.0  # least time between the end of one rollup and the start of the next
ROLL_UP_SHARE = 20  # times the duration of the last rollup, if that is longer: at most 1/20 of the time goes to them

# Ray and its workers.

OBJECT_STORE_BYTES = 128 << 20  # shared memory: only the step's work and commit records go through it
CPU_COUNT_SECONDS = 1.0  # how long the number of the cluster's cores is remembered: asking costs a call to Ray's head
CONNECT_SECONDS = 20.0  # to wait for a cluster's port: Ray itself takes minutes to notice that nothing listens
RAY_STARTS = 3  # tries to start Ray here: it allows itself 30 s, too few on a machine that is busy with other work
NEWS_SECONDS = 15.0  # between two words on a Ray that is still starting
MOST_OF_AN_ERROR = 400  # characters of Ray's own words in a message: some of its errors are pages
RECYCLE_BYTES = 16 << 30  # input after which a worker process is replaced, against leaks in C libraries
LEAST_RECYCLED = 4  # tasks of one worker process at least: starting one costs seconds
MOST_RECYCLED = 2000  # tasks of one worker process at most, for inputs so small that bytes alone would never recycle it


def recycle_of(mean: int) -> int:
    """Tasks after which a worker process is replaced, given the mean size of the inputs in bytes."""
    return max(LEAST_RECYCLED, min(MOST_RECYCLED, RECYCLE_BYTES // max(1, mean)))


def block_of(files: int) -> int:
    """Tasks of a pass that are claimed together, given the number of input files."""
    return max(1, min(MOST_PER_BLOCK, files // BLOCKS))
