"""Fit a network to a data set: recipes, the loop, checkpoints, logs. This package knows
nothing of HTTP, queues or jobs.

Words. An iteration is one update of the weights. A sitting is a part of a run without
interruption, by one command. A share is one of the equal parts of a batch, whose
gradients are added in order. To publish a checkpoint is to write it as a model that can
be served.

Everything that trains in several processes raises LostProcessError (ranks.py) if
another process has died; the last checkpoint is still good then.
"""
