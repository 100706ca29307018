"""The job life cycle over a synchronous Redis client: the scripts of the contract, called by name.

Every call may be repeated when its reply was lost (see worker.contract.scripts); all raise RedisError.
It knows jobs and their streams, and nothing of queues or networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from worker.contract import keys, scripts
from worker.contract.events import RowDrawn, rows_of
from worker.contract.jobs import JobStatus
from worker.contract.loader import digest_of
from worker.contract.submission import client_of
from worker.orders.claims import Claim, Outcome

OPEN = (JobStatus.QUEUED.value.encode(), JobStatus.RUNNING.value.encode())


class Unclaimed(Enum):
    """Why there is nothing to draw."""

    SETTLED = "settled"
    MISSING = "missing"


class Answer(Enum):
    """The script's answer to rows that were handed in."""

    OK = "ok"
    CANCELING = "canceling"
    LOST = "lost"
    BEHIND = "behind"
    """Rows that were confirmed are not there any more: the server came back with an older state."""
    ENDED = "ended"
    """They are written, and the job has ended with them."""


class Settled(Enum):
    """The script's answer about a job that shall end."""

    ENDED = "ended"
    NOT_OURS = "not-ours"
    """It had ended already, is unknown, or belongs to another claim."""
    BEHIND = "behind"
    """The same as in Answer."""


@dataclass(frozen=True)
class Opened:
    """A claim, with all that tells what is to be done."""

    claim: Claim
    spec_json: bytes
    """The job's description as it was accepted; empty when there is none."""
    pixels: bytes
    keep: bytes
    """The job's input: pixel bytes and, of a completion, H*W keep bytes; empty when it is not there."""


class Progress(NamedTuple):
    """How much of a job's work is done, 0 to 1; and what is expected so far (`keys.estimate`), and a grid of samples,
    where that is news."""

    share: float
    estimate: str = ""
    grid: bytes = b""


@dataclass(frozen=True)
class Batch:
    """Rows of one claim, ready to be written: row i has the sequence number first_seq + i."""

    claim: Claim
    first_seq: int
    rows: tuple[str, ...]
    end: Outcome | None = None
    """Success, where these are the last ones."""


