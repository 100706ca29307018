"""A worker's claim to a job, and how a claim ends. It uses no Redis, no network and no
queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.contract.jobs import JobError, JobStatus


@dataclass(frozen=True)
class Claim:
    """One attempt at one job. Each attempt has a new token, so that an older one cannot
    write any more."""

    job_id: str
    """Id of the job."""
    token: str
    """Owner token in the job's record."""
    last_seq: int
    """Number of the newest row in the job's stream; 0 if there is none."""
    attempts: int = 1
    """Number of this attempt, from 1."""
    deaths: int = 0
    """Number of workers that died with the job without drawing anything new."""
    owner: str = ""
    """The client whose turn is used."""
    part: int = 0
    """Index of the picture, in the order for one of several pictures."""


@dataclass(frozen=True)
class StoredResult:
    """What is stored of a finished job beside its rows."""

    summary: str
    """The kind's summary as JSON."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Bytes to store, by fields of `keys.image`."""


@dataclass(frozen=True)
class Outcome:
    """How a claim ended, and with it the job if `status` is not None."""

    status: JobStatus | None
    """Final status of the job; None if the claim is over but the job is not."""
    error: JobError | None = None
    """Why the job failed."""
    result: StoredResult | None = None
    """The result of a job that succeeded, if its kind has one."""
    returns_to_queue: bool = False
    """With status None: True if this worker still owns the job and returns it to the
    queue, False if another worker owns it."""


SUCCEEDED = Outcome(JobStatus.SUCCEEDED)
CANCELED = Outcome(JobStatus.CANCELED)
LOST = Outcome(None)
"""Another worker owns the job."""
ROWS_GONE = Outcome(None, returns_to_queue=True)
"""Confirmed rows are missing from Redis: the job continues from those that are left."""
RETRY = Outcome(None, returns_to_queue=True)
"""The attempt failed: the job returns to the queue for another attempt."""
GIVEN_BACK = Outcome(None, returns_to_queue=True)
"""The worker is drained: another one continues the job."""


def failed(error: JobError) -> Outcome:
    """Return the outcome of a job that failed with this error."""
    return Outcome(JobStatus.FAILED, error)
