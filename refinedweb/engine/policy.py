"""The driver's constants in one place, each with its unit and its reason.

The engine reads them as `policy.NAME` at the moment of use, so a test that sets one here changes every user of it.
"""

from __future__ import annotations

# Blocks of tasks: how many there are, and how a driver chooses among them.

BLOCKS = 512  # blocks of a pass or phase: enough that a few hundred drivers can share it, few enough to list quickly
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
RETRIES = 6  # further attempts after passing faults, at least
RETRY_SECONDS = 300.0  # for which such faults go on, at least, before a task fails while others succeed
REFUSALS = 4  # further attempts at a task that nodes refuse which do other tasks well
SECOND_OPINIONS = 2  # further attempts at a task that fails on a node where other tasks fail too
NODE_DEATHS = 3  # deaths of a task's node before the task runs carefully: it may have taken the node with it
MOST_DOUBLINGS = 7  # of a task's cores when memory runs out: 128 is a whole node
BACKOFF_SECONDS = 0.5  # times 2 to the number of the retry: 1 s, 2 s, 4 s, …
MOST_BACKOFF_SECONDS = 30.0  # upper bound of that wait
MOST_WAITING = 64  # tasks in back-off at which no further block is claimed: the cause is probably shared

# Patience: how long a driver goes on while nothing works, and when it stops giving tasks to a node.

PATIENCE_SECONDS = 5400.0  # without an answer from the store, or a task that ends well: S3 throttles for up to an hour
SICK_SECONDS = 600.0  # that every node refuses to work after a run has got under way: what passes, passes sooner
SICK_START_SECONDS = 60.0  # the same before anything is committed: then the setting is probably wrong
HUNG = 4  # times as long, if an attempt is still running then: it may be on a node that works, or hang
FULL_SECONDS = 5.0  # that OUT has no room: it does not pass without a person
MOST_ILL = 3  # nodes at most that have to refuse before all are thought to; of fewer, all; of more than twice, half
FAILURES = {"config": 2, "full": 2, "raised": 4, "retry": 8, "unanswered": 8}
"""Tasks that fail in a row until a node is set aside, by the kind of the last failure."""
PROBATION_SECONDS = 60.0  # that a node is set aside for; doubled each time that it fails again
MOST_PROBATION_SECONDS = 1800.0  # upper bound of that time

# Stragglers: attempts that are repeated elsewhere because they take too long.

RATES = 1000  # latest attempts whose seconds per byte give the usual rate; bounds memory and follows changes
LEAST_RATES = 3  # attempts that must have ended before their median counts as the usual rate
STRAGGLER_FACTOR = 4.0  # times the usual rate: slower than that is not explained by the task's size
STRAGGLER_SECONDS = 60.0  # no attempt younger than this is repeated: it would cost more than it saves

# Rollups written during a run.

ROLL_UP_SECONDS = 60.0  # least time between the end of one rollup and the start of the next
ROLL_UP_LEFT = 0.02  # chance at each turn that a driver sums up records of others: 100 drivers do twice a turn
ROLL_UP_SHARE = 20  # times the duration of the last rollup, if that is longer: at most 1/20 of the time goes to them

# Ray and its workers.

OBJECT_STORE_BYTES = 128 << 20  # shared memory: only the step's work and commit records go through it
CPU_COUNT_SECONDS = 1.0  # how long the number of the cluster's cores is remembered: asking costs a call to Ray's head
CONNECT_SECONDS = 20.0  # to wait for a cluster's port: Ray itself takes minutes to notice that nothing listens
RAY_STARTS = 3  # tries to start Ray here: it allows itself 30 s, too few on a machine that is busy with other work
SMALL_BYTES = 4 << 20  # input that one worker reads in about the time that Ray takes to start
CHILD_SECONDS = 10.0  # for a worker process to end by itself before it is killed
NEWS_SECONDS = 15.0  # between two words on a Ray that is still starting
MOST_OF_AN_ERROR = 400  # characters of Ray's own words in a message: some of its errors are pages
RECYCLE_BYTES = 16 << 30  # input after which a worker process is replaced, against leaks in C libraries
LEAST_RECYCLED = 4  # tasks of one worker process at least: starting one costs seconds
MOST_RECYCLED = 2000  # tasks of one worker process at most, for inputs so small that bytes alone would never recycle it


def recycle_of(mean: int) -> int:
    """Tasks after which a worker process is replaced, given the mean size of the inputs in bytes."""
    return max(LEAST_RECYCLED, min(MOST_RECYCLED, RECYCLE_BYTES // max(1, mean)))


def block_of(tasks: int) -> int:
    """Tasks that are claimed together, given the number of tasks of a pass or phase."""
    return max(1, min(MOST_PER_BLOCK, tasks // BLOCKS))
