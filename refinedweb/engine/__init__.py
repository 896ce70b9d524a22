"""Runs the steps of a recipe: Ray tasks over shards, each ending in one commit record."""
