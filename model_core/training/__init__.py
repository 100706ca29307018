"""Fit a network to a data set: recipes, the loop, checkpoints, logs. This package knows
nothing of HTTP, queues or jobs."""
