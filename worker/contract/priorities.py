"""Who goes first: jobs that someone waits for, and those that fill the rest."""

from worker.contract.jobs import JobSpec, Priority

INTERACTIVE_IMAGES = 4
"""A job of at most this many images has someone waiting for it, unless it says otherwise."""

WEIGHTS = {Priority.INTERACTIVE: 4, Priority.BULK: 1}
"""When both kinds wait, this many interactive jobs are taken, and images seated, for each bulk one: bulk jobs are
slower, but they go on."""


def priority_of(spec: JobSpec) -> Priority:
    """The priority that was asked for, else by size."""
    by_size = Priority.INTERACTIVE if spec.n <= INTERACTIVE_IMAGES else Priority.BULK
    return spec.priority or by_size
