"""The scripts of the contract as methods, over a synchronous Redis client.

All methods raise RedisError, and may be repeated if a reply was lost
(worker.contract.scripts). This file knows jobs and their streams, but no queues and no
networks.
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
"""The statuses, as Redis stores them, of a job that has not ended."""


class Unclaimed(Enum):
    """Why a job could not be claimed: it has ended, or there is no record of it."""

    SETTLED = "settled"
    MISSING = "missing"


class Answer(Enum):
    """The answer of a script to rows or progress that a worker sent."""

    OK = "ok"
    CANCELING = "canceling"
    """The job's cancellation was requested: stop, then settle it."""
    LOST = "lost"
    """Another worker owns the job now, or it has ended."""
    BEHIND = "behind"
    """Rows that had been confirmed are missing: the server came back with an older
    state."""
    ENDED = "ended"
    """The rows are written, and the job has ended with them."""


class SettleAnswer(Enum):
    """The answer of a script that ends a job."""

    ENDED = "ended"
    NOT_OURS = "not-ours"
    """The job had ended before, is unknown, or belongs to another claim."""
    BEHIND = "behind"
    """The job cannot succeed, because confirmed rows are missing: the server came back
    with an older state."""


@dataclass(frozen=True)
class OpenedJob:
    """A claimed job with everything that says what is to be done."""

    claim: Claim
    spec_json: bytes
    """JSON of the job's JobSpec; empty if the record has none."""
    pixels: bytes
    """The job's input, `pixels` of `keys.image`; empty if it has none."""
    keep: bytes
    """The mask of a completion, `keep` of `keys.image`; else empty."""


class Progress(NamedTuple):
    """The progress of a job."""

    share: float
    """The part of the work that is done, 0 to 1."""
    estimate: str = ""
    """A new estimate (`keys.estimate`); empty if there is none."""
    grid: bytes = b""
    """A new grid of samples, a PNG; empty if there is none."""


@dataclass(frozen=True)
class Batch:
    """Rows of one claim to be written."""

    claim: Claim
    """The attempt that drew them."""
    first_seq: int
    """Sequence number of the first row; row i has first_seq + i."""
    rows: tuple[str, ...]
    """The rows as `row_entry` formats them."""
    end: Outcome | None = None
    """The outcome, if the job has succeeded and these are its last rows; else None."""


