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


@dataclass(frozen=True)
class StoredResult:
    """What is kept of a finished job beside its rows: a summary in JSON (worker.contract.scores), and pictures by their
    fields in `keys.image`."""

    summary: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of the job. `status` None: the claim was lost, someone else owns the job now."""

    status: JobStatus | None
    error: JobError | None = None
    result: StoredResult | None = None


SUCCEEDED = Outcome(JobStatus.SUCCEEDED)
CANCELED = Outcome(JobStatus.CANCELED)
LOST = Outcome(None)


def failed(error: JobError) -> Outcome:
    return Outcome(JobStatus.FAILED, error)
