"""Runs the steps of a recipe as Ray tasks, each of which ends in one commit record."""
