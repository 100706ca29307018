"""Priorities: jobs that someone waits for go before jobs that fill the remaining
slots."""

from worker.contract.jobs import JobSpec, Priority

INTERACTIVE_IMAGES = 4
"""A job of at most this many images counts as interactive unless it says otherwise."""

WEIGHTS = {Priority.INTERACTIVE: 4, Priority.BULK: 1}
"""If both kinds wait, this many interactive jobs are taken, or images given slots, for
each bulk one: bulk jobs are slower, but never stop."""


def priority_of(spec: JobSpec) -> Priority:
    """Return the requested priority, or else the one that follows from the number of
    images."""
    by_size = Priority.INTERACTIVE if spec.n <= INTERACTIVE_IMAGES else Priority.BULK
    return spec.priority or by_size
