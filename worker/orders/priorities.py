"""Who goes first: jobs that someone waits for, and those that fill the rest."""

from worker.contract.jobs import JobSpec, Priority

INTERACTIVE_IMAGES = 4
"""A job of at most this many images has someone waiting for it, unless it says otherwise."""

WEIGHTS = {Priority.INTERACTIVE: 4, Priority.BULK: 1}
"""Where both wait, so many interactive images sit down for each bulk one: those wait longer, and still go on."""


def priority_of(spec: JobSpec) -> Priority:
    """What was asked for, else by size."""
    by_size = Priority.INTERACTIVE if spec.n <= INTERACTIVE_IMAGES else Priority.BULK
    return spec.priority or by_size