class Ledger:
    """Claims, appends, settles and releases jobs. numerics: with which arithmetic the claimer draws."""

    def __init__(self, redis: Redis, numerics: str = "") -> None:
        self._redis: Any = redis  # redis-py types every answer as "awaitable or not"
        self._numerics = numerics

    def claim(self, job_id: str, token: str) -> Claim | Unclaimed:
        """Become the job's only writer."""
        opened = self.open(job_id, token)
        return opened if isinstance(opened, Unclaimed) else opened.claim

    def open(self, job_id: str, token: str) -> Opened | Unclaimed:
        """Become the job's only writer and read what is to be done, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        self.ask_to_open(pipeline, job_id, token)
        return self.opened(job_id, token, pipeline.execute())

    def ask_to_open(self, pipeline: Any, job_id: str, token: str) -> None:
        """Do what `open` does as part of a pipeline; `opened` is told the answers."""
        job = scripts.of(job_id)
        pipeline.eval(scripts.CLAIM, len(job), *job, token, self._numerics)
        pipeline.hmget(keys.job(job_id), "spec", "ticket")
        pipeline.hmget(keys.image(job_id), "pixels", "keep")

    def opened(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> Opened | Unclaimed:
        """Read the answers to `ask_to_open`. deaths: as in Claim. Raises RedisError when one of them is an error."""
        for error in answers:
            if isinstance(error, RedisError):
                raise error
        answer, (spec, ticket), (pixels, keep) = answers
        word = answer[0].decode()
        if word != "claimed":
            return Unclaimed(word)
        last_seq, attempts = int(answer[1]), int(answer[2])
        claim = Claim(
            job_id, token, last_seq, attempts, deaths=deaths, owner=client_of(ticket)
        )
        return Opened(claim, spec or b"", pixels or b"", keep or b"")

    def open_specs(self, job_ids: Sequence[str]) -> list[bytes | None]:
        """The description of each job that has not ended; None for one that has, that is gone, or that is no job."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), "status", "spec")
        answers = [
            (None, None) if isinstance(found, RedisError) else found
            for found in pipeline.execute(False)
        ]
        return [spec if status in OPEN else None for status, spec in answers]

    def append(self, batches: Sequence[Batch]) -> list[Answer | RedisError]:
        """Write the rows of several jobs in one round trip, and end those that these are the last rows of; one answer
        (or that job's own error) for each."""
        answers = self._append(batches)
        if any(
            isinstance(answer, NoScriptError) for answer in answers
        ):  # it is new, or has just been started
            for script in (scripts.APPEND, scripts.FINISH):
                self._redis.script_load(script)
            answers = self._append(batches)
        return [_answer(answer) for answer in answers]

    def _append(self, batches: Sequence[Batch]) -> list[Any]:
        """Scripts are called by their digests: the text of one is a hundred rows long."""
        pipeline = self._redis.pipeline(transaction=False)
        for batch in batches:
            token, job = batch.claim.token, scripts.of(batch.claim.job_id)
            words = [
                *job,
                token,
                batch.first_seq,
                len(batch.rows),
                "\n".join(batch.rows),
            ]
            if batch.end is None:
                pipeline.evalsha(digest_of(scripts.APPEND), len(job), *words)
            else:
                pipeline.evalsha(
                    digest_of(scripts.FINISH), len(job), *words, *_result(batch.end)
                )
        return pipeline.execute(raise_on_error=False)

    def progress(
        self, told: Sequence[tuple[Claim, Progress]]
    ) -> list[Answer | RedisError]:
        """Note how far several jobs are, in one round trip; answers as `append`."""
        pipeline = self._redis.pipeline(transaction=False)
        for claim, progress in told:
            job = scripts.of(claim.job_id)
            words = (
                claim.token,
                f"{progress.share:.4f}",
                progress.estimate,
                progress.grid,
            )
            pipeline.eval(scripts.PROGRESS, len(job), *job, *words)
        return [_answer(answer) for answer in pipeline.execute(raise_on_error=False)]

    def settle(self, job_id: str, token: str, outcome: Outcome) -> Settled:
        """End the job, whose claim has this token; '' asks for no claim."""
        assert outcome.status is not None
        error = outcome.error.model_dump_json() if outcome.error else ""
        return Settled(
            self._run(
                scripts.SETTLE,
                job_id,
                token,
                outcome.status.value,
                error,
                *_result(outcome),
            ).decode()
        )

    def release(self, claim: Claim, counted: bool = True) -> bool:
        """Give the unfinished job back to the queue. False when it is not ours.

        counted: whether this claim remains one of the job's attempts.
        """
        words = [claim.token] if counted else [claim.token, "uncounted"]
        return bool(self._run(scripts.RELEASE, claim.job_id, *words))

    def has_ended(self, job_id: str) -> bool:
        """True if the job is in a final state, or gone."""
        status = self._redis.hget(keys.job(job_id), "status")
        return status not in OPEN

    def rows(self, claim: Claim) -> list[RowDrawn]:
        """The rows that earlier attempts published, in their order."""
        entries = (
            self._redis.xrange(keys.events(claim.job_id), "-", f"{claim.last_seq}-0")
            if claim.last_seq
            else []
        )
        return [
            RowDrawn.model_validate_json(row)
            for _, fields in entries
            for row in rows_of(fields[b"type"], fields[b"data"])
        ]

    def cancel_requested(self, job_ids: Sequence[str]) -> list[str]:
        """The jobs among these that someone asked to cancel."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hexists(keys.job(job_id), "cancel_requested")
        return [
            job_id
            for job_id, asked in zip(job_ids, pipeline.execute(), strict=True)
            if asked
        ]

    def _run(self, script: str, job_id: str, *arguments: str | int | bytes) -> Any:
        job = scripts.of(job_id)
        return self._redis.eval(script, len(job), *job, *arguments)


def _result(outcome: Outcome) -> list[str | bytes]:
    """The last arguments of a script that settles."""
    if outcome.result is None:
        return []
    return [
        outcome.result.summary,
        *(part for picture in outcome.result.pictures.items() for part in picture),
    ]


def _answer(answer: Any) -> Answer | RedisError:
    return answer if isinstance(answer, RedisError) else Answer(answer.decode())
