"""Fitting a network to a data set: recipes, the loop, checkpoints, logs. Knows no web, queue or job."""
