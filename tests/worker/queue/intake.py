"""A worker's intake with an admission of whatever comes."""

import contextlib
from collections.abc import Sequence

from redis.exceptions import ResponseError

from tests.worker.harness import Client
from worker.contract import keys
from worker.jobs.ledger import Ledger, Unclaimed
from worker.orders.claims import SUCCEEDED, Claim, Outcome
from worker.queue.beginning import Beginning
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_worker import RqWorker
from worker.queue.taking import Taking


class Anything:
    """An admission of whatever comes; it opens nothing."""

    is_compiling = False

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.deaths: list[int] = []
        """Of each job that was opened."""

    def wait_until_ready(self, timeout_s: float) -> bool:
        return True

    def are_ours(self, job_ids: Sequence[str]) -> list[bool]:
        return [True] * len(job_ids)

    def is_ours(self, spec: bytes | None) -> bool:
        return True

    def unload_proposed_models(self) -> None:
        """It holds no models."""

    def add_open_commands(self, job_id: str, pipeline: object, token: str) -> None: ...

    def open(
        self, job_id: str, token: str, answers: Sequence[object], deaths: int
    ) -> bool:
        self.deaths.append(deaths)
        return True

    def drop(self, name: bytes, outcome: Outcome) -> None:
        with contextlib.suppress(ResponseError, UnicodeDecodeError):
            self._ledger.settle(name.decode(), "", outcome)


class Nothing(Anything):
    """An admission of a worker that can do no job; it claims jobs that it opens."""

    def are_ours(self, job_ids: Sequence[str]) -> list[bool]:
        return [self.is_ours(spec) for spec in self._ledger.open_specs(job_ids)]

    def is_ours(self, spec: bytes | None) -> bool:
        return spec is None

    def add_open_commands(self, job_id: str, pipeline: object, token: str) -> None:
        self._ledger.add_open_commands(pipeline, job_id, token)

    def open(
        self, job_id: str, token: str, answers: Sequence[object], deaths: int
    ) -> bool:
        opened = self._ledger.parse_open_replies(job_id, token, answers, deaths)
        return not isinstance(opened, Unclaimed)


class Intake:
    """The parts of a worker that takes and begins."""

    def __init__(
        self,
        client: Client,
        max_jobs: int = 32,
        admits: type[Anything] = Anything,
    ) -> None:
        self.rq = RqWorker(keys.QUEUE, client.redis, "w")
        held, admission = HeldJobs(self.rq, max_jobs), admits(Ledger(client.redis))
        self.held, self.admission = held, admission
        self.taking = Taking(self.rq, held, admission)  # type: ignore[arg-type]
        self._ending = Ending(self.rq, held, release=lambda _: True)
        self.beginning = Beginning(self.rq, held, self._ending, admission)  # type: ignore[arg-type]

    def next(self) -> str:
        taken = self.taking.next()
        assert taken is not None
        self.beginning.begin(taken)
        return taken.job.id

    def succeed(self, job_id: str, token: str) -> None:
        self._ending.finish([(Claim(job_id, token, last_seq=0), SUCCEEDED)])


def waiting(client: Client) -> list[str]:
    return [job_id.decode() for job_id in client.redis.lrange(client.queue.key, 0, -1)]
