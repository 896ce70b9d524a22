"""The work of one task on one shard: no Ray, no claims."""
