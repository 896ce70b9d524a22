"""The work of a pass on one shard, without Ray and without claims.

source        where the shard's documents come from: an input file, or what the previous pass kept
kept          what a pass kept, with the decisions of global steps applied
apply         the stages over one batch, and the check of their one law
quarantine    the same in a child process, for a shard whose task died
outputs       the Parquet objects that are written
index_format  the files of an index
local_step    the task: read once, run the fused stages, write once, commit
stage_cache   the stages of a recipe, built once per process
"""
