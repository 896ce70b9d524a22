"""Recipes: which stages run, in which order and with which parameters, and the steps that this amounts to.

recipe   the resolved recipe and its fingerprint
load     from what a user names (a shipped recipe, a TOML file, stage names) to a resolved recipe
params   values from TOML and the command line, in the types that a stage declares
assets   models and lists, pinned to their content and copied to this machine
plan     the steps of a run
"""
