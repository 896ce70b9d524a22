"""The ledger: what a run is, which of its tasks are done, who works on the others, and where each object is kept.

layout    every key of a run, in one place
run_file  `run.json`: recipe, inputs and steps
record    what one task did, and the sums of what many did
manifest  the commit records of one step
gaps      the shards that a run goes on without, and how a later run fills the gap
claims    the right to work on a block of tasks, held for a lease
totals    the state of a whole run, from the ledgers of its steps
version   which code ran
memory    how much memory it took
"""
