"""Publishes rows and ends jobs, in a thread of its own, so that a slow or absent Redis
never delays the engine process.

Rows wait here until Redis has confirmed them. Each has an explicit sequence number, so
that a batch whose reply was lost can be sent again without effect. Rows of a job that
are sent together become one entry. The rows of all jobs that are due go out in one
round trip, together with the ends of jobs that have succeeded. Round trips and scripts
cost time, not rows, so each job has a pace.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from worker.contract.jobs import JobStatus
from worker.jobs.ledger import Answer, Batch, Progress, SettleAnswer
from worker.orders.claims import CANCELED, LOST, ROWS_GONE, Claim, Outcome, failed
from worker.orders.faults import rows_lost
from worker.process.backoff import Backoff
from worker.process.turn_thread import TurnThread

MAX_ROWS_PER_BATCH = 256
"""Most rows of one job in one script call, so that after a long outage Redis is not
blocked by a huge one."""

ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST = 20
"""A job that was begun more often than this and still lacks rows when all are drawn is
ended as failed."""

PACE_S = 0.01
"""Seconds from one round trip to the next, at least."""

PACE_OF_JOB_S = 0.04
"""Seconds from one entry of a job to its next, at least: readers see 25 per second. The
first rows of a job, its end, and rows after a pause go out at once. Each entry costs
one script call, whatever the number of its rows."""

SLOWEST = 5
"""By this factor the pace of jobs is slowed at most, if round trips take long because
the machine is busy."""

SHARE = 10
"""The pace is chosen so that round trips take one part in so many of the time, as far
as SLOWEST allows."""


class LedgerPort(Protocol):
    """The methods of worker.jobs.ledger.Ledger that the publisher uses; see there."""

    def append(self, batches: Sequence[Batch], /) -> list[Answer | RedisError]: ...

    def progress(
        self, reports: Sequence[tuple[Claim, Progress]], /
    ) -> list[Answer | RedisError]: ...

    def settle(self, job_id: str, token: str, outcome: Outcome, /) -> SettleAnswer: ...

    def has_ended(self, job_id: str, /) -> bool: ...


@dataclass
class _Outbox:
    """The unconfirmed rows of one claim, and what else is to be written for it."""

    claim: Claim
    next_seq: int
    rows: list[str] = field(default_factory=list)
    written_at: float = 0.0
    """Time at which rows were last written."""
    progress: Progress | None = None
    """Progress that has not been written."""
    outcome: Outcome | None = None

    def has_work(self, pace_s: float) -> bool:
        has_news = self.progress is not None or self.outcome is not None
        return has_news or self.is_due(pace_s)

    def is_due(self, pace_s: float) -> bool:
        return bool(self.rows) and (
            self.outcome is not None or self.due_in_s(pace_s) <= 0
        )

    def due_in_s(self, pace_s: float) -> float:
        return self.written_at + pace_s - time.monotonic()

    def batch(self) -> Batch:
        """Return the rows to write next, and with the last ones the end if the job has
        succeeded. Other ends are settled separately, whatever rows were drawn."""
        rows = tuple(self.rows[:MAX_ROWS_PER_BATCH])
        is_end = (
            len(rows) == len(self.rows)
            and self.outcome is not None
            and self.outcome.status is JobStatus.SUCCEEDED
        )
        return Batch(self.claim, self.next_seq, rows, self.outcome if is_end else None)


class Publisher:
    """Publishes the rows of open claims, and ends each job once its rows are written.
    What is queued for a claim that is unknown or has an outcome is ignored."""

    def __init__(
        self,
        ledger: LedgerPort,
        on_stopped: Callable[[str], None],
        on_closed: Callable[[Claim, Outcome], None],
        pace_of_job_s: float = PACE_OF_JOB_S,
    ) -> None:
        """ledger: writes to Redis.
        on_stopped(token): called if the job shall not be drawn any further (canceled,
            or lost), from the publisher's thread or the one that calls `cancel`.
        on_closed(claim, outcome): called once for each claim, when nothing more will be
            written for it, from the publisher's thread.
        pace_of_job_s: seconds between two entries of a job, at least."""
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
        """Write what is waiting, as far as possible, and end the thread. Takes up to
        twice `timeout_s` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._loop.join(timeout_s)
        self._loop.stop(timeout_s)

    def open(self, claim: Claim) -> None:
        """Accept messages for this claim, whose rows continue after
        `claim.last_seq`."""
        with self._changed:
            self._outboxes[claim.token] = _Outbox(claim, next_seq=claim.last_seq + 1)

    def publish(self, rows: Mapping[str, Sequence[str]]) -> None:
        """Queue new rows: token -> rows as `row_entry` formats them, in order."""
        with self._changed:
            for token, entries in rows.items():
                outbox = self._outboxes.get(token)
                if outbox is not None and outbox.outcome is None:
                    outbox.rows.extend(entries)
            # Otherwise the thread sleeps until rows are due.
            if self._with_work():
                self._changed.notify()

    def progress(
        self, token: str, share: float, estimate: str = "", grid: bytes = b""
    ) -> None:
        """Queue the progress of a claim, for jobs whose rows do not show it; an older
        one that was not written is replaced.

        share: the part of the work that is done, 0 to 1.
        estimate, grid: as in Progress.

        Ignored for claims that are unknown or have an outcome.
        """
        with self._changed:
            outbox = self._outboxes.get(token)
            if outbox is not None and outbox.outcome is None:
                waiting = outbox.progress or Progress(share)
                outbox.progress = Progress(
                    share, estimate or waiting.estimate, grid or waiting.grid
                )
                self._changed.notify()

    def end(self, token: str, outcome: Outcome) -> None:
        """End the claim with this outcome once its rows are written. The first outcome
        counts."""
        with self._changed:
            outbox = self._outboxes.get(token)
            if outbox is not None and outbox.outcome is None:
                outbox.outcome = outcome
                self._changed.notify()
            # If nothing else is drawn, there is no reason to keep the pace.
            others_ended = all(
                other.outcome is not None for other in self._outboxes.values()
            )
            if not self._backoff.wait_s and others_ended:
                self._loop.hurry()

    def cancel(self, job_id: str) -> None:
        """End every open claim on this job as canceled, and drop its unwritten rows."""
        with self._changed:
            tokens = [
                token
                for token, outbox in self._outboxes.items()
                if outbox.claim.job_id == job_id
            ]
        for token in tokens:
            self._cancel(token)

    def open_jobs(self) -> list[str]:
        """Return the ids of the jobs with an open claim."""
        with self._changed:
            return [outbox.claim.job_id for outbox in self._outboxes.values()]

    def _turn(self) -> float | None:
        tokens = self._wait_for_work()
        if not tokens:
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
        """Write each claim alone after an unexpected error. The job that causes it
        returns to the queue."""
        for token in self._with_work():
            try:
                self._write([token])
            except RedisError:
                return  # the next call logs it
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
        """Write what these claims have; return False if Redis refused some of it for
        now."""
        accepted = self._publish_rows(tokens)
        self._report_progress(tokens)
        self._settle_ended(tokens)
        return accepted

    def _open_among(self, tokens: Sequence[str]) -> list[_Outbox]:
        return [self._outboxes[token] for token in tokens if token in self._outboxes]

    def _wait_for_work(self) -> list[str]:
        """Return the tokens of claims with work as soon as there is one; none if the
        thread shall end."""
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
        return 0.0 if self._closing else self._pace_s

    def _publish_rows(self, tokens: Sequence[str]) -> bool:
        """Write due rows in one round trip; return False if Redis refused some of them
        for now."""
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

    def _report_progress(self, tokens: Sequence[str]) -> None:
        """Write the newest progress of each claim. If Redis refuses it, the next one is
        written instead."""
        with self._changed:
            reports = [
                (outbox, outbox.progress)
                for outbox in self._open_among(tokens)
                if outbox.progress is not None
            ]
        if not reports:
            return
        answers = self._ledger.progress(
            [(outbox.claim, progress) for outbox, progress in reports]
        )
        for (outbox, progress), answer in zip(reports, answers, strict=True):
            with self._changed:
                # The engine may have reported a newer one meanwhile.
                if outbox.progress is progress:
                    outbox.progress = None
            if isinstance(answer, Answer) and answer is not Answer.OK:
                self._stopped_by(answer, outbox.claim.token)

    def _stopped_by(self, answer: Answer, token: str) -> None:
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
        """Return True if the job ended with this batch, or with the same batch earlier,
        when the reply was lost."""
        return answer is Answer.ENDED or (
            answer is Answer.LOST and self._ledger.has_ended(batch.claim.job_id)
        )

    def _cancel(self, token: str) -> None:
        if self._is_over(token):
            return
        # First, so that nothing is drawn any more when readers see the end.
        self._on_stopped(token)
        with self._changed:
            if not self._is_over(token):
                outbox = self._outboxes[token]
                outbox.rows.clear()
                outbox.outcome = CANCELED
                self._changed.notify()

    def _is_over(self, token: str) -> bool:
        with self._changed:
            outbox = self._outboxes.get(token)
            return outbox is None or (outbox.outcome is not None and not outbox.rows)

    def _settle_ended(self, tokens: Sequence[str]) -> None:
        with self._changed:
            ended = [
                outbox
                for outbox in self._open_among(tokens)
                if outbox.outcome is not None and not outbox.rows
            ]
        for outbox in ended:
            assert outbox.outcome is not None
            self._close(outbox.claim.token, self._settle(outbox.claim, outbox.outcome))

    def _settle(self, claim: Claim, outcome: Outcome) -> Outcome:
        """End the job in Redis; return the claim's outcome, which may differ from the
        wanted one."""
        if outcome.status is None:  # only the claim has ended, not the job
            return outcome
        settled = self._ledger.settle(claim.job_id, claim.token, outcome)
        if (
            settled is SettleAnswer.BEHIND
            and claim.attempts <= ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST
        ):
            return ROWS_GONE
        if settled is SettleAnswer.BEHIND:
            return self._settle(claim, failed(rows_lost()))
        if settled is SettleAnswer.NOT_OURS and not self._ledger.has_ended(
            claim.job_id
        ):
            return LOST
        return outcome

    def _close(self, token: str, outcome: Outcome) -> None:
        with self._changed:
            outbox = self._outboxes.pop(token)
        status = outcome.status.value if outcome.status else "lost"
        has_failed = outcome.status is JobStatus.FAILED
        log = self._log.warning if has_failed else self._log.info
        log(
            "job_closed",
            job_id=outbox.claim.job_id,
            status=status,
            error=outcome.error and outcome.error.detail,
        )
        self._on_closed(outbox.claim, outcome)
