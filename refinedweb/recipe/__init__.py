"""Recipes: what runs in which order with which parameters, and the steps that come of it."""
