"""A worker's hold on one job, and how such a hold ends. Plain values: no Redis, no network, no queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.contract.jobs import JobError, JobStatus


@dataclass(frozen=True)
class Claim:
    """One attempt at one job. The token is new for each attempt, so that an attempt that was overtaken cannot write."""

    job_id: str
    token: str
    last_seq: int
    """Sequence number of the newest row in the job's stream; 0 when there is none."""
    attempts: int = 1
    deaths: int = 0
    """How many workers have died with the job, and nothing new of it was drawn in between."""
    owner: str = ""
    """The client whose turn it is."""
    part: int = 0
    """The number of the picture, in the order for one of several."""


@dataclass(frozen=True)
class StoredResult:
    """Everything that is kept of a finished job beside its rows: a summary in JSON (worker.contract.kinds), and
    pictures by their fields in `keys.image`."""

    summary: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The end of a job. `status` None: the claim is over and the job is not: someone else owns it now."""

    status: JobStatus | None
    error: JobError | None = None
    result: StoredResult | None = None
    goes_on: bool = False
    """True if the claim is over and the job is still ours, and goes back to the queue."""


SUCCEEDED = Outcome(JobStatus.SUCCEEDED)
CANCELED = Outcome(JobStatus.CANCELED)
LOST = Outcome(None)
ROWS_GONE = Outcome(None, goes_on=True)
"""Rows that were confirmed are gone from the store: the job goes on from those that are left."""
RETRY = Outcome(None, goes_on=True)
"""The attempt failed: the job goes back to the queue, and another attempt begins."""


def failed(error: JobError) -> Outcome:
    return Outcome(JobStatus.FAILED, error)