class Ledger:
    """Claims, appends, settles and releases jobs in Redis."""

    def __init__(self, redis: Redis, numerics: str = "") -> None:
        """redis: a client.
        numerics: the arithmetic with which the claiming worker draws, which is stored
            in the job's record."""
        self._redis: Any = redis  # redis-py types every answer as "awaitable or not"
        self._numerics = numerics

    def claim(self, job_id: str, token: str) -> Claim | Unclaimed:
        """Make `token` the owner of a job, so that only it can write. Return the claim,
        or why there is none."""
        opened = self.open(job_id, token)
        return opened if isinstance(opened, Unclaimed) else opened.claim

    def open(self, job_id: str, token: str) -> OpenedJob | Unclaimed:
        """Claim a job and read its description and input, in one round trip. Return
        them, or why there is no claim."""
        pipeline = self._redis.pipeline(transaction=False)
        self.add_open_commands(pipeline, job_id, token)
        return self.parse_open_replies(job_id, token, pipeline.execute())

    def add_open_commands(self, pipeline: Any, job_id: str, token: str) -> None:
        """Add the commands of `open` to a pipeline; `parse_open_replies` takes their
        replies."""
        job = scripts.of(job_id)
        pipeline.eval(scripts.CLAIM, len(job), *job, token, self._numerics)
        pipeline.hmget(keys.job(job_id), "spec", "ticket")
        pipeline.hmget(keys.image(job_id), "pixels", "keep")

    def parse_open_replies(
        self, job_id: str, token: str, answers: Sequence[Any], deaths: int = 0
    ) -> OpenedJob | Unclaimed:
        """Return what `open` returns, from the replies to `add_open_commands`.

        deaths: number of workers that died with the job in a row.

        Raises the RedisError that a reply contains.
        """
        for error in answers:
            if isinstance(error, RedisError):
                raise error
        answer, (spec, ticket), (pixels, keep) = answers
        word = answer[0].decode()
        if word != "claimed":
            return Unclaimed(word)
        last_seq = int(answer[1])
        attempts = int(answer[2])
        claim = Claim(
            job_id, token, last_seq, attempts, deaths=deaths, owner=client_of(ticket)
        )
        return OpenedJob(claim, spec or b"", pixels or b"", keep or b"")

    def open_specs(self, job_ids: Sequence[str]) -> list[bytes | None]:
        """Return the description (JSON) of each of these jobs; None for one that has
        ended, ends when it is claimed because its cancellation was requested, is
        missing, or is no job."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), "status", "spec", "cancel_requested")
        answers = [
            (None, None, None) if isinstance(found, RedisError) else found
            for found in pipeline.execute(False)
        ]
        return [
            spec if status in OPEN and canceling is None else None
            for status, spec, canceling in answers
        ]

    def append(self, batches: Sequence[Batch]) -> list[Answer | RedisError]:
        """Write rows of several jobs in one round trip, and end the jobs whose batch
        has an `end`. Return, for each batch, the answer, or the error of that batch
        alone."""
        answers = self._append(batches)
        # A server that is new or was restarted does not know the scripts. Rows that were
        # written in spite of that are not written again.
        if any(isinstance(answer, NoScriptError) for answer in answers):
            for script in (scripts.APPEND, scripts.FINISH):
                self._redis.script_load(script)
            answers = self._append(batches)
        return [_answer(answer) for answer in answers]

    def _append(self, batches: Sequence[Batch]) -> list[Any]:
        # By the script's digest, because its text is as long as a hundred rows.
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
        self, reports: Sequence[tuple[Claim, Progress]]
    ) -> list[Answer | RedisError]:
        """Store the progress of several jobs in one round trip. Return the answers, or
        errors, as `append` does."""
        pipeline = self._redis.pipeline(transaction=False)
        for claim, progress in reports:
            job = scripts.of(claim.job_id)
            words = (
                claim.token,
                f"{progress.share:.4f}",
                progress.estimate,
                progress.grid,
            )
            pipeline.eval(scripts.PROGRESS, len(job), *job, *words)
        return [_answer(answer) for answer in pipeline.execute(raise_on_error=False)]

    def settle(self, job_id: str, token: str, outcome: Outcome) -> SettleAnswer:
        """End a job with this outcome, whose status must not be None.

        token: the claim's that must own the job; '' for any owner.

        Return the script's answer.
        """
        assert outcome.status is not None
        status = outcome.status.value
        error = outcome.error.model_dump_json() if outcome.error else ""
        result = _result(outcome)
        word = self._run(scripts.SETTLE, job_id, token, status, error, *result)
        return SettleAnswer(word.decode())

    def release(self, claim: Claim, counted: bool = True) -> bool:
        """Return an unfinished job to the waiting ones. Return False if the claim does
        not own it, or its cancellation was requested: then it has ended.

        counted: whether this claim stays one of the job's attempts.
        """
        words = [claim.token] if counted else [claim.token, "uncounted"]
        return bool(self._run(scripts.RELEASE, claim.job_id, *words))

    def has_ended(self, job_id: str) -> bool:
        """Return True if the job has a final status, or its record is gone."""
        status = self._redis.hget(keys.job(job_id), "status")
        return status not in OPEN

    def rows(self, claim: Claim) -> list[RowDrawn]:
        """Return the rows that earlier attempts published, in their order. Raises
        ValueError or KeyError if the stream is damaged."""
        if not claim.last_seq:
            return []
        name = keys.events(claim.job_id)
        entries = self._redis.xrange(name, "-", f"{claim.last_seq}-0")
        return [
            RowDrawn.model_validate_json(row)
            for _, fields in entries
            for row in rows_of(fields[b"type"], fields[b"data"])
        ]

    def cancel_requested(self, job_ids: Sequence[str]) -> list[str]:
        """Return those of the jobs whose cancellation was requested."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hexists(keys.job(job_id), "cancel_requested")
        replies = pipeline.execute()
        return [
            job_id
            for job_id, is_requested in zip(job_ids, replies, strict=True)
            if is_requested
        ]

    def _run(self, script: str, job_id: str, *arguments: str | int | bytes) -> Any:
        job = scripts.of(job_id)
        return self._redis.eval(script, len(job), *job, *arguments)


def _result(outcome: Outcome) -> list[str | bytes]:
    """Return the last arguments of a script that settles: the summary, then pairs of
    field and bytes."""
    if outcome.result is None:
        return []
    return [
        outcome.result.summary,
        *(part for picture in outcome.result.pictures.items() for part in picture),
    ]


def _answer(answer: Any) -> Answer | RedisError:
    return answer if isinstance(answer, RedisError) else Answer(answer.decode())
