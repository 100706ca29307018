"""Rows out, with a ledger in memory that can be absent."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from tests.worker.harness import wait_for
from worker.contract.jobs import JobStatus
from worker.jobs.ledger import Answer, Batch, Progress, SettleAnswer
from worker.jobs.publisher import ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST, Publisher
from worker.orders.claims import CANCELED, LOST, ROWS_GONE, SUCCEEDED, Claim, Outcome

CLAIM = Claim("job", "token", last_seq=3)


class MemoryLedger:
    """Keeps streams as dictionaries by sequence number, and counts what was written twice."""

    def __init__(self) -> None:
        self.stream: dict[int, str] = {}
        self.told: list[Progress] = []
        self.settled: list[Outcome] = []
        self.errors: list[RedisError] = []
        self.lose_replies = 0
        self.refusals: list[RedisError] = []
        self.answer = Answer.OK
        self.settles = SettleAnswer.ENDED
        self.calls = 0

    def append(self, batches: Sequence[Batch]) -> list[Answer | RedisError]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop()
        if self.refusals:
            return [self.refusals.pop() for _ in batches]
        if self.answer is Answer.OK:
            for batch in batches:
                for seq, row in enumerate(batch.rows, batch.first_seq):
                    assert self.stream.setdefault(seq, row) == row
        if self.lose_replies:
            self.lose_replies -= 1
            raise RedisConnectionError("the reply is lost")
        return [self.answer for _ in batches]

    def progress(
        self, told: Sequence[tuple[Claim, Progress]]
    ) -> list[Answer | RedisError]:
        self.told += [progress for _, progress in told]
        return [self.answer for _ in told]

    def settle(self, job_id: str, token: str, outcome: Outcome) -> SettleAnswer:
        if self.errors:
            raise self.errors.pop()
        self.settled.append(outcome)
        return (
            self.settles
            if outcome.status is JobStatus.SUCCEEDED
            else SettleAnswer.ENDED
        )

    def has_ended(self, job_id: str) -> bool:
        return False


class Watched:
    """A running publisher and what it reported."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.stopped: list[str] = []
        self.closed: list[tuple[Claim, Outcome]] = []
        self.done = threading.Event()
        self.publisher = Publisher(self.ledger, self.stopped.append, self._close)

    def _close(self, claim: Claim, outcome: Outcome) -> None:
        self.closed.append((claim, outcome))
        self.done.set()

    def wait(self) -> None:
        assert self.done.wait(60)


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.publisher.open(CLAIM)
    yield watched
    watched.publisher.stop(1)


def rows(*names: str) -> dict[str, list[str]]:
    return {CLAIM.token: list(names)}


def test_rows_continue_the_stream_when_a_claim_resumes_it(watched: Watched) -> None:
    """The first new row has the number after the last old one; the end comes after all rows."""
    watched.publisher.start()
    watched.publisher.publish(rows("a", "b"))
    watched.publisher.publish(rows("c"))
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.wait()
    assert watched.ledger.stream == {4: "a", 5: "b", 6: "c"}
    assert watched.closed == [(CLAIM, SUCCEEDED)]


def test_rows_of_one_step_go_out_together_when_several_jobs_have_some(
    watched: Watched,
) -> None:
    """One round trip for all that waits."""
    watched.publisher.open(Claim("other", "token-2", last_seq=0))
    watched.publisher.publish({CLAIM.token: ["a"], "token-2": ["b", "c"]})
    watched.publisher.start()
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.wait()
    assert watched.ledger.calls == 1


@pytest.mark.parametrize(
    "trouble",
    [
        lambda ledger: ledger.errors.extend([RedisConnectionError("away")] * 3),
        lambda ledger: ledger.refusals.extend(
            [ResponseError("OOM command not allowed")] * 2
        ),
        lambda ledger: setattr(ledger, "lose_replies", 2),
    ],
    ids=["redis away", "redis full", "replies lost"],
)
def test_every_row_is_written_once_when_redis_is_in_trouble(
    watched: Watched, trouble: Callable[[MemoryLedger], None]
) -> None:
    """Rows wait, are sent again under the same numbers, and the end follows them."""
    trouble(watched.ledger)
    watched.publisher.start()
    watched.publisher.publish(rows("a", "b"))
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.wait()
    assert watched.ledger.stream == {4: "a", 5: "b"}
    assert watched.ledger.settled == [SUCCEEDED]


