"""What the queue asks of whoever knows the jobs behind its entries."""

from collections.abc import Sequence
from typing import Protocol

from worker.orders.claims import Outcome


class Desk(Protocol):
    """worker.jobs.admission.Admission, as far as the queue needs it. Each may raise RedisError."""

    def ours(self, job_ids: Sequence[str], /) -> Sequence[bool]:
        """Of each job, shall this worker begin it? The others are left for a worker that can."""
        ...

    def open(self, job_id: str, token: str, /) -> bool:
        """Begin the job and return at once. False when there was nothing left to do."""
        ...

    def refuse(self, job_id: str, outcome: Outcome, /) -> None:
        """End the job, whoever owns it."""
        ...
