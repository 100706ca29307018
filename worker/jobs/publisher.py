"""Rows out, and how jobs end: a thread of its own, so that a slow or absent Redis never stalls the engine.

Rows wait here until Redis has confirmed them. Each has an explicit sequence number, so a batch whose answer was lost is
sent again and changes nothing. Rows of a job that are sent together become one entry; those of all jobs that are due go
out in one round trip, with the ends of those that these are the last rows of. It is the round trips and their scripts
that cost, not the rows, so each job has its pace.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from worker.contract.jobs import JobStatus
from worker.jobs.ledger import Answer, Batch, Progress, Settled
from worker.orders.claims import CANCELED, LOST, ROWS_GONE, Claim, Outcome, failed
from worker.orders.faults import rows_lost
from worker.process.backoff import Backoff
from worker.process.turn_thread import TurnThread

MAX_ROWS_PER_BATCH = 256
"""Rows of one job in one script call: after a long outage Redis is not blocked by a single huge one."""

ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST = 20
"""A job that was begun so often and still lacks rows when all are drawn will lack them the next time too."""

PACE_S = 0.01
"""Seconds from one round trip to the next, at the least, while anything is drawn."""

PACE_OF_JOB_S = 0.04
"""Seconds from one entry of a job to its next, at the least, but for its end: readers see 25 a second. Its first rows,
and those that come after a pause, go out at once. Each entry costs its script, whatever the number of its rows."""

SLOWEST = 5
"""Times as slow it goes at most, where a round trip takes long because the machine is busy."""

SHARE = 10
"""Round trips take one part in so many of the time, as far as SLOWEST allows."""


class LedgerPort(Protocol):
    """The part of worker.jobs.ledger.Ledger that is used here."""

    def append(self, batches: Sequence[Batch], /) -> list[Answer | RedisError]: ...
    def progress(
        self, told: Sequence[tuple[Claim, Progress]], /
    ) -> list[Answer | RedisError]: ...
    def settle(self, job_id: str, token: str, outcome: Outcome, /) -> Settled: ...
    def has_ended(self, job_id: str, /) -> bool: ...


@dataclass
class _Outbox:
    claim: Claim
    next_seq: int
    rows: list[str] = field(default_factory=list)
    written_at: float = 0.0
    """When rows went out last."""
    progress: Progress | None = None
    """How far the job is, where that is news."""
    outcome: Outcome | None = None

    def has_work(self, pace_s: float) -> bool:
        return (
            self.progress is not None or self.outcome is not None or self.is_due(pace_s)
        )

    def is_due(self, pace_s: float) -> bool:
        """Are there rows that may go out now?"""
        return bool(self.rows) and (
            self.outcome is not None or self.due_in_s(pace_s) <= 0
        )

    def due_in_s(self, pace_s: float) -> float:
        return self.written_at + pace_s - time.monotonic()

    def batch(self) -> Batch:
        """The rows that go out next, and with the last ones the end, unless it is to be told as a failure."""
        rows = tuple(self.rows[:MAX_ROWS_PER_BATCH])
        is_end = (
            len(rows) == len(self.rows)
            and self.outcome is not None
            and self.outcome.status is JobStatus.SUCCEEDED
        )
        return Batch(self.claim, self.next_seq, rows, self.outcome if is_end else None)


class Publisher:
    """Publishes the rows of open claims, and settles each once its rows are out.

    on_stopped(token): the job shall not be drawn any further (canceled, or lost).
    on_closed(claim, outcome): called once for each claim when nothing more will be written for it.
    Both are called from the publisher's thread.
    """

    def __init__(
        self,
        ledger: LedgerPort,
        on_stopped: Callable[[str], None],
        on_closed: Callable[[Claim, Outcome], None],
        pace_of_job_s: float = PACE_OF_JOB_S,
    ) -> None:
        self._ledger = ledger
        self._least_pace_s = self._pace_s = pace_of_job_s
        self._on_stopped = on_stopped
        self._on_closed = on_closed
        self._outboxes: dict[str, _Outbox] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._backoff = Backoff()
        self._loop = TurnThread("publisher", self._turn)
        self.start = self._loop.start
        self._log = structlog.get_logger("publisher")

    def stop(self, timeout_s: float) -> None:
        """Publish what is waiting, as far as that succeeds within the timeout, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._loop.join(timeout_s)
        self._loop.stop(timeout_s)

    def open(self, claim: Claim) -> None:
        with self._changed:
            self._outboxes[claim.token] = _Outbox(claim, next_seq=claim.last_seq + 1)

    def publish(self, rows: Mapping[str, Sequence[str]]) -> None:
        """Queue the new rows of some claims (stream entries in JSON, in order); those of ended claims are ignored."""
        with self._changed:
            for token, entries in rows.items():
                outbox = self._outboxes.get(token)
                if outbox is not None and outbox.outcome is None:
                    outbox.rows.extend(entries)
            if self._with_work():  # else the thread sleeps on until some are due
                self._changed.notify()

    def progress(
        self, token: str, share: float, estimate: str = "", grid: bytes = b""
    ) -> None:
        """Note how much of the claim's work is done, 0 to 1, and what is expected so far: for jobs whose rows alone do
        not tell."""
        with self._changed:
            outbox = self._outboxes.get(token)
            if outbox is not None and outbox.outcome is None:
                waiting = outbox.progress or Progress(share)
                outbox.progress = Progress(
                    share, estimate or waiting.estimate, grid or waiting.grid
                )
                self._changed.notify()

    def end(self, token: str, outcome: Outcome) -> None:
        """Settle the claim once its rows are out. The first outcome stands."""
        with self._changed:
            outbox = self._outboxes.get(token)
            if outbox is not None and outbox.outcome is None:
                outbox.outcome = outcome
                self._changed.notify()
            if not self._backoff.wait_s and all(
                other.outcome is not None for other in self._outboxes.values()
            ):
                self._loop.hurry()

    def cancel(self, job_id: str) -> None:
        """End every open claim on this job as canceled; its waiting rows are dropped."""
        with self._changed:
            tokens = [
                token
                for token, outbox in self._outboxes.items()
                if outbox.claim.job_id == job_id
            ]
        for token in tokens:
            self._cancel(token)

    def open_jobs(self) -> list[str]:
        with self._changed:
            return [outbox.claim.job_id for outbox in self._outboxes.values()]

    def _turn(self) -> float | None:
        """Write what there is, as soon as there is something. None: there will be nothing more."""
        if not (tokens := self._wait_for_work()):
            return None
        next_at = time.monotonic() + PACE_S
        try:
            accepted = self._write(tokens)
        except RedisError as error:
            accepted = False
            self._log.warning("redis_away", error=str(error))
        except Exception:
            self._write_one_by_one()
            raise
        if not accepted:
            return self._backoff.failed()
        self._backoff.succeeded()
        return max(0.0, next_at - time.monotonic())

    def _write_one_by_one(self) -> None:
        """Begin the job again with which nobody knows what is wrong; the others go on."""
        for token in self._with_work():
            try:
                self._write([token])
            except RedisError:
                return  # the next turn tells of it
            except Exception:
                if token in self._outboxes:
                    self._close(token, ROWS_GONE)
                self._on_stopped(token)

    def _with_work(self) -> list[str]:
        with self._changed:
            return [
                token
                for token, outbox in self._outboxes.items()
                if outbox.has_work(self._pace())
            ]

    def _write(self, tokens: Sequence[str]) -> bool:
        """Write what these claims have. False when Redis refused some of it for now."""
        accepted = self._publish_rows(tokens)
        self._tell_progress(tokens)
        self._settle_ended(tokens)
        return accepted

    def _open_among(self, tokens: Sequence[str]) -> list[_Outbox]:
        return [self._outboxes[token] for token in tokens if token in self._outboxes]

    def _wait_for_work(self) -> list[str]:
        """Block until there is something to write. Returns whose; nobody's where it is told to stop."""
        with self._changed:
            while not (self._closing or self._with_work()):
                waiting = [
                    outbox.due_in_s(self._pace())
                    for outbox in self._outboxes.values()
                    if outbox.rows
                ]
                self._changed.wait(min(waiting, default=None))
            return [] if self._loop.stopped else self._with_work()

    def _pace(self) -> float:
        """Seconds from one entry of a job to its next."""
        return 0.0 if self._closing else self._pace_s

    def _publish_rows(self, tokens: Sequence[str]) -> bool:
        """One round trip with what is waiting. False when Redis refused some of it for now."""
        with self._changed:
            batches = [
                outbox.batch()
                for outbox in self._open_among(tokens)
                if outbox.is_due(self._pace())
            ]
        if not batches:
            return True
        began = time.monotonic()
        answers = self._ledger.append(batches)
        took = time.monotonic() - began
        self._pace_s = min(
            SLOWEST * self._least_pace_s, max(self._least_pace_s, SHARE * took)
        )
        for batch, answer in zip(batches, answers, strict=True):
            self._note(batch, answer)
        return not any(isinstance(answer, RedisError) for answer in answers)

    def _tell_progress(self, tokens: Sequence[str]) -> None:
        """The newest of each claim; what Redis refuses now, the next one says."""
        with self._changed:
            told = [
                (outbox, outbox.progress)
                for outbox in self._open_among(tokens)
                if outbox.progress is not None
            ]
        if not told:
            return
        answers = self._ledger.progress(
            [(outbox.claim, progress) for outbox, progress in told]
        )
        for (outbox, progress), answer in zip(told, answers, strict=True):
            with self._changed:
                if outbox.progress is progress:
                    outbox.progress = None
            if isinstance(answer, Answer) and answer is not Answer.OK:
                self._stopped_by(answer, outbox.claim.token)

    def _stopped_by(self, answer: Answer, token: str) -> None:
        """The job is to be canceled, belongs to someone else, or has to be begun again."""
        if answer is Answer.CANCELING:
            self._cancel(token)
        else:
            self._close(token, ROWS_GONE if answer is Answer.BEHIND else LOST)
            self._on_stopped(token)

    def _note(self, batch: Batch, answer: Answer | RedisError) -> None:
        token = batch.claim.token
        if isinstance(answer, RedisError):
            self._log.warning(
                "rows_refused", job_id=batch.claim.job_id, error=str(answer)
            )
        elif batch.end is not None and self._has_ended(batch, answer):
            self._close(token, batch.end)
        elif answer is not Answer.OK:
            self._stopped_by(answer, token)
        else:
            with self._changed:
                outbox = self._outboxes[token]
                del outbox.rows[: len(batch.rows)]
                outbox.next_seq += len(batch.rows)
                outbox.written_at = time.monotonic()

    def _has_ended(self, batch: Batch, answer: Answer) -> bool:
        """Now, or before, when the answer was lost and the batch came again."""
        return answer is Answer.ENDED or (
            answer is Answer.LOST and self._ledger.has_ended(batch.claim.job_id)
        )

    def _cancel(self, token: str) -> None:
        if self._is_over(token):
            return
        self._on_stopped(
            token
        )  # first: it has stopped when its end is told, or has ended before
        with self._changed:
            if not self._is_over(token):
                outbox = self._outboxes[token]
                outbox.rows.clear()
                outbox.outcome = CANCELED
                self._changed.notify()

    def _is_over(self, token: str) -> bool:
        """Is at most its end still to be written?"""
        with self._changed:
            outbox = self._outboxes.get(token)
            return outbox is None or (outbox.outcome is not None and not outbox.rows)

    def _settle_ended(self, tokens: Sequence[str]) -> None:
        with self._changed:
            ended = [
                o
                for o in self._open_among(tokens)
                if o.outcome is not None and not o.rows
            ]
        for outbox in ended:
            assert outbox.outcome is not None
            self._close(outbox.claim.token, self._settle(outbox.claim, outbox.outcome))

    def _settle(self, claim: Claim, outcome: Outcome) -> Outcome:
        """Settle the claim; returns what became of it."""
        if outcome.status is None:  # the job goes on: there is no end to be written
            return outcome
        settled = self._ledger.settle(claim.job_id, claim.token, outcome)
        if (
            settled is Settled.BEHIND
            and claim.attempts <= ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST
        ):
            return ROWS_GONE
        if settled is Settled.BEHIND:
            return self._settle(claim, failed(rows_lost()))
        if settled is Settled.NOT_OURS and not self._ledger.has_ended(claim.job_id):
            return LOST
        return outcome

    def _close(self, token: str, outcome: Outcome) -> None:
        with self._changed:
            outbox = self._outboxes.pop(token)
        status = outcome.status.value if outcome.status else "lost"
        level = (
            self._log.warning if outcome.status is JobStatus.FAILED else self._log.info
        )
        level(
            "job_closed",
            job_id=outbox.claim.job_id,
            status=status,
            error=outcome.error and outcome.error.detail,
        )
        self._on_closed(outbox.claim, outcome)