def test_job_is_settled_as_canceled_when_redis_says_canceling(watched: Watched) -> None:
    """Waiting rows are dropped, drawing stops, even though the job was drawn to its end."""
    watched.ledger.answer = Answer.CANCELING
    watched.publisher.publish(rows("a"))
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.publisher.start()
    watched.wait()
    assert watched.stopped == [CLAIM.token]
    assert watched.closed == [(CLAIM, CANCELED)]
    assert not watched.ledger.stream


def test_nothing_is_settled_when_the_job_is_lost(watched: Watched) -> None:
    """Someone else owns it: stop drawing, write nothing."""
    watched.ledger.answer = Answer.LOST
    watched.publisher.publish(rows("a"))
    watched.publisher.start()
    watched.wait()
    assert watched.stopped == [CLAIM.token]
    assert watched.closed == [(CLAIM, LOST)]
    assert not watched.ledger.settled


def test_cancel_is_ignored_when_only_the_end_is_left_to_write(watched: Watched) -> None:
    """The first outcome stands; a second cancel changes nothing either."""
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.publisher.cancel(CLAIM.job_id)
    watched.publisher.start()
    watched.wait()
    watched.publisher.cancel(CLAIM.job_id)
    assert watched.closed == [(CLAIM, SUCCEEDED)]


def test_stop_writes_what_waits_when_redis_is_there(watched: Watched) -> None:
    """Rows that were drawn before the worker was told to stop need not be drawn again."""
    watched.publisher.publish(rows("a", "b"))
    watched.publisher.start()
    watched.publisher.stop(5)
    assert watched.ledger.stream == {4: "a", 5: "b"}
    assert watched.publisher.open_jobs() == [CLAIM.job_id]


def test_progress_is_noted_once_when_it_is_told() -> None:
    """The newest of what waits, an estimate also where a share came after it; nothing more is said afterwards."""
    watched = Watched()
    watched.publisher.open(CLAIM)
    for told in ((0.1, "old"), (0.2, "new"), (0.3, "")):
        watched.publisher.progress(CLAIM.token, *told)
    watched.publisher.progress("another", 0.5)
    watched.publisher.start()
    wait_for(lambda: watched.ledger.told, "a round trip")
    watched.publisher.publish(rows("a"))
    watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.publisher.stop(5)
    assert watched.ledger.told == [Progress(0.3, "new")]
    assert watched.ledger.settled == [SUCCEEDED]


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer.CANCELING, JobStatus.CANCELED), (Answer.LOST, None)]
)
def test_job_is_stopped_when_its_progress_is_not_wanted(
    answer: Answer, status: JobStatus | None
) -> None:
    """Someone asked to cancel it, or has it now."""
    watched = Watched()
    watched.ledger.answer = answer
    watched.publisher.open(CLAIM)
    watched.publisher.progress(CLAIM.token, 0.5)
    watched.publisher.start()
    wait_for(lambda: watched.closed, "the end")
    watched.publisher.stop(5)
    assert watched.stopped == [CLAIM.token]
    assert [outcome.status for _, outcome in watched.closed] == [status]


@pytest.mark.parametrize("where", ["rows", "end"])
def test_job_goes_back_to_the_queue_when_confirmed_rows_are_gone(
    watched: Watched, where: str
) -> None:
    """Whether that is seen with the next rows or with the end: it is drawn no further, and not settled."""
    if where == "rows":
        watched.ledger.answer = Answer.BEHIND
        watched.publisher.publish(rows("a"))
    else:
        watched.ledger.settles = SettleAnswer.BEHIND
        watched.publisher.end(CLAIM.token, SUCCEEDED)
    watched.publisher.start()
    watched.wait()
    assert watched.closed == [(CLAIM, ROWS_GONE)]
    assert watched.stopped == ([CLAIM.token] if where == "rows" else [])


def test_job_fails_when_its_rows_are_gone_again_and_again() -> None:
    """It says that they were lost, and is not drawn for ever."""
    watched = Watched()
    watched.ledger.settles = SettleAnswer.BEHIND
    claim = Claim(
        "job", "token", last_seq=0, attempts=ATTEMPTS_BEFORE_ROWS_COUNT_AS_LOST + 1
    )
    watched.publisher.open(claim)
    watched.publisher.end(claim.token, SUCCEEDED)
    watched.publisher.start()
    watched.wait()
    watched.publisher.stop(1)
    ((_, outcome),) = watched.closed
    assert outcome.error is not None
    assert outcome.error.type == "rows-lost"
